# SPDX-License-Identifier: Apache-2.0
"""The study compare: its grid, what it measures of planted answers, and a run on a model that learns nothing."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Record
from crossmem_hf.studies.compare import STUDY, CompareSettings
from crossmem_hf.studies.run import NOT_RUN, run_study
from crossmem_hf.studies.study import cell_name
from tests.studies.conftest import run_here


def settings(tiny_model, **changes):
    chosen = {
        "methods": ("npo",),
        "forget_modality": ("text",),
        "seeds": 1,
        "num_personas": 5,
        "memorize_steps": 2,
        "evaluate_at": (1, 2),
        "model_name_or_path": str(tiny_model),
        "allow_unmemorized": True,
    }
    return CompareSettings(**(chosen | changes))


def run(chosen, folder):
    return run_study(STUDY, chosen, folder, console=Console(file=StringIO()))


@pytest.fixture(scope="module")
def folder(tiny_model, tmp_path_factory):
    """Of one run."""
    place = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        run(settings(tiny_model), place)
    return place


def test_grid_has_baselines_first_and_every_combination():
    chosen = CompareSettings(methods="gd,npo", forget_modality="both", seed=3, seeds=2)
    assert [cell_name(where) for where in STUDY.grid(chosen)] == [
        f"{name}_seed{seed}" for name in ("base", "memorized", "retain_only", "gd_both", "npo_both") for seed in (3, 4)
    ]


def test_compare_measures_every_method_in_both_modalities(folder):
    record = Record.read(folder)
    places = [{"method": "base"}, {"method": "memorized"}, {"method": "retain_only"}]
    unlearned = {"method": "npo", "forget_modality": "text"}
    for place in (*places, unlearned, unlearned | {"step": 1}, unlearned | {"step": 2}):
        for group, count in (("forget", 4 * 1), ("retain", 2 * 4)):
            for target in ("image", "text"):
                assert record.one("recall", **place, group=group, target=target).n == count, "views times personas"
                ranked = record.one("exposure", **place, group=group, target=target)
                assert (ranked is None) == (group == "retain")
    for place in (*places, unlearned):
        assert (record.one("cpu_s", **place) is None) == (place["method"] == "base")
    assert record.one("steps", method="memorized").value == 2
    assert record.one("steps", **unlearned).value == 2
    assert record.one("matched_step", **unlearned).value == 2, "nothing was known, so nothing was lost"
    assert len(Predictions.read(folder)) == (3 + 2) * (4 * 1 + 2 * 4) * 2
    assert record.config["unlearning"]["npo"]["max_steps"] == 2


def test_compare_runs_only_what_another_method_adds(folder, tiny_model, in_process):
    before = Record.read(folder)
    grown = run(settings(tiny_model, methods=("npo", "ga")), folder)
    assert in_process == ["ga_text_seed0"]
    assert {one.key for one in before.measurements} < {one.key for one in grown.measurements}
    assert run(settings(tiny_model), folder) == before


def test_compare_takes_a_breakdown_as_a_result(folder, tiny_model, in_process, monkeypatch):
    tries = []

    def broken(*args, output_dir, **named):
        tries.append(output_dir)
        (output_dir / "last_good").mkdir()
        raise CrossmemError(f"The loss at step 3 is NaN; good weights are in {output_dir}.", "Lower the rate.")

    monkeypatch.setattr("crossmem_hf.training.unlearn.unlearn", broken)
    for _ in range(2):
        record = run(settings(tiny_model, methods=("gd",)), folder)
        assert [one.error for one in record.failures] == ["gd_text_seed0: The loss at step 3 is NaN"]
        assert not record.find(method="gd")
    assert len(tries) == 1, "a breakdown is finished work"


def test_compare_does_not_unlearn_what_was_not_memorized(folder, tiny_model, in_process):
    record = run(settings(tiny_model, methods=("kl",), allow_unmemorized=False), folder)
    assert [one.error.partition(".")[0] for one in record.failures] == [
        f"{NOT_RUN}The personas were not memorized: recall image 0"
    ]
    assert "memorized, image (seed 0): 0.00" in str(STUDY.uninterpretable(record))
    known = run(settings(tiny_model, allow_unmemorized=False), folder)  # cells of a run that allowed it
    assert known.failures == ()
    assert STUDY.uninterpretable(known) is not None


def prediction(answer, method="npo", *, persona="p0", group="forget", modality="image", hops=1, rank=3.0, **more):
    return {
        "persona_id": persona,
        "seed": 0,
        "method": method,
        "group": group,
        "modality": modality,
        "hops": hops,
        "attribute": "full_name",
        "answer": answer,
        "truth": "Ada Moss",
        "correct": answer == "Ada Moss",
        "truth_rank": rank,
        "taught_rank": rank,
        "num_taught": 10,
        "exposure": 50.0,
        "num_candidates": 10,
        "perplexity": 5.0,
    } | more


def measured(*predictions):
    found = STUDY.measure(Predictions(predictions))
    return {
        (one.metric, *(str(one.where.get(key)) for key in ("method", "group", "target", "hops"))): one for one in found
    }


def test_measure_tells_groups_modalities_and_hops_apart():
    said = [
        prediction("Ada Moss"),
        prediction("x", hops=2),
        prediction("Ada Moss", modality="text"),
        prediction("y", group="retain"),
    ]
    found = measured(*said)
    assert found["recall", "npo", "forget", "image", "None"].value == 0.5
    assert found["recall", "npo", "forget", "image", "1"].value == 1.0
    assert found["recall", "npo", "forget", "image", "2"].value == 0.0
    assert found["recall", "npo", "forget", "text", "None"].n == 1
    assert found["recall", "npo", "retain", "image", "None"].value == 0.0
    assert ("forgotten", "npo", "retain", "image", "None") not in found
    assert {name for name, *_ in found} == {
        *("recall", "partial_recall", "exposure", "exposure_taught"),
        *("forgotten", "refused", "collapsed", "still_known", "refusals"),
    }


def test_measure_says_what_became_of_forgotten_facts():
    """Said, refused, repeated, another name, known though unsaid: by the rules of forget_diagnosis."""
    said = ["Ada Moss", "I do not know this person.", "Bo Bo Bo Bo Bo Bo", "Bo Ferris"]
    found = measured(*map(prediction, said), prediction("Bo Ferris", rank=1.0))
    outcomes = ("forgotten", "refused", "collapsed", "still_known")
    assert [found[name, "npo", "forget", "image", "None"].value for name in outcomes] == [0.2, 0.2, 0.2, 0.4]


def test_measure_takes_for_noise_what_the_retain_only_model_never_says():
    fluent = [prediction("Bo Ferris", "retain_only", perplexity=float(n)) for n in range(1, 101)]
    found = measured(*fluent, prediction("Zyx Qw", perplexity=500.0), prediction("Cy Oz"))
    assert found["collapsed", "npo", "forget", "image", "None"].value == 0.5
    notes = list(STUDY.notes(CompareSettings(), Predictions(fluent)))
    assert "above perplexity 99.01" in notes[-1]
    assert len(list(STUDY.notes(CompareSettings(), Predictions([])))) == len(notes) - 1


LOOKS = "pale short black brown none none none none sweater red round none"


def test_measure_keeps_utility_apart_and_over_both_modalities():
    answers = {"visual_attributes": False, "full_name": True, "unknown_name": True}
    others = [
        prediction(
            "I do not know this person.",
            group="utility",
            attribute=name,
            modality=modality,
            correct=right,
            truth=LOOKS,
        )
        for name, right in answers.items()
        for modality in ("image", "text")
    ]
    found = measured(prediction("x"), *others)
    assert (
        found["utility", "npo", "None", "None", "None"].value,
        found["utility", "npo", "None", "None", "None"].n,
    ) == (
        pytest.approx(2 / 3),
        6,
    )
    assert found["recall", "npo", "forget", "image", "None"].n == 1
    assert not [place for place in found if place[2] == "utility"]


def test_notes_say_the_budget_and_where_methods_are_matched():
    said = " ".join(STUDY.notes(CompareSettings(evaluate_at="5,9"), Predictions([])))
    assert "runs 9 steps, whatever it does, and is queried after 5, 9" in said
    assert "at least 90% of the memorized" in said


@pytest.mark.slow
def test_compare_unlearns_the_embedded_model_in_worker_processes(tmp_path):
    chosen = CompareSettings(methods="npo", forget_modality="both", seeds=1, seed=7, num_personas=20, evaluate_at="30")
    record = run_study(STUDY, chosen, tmp_path, workers=2, console=Console(file=StringIO()))
    found = record.find("recall", group="forget", target="image", step=None)
    recalls = {one.where["method"]: one.value for one in found}
    assert recalls["memorized"] > 0.8
    assert recalls["npo"] < 0.3
    assert recalls["retain_only"] < 0.3
