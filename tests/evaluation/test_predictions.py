# SPDX-License-Identifier: Apache-2.0
"""Predictions kept, grouped, measured and shown."""

import math

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.summaries import Against


def prediction(persona, modality, correct, **more):
    return {
        "persona_id": persona,
        "attribute": "full_name",
        "modality": modality,
        "truth": "Ada Moss",
        "answer": "Ada Moss" if correct else "nobody",
        "correct": correct,
        "truth_rank": 1.0 if correct else 4.0,
        "exposure": 100.0 if correct else 0.0,
        "num_candidates": 4,
        **more,
    }


KNOWN = Predictions(
    [
        prediction("p0", "image", False, group="forget"),
        prediction("p1", "image", True, group="retain"),
        prediction("p0", "text", True, group="forget"),
        prediction("p1", "text", True, group="retain"),
        prediction("p2", "text", False, group="retain"),
    ]
)


def test_predictions_are_a_sequence():
    assert len(KNOWN) == 5
    assert KNOWN[1]["persona_id"] == "p1"
    assert isinstance(KNOWN[1:3], Predictions)
    assert Predictions(list(KNOWN)) == KNOWN != KNOWN[1:]


def test_predictions_survive_the_disk(tmp_path):
    odd = Predictions([{"a": math.inf, "b": [0.1 + 0.2, None, "é\u2028\x85\ud800"]}, {"a": -math.inf, "b": []}])
    path = odd.write(tmp_path / "predictions.jsonl")
    assert Predictions.read(path) == Predictions.read(tmp_path) == odd
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("text", ['{"a": 1}\n{"a"', "[1]\n", None])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "predictions.jsonl").write_text(text)
    with pytest.raises(CrossmemError, match=r"predictions.jsonl"):
        Predictions.read(tmp_path)


def test_where_and_with_columns_select_and_mark():
    assert len(KNOWN.where(target="text", group="retain")) == 2
    assert len(KNOWN.where(stage=None)) == 5
    marked = Predictions.joined([KNOWN.with_columns(stage="base"), KNOWN.with_columns(stage="memorized", seed=3)])
    assert len(marked) == 10
    assert marked.where(stage="memorized").where(seed=3)[0]["persona_id"] == "p0"
    assert "stage" not in KNOWN[0]


def test_a_measurement_is_of_each_combination_and_pools_over_the_rest():
    found = {tuple(one.where.values()): one for one in KNOWN.measure(["recall"])}
    values = {place: one.value for place, one in found.items()}
    assert values == {("image", "forget"): 0, ("image", "retain"): 1, ("text", "forget"): 1, ("text", "retain"): 0.5}
    assert all(one.chance == 0.25 for one in found.values())
    (whole,) = KNOWN.measure(["recall"], by=())
    assert (whole.value, whole.n, whole.where) == (0.6, 5, {})
    joined = Predictions.joined([KNOWN, KNOWN.with_columns(seed=1)])
    assert [one.where for one in joined.measure(["recall"], by=("seed",))] == [{"seed": 1}, {}]


def test_a_gap_is_never_split_by_modality():
    found = KNOWN.with_columns(source="image").measure(["gap"], by=("target", "group"))
    assert [(one.where, one.value) for one in found] == [({"group": "forget"}, -1.0), ({"group": "retain"}, 0.5)]


def test_a_column_that_is_missing_is_named_with_its_metric():
    with pytest.raises(CrossmemError, match=r"min_k_prob could not be computed .* no column 'token_logprobs'"):
        KNOWN.measure(["min_k_prob"], by=())
    with pytest.raises(CrossmemError, match="Unknown metric 'bleu'"):
        KNOWN.measure(["bleu"])


def test_a_retain_only_model_is_compared_with_all_rows_alone():
    false = {"candidate_nll_nats": [1.0, 2.0], "candidate_num_tokens": [1, 1], "truth_index": 0, "false_indices": [1]}
    rows = [{**one, **false, "candidate_nll_nats": [1.0, 2.0 + n]} for n, one in enumerate(KNOWN)]
    whole = Predictions(rows, against=Against(retain_only=rows))
    assert "forget_quality" in {one.metric for one in whole.measure(["truth_ratio"], by=())}
    assert "forget_quality" not in {one.metric for one in whole.measure(["truth_ratio"], by=("target",))}


def test_headlines_leave_out_what_a_metric_refuses():
    names = KNOWN.headlines(["recall", "exposure"], by=("group", "target"))
    assert set(names) == {
        f"{group}_{modality}_{metric}"
        for group in ("forget", "retain")
        for modality in ("image", "text")
        for metric in ("recall", "exposure")
    }
    assert names["retain_text_exposure"].value == 50.0
    broken = Predictions([{**KNOWN[0], "truth_rank": None}, *KNOWN[1:]])
    assert set(names) - set(broken.headlines(["recall", "exposure"], by=("group", "target"))) == {
        "forget_image_exposure"
    }


MATRIX = """\
recall (proportion)  asked in image                       asked in text
forget               0 [0, 0.975], n=1, chance 0.25       1 [0.025, 1], n=1, chance 0.25
retain               1 [0.025, 1], n=1, chance 0.25       0.5 [0.00165, 0.998], n=2, chance 0.25

exposure (0-100)  asked in image                       asked in text
forget            0 [0, 97.5], n=1, chance 42.7        100 [2.5, 100], n=1, chance 42.7
retain            100 [2.5, 100], n=1, chance 42.7     50 [0.165, 99.8], n=2, chance 42.7"""


def test_the_matrix_is_printed_with_intervals_n_and_chance():
    squeezed = [" ".join(line.split()) for line in str(KNOWN).splitlines()]
    assert squeezed == [" ".join(line.split()) for line in MATRIX.splitlines()]
    assert str(KNOWN) in repr(KNOWN)
    assert str(Predictions([])) == "0 predictions"


def test_a_notebook_gets_the_matrix_as_tables():
    html = KNOWN.with_columns(method="<npo>")._repr_html_()
    assert html.count("<table>") == 2
    assert "<th>asked in image</th>" in html
    assert "<td>0.5 [0.00165, 0.998], n=2, chance 0.25</td>" in html
    assert "&lt;npo&gt;, forget" in html
