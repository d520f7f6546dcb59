# SPDX-License-Identifier: Apache-2.0
"""Records made again, on a study that trains nothing: what is compared, with what, and what is refused."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.record import Record
from crossmem_hf.report.reproduction import Reproduction
from crossmem_hf.studies.compare import STUDY as COMPARE
from crossmem_hf.studies.first_light import STUDY as FIRST_LIGHT
from crossmem_hf.studies.reproduce import Part, _changed, _settings, reproduce
from crossmem_hf.studies.run import data_fingerprint, run_study
from tests.studies.conftest import run_here
from tests.studies.tiny_study import STUDY, TinySettings


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """The folder of a record."""
    folder = tmp_path_factory.mktemp("then")
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        settings = TinySettings(num_personas=5, seeds=3)
        run_study(STUDY, settings, folder, console=Console(file=StringIO()))
    return folder


def again(record, beside, folder, part=None):
    return reproduce(
        record,
        beside,
        folder,
        find=lambda name: STUDY,
        source="here",
        part=part,
        console=Console(file=StringIO()),
    )


def test_reproduce_finds_the_same_equal_but_not_costs(beside, in_process, tmp_path):
    then = Record.read(beside)
    found = again(then, beside, tmp_path)
    assert found.holds(exact=True)
    assert len(found.lines) == len(then.find("recall")) == 2
    assert found.fingerprints_then == found.fingerprints_now
    assert (found.study, found.part, found.settings_changed, found.notes) == ("tiny", "all of it", {}, ())
    assert Reproduction.read(tmp_path / "reproduction.json") == found


def test_reproduce_compares_some_seeds_with_their_own_measurements(beside, in_process, tmp_path):
    found = again(Record.read(beside), beside, tmp_path, Part(seeds=2, only=("known",)))
    assert in_process == ["known_seed0", "known_seed1"]
    assert found.holds(exact=True)
    assert [line.where["seed"] for line in found.lines] == [0, 1]
    assert found.notes == ("Measurements over all seeds are left out; values of single seeds have no interval.",)
    assert found.part == "the first 2 of its seeds; only known"
    assert found.fingerprints_then == found.fingerprints_now, "of the rows of all seeds"


def test_reproduce_says_what_came_out_otherwise(beside, in_process, tmp_path):
    then = Record.read(beside)
    moved = then.find("recall")[0].model_copy(update={"value": 0.3, "ci": (0.2, 0.4)})
    gone = then.find("recall")[1].model_copy(update={"metric": "unheard"})
    other = then.model_copy(
        update={
            "measurements": (moved, gone, *then.find("recall")[2:]),
            "versions": then.versions | {"torch": "9"},
            "config": then.config | {"about": "something else"},
        }
    )
    found = again(other, beside, tmp_path)
    assert [line.outcome for line in found.lines[:2]] == ["outside", "missing"]
    assert not found.holds()
    assert found.other_versions == {"torch": ("9", then.versions["torch"])}
    assert found.settings_changed == {"about": ["something else", "tests"]}


@pytest.mark.parametrize(
    ("config", "part", "said"),
    [
        ({"knobs": 3}, Part(), "the setting 'knobs', which this crossmem_hf does not know"),
        ({"known": "many"}, Part(), "known='many' should be a valid integer"),
        ({"seeds": True}, Part(), "seeds=True should not be true or false"),
        ({"seed": 5}, Part(), "its seeds are [0, 1, 2], and its settings [5, 6, 7]"),
        ({}, Part(seeds=4), "4 seeds; the record has 3"),
        ({}, Part(only=("npo",)), "The record has no 'npo'; it has known, forgotten"),
        ({"methods": "known"}, Part(only=("known",)), "The record has no known to repeat by itself"),
    ],
)
def test_reproduce_refuses_settings_that_anybody_may_have_written(beside, tmp_path, config, part, said):
    then = Record.read(beside)
    with pytest.raises(CrossmemError) as caught:
        again(then.model_copy(update={"config": then.config | config}), beside, tmp_path, part)
    assert said in str(caught.value)


def test_reproduce_refuses_a_record_without_numbers(beside, tmp_path):
    empty = Record.read(beside).model_copy(update={"measurements": ()})
    with pytest.raises(CrossmemError, match="has no numbers"):
        again(empty, beside, tmp_path)


@pytest.mark.parametrize("command", ["attack", "trace"])
def test_reproduce_says_which_commands_are_not_run_again(command, beside, tmp_path):
    other = Record.read(beside).model_copy(update={"study": command})
    with pytest.raises(CrossmemError, match=f"is of crossmem {command}; expected one of a study"):
        again(other, beside, tmp_path)


def test_reproduce_stops_at_a_cell_that_cannot_be_run(beside, in_process, tmp_path):
    then = Record.read(beside)
    failing = then.model_copy(update={"config": then.config | {"failing": "known"}})
    with pytest.raises(CrossmemError, match="A cell was not run: No memory left"):
        again(failing, beside, tmp_path)


@pytest.mark.parametrize("study", [FIRST_LIGHT, COMPARE])
def test_shipped_records_can_be_run_by_this_version(root, study):
    record = Record.read(root / "results" / study.name)
    settings = _settings(study, record, Part(model="elsewhere"))
    assert settings.all_seeds == record.seeds == (0, 1, 2, 3, 4)
    assert settings.model_name_or_path == "elsewhere"
    own = study.settings(seeds=5).as_dict()
    assert settings.replaced(model_name_or_path=None).as_dict() == own, "they are of the default settings"


@pytest.mark.slow
def test_shipped_records_are_of_the_rows_that_this_version_makes(root):
    record = Record.read(root / "results/first_light")
    assert data_fingerprint(FIRST_LIGHT, FIRST_LIGHT.settings(seeds=5)) == record.fingerprints["data"]
    compared = Record.read(root / "results/compare")
    assert data_fingerprint(COMPARE, COMPARE.settings()) == compared.fingerprints["data"]
    assert _changed(compared.config, COMPARE.settings().as_dict() | COMPARE.config(COMPARE.settings())) == {}
