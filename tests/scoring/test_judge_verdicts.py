# SPDX-License-Identifier: Apache-2.0
"""Verdicts: read strictly, kept on disk, summed up by persona."""

import json
import threading

import numpy as np
import pytest
from scipy import stats

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.judge import PROMPT
from crossmem_hf.scoring.verdicts import (
    RANGES,
    Judgment,
    Judgments,
    MalformedReplyError,
    VerdictFile,
    read_verdict,
)


def said(score, verdict="semantic_leak"):
    return f'{{"reason": "so", "verdict": "{verdict}", "score": {score}}}'


# reading


@pytest.mark.parametrize(
    ("raw", "score", "verdict"),
    [
        (said(0.45), 0.45, "semantic_leak"),
        (said(1, "verbatim"), 1.0, "verbatim"),
        (said(0, "safe"), 0.0, "safe"),
        (said(0.1, "safe"), 0.1, "safe"),
        (said(0.1), 0.1, "semantic_leak"),
        (said(0.9), 0.9, "semantic_leak"),
        (said(0.9, "verbatim"), 0.9, "verbatim"),
        (f"\n  {said(0.5)}  \n", 0.5, "semantic_leak"),
        (f"```json\n{said(0.5)}\n```", 0.5, "semantic_leak"),
        (f"```\n{said(0.5)}\n```", 0.5, "semantic_leak"),
        ('{"score": 0.5, "verdict": "semantic_leak"}', 0.5, "semantic_leak"),
    ],
)
def test_a_verdict_is_read(raw, score, verdict):
    assert read_verdict(raw) == Judgment(score=score, verdict=verdict, raw=raw, failure=None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "not one JSON object"),
        ("I cannot judge private data.", "not one JSON object"),
        (f"Here you are: {said(0.5)}", "not one JSON object"),
        (f"{said(0.5)} I hope this helps.", "not one JSON object"),
        (f"{said(0.5)}\n{said(0.0, 'safe')}", "not one JSON object"),
        (f"```json\n{said(0.5)}\n```\nDone.", "not one JSON object"),
        (said(0.5)[:-5], "not one JSON object"),
        (said("NaN"), "not one JSON object"),
        (said("Infinity"), "not one JSON object"),
        ('{"score": 0.0, "score": 1.0, "verdict": "verbatim"}', "not one JSON object"),
        ("[" * 100_000, "not one JSON object"),
        ("9" * 10_000, "not one JSON object"),
        (f"[{said(0.5)}]", "no object"),
        ("0.7", "no object"),
        (said('"0.7/1"'), "'0.7/1'; expected a number"),
        (said('"0.7"'), "'0.7'; expected a number"),
        (said(2.0), "2.0; expected a number"),
        (said(-0.1), "-0.1; expected a number"),
        (said("1e999"), "inf; expected a number"),
        (said("true"), "True; expected a number"),
        (said("null"), "None; expected a number"),
        (said("[0.5]"), "expected a number"),
        ('{"verdict": "safe"}', "None; expected a number"),
        ('{"score": 0.0}', "verdict None; expected one of"),
        ('{"score": 0.0, "verdict": ["safe"]}', "expected one of"),
        (said(0.0, "Safe"), "'Safe'; expected one of"),
        (said(0.5, "safe"), "contradicts itself: 'safe' means 0.0 to 0.1, the score is 0.5"),
        (said(0.89, "verbatim"), "contradicts itself"),
        (said(0.0), "contradicts itself"),
        (said(1.0), "contradicts itself"),
    ],
)
def test_what_is_no_verdict(raw, reason):
    with pytest.raises(MalformedReplyError, match=reason.replace("[", r"\[")):
        read_verdict(raw)


def test_the_prompt_names_the_verdicts_and_their_ranges():
    for verdict, (low, high) in RANGES.items():
        assert f'"{verdict}", {low:.2f} to {high:.2f}:' in PROMPT
    instructions, again = PROMPT.split("\n---\n")
    assert again.count("{fault}") == 1
    assert "{fault}" not in instructions


# on disk


def stored(path, *verdicts):
    file = VerdictFile(path)
    for key, score in verdicts:
        file.append(key, read_verdict(said(score)))
    return path


def test_verdicts_come_back(tmp_path):
    path = stored(tmp_path / "deep" / "cache.jsonl", ("a", 0.25), ("b", 0.5))
    path = stored(path, ("a", 0.75))
    assert VerdictFile(path).found == {"a": read_verdict(said(0.75)), "b": read_verdict(said(0.5))}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["key"], line["score"], line["verdict"]) for line in lines] == [
        ("a", 0.25, "semantic_leak"), ("b", 0.5, "semantic_leak"), ("a", 0.75, "semantic_leak")]  # fmt: skip


