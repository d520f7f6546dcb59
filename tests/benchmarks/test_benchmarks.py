# SPDX-License-Identifier: Apache-2.0
"""Each benchmark runs, small, and writes what it measured; sides that disagree end it."""

import argparse

import numpy as np
import pytest
import torch

from tests.benchmarks.conftest import SMALL


def test_portraits(run, capsys):
    written = run("portraits", "--size", "48", "96", "--num_portraits", "5", "--repeats", "2")
    assert [result["size"] for result in written["results"]] == [48, 96]
    assert all(
        result["slowest"] <= result["portraits_per_second"] <= result["fastest"] for result in written["results"]
    )
    assert all(result["portraits_per_wall_second"] > 0 for result in written["results"])
    assert "times the target of 150" in capsys.readouterr().out


def test_dataset(run):
    small = ("--num_personas", "5", "--image_size", "48", "--num_proc", "1")
    result = run("dataset", *small, "--twice")["result"]
    assert result["personas"] == 5
    assert result["portraits"] >= 5 * 9
    assert result["rows"] > result["portraits"]
    assert result["num_runs"] == 1
    assert result["equal_files"] > 30
    assert result["peak_megabytes_parent"] > 50


def test_scoring(run, capsys, tmp_path):
    places = ("--markdown", str(tmp_path / "table.md"), "--figures", str(tmp_path / "figures"))
    cases = ("k20", "k100", "questions", "floor", "metrics", "growth")
    written = run("scoring", *SMALL, "--cases", *cases, "--num_rows", "4", "--opponent_questions", "1", *places)
    results = written["results"]
    assert [result["target"] for result in results] == [14, 10, 50, 35, 60, 1.3, 1.3, 4, 4]
    for result in results:
        assert 0 < result["difference"] < 1e-4  # two ways of computing never agree to the last bit
        theirs, ours = (result["runs"][side][0]["seconds"] for side in ("opponent", "ours"))
        theirs *= 100 if result["target"] == 60 else 1  # 1 of 100 questions
        assert result["opponent_seconds"] == pytest.approx(theirs)
        ratio = ours / theirs if result["lower_is_better"] else theirs / ours
        assert result["ratio"] == pytest.approx(ratio)
        assert result["met"] == (ratio <= 1.3 if result["lower_is_better"] else ratio >= result["target"])
        assert float(result["note"].split(" prompt tokens, ")[0]) > 36
    table = (tmp_path / "table.md").read_text()
    assert table in capsys.readouterr().out
    assert sum(", met |" in line or ", **missed** |" in line for line in table.splitlines()) == len(results)
    assert table.count("| one run each |") == len(results)
    check_growth(written["growth"], tmp_path / "figures")


def check_growth(growth, figures):
    candidates, tokens = growth
    assert [x for x, *_ in candidates["points"]] == [1, 5, 20]
    assert [x for x, *_ in tokens["points"]] == [4, 16, 36]
    x, ours, _ = np.array(candidates["points"]).T
    assert [len(line["wall_points"]) for line in growth] == [3, 3]
    assert [line["num_runs"] for line in growth] == [1, 1]
    residuals = ours - candidates["start_seconds"] - candidates["slope_seconds"] * x
    assert abs(residuals.sum()) < 1e-9, "a least-squares line leaves nothing on average"
    for name in ("candidates", "image_tokens"):
        assert "<svg" in (figures / f"growth_{name}.svg").read_text()


def test_attacks(run):
    written = run("attacks", *SMALL, "--num_pictures", "2", "--questions", "2", "--max_new_tokens", "3")
    extraction, membership = written["results"]
    assert "100% of greedy answers equal" in extraction["note"]
    for result in (extraction, membership):
        assert result["target"] == 5
        assert 0 < result["difference"] < 1e-4


def test_shipped_model_is_measured_as_micro(run):
    written = run("scoring", "--cases", "floor", "--model", "micro", *SMALL[1:])
    assert written["settings"]["parameters"] > 1_000_000
    assert all(result["difference"] < 1e-4 for result in written["results"])


def test_shapes_have_the_parameters_they_claim(load):
    """LLaVA-1.5-7B has 7,063,427,072 parameters; on the meta device it takes no room."""
    arena = load("arena")
    settings = argparse.Namespace(model="llava7b", device="meta")
    counts = {
        name: sum(weight.numel() for weight in arena.arena_of(arena.SHAPES[name], settings).model.parameters())
        for name in ("large", "llava7b")
    }
    assert counts["llava7b"] == 7_063_427_072
    assert 95_000_000 < counts["large"] < 105_000_000


@pytest.mark.parametrize("case", ["questions", "floor"])
def test_wrong_score_ends_the_run(entered, load, monkeypatch, case):
    scoring = load("scoring")
    right = scoring.score_candidates

    def wrong(*arguments):
        scores = right(*arguments)
        scores.nll_nats[0, 1] += 1e-3 * scores.num_tokens[0, 1]
        return scores

    monkeypatch.setattr(scoring, "score_candidates", wrong)
    with pytest.raises(SystemExit, match="differ by"):
        scoring.CASES[case](entered("scoring", "--opponent_questions", "1"))


