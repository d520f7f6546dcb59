# SPDX-License-Identifier: Apache-2.0
"""The study first_light on a model that learns nothing: what it measures, shows and refuses to interpret."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import NEAREST, Record
from crossmem_hf.studies.first_light import STUDY
from crossmem_hf.studies.run import run_study
from crossmem_hf.studies.settings import TrainingSettings
from tests.studies.conftest import run_here

STAGES = ("base", "memorized", "unlearned")


@pytest.fixture(scope="module")
def settings(tiny_model):
    return TrainingSettings(
        num_personas=5,
        num_views=2,
        seeds=1,
        model_name_or_path=str(tiny_model),
        memorize_steps=2,
        memorize_batch_size=4,
        evaluate_at=(1, 2),
        unlearn_batch_size=2,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, settings):
    """Of one run."""
    place = tmp_path_factory.mktemp("first_light")
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch, pages=True)
        run_study(STUDY, settings, place, console=Console(file=StringIO()))
    return place


def test_first_light_measures_the_matrix_at_every_stage(folder):
    record = Record.read(folder)
    assert record.failures == ()
    for stage in STAGES:
        for source in MODALITIES:
            for target in MODALITIES:
                for group, n in ((None, 20), ("forget", 4), ("retain", 16)):
                    where = {"stage": stage, "source": source, "target": target, "group": group}
                    found = record.one("recall", **where)
                    assert (found.n, found.chance) == (n, 0.2)
                    facts = [record.one("recall", **where, hops=hops) for hops in (1, 2)]
                    assert [(one.n, one.chance) for one in facts] == [(n, 0.2)] * 2
                ranked = [record.one("exposure", **where | {"group": "forget"}, hops=hops).n for hops in (1, 2)]
                assert ranked == [4, 4]
            assert record.one("gap", stage=stage, source=source).where["seed"] == 0
    assert {one.metric for one in record.measurements} == {
        *("recall", "gap", "exposure", "exposure_taught", "partial_recall", "name_shaped"),
    } | {one.metric for one in record.find("transfer")}
    names, facts, ranked = 40, 80, 16
    assert len(Predictions.read(folder)) == 2 * (3 * (names + facts + ranked) + names + names // 2)


def test_first_light_says_what_there_is_to_have_without_a_model(folder):
    record = Record.read(folder)
    found = record.find("recall", stage=NEAREST)
    assert [(one.where["source"], one.where["target"], one.n) for one in found] == [
        (modality, modality, 20) for modality in MODALITIES
    ]
    assert all(one.value > 0.5 for one in found)
    assert "Without any model" in (folder / "report.html").read_text()


def test_first_light_shows_private_facts(folder):
    page = (folder / "report.html").read_text()
    assert "One private fact of each persona" in page
    assert "A private fact learned beside each name from portraits alone" in page


def test_first_light_shows_its_personas(folder):
    record = Record.read(folder)
    assert [sum(member.forgotten for member in record.cast), len(record.cast)] == [1, 5]
    assert len(record.items) == 2 * 3 * 2 * 5
    assert {one.where["group"] for one in record.items} == {"forget", "retain"}
    assert {one.where["stage"] for one in record.examples} == set(STAGES)
    page = (folder / "report.html").read_text()
    assert record.cast[0].full_name in page
    assert "data:image/png" in page


def test_first_light_follows_unlearning_along_its_steps(folder):
    record = Record.read(folder)
    for place in ({"step": 1}, {}):
        found = record.one("recall", stage="unlearned", source="image", target="text", group="forget", **place)
        assert found.n == 4
    assert "Unlearning runs 2 steps, whatever it does" in record.notes[1]


def test_first_light_is_not_interpreted_where_nobody_was_memorized(folder, settings, in_process):
    said = STUDY.uninterpretable(Record.read(folder))
    assert said is not None
    assert "(seed 0): 0.00" in said
    allowed = run_study(STUDY, settings.replaced(allow_unmemorized=True), folder, console=Console(file=StringIO()))
    assert STUDY.uninterpretable(allowed) is None
    assert in_process == []


def test_first_light_adapters_say_what_they_are(folder):
    import json

    found = [json.loads(file.read_text())["result"]["where"] for file in folder.glob("stages/*/done.json")
             if (file.parent / "adapter_config.json").exists()]  # fmt: skip
    assert sorted((where["stage"], where["source"], where["seed"]) for where in found) == [
        (stage, source, 0) for stage in ("memorized", "unlearned") for source in MODALITIES
    ]


def test_claims_of_the_shipped_record_point_the_way_of_the_paper(root):
    """The gaps are there; no name and no fact was left in the other modality, in any seed, which decides nothing."""
    from crossmem_hf.studies.claims import verdict

    record = Record.read(root / "results/first_light")
    found = [verdict(claim, record.measurements, record.seeds) for claim in STUDY.claims(None)]
    assert [one.n for one in found] == [5] * 8
    assert [one.verdict for one in found] == 2 * ["supported", "supported", "inconclusive", "inconclusive"]


@pytest.mark.slow
def test_first_light_goes_on_in_worker_processes(settings, tmp_path):
    run_study(STUDY, settings, tmp_path, workers=2, console=Console(file=StringIO()))
    before = (tmp_path / "record.json").read_bytes()
    run_study(STUDY, settings, tmp_path, workers=2, console=Console(file=StringIO()))
    assert (tmp_path / "record.json").read_bytes() == before