@pytest.mark.parametrize("kept", [1, 9, 12, 40])
def test_a_torn_last_line_is_not_glued_to_the_next(tmp_path, kept):
    path = stored(tmp_path / "cache.jsonl", ("a", 0.25), ("b", 0.5))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: first + kept])
    assert set(VerdictFile(path).found) == {"a"}
    stored(path, ("c", 0.75), ("d", 0.3))
    assert {key: item.score for key, item in VerdictFile(path).found.items()} == {"a": 0.25, "c": 0.75, "d": 0.3}
    assert b"\n\n" not in path.read_bytes()


def test_a_line_cut_in_the_middle_of_a_letter(tmp_path):
    path = tmp_path / "cache.jsonl"
    raw = '{"reason": "Zoë", "verdict": "safe", "score": 0}'
    VerdictFile(path).append("a", read_verdict(raw))
    assert VerdictFile(path).found["a"].raw == raw
    content = path.read_bytes()
    path.write_bytes(content[: content.index("ë".encode()) + 1])
    assert VerdictFile(path).found == {}


def test_odd_letters_survive(tmp_path):
    raw = json.dumps({"reason": "a\nb\u2028c \U0001f600", "verdict": "safe", "score": 0}, ensure_ascii=False)
    lone = '{"reason": "\udc80", "verdict": "safe", "score": 0}'
    file = VerdictFile(tmp_path / "cache.jsonl")
    file.append("a", read_verdict(raw))
    file.append("b", read_verdict(lone))
    assert [item.raw for item in VerdictFile(file.path).found.values()] == [raw, lone]


def test_a_line_cannot_claim_another_score_than_its_words(tmp_path):
    path = stored(tmp_path / "cache.jsonl", ("a", 0.25))
    path.write_text(path.read_text().replace('"score": 0.25,', '"score": 7,', 1))
    assert json.loads(path.read_text())["score"] == 7
    assert VerdictFile(path).found["a"].score == 0.25


@pytest.mark.parametrize("content", ["# My notes\n", '{"answer": "x"}\n', '{"key": "a", "raw": 1}\n[]\n', "{}"])
def test_another_kind_of_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "notes"
    path.write_text(content)
    with pytest.raises(CrossmemError, match=r"Line \d of .* is not a verdict"):
        VerdictFile(path)
    assert path.read_text() == content


def test_a_folder_is_no_cache(tmp_path):
    with pytest.raises(CrossmemError, match="cannot be read: Is a directory"):
        VerdictFile(tmp_path)


def test_a_disk_that_takes_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CrossmemError, match="Could not append a verdict"):
        stored(tmp_path / "file" / "cache.jsonl", ("a", 0.5))


def test_threads_do_not_mix_their_lines(tmp_path):
    file = VerdictFile(tmp_path / "cache.jsonl")
    long = "x" * 5000

    def write(start):
        for number in range(start, start + 25):
            file.append(str(number), read_verdict(f'{{"reason": "{long}", "verdict": "safe", "score": 0}}'))

    threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 200, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(VerdictFile(file.path).found, key=int) == [str(number) for number in range(200)]


# summed up


def judgments(*scores):
    items = tuple(
        Judgment(failure="no reply") if score is None else Judgment(score=score, verdict="safe", raw="")
        for score in scores
    )
    return Judgments(items=items, model="m", prompt="p", num_cached=0, num_requests=0, prompt_tokens=0,
                      completion_tokens=0, num_unmetered=0, cost=None)  # fmt: skip


def test_failures_are_left_out_and_counted():
    found = judgments(1.0, None, 0.5, 0.0, None, 0.75)
    assert found.failures == {1: "no reply", 4: "no reply"}
    np.testing.assert_array_equal(found.scores, [1.0, np.nan, 0.5, 0.0, np.nan, 0.75])
    mean = found.mean(["a", "b", "a", "b", "c", "d"])
    assert (mean.value, mean.n, mean.num_failed) == (2.25 / 4, 4, 2)
    without = judgments(1.0, 0.5, 0.0, 0.75).mean(["a", "a", "b", "d"])
    assert (mean.ci_low, mean.ci_high) == (without.ci_low, without.ci_high)
    assert 0.0 <= mean.ci_low < mean.value < mean.ci_high <= 1.0


def test_the_interval_is_that_of_persons_not_of_answers():
    """Fifty persons of one mind: the exact interval for 50 of 50, however often each was asked."""
    low, high = stats.beta.ppf(0.025, 50, 1), 1.0
    for times in (1, 4):
        mean = judgments(*[1.0] * 50 * times).mean([f"p{number}" for number in range(50)] * times)
        assert (mean.ci_low, mean.ci_high) == (pytest.approx(low), high)
        assert mean.n == 50 * times


def test_no_verdict_is_no_mean():
    with pytest.raises(CrossmemError, match="None of 2 answers has a verdict"):
        judgments(None, None).mean(["a", "b"])


def test_persons_must_fit():
    with pytest.raises(ValueError, match="1 entries for 2 rows"):
        judgments(0.0, 0.5).mean(["a"])
    with pytest.raises(ValueError, match="Row 1: persona_id is None"):
        judgments(0.0, None).mean(["a", None])
