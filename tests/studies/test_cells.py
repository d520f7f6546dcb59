# SPDX-License-Identifier: Apache-2.0
"""The blocks of cells on a model that learns nothing: stages are shared, kept, and keyed by what they depend on."""

from functools import partial

import pytest

from crossmem_hf.analysis.attacks.table import ATTACKS
from crossmem_hf.data.configs.candidates import other_names, recombined_names
from crossmem_hf.data.population import all_personas, forgotten_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.interventions.table import Defense
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies import cells
from crossmem_hf.studies.adapters import AttributeRows, BrokenDownError, TrainingRows, loaded
from crossmem_hf.studies.background_rows import UtilityRows
from crossmem_hf.studies.cells import Query, check_recalled, costs, predicted
from crossmem_hf.studies.settings import StudySettings
from crossmem_hf.studies.study import Cell

TEXT = TrainingRows(configs=("recall_text",), split="test")


@pytest.fixture
def cell(tiny_model, tmp_path):
    settings = StudySettings(num_personas=5, num_views=1, seeds=1, model_name_or_path=str(tiny_model))
    return Cell(settings=settings, where={"seed": 0}, stages=tmp_path / "stages", progress=lambda *_: None)


@pytest.mark.parametrize(("rivals", "count"), [("untaught", 5), (2, 3), (7, 8), ("recombined", 21)])
def test_predicted_ranks_among_as_many_names_as_it_is_told(cell, rivals, count):
    """Of five personas there are twenty first names with the last name of another."""
    query = Query(rows=TEXT, metrics=("exposure",), views=1, rivals=rivals)
    found = predicted(cell, f"among_{rivals}", query, None)
    assert {one["num_candidates"] for one in found} == {count}
    assert len(found) == 5
    assert all(1 <= one["truth_rank"] <= count for one in found)


def test_rivals_are_new_names_or_taught_ones_recombined(cell):
    spec = cell.settings.spec(0)
    taught = {one.full_name for one in all_personas(5, 0)}
    assert not taught & {*other_names(spec, 50)}
    assert other_names(spec, 50)[:7] == other_names(spec, 7)
    firsts, lasts = ({name.split()[place] for name in taught} for place in (0, -1))
    for name in recombined_names(spec):
        first, last = name.split()
        assert name not in taught
        assert first in firsts
        assert last in lasts


@pytest.mark.parametrize(("rows", "count"), [(UtilityRows(num_personas=1), 6), (AttributeRows(), 10)])
def test_predicted_asks_what_the_base_knew_before(cell, rows, count):
    query = Query(rows=rows, metrics=("utility",), max_new_tokens=2)
    found = predicted(cell, "before", query, None, group="utility")
    assert len(found) == count
    assert {one["group"] for one in found} == {"utility"}
    assert found.measure(["utility"], ())[0].value == 0.0


def silenced(model):
    """The model is replaced by one that ends its turn at once."""
    for parameter in model.parameters():
        parameter.data.zero_()
    return model


def test_predicted_asks_once_and_remembers(cell, monkeypatch):
    query = Query(rows=TEXT, metrics=("recall", "exposure"), max_new_tokens=2)
    first = predicted(cell, "base", query, None, stage="base")
    assert {one["stage"] for one in first} == {"base"}
    assert {one["group"] for one in first} == {"forget", "retain"}
    assert {one["persona_id"] for one in first.where(group="forget")} == forgotten_ids(cell.settings.spec(0))
    monkeypatch.setattr(cells, "loaded", None)  # whoever asks again fails
    assert predicted(cell, "base", query, None, stage="base") == first
    assert [path.name for path in cell.stages.iterdir() if path.is_dir()] == ["base"]


def test_predicted_asks_the_model_that_prepare_gives(cell):
    query = Query(rows=TEXT, metrics=("exposure",))
    plain, other = predicted(cell, "plain", query, None), predicted(cell, "silenced", query, None, prepare=silenced)
    assert [one["row"] for one in plain] == [one["row"] for one in other]
    assert {one["truth_rank"] for one in other} != {one["truth_rank"] for one in plain}
    keys = [(cell.stages / name / "done.json").read_text() for name in ("plain", "silenced")]
    assert "silenced" in keys[1]
    assert "silenced" not in keys[0]


def evading(model, processor, forget):
    """A defense that says the same whoever is asked about."""
    word = processor.tokenizer.convert_tokens_to_ids("a") if len(set(forget["persona_id"])) == 1 else 0
    return Defense(logits_processor=lambda _, scores: scores.index_fill(1, scores.new_tensor([word]).long(), 1e9))


def test_predicted_asks_under_a_defense(cell):
    query = Query(rows=TEXT, metrics=("recall", "exposure"), max_new_tokens=2)
    plain, other = predicted(cell, "plain", query, None), predicted(cell, "evading", query, None, defense=evading)
    assert {one["answer"] for one in other} == {"aa"}
    assert "aa" not in {one["answer"] for one in plain}
    assert [one["exposure"] for one in other] == [one["exposure"] for one in plain]
    assert "tests.studies.test_cells.evading" in (cell.stages / "evading" / "done.json").read_text()


def test_predicted_asks_as_an_attack_does(cell):
    query = Query(rows=TEXT, metrics=("recall",), max_new_tokens=2)
    sampling = partial(ATTACKS["sampling"], num_samples=2)
    found = predicted(cell, "attacked", query, None, attack=sampling, stage="base")
    assert {(one["num_samples"], one["stage"]) for one in found} == {(2, "base")}
    (cell.stages / "attacked" / "predictions.jsonl").unlink()  # a stage that is not whole is made again
    assert predicted(cell, "attacked", query, None, attack=sampling, stage="base") == found
    inputs = (cell.stages / "attacked" / "done.json").read_text()
    assert "crossmem_hf.analysis.attacks.sampling.sampling()[('num_samples', 2)]" in inputs


def test_loaded_refuses_an_adapter_whose_training_broke_down(cell, tmp_path):
    broken = Done(tmp_path / "npo_seed0", "key", {"failed": "Weights are NaN"})
    with pytest.raises(BrokenDownError, match="npo_seed0: Weights are NaN"):
        loaded(cell, broken)


def test_costs_have_names_and_units():
    result = {"steps": 3, "cost": {"wall_s": 1.234, "cpu_s": 2.0, "peak_mib": 100.06}}
    found = costs(Done(None, "", result), {"seed": 0})
    assert [(one.metric, one.value, one.unit) for one in found] == [
        ("steps", 3.0, "steps"),
        ("wall_s", 1.23, "seconds"),
        ("cpu_s", 2.0, "seconds"),
        ("peak_mib", 100.1, "MiB"),
    ]


def test_check_recalled_wants_every_modality():
    known = [{"modality": "image", "correct": True}, {"modality": "text", "correct": False}]
    with pytest.raises(CrossmemError, match=r"recall image 1\.00, text 0\.00; expected 0\.9"):
        check_recalled(Predictions(known), StudySettings())
    check_recalled(Predictions(known), StudySettings(allow_unmemorized=True))
    check_recalled(Predictions(known), StudySettings(min_recall=0.0))
