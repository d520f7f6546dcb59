# SPDX-License-Identifier: Apache-2.0
"""Each benchmark runs, small, and writes what it measured; sides that disagree end it."""

import argparse

import numpy as np
import pytest
import torch

SMALL = ("--quick", "--repeats", "1", "--threads", "1", "--device", "cpu")


def test_portraits(run, capsys):
    written = run("portraits", "--size", "48", "96", "--num_portraits", "5", "--repeats", "2")
    assert [result["size"] for result in written["results"]] == [48, 96]
    assert all(
        result["slowest"] <= result["portraits_per_second"] <= result["fastest"] for result in written["results"]
    )
    assert "times the target of 150" in capsys.readouterr().out


def test_dataset(run):
    small = ("--num_personas", "6", "--image_size", "48", "--num_proc", "1")
    result = run("dataset", *small, "--twice")["result"]
    assert result["people"] == 6
    assert result["portraits"] >= 6 * 9
    assert result["rows"] > result["portraits"]
    assert result["equal_files"] > 30
    assert result["peak_megabytes_parent"] > 50


CASES = {
    "k20": [14, 10],
    "k100": [50, 35],
    "questions": [60],
    "floor": [1.3, 1.3],
    "metrics": [4, 4],
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case == "k100" else case for case in CASES]
)
def test_scoring_case(run, case, capsys, tmp_path):
    small = ("--num_rows", "8", "--opponent_questions", "2", "--markdown", str(tmp_path / "table.md"))
    written = run("scoring", "--cases", case, *SMALL, *small)
    assert [result["target"] for result in written["results"]] == CASES[case]
    for result in written["results"]:
        assert 0 < result["difference"] < 1e-4  # two ways of computing never agree to the last bit
        seconds = [result["runs"][side][0]["seconds"] for side in ("opponent", "ours")]
        seconds[0] *= 50 if case == "questions" else 1  # 2 of 100 questions
        assert result["opponent_seconds"] == pytest.approx(seconds[0])
        ratio = seconds[1] / seconds[0] if case == "floor" else seconds[0] / seconds[1]
        assert result["ratio"] == pytest.approx(ratio)
        assert result["met"] == (ratio <= 1.3 if case == "floor" else ratio >= result["target"])
    table = (tmp_path / "table.md").read_text()
    assert table in capsys.readouterr().out
    assert all(float(result["note"].split(" prompt tokens, ")[0]) > 36 for result in written["results"])
    verdicts = [line for line in table.splitlines() if "| met |" in line or "| **missed** |" in line]
    assert len(verdicts) == len(CASES[case])
    assert written["settings"]["parameters"] > 10_000


def test_growth(run, tmp_path):
    written = run("scoring", "--cases", "growth", "--figures", str(tmp_path / "figures"), *SMALL)
    candidates, tokens = written["growth"]
    assert [x for x, *_ in candidates["points"]] == [1, 5, 20]
    assert [x for x, *_ in tokens["points"]] == [4, 16, 36]
    x, ours, _ = np.array(candidates["points"]).T
    residuals = ours - candidates["start_seconds"] - candidates["slope_seconds"] * x
    assert abs(residuals.sum()) < 1e-9, "a least-squares line leaves nothing on average"
    for name in ("candidates", "image_tokens"):
        assert "<svg" in (tmp_path / "figures" / f"growth_{name}.svg").read_text()


@pytest.mark.slow
def test_other_models(run):
    """The shipped one, and the shape of LLaVA-1.5-7B, which is made on its device in bfloat16."""
    written = run("scoring", "--cases", "k20", "--model", "micro", *SMALL[1:])
    assert written["settings"]["parameters"] > 1_000_000
    assert all(result["difference"] < 1e-4 for result in written["results"])
    written = run("scoring", "--cases", "k20", "metrics", "--num_rows", "8", "--model", "llava7b", *SMALL)
    assert [result["tolerance"] for result in written["results"]] == [5e-2] * 4
    assert all(result["difference"] < 5e-2 for result in written["results"])


def test_the_shapes_are_what_they_claim(load):
    """LLaVA-1.5-7B has 7,063,427,072 parameters; on the meta device it takes no room."""
    arena = load("arena")
    settings = argparse.Namespace(model="llava7b", device="meta")
    counts = {
        name: sum(weight.numel() for weight in arena.arena_of(arena.SHAPES[name], settings).model.parameters())
        for name in ("large", "llava7b")
    }
    assert counts["llava7b"] == 7_063_427_072
    assert 95_000_000 < counts["large"] < 105_000_000


@pytest.mark.parametrize(
    "case", ["k20", *(pytest.param(case, marks=pytest.mark.slow) for case in ("questions", "floor"))]
)
def test_a_wrong_score_ends_the_run(run, load, monkeypatch, case):
    scoring = load("scoring")
    right = scoring.score_candidates

    def wrong(*arguments):
        scores = right(*arguments)
        scores.nll_nats[0, 1] += 1e-3 * scores.num_tokens[0, 1]
        return scores

    monkeypatch.setattr(scoring, "score_candidates", wrong)
    with pytest.raises(SystemExit, match="differ by"):
        run("scoring", "--cases", case, "--opponent_questions", "1", *SMALL)


