# SPDX-License-Identifier: Apache-2.0
"""The study remem: its grid, and a run on a model that learns nothing."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.analysis.hooks import SITES
from crossmem_hf.studies.remem import STUDY, RememSettings
from crossmem_hf.studies.remem_cells import CHOSEN, CORRUPTED, HELD_OUT, MATCHED, STARTS, STATEMENT, TRAINING
from crossmem_hf.studies.remem_settings import COMPARED, METHODS, Composition
from crossmem_hf.studies.run import run_study
from tests.studies.conftest import run_here

NPO = {"part": "unlearning", "method": "npo", "forget": 40, "read": CHOSEN}


def only(record, metric, **where):
    """The one measurement with these values, whatever else its place says."""
    (found,) = record.find(metric, **where)
    return found


def grid(**chosen):
    return STUDY.grid(RememSettings(seeds=1, **chosen))


@pytest.fixture(scope="module")
def record(tiny_model, tmp_path_factory):
    chosen = RememSettings(
        seeds=1,
        num_personas=5,
        num_views=4,
        qa_per_persona=14,
        questions=(4,),
        single_hop=("50",),
        methods=("npo",),
        forget_percents=(20, 40),
        evaluate_at=(1, 2),
        memorize_steps=8,
        model_name_or_path=str(tiny_model),
        allow_unmemorized=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        patch.setattr("crossmem_hf.studies.remem_cells.EPOCHS", (1, 2))
        patch.setattr("crossmem_hf.studies.remem.HOPS_QUESTIONS", 4)
        patch.setattr("crossmem_hf.studies.remem_measures.HOPS_QUESTIONS", 4)
        patch.setattr("crossmem_hf.studies.remem.COMPOSITIONS", {"fiubench": Composition(pictures=1, questions=4)})
        return run_study(STUDY, chosen, tmp_path_factory.mktemp("remem"), console=Console(file=StringIO()))


def test_no_composition_is_learned_twice():
    cells = [tuple(where.items()) for where in grid(parts="memorizing")]
    assert len(cells) == len({*cells}) == 6 + 10 + 3 + 3, "70 of 100 at 50 questions, and remem's own, are there twice"


def test_all_methods_forget_once_and_three_of_them_everywhere():
    cells = grid(parts="unlearning,comparing")
    found = {}
    for where in cells:
        found.setdefault((where["base"], where["forget"]), []).append(where["method"])
    assert found == {
        ("micro-m", 20): [*STARTS, *METHODS],
        ("micro-m", 10): ["base", "memorized", *COMPARED],
        ("micro-m", 5): ["base", "memorized", *COMPARED],
        ("micro-l", 20): ["base", "memorized", *COMPARED],
    }


def test_every_composition_is_asked_along_its_epochs_or_at_the_end(record):
    assert [one.error for one in record.failures] == []
    own = {"part": "memorizing", "pictures": 1, "questions": 4, "single_hop": 70}
    for asked in (TRAINING, HELD_OUT):
        for metric in ("recall", "rouge_l", "logprob_per_token", "inverse_perplexity"):
            for epochs in (1, 2):
                assert only(record, metric, **own, budget="epochs", epochs=epochs, asked=asked, hops=None).n > 0
            assert only(record, metric, **own, budget="steps", epochs=None, asked=asked, hops=None) is not None
    assert only(record, "steps", **own, budget="steps").value == round(2 * 5 * 100 / 32), "as remem has"


@pytest.mark.parametrize("method", [*STARTS, "npo"])
def test_every_model_is_asked_the_same(record, method):
    place = {"part": "unlearning", "method": method, "forget": 40, "target": "image", "transplanted": None}
    place |= {} if method in STARTS else {"read": MATCHED}
    for hops in (None, 1, 2):
        for group in ("forget", "retain"):
            assert only(record, "recall", **place, asked=TRAINING, group=group, hops=hops) is not None
        for asked in (HELD_OUT, STATEMENT):
            for metric in ("exposure", "exposure_bits", "exposure_linear", "mrr", "exposure_taught", "min_k_prob"):
                assert only(record, metric, **place, asked=asked, group="forget", hops=hops) is not None
    assert only(record, "recall", **(place | {"target": "text"}), asked=HELD_OUT, hops=None) is not None


def test_answers_are_traced_in_all_models_that_learned_something(record):
    for method in ("memorized", "retain_only", "under_trained", "npo"):
        for kind in CORRUPTED:
            assert only(record, "total_effect", method=method, corruption=kind).n == 12
            found = {one.where["site"] for one in record.find("indirect_effect", method=method, corruption=kind)}
            assert found == {*SITES}
    assert not list(record.find("total_effect", method="base"))


def test_weights_are_brought_back_into_unlearned_models(record):
    found = [one.where for one in record.find("recall", **NPO, hops=None) if one.where.get("transplanted")]
    assert {(one["transplanted"], one["layers"]) for one in found} == {
        *(("mlp", "all"), ("attention", "all"), ("none", "all"))
    }
    assert only(record, "steps_read", **NPO).value == 2
    assert only(record, "steps_read", **(NPO | {"read": MATCHED})).value == 2, "nothing was known, so nothing was lost"


def test_other_forget_sets_are_asked_and_not_traced(record):
    found = [one.where for one in record.measurements if one.where.get("part") == "comparing"]
    assert {(one["method"], one["forget"]) for one in found} == {("base", 20), ("memorized", 20), ("npo", 20)}
    assert {one["asked"] for one in found if "asked" in one} == {TRAINING, HELD_OUT, STATEMENT}
    assert not [one for one in found if "corruption" in one or "transplanted" in one]
