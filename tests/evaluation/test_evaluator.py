# SPDX-License-Identifier: Apache-2.0
"""One evaluator: what the engine says of every row, in parts that a killed run does not do again."""

import math

import numpy as np
import pytest
import torch

from crossmem_hf.data.personas import PersonaDataset
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import passes
from crossmem_hf.evaluation.evaluator import CrossModalEvaluator, Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.metrics.exposure.exposure_math import exposure_items
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from tests.training import knowing, tiny

NAMES = knowing.NAMES
ROWS = tiny.rows("p0", "p1", "p2", modality="mixed", views=2)
OPTIONS = {"metrics": ["recall", "exposure"], "candidates": NAMES, "forgotten": ["p1"]}


@pytest.fixture(scope="module")
def model():
    return tiny.memorized().eval()


@pytest.fixture(scope="module")
def found(model):
    return Evaluator(ROWS, **OPTIONS)(model, tiny.processor())


def test_predictions_are_what_the_engine_says_row_by_row(model, found):
    for row, one in zip(ROWS, found, strict=True):
        costs = score_candidates(model, tiny.processor(), [row], NAMES).nll_per_token
        ranks = exposure_items(costs, [NAMES.index(row["answer"])])
        assert (one["truth_rank"], one["exposure"]) == (ranks.rank[0], ranks.exposure[0])
        (answer,) = generate_answers(model, tiny.processor(), [row], max_new_tokens=20)
        assert one["answer"] == answer or answer.startswith(one["answer"])
        assert one["correct"] == (one["answer"].lower() == row["answer"].lower())
        assert one["group"] == ("forget" if row["persona_id"] == "p1" else "retain")
        assert (one["truth"], one["modality"], one["num_candidates"]) == (row["answer"], row["modality"], 4)
    assert len({one["row"] for one in found}) == len(ROWS)


def test_predictions_have_the_columns_that_metrics_need_or_all(model, found):
    assert not {"candidates", "candidate_nll_nats", "token_logprobs"} & found[0].keys()
    one = Evaluator(ROWS.select([0]), keep="all", **(OPTIONS | {"forgotten": []}))(model, tiny.processor())[0]
    assert one["candidates"] == NAMES
    assert {name: one[name] for name in found[0]} == found[0]


def test_model_and_random_numbers_stay_as_they_were():
    trained, state = tiny.memorized().train(), torch.get_rng_state()
    before = tiny.weights(trained)
    Evaluator(ROWS.select([0, 1]), **OPTIONS)(trained, tiny.processor())
    assert trained.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], weight) for name, weight in tiny.weights(trained).items())


def test_finished_parts_are_not_done_again_and_others_never_met(model, found, tmp_path, monkeypatch):
    evaluator = Evaluator(ROWS, **OPTIONS)
    first = evaluator(model, tiny.processor(), output_dir=tmp_path, made_from="this model")
    assert first == found == Predictions.read(tmp_path)
    queried = []
    for name in ("generate_answers", "score_candidates"):
        real = getattr(passes, name)
        monkeypatch.setattr(passes, name, lambda *a, real=real, **k: queried.append(len(a[2])) or real(*a, **k))
    assert evaluator(model, tiny.processor(), output_dir=tmp_path, made_from="this model") == first
    assert not queried
    log = next(path for path in tmp_path.glob("jobs/generation-*/0.jsonl"))
    lines = log.read_text().splitlines()
    log.write_text(lines[0] + "\n" + lines[1][:20])  # as a killed run leaves it
    assert evaluator(model, tiny.processor(), output_dir=tmp_path, made_from="this model") == first
    assert 0 < sum(queried) < len(ROWS)
    queried.clear()
    evaluator(model, tiny.processor(), output_dir=tmp_path, made_from="another model")
    assert sum(queried) == 2 * len(ROWS)
    with pytest.raises(CrossmemError, match="expected both or neither"):
        evaluator(model, tiny.processor(), output_dir=tmp_path)