@pytest.mark.parametrize(
    "part", ["matches", *(pytest.param(part, marks=pytest.mark.slow) for part in ("logprobs", "means", "stds"))]
)
def test_a_wrong_metric_ends_the_run(run, load, monkeypatch, part):
    scoring = load("scoring")
    right = scoring.score_answers

    def wrong(*arguments):
        answers = right(*arguments)
        values = getattr(answers[3], part)
        values[:] = ~values if part == "matches" else 1.01 * values
        return answers

    monkeypatch.setattr(scoring, "score_answers", wrong)
    with pytest.raises(SystemExit, match="differ by"):
        run("scoring", "--cases", "metrics", "--num_rows", "4", *SMALL)


def test_generation(run, capsys):
    small = ("--num_pictures", "2", "--questions", "3", "--batch_size", "4", "--max_new_tokens", "5")
    written = run("generation", *small, *SMALL)
    (result,) = written["results"]
    assert result["equal_answers"] == 1
    assert result["target"] == 2
    assert result["ratio"] == pytest.approx(result["opponent_seconds"] / result["ours_seconds"])
    assert "100% of answers equal" in capsys.readouterr().out


@pytest.mark.parametrize(("wrong", "ends"), [(1, False), (2, True)])
def test_one_of_ten_answers_may_differ_in_bfloat16(run, load, monkeypatch, wrong, ends):
    generation = load("generation")
    said = ["Ann"] * 10
    monkeypatch.setattr(generation, "one_by_one", lambda arena, rows: said[: len(rows)])
    monkeypatch.setattr(generation, "generate_answers", lambda *a, **k: [*said[wrong:], *["Bo"] * wrong])
    asked = ("generation", "--model", "llava7b", "--num_pictures", "5", "--questions", "2", *SMALL)
    if ends:
        with pytest.raises(SystemExit, match=r"differ by 0\.(2|19999)"):
            run(*asked)
    else:
        assert run(*asked)["results"][0]["equal_answers"] == 0.9


def test_one_wrong_answer_ends_the_run(run, load, monkeypatch):
    generation = load("generation")
    right = generation.generate_answers
    monkeypatch.setattr(generation, "generate_answers", lambda *a, **k: [*right(*a, **k)[:-1], "Nobody"])
    with pytest.raises(SystemExit, match=r"differ by 0\.5"):
        run("generation", "--num_pictures", "1", "--questions", "2", "--max_new_tokens", "2", *SMALL)


def arena_with(**settings):
    shape = argparse.Namespace(dtype=torch.float32)
    return argparse.Namespace(settings=argparse.Namespace(device="cpu", patience=60, **settings), shape=shape)


def test_sides_take_turns_in_going_first(load):
    went = []
    sides = (lambda: went.append("ours"), lambda: went.append("theirs"))
    load("contest").contest(arena_with(repeats=4), *sides, lambda ours, theirs: 0.0)
    assert went == ["ours", "theirs", "theirs", "ours"] * 2


@pytest.mark.parametrize(("at_most", "shown"), [(False, "4.00"), (True, "0.25")])
def test_the_clock_has_a_column(load, at_most, shown):
    contest = load("contest")
    result = contest.contest(arena_with(repeats=1), lambda: 0, lambda: 0, lambda ours, theirs: 0.0)
    whole = contest.judged("case", "opponent", result | {"wall_ratio": 4.0}, None, at_most=at_most)
    heading, _, cells = [line.split(" | ") for line in contest.table([whole]).splitlines()]
    assert cells[heading.index("wall ratio")] == shown


@pytest.mark.parametrize(
    ("told", "fits", "expected"), [(20, 1, 20), (200, 1, 100), ("auto", 128, 100), ("auto", 50, 32)]
)
def test_the_opponent_takes_as_many_as_fit(load, told, fits, expected):
    def work(size):
        if size > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert load("contest").most_at_once(arena_with(batch_size=told), 100, work) == expected


def test_sizes_in_words(load):
    arena = load("arena")
    _, processor = arena.load_model_and_processor()
    row = arena.name_row(64)
    said = load("opponents").sizes_of(processor, [row], ["Ann", "Ann Lee"])
    words = processor.tokenizer(f"<|user|>{row['prompt'][0]['content']}<|assistant|>", add_special_tokens=False)
    answers = [
        processor.tokenizer(f"{name}<eos>", add_special_tokens=False)["input_ids"] for name in ("Ann", "Ann Lee")
    ]
    mean = sum(map(len, answers)) / 2
    assert said == f"{len(words['input_ids']) + 16} prompt tokens, {mean:.1f} a candidate"
