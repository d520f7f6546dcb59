# SPDX-License-Identifier: Apache-2.0
"""Sentences follow the numbers: each claim appears when an interval supports it and is gone when it does not."""

import re

import pytest

from crossmem_hf.report import modality_text as text
from crossmem_hf.report.text import headline


def gaps(make_record, make_measurement, **intervals):
    """A record of gaps alone; ``image=(low, value, high)``."""
    fields = {"metric": "gap", "chance": 0.0}
    found = [
        make_measurement(source=s, target=None, ci=(low, high), value=value, **fields)
        for s, (low, value, high) in intervals.items()
    ]
    return make_record(seeds=(0,), measurements=tuple(found))


@pytest.mark.parametrize(
    ("intervals", "sentence"),
    [
        ({"image": (0.4, 0.5, 0.6), "text": (0.1, 0.2, 0.3)}, "in both directions"),
        ({"image": (0.4, 0.5, 0.6), "text": (-0.1, 0.1, 0.3)}, "learned from portraits is recalled worse .* cannot"),
        (
            {"image": (-0.1, 0.0, 0.1), "text": (0.1, 0.2, 0.3)},
            "learned from descriptions is recalled worse .* cannot",
        ),
        ({"image": (0.4, 0.5, 0.6), "text": (-0.3, -0.2, -0.1)}, "from descriptions it is recalled better"),
        ({"image": (0.4, 0.5, 0.6)}, "the other direction was not measured"),
        ({"image": (-0.1, 0.0, 0.1), "text": (-0.1, 0.1, 0.2)}, "cannot tell recall in one modality"),
        ({"image": (-0.3, -0.2, -0.1), "text": (-0.1, 0.1, 0.2)}, "learned from portraits is recalled better"),
        ({}, "^0 measurements of 0 metrics over 1 persona seed.$"),
    ],
)
def test_headline_follows_the_intervals(make_record, make_measurement, intervals, sentence):
    assert re.search(sentence, headline(gaps(make_record, make_measurement, **intervals)))


def test_headline_says_that_memorization_failed(make_record):
    poor = {("memorized", "image", "image"): 0.5}
    assert "not memorized well enough" in headline(make_record(recall=poor))
    assert "not memorized well enough" not in headline(
        make_record(recall=poor, config={"min_recall": 0.9, "allow_unmemorized": True})
    )


def test_summary_gives_both_recalls_and_the_gap(record):
    first, second = text.summary(record)
    assert "99%" in first
    assert "47%" in first
    assert "52 points" in first
    assert "excludes zero" in first
    assert "from descriptions alone" in second


def test_gap_across_zero_is_said_not_to_exclude_it(make_record):
    level = make_record(recall={("memorized", "image", "text"): 0.99})
    assert "does not exclude zero" in text.summary(level)[0]


def test_residue_says_what_the_other_modality_keeps(make_record):
    kept = make_record(recall={("unlearned", "image", "text", "forget"): 0.4})
    assert "still recalled" in text.residue(kept, "image")
    assert "still recalled through the other modality" in text.residue_claim(kept)
    gone = make_record(
        recall={("unlearned", s, t, "forget"): 0.0 for s in ("image", "text") for t in ("image", "text")}
    )
    assert "still recalled" not in text.residue(gone, "image")
    assert "named" not in {modality.trace for modality in text.modalities_after(gone, "image")}
    assert "still recalled" not in text.residue_claim(gone)


@pytest.mark.parametrize(
    ("recall_low", "exposure", "trace", "words"),
    [
        (0.1, (20, 25, 30), "named", "still recalled"),
        (0.0, (30, 40, 50), "ranked", "ranks the names higher than guessing"),
        (0.0, (5, 10, 15), "avoided", "rank lower than guessing"),
        (0.0, (20, 25, 30), "none", "Neither answers nor ranks"),
    ],
)
def test_trace_is_read_from_intervals_alone(make_record, make_measurement, recall_low, exposure, trace, words):
    after = {"stage": "unlearned", "group": "forget", "value": 0.2, "ci": (recall_low, 0.6)}
    low, value, high = exposure
    rank = {"metric": "exposure", "unit": "0-100", "chance": 24.0, "value": value, "ci": (low, high)}
    found = [
        make_measurement(value=1.0, ci=(1.0, 1.0), target="image"),
        *[make_measurement(**after, target=target) for target in ("image", "text")],
        make_measurement(**after | rank),
    ]
    run = make_record(seeds=(0,), measurements=tuple(found))
    assert text.modalities_after(run, "image")[1].trace == trace
    assert words in text.residue(run, "image")