def test_recall_is_the_share_of_full_right_answers(monkeypatch):
    given = iter([row["answer"].upper() if n < 2 else row["answer"].split()[0] + " Z" for n, row in enumerate(ROWS)])
    monkeypatch.setattr(passes, "generate_answers", lambda *a, **k: [next(given) for _ in a[2]])
    monkeypatch.setattr(passes, "in_shards", lambda rows, work, **_: work(list(rows)))
    assert Evaluator(ROWS, metrics=["recall"]).recall(None, tiny.processor()) == 2 / len(ROWS)


def test_perplexity_is_that_of_answers_about_the_forgotten(model, found):
    evaluator = Evaluator(ROWS, **OPTIONS)
    said = Predictions([{**one, "answer": "Cy" if n else " "} for n, one in enumerate(found)])
    known = evaluator.with_perplexity(said, model, tiny.processor())
    for row, one in zip(ROWS, known, strict=True):
        if one["group"] == "retain" or one["answer"] == " ":
            assert one["perplexity"] is None
        else:
            (tokens,) = score_answers(model, tiny.processor(), [{**row, "completion": None, "answer": "Cy"}])
            assert one["perplexity"] == pytest.approx(math.exp(-np.mean(tokens.content.logprobs)))
    with pytest.raises(CrossmemError, match="of other rows"):
        evaluator.with_perplexity(said[1:], model, tiny.processor())


def test_altered_asks_the_same_but_for_what_is_named(model, found):
    def silent(_, scores):
        ended = torch.full_like(scores, -math.inf)
        ended[:, tiny.processor().tokenizer.eos_token_id] = 0
        return ended

    evaluator = Evaluator(ROWS, **OPTIONS)
    silenced = evaluator.altered(logits_processor=silent)(model, tiny.processor())
    assert {one["answer"] for one in silenced} == {""}
    assert [{**one, "answer": "", "correct": False} for one in found] == list(silenced)
    ranked = Evaluator(ROWS, metrics=["recall"], candidates=NAMES).altered(metrics=["exposure"], forgotten=["p1"])
    assert [one["truth_rank"] for one in ranked(model, tiny.processor())] == [one["truth_rank"] for one in found]


def test_the_truth_is_ranked_among_untaught_values_and_besides_among_the_candidates(model, found):
    untaught = ["Zed Quill", "Uma Vale"]
    evaluator = Evaluator(ROWS, **OPTIONS | {"metrics": ["exposure", "exposure_taught"]}, untaught=untaught)
    for row, one, before in zip(ROWS, evaluator(model, tiny.processor()), found, strict=True):
        costs = score_candidates(model, tiny.processor(), [row], [row["answer"], *untaught]).nll_per_token
        assert one["truth_rank"] == exposure_items(costs, [0]).rank[0]
        assert one["num_candidates"] == 3
        assert (one["taught_rank"], one["num_taught"]) == (before["truth_rank"], before["num_candidates"])


def test_untaught_values_that_were_taught_are_refused():
    with pytest.raises(CrossmemError, match="is among the candidates of 'full_name' and among its untaught values"):
        Evaluator(ROWS, **OPTIONS, untaught=[NAMES[0], "Zed Quill"])


def test_a_likelihood_that_is_no_number_gives_no_rank(model, monkeypatch):
    real = passes.score_candidates

    def broken(*given, **named):
        scores = real(*given, **named)
        scores.nll_nats[0, 1] = math.nan
        return scores

    monkeypatch.setattr(passes, "score_candidates", broken)
    one = Evaluator(ROWS.select([0]), metrics=["exposure"], candidates=NAMES)(model, tiny.processor())[0]
    assert (one["truth_rank"], one["exposure"]) == (None, None)


def test_holdout_rows_are_what_priv_leak_compares_with(model):
    evaluator = Evaluator(ROWS.select([0, 1]), metrics=["priv_leak"], holdout=tiny.rows("p3", views=2))
    predictions = evaluator(model, tiny.processor())
    assert [one["persona_id"] for one in predictions.against.holdout] == ["p3", "p3"]
    (auc,) = predictions.measure(["priv_leak"], by=())
    assert (auc.metric, auc.n) == ("priv_leak_auc", 4)