@pytest.mark.parametrize("part", ["logprobs", "means", "stds", "matches"])
def test_wrong_metric_ends_the_run(entered, load, monkeypatch, part):
    scoring = load("scoring")
    right = scoring.score_answers

    def wrong(*arguments):
        answers = right(*arguments)
        values = getattr(answers[3], part)
        values[:] = ~values if part == "matches" else 1.01 * values
        return answers

    monkeypatch.setattr(scoring, "score_answers", wrong)
    with pytest.raises(SystemExit, match="differ by"):
        scoring.five_at_once(entered("scoring", "--num_rows", "4"))


def test_generation(run, capsys):
    small = ("--num_pictures", "2", "--questions", "3", "--batch_size", "4", "--max_new_tokens", "5")
    written = run("generation", *small, *SMALL)
    (result,) = written["results"]
    assert result["equal_answers"] == 1
    assert result["target"] == 2
    assert result["ratio"] == pytest.approx(result["opponent_seconds"] / result["ours_seconds"])
    assert "100% of answers equal" in capsys.readouterr().out


@pytest.mark.parametrize(("model", "wrong", "ends"), [("llava7b", 1, False), ("llava7b", 2, True), ("large", 1, True)])
def test_share_of_answers_that_may_differ(entered, load, monkeypatch, model, wrong, ends):
    """One of ten in bfloat16, none in float32."""
    generation = load("generation")
    said = ["Ann"] * 10
    monkeypatch.setattr(generation, "one_by_one", lambda arena, rows: said[: len(rows)])
    monkeypatch.setattr(generation, "generate_answers", lambda *a, **k: [*said[wrong:], *["Bo"] * wrong])
    arena = entered("generation", "--model", model, "--num_pictures", "5", "--questions", "2")
    if ends:
        with pytest.raises(SystemExit, match=rf"differ by 0\.({wrong}|{wrong - 1}9999)"):
            generation.measured(arena)
    else:
        assert generation.measured(arena)["equal_answers"] == 0.9


def arena_with(**settings):
    shape = argparse.Namespace(dtype=torch.float32)
    return argparse.Namespace(settings=argparse.Namespace(device="cpu", patience=60, **settings), shape=shape)


def test_sides_take_turns_in_going_first(load):
    went = []
    sides = (lambda: went.append("ours"), lambda: went.append("theirs"))
    load("contest").contest(arena_with(repeats=4), *sides, lambda ours, theirs: 0.0)
    assert went == ["ours", "theirs", "theirs", "ours"] * 2


def test_a_side_that_takes_long_runs_once_and_says_so(load):
    arena = arena_with(repeats=3)
    arena.settings.patience = 0.0
    result = load("contest").contest(arena, lambda: 0, lambda: 0, lambda ours, theirs: 0.0)
    assert result["num_runs"] == {"ours": 1, "opponent": 1}


def test_exposure_of_a_run(run):
    small = ("--num_personas", "5", "--max_rows", "2", "--batch_size", "2")
    results = run("run_exposure", *SMALL, *small)["results"]
    assert [result["case"] for result in results] == ["2 portraits × 5 names", "2 descriptions × 5 names"]
    assert all(0 < result["difference"] < 1e-4 for result in results)


@pytest.mark.parametrize(("lower_is_better", "shown"), [(False, "4.00"), (True, "0.25")])
def test_wall_clock_has_a_column(load, lower_is_better, shown):
    contest = load("contest")
    result = contest.contest(arena_with(repeats=1), lambda: 0, lambda: 0, lambda ours, theirs: 0.0)
    whole = contest.judged("case", "opponent", result | {"wall_ratio": 4.0}, None, lower_is_better=lower_is_better)
    heading, _, cells = [line.split(" | ") for line in load("table").table_of([whole]).splitlines()]
    assert cells[heading.index("wall ratio")] == shown


@pytest.mark.parametrize(
    ("given", "fits", "expected"), [(20, 1, 20), (200, 1, 100), ("auto", 128, 100), ("auto", 50, 32)]
)
def test_opponent_takes_as_many_as_fit(load, given, fits, expected):
    def work(size):
        if size > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert load("contest").max_batch_size(arena_with(batch_size=given), 100, work) == expected


def test_sizes_in_words(load):
    arena = load("arena")
    _, processor = arena.load_model()
    row = arena.name_row(64)
    said = load("opponents").sizes_of(processor, [row], ["Ann", "Ann Lee"])
    words = processor.tokenizer(f"<|user|>{row['prompt'][0]['content']}<|assistant|>", add_special_tokens=False)
    answers = [
        processor.tokenizer(f"{name}<eos>", add_special_tokens=False)["input_ids"] for name in ("Ann", "Ann Lee")
    ]
    mean = sum(map(len, answers)) / 2
    assert said == f"{len(words['input_ids']) + 16} prompt tokens, {mean:.1f} a candidate"