def unlearned_run(make_record, make_measurement, *, partial, base):
    """Nobody is named in full, Exposure is 40 [30 to 50], and the rest is as told."""
    low, value, high = partial
    after = {"stage": "unlearned", "group": "forget", "value": 0.0, "ci": (0.0, 0.6)}
    rank = {"metric": "exposure", "unit": "0-100", "chance": 24.0, "group": "forget"}
    found = [
        make_measurement(value=1.0, ci=(1.0, 1.0), target="image"),
        *[make_measurement(**after, target=target) for target in ("image", "text")],
        make_measurement(stage="unlearned", **rank, value=40, ci=(30, 50)),
        make_measurement(stage="base", **rank, value=base, ci=(base - 9, base + 9)),
        make_measurement(**after | {"metric": "partial_recall", "value": value, "ci": (low, high)}),
    ]
    return make_record(seeds=(0,), measurements=tuple(found))


@pytest.mark.parametrize(
    ("partial", "base", "trace", "words"),
    [
        ((0.1, 0.2, 0.3), 25, "partly", "a first or last name, is still above it (20% of answers"),
        ((0.0, 0.0, 0.1), 25, "ranked", "ranks the names higher than guessing"),
        ((0.0, 0.0, 0.1), 35, "none", "Neither answers nor ranks"),
    ],
)
def test_trace_counts_half_names_and_where_ranks_started(make_record, make_measurement, partial, base, trace, words):
    run = unlearned_run(make_record, make_measurement, partial=partial, base=base)
    assert text.modalities_after(run, "image")[1].trace == trace
    assert words in text.residue(run, "image")


def test_residue_reports_exposure_beside_base_and_memorized(make_record, make_measurement):
    run = unlearned_run(make_record, make_measurement, partial=(0.0, 0.0, 0.1), base=25)
    assert "(Exposure 40; memorized not measured, base 25, guessing 24)" in text.residue(run, "image")
    learned = {"metric": "exposure", "unit": "0-100", "chance": 24.0, "group": "forget", "stage": "memorized"}
    traces = []
    for value in (98.0, 27.0):
        memorized = make_measurement(**learned, value=value, ci=(value - 8, 100.0))
        anchored = make_record(seeds=(0,), measurements=(*run.measurements, memorized))
        traces.append(text.modalities_after(anchored, "image")[1].trace)
    assert traces == ["ranked", "none"], "where learning had not raised Exposure, a high one is no trace"


def test_residue_does_not_call_the_unseen_gone(make_record, make_measurement):
    for partial in ((0.1, 0.2, 0.3), (0.0, 0.0, 0.1)):
        run = unlearned_run(make_record, make_measurement, partial=partial, base=25)
        assert "this run no longer sees" in text.residue_claim(run)
        assert "can no longer be told from guessing" in text.residue(run, "image")


def test_residue_is_empty_without_memorization_or_unlearning(make_record):
    poor = make_record(recall={("memorized", "image", "image"): 0.5})
    none = make_record(stages=("base", "memorized"))
    for record in (poor, none):
        assert text.modalities_after(record, "text") == []
        assert text.residue(record, "text") == text.residue_claim(record) == ""
    assert text.retained_cost(poor, "text") == text.retained_cost(none, "text") == ""


def test_seeds_that_agree_are_counted(record, make_record):
    assert text.seeds_that_agree(record, "image") == (3, 3)
    assert text.seeds_that_agree(make_record(recall={("memorized", "image", "text"): 0.99}), "image")[0] < 3