def test_chance_and_groups_are_known_before_any_pass():
    evaluator = Evaluator(ROWS, **OPTIONS)
    assert evaluator.groups == ("forget", "retain")
    assert evaluator.modalities == ["image", "text"]
    assert evaluator.chance("forget") == evaluator.chance() == {"image": 0.25, "text": 0.25}
    assert Evaluator(ROWS, metrics=["recall"]).chance() == pytest.approx({"image": 1 / 3, "text": 1 / 3})


MISTAKES = {
    "no holdout": ({"metrics": ["priv_leak"]}, "priv_leak compares with rows that no model saw"),
    "no rows": ({"rows": ROWS.select([])}, "no forget rows to ask"),
    "no modality": ({"rows": ROWS.remove_columns("modality")}, r"forget rows lack the columns \['modality'\]"),
    "no dataset": ({"rows": [1]}, "expected a datasets.Dataset"),
    "a judge": ({"metrics": ["judge"]}, "judge reads answer, correct, judge_score of predictions"),
    "nobody of that id": ({"forgotten": ["p0", "x1"]}, "Unknown id 'x1'"),
    "no metric": ({"metrics": []}, "There is no metric"),
    "no truth": ({"candidates": NAMES[1:]}, "'Ada Moss' of row 0 of the forget rows is not among the 3 candidates"),
    "one candidate": ({"candidates": ["Ada Moss"]}, "There is 1 candidate"),
    "twice": ({"candidates": [*NAMES, "Cy"]}, "each once"),
    "a string": ({"candidates": "Ada Moss"}, "each once"),
    "no such attribute": ({"candidates": {"job": ["a", "b"]}}, "no candidates for 'full_name'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_before_any_pass(mistake):
    changes, said = MISTAKES[mistake]
    rows, options = changes.get("rows", ROWS), {name: value for name, value in changes.items() if name != "rows"}
    with pytest.raises(CrossmemError, match=said):
        Evaluator(rows, name="forget", **(OPTIONS | options))


def test_cross_modal_rows_are_of_both_modalities_and_all_personas():
    data = PersonaDataset(num_personas=5, num_views=1)
    evaluator = CrossModalEvaluator(data, split="validation")
    assert set(evaluator.rows["modality"]) == {"image", "text"}
    assert set(evaluator.rows["persona_id"]) == {persona.id for persona in data.personas}
    assert evaluator.forgotten == data.forgotten
    assert evaluator.questions.by_attribute["full_name"] == tuple(data.candidates()["full_name"])
    assert repr(evaluator).startswith("CrossModalEvaluator(")
    facts = CrossModalEvaluator(data, metrics=["exposure"], config="qa")
    assert set(facts.rows["hops"]) == {1, 2}
    for split in ("test", "far"):
        rows = CrossModalEvaluator(data, metrics=["exposure"], config="qa", split=split).rows
        assert {template.split("-")[0] for template in rows["template"]} == {split}
    assert set(facts.rows["prompt"][0][0]) == {"role", "content"}
    with pytest.raises(CrossmemError, match="Unknown config 'captions'"):
        CrossModalEvaluator(data, config="captions")


def test_judged_measures_answers_from_elsewhere():
    rows = PersonaDataset(num_personas=5)["recall_text", "test"]
    evaluator = Evaluator(rows, metrics=["recall"], forgotten=["t0-00000"])
    answers = [row["answer"] if row["persona_id"] == "t0-00000" else "Nobody Else" for row in rows]
    found = {one.where["group"]: one.value for one in evaluator.judged(answers).measure(["recall"], ["group"])}
    assert found == {"forget": 1.0, "retain": 0.0}
    with pytest.raises(CrossmemError, match="19 answers to 20 rows"):
        evaluator.judged(answers[1:])
