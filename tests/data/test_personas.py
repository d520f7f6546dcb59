# SPDX-License-Identifier: Apache-2.0
import pytest

from crossmem_hf.data.contents import personas_of
from crossmem_hf.data.loading import load_rows
from crossmem_hf.data.personas import PersonaDataset
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError


@pytest.fixture(scope="module")
def data():
    return PersonaDataset(num_personas=10, num_views=1, qa_per_persona=4)


def test_persona_dataset_takes_the_fields_of_the_spec():
    assert PersonaDataset().spec == DatasetSpec()
    assert PersonaDataset(preset="remem", num_views=5).spec == DatasetSpec.remem(num_views=5)
    with pytest.raises(CrossmemError, match=r"Unknown knob 'num_people' .*Choose from num_personas, num_views"):
        PersonaDataset(num_people=5)


def test_persona_dataset_has_the_rows_of_load_rows(data):
    knobs = data.spec.as_dict()
    assert data["recall_text"].to_list() == load_rows(None, "recall_text", "train", **knobs).to_list()
    assert data["recall_text", "test"].to_list() == load_rows(None, "recall_text", "test", **knobs).to_list()
    assert set(data["recall_text"]["template"]).isdisjoint(data["recall_text", "far"]["template"])
    assert len(data["qa"]) == len(data["qa", "forget"]) + len(data["qa", "retain"])
    with pytest.raises(CrossmemError, match="Unknown config 'recal'"):
        data["recal"]
    with pytest.raises(CrossmemError, match="Unknown split 'holdout' of config 'qa'"):
        data["qa", "holdout"]
    for odd in (3, ("qa",), ("qa", "forget", "x"), ("qa", 0)):
        with pytest.raises(CrossmemError, match="names no rows"):
            data[odd]


def test_persona_dataset_forgets_whom_its_forget_splits_hold(data):
    assert data.forgotten == set(data["qa", "forget"]["persona_id"])
    assert data.forgotten == {persona.id for persona in personas_of("profiles", "forget", data.spec)}


@pytest.mark.parametrize(("config", "fraction", "count"), [("recall_text", None, 2), ("qa", 0.5, 5)])
def test_forget_retain_parts_all_rows_by_persona(data, config, fraction, count):
    forget, retain = data.forget_retain(config, fraction)
    forgotten, retained = set(forget["persona_id"]), set(retain["persona_id"])
    assert (len(forgotten), len(retained)) == (count, 10 - count)
    assert not forgotten & retained
    assert data.forgotten <= forgotten
    assert len(forget) + len(retain) == len(data[config])


def test_forget_retain_of_another_split_and_of_rows_about_nobody(data):
    forget, retain = data.forget_retain("recall_text", split="test")
    assert len(forget) + len(retain) == len(data["recall_text", "test"])
    with pytest.raises(CrossmemError, match="Rows of 'candidates' are about no single persona"):
        data.forget_retain("candidates")
    with pytest.raises(CrossmemError, match="leaves an empty forget set"):
        data.forget_retain("recall_text", 0.01)
    with pytest.raises(CrossmemError, match="'forget' of 'qa' has no row about those to retain"):
        data.forget_retain("qa", split="forget")


def test_candidates_are_all_values_of_the_population(data):
    assert data.candidates()["full_name"] == [persona.full_name for persona in data.personas]
    assert len(data.candidates()["job"]) > 1


def test_persona_dataset_repr_is_a_line_of_knobs_and_configs(data):
    shown = repr(data)
    knobs = "num_personas=10, seed=0, num_views=1, qa_per_persona=4"
    assert shown.startswith(f"PersonaDataset({knobs}), forgets 2; configs: recall_image, ")
    assert "\n" not in shown
