# SPDX-License-Identifier: Apache-2.0
"""The sides of `unlearn_step` are about the same thing, and one that is not ends the run."""

import argparse

import pytest
import torch

from tests.benchmarks.conftest import SMALL

ROWS = ("--batch_size", "2", "--num_rows", "4")


@pytest.fixture(scope="module")
def arena(entered, tmp_path_factory):
    """A tiny arena with the settings that sides read."""
    arena = entered("unlearn_step", *ROWS, "--lora_r", "4")
    arena.settings.folder = tmp_path_factory.mktemp("sides")
    return arena


@pytest.fixture(scope="module")
def model(load, arena):
    return load("unlearn_sides").adapted(arena)


@pytest.fixture(scope="module")
def npo(load, arena, model):
    """(our side, its runs)."""
    sides = load("unlearn_sides")
    rows = sides.persona_rows(arena, "image", 4)
    side = sides.side_of("npo", arena, sides.twin(model), rows, checkpointing=False)
    return side, [side.run()]


def test_all_contests(run, capsys):
    written = run("unlearn_step", *SMALL, *ROWS)
    kept, recomputed = written["results"][:5], written["results"][5:]
    assert [result["target"] for result in kept] == [1.1, 0.7, None, 0.55, None]
    assert [result["target"] for result in recomputed] == [1.1, 0.7, None]
    assert all("checkpointing" in result["case"] for result in recomputed)
    for result in [*kept[:3], *recomputed]:
        assert 0 <= result["difference"] <= result["tolerance"] == 1e-4
        (ours,), (theirs,) = ([one["seconds"] for one in result["runs"][side]] for side in ("ours", "opponent"))
        assert [*result["round_ratios"], result["ratio"]] == pytest.approx([ours / theirs] * 2)
    for result in (kept[1], recomputed[1]):
        ours, theirs = result["losses"]["ours"], result["losses"]["opponent"]
        assert len(ours) == 2
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert recomputed[1]["losses"]["ours"] == pytest.approx(kept[1]["losses"]["ours"], rel=1e-5)
    once = kept[4]
    assert once["epochs_to_pay_back"] == pytest.approx(once["ours_seconds"] / once["opponent_seconds"])
    npo, gd = 2 * kept[0]["ours_seconds"], 2 * kept[0]["opponent_seconds"]
    assert once["run_to_gd"] == pytest.approx((5 * npo + once["ours_seconds"]) / (5 * gd))
    assert "| memory of weights | NPO with two models |  |  |" in capsys.readouterr().out


@pytest.mark.parametrize(("epochs", "spread"), [([2.0, 4.0], 2 / 3), ([3.0], 0.0)])
def test_spread_is_a_share_of_the_median(load, epochs, spread):
    runs = [argparse.Namespace(seconds=seconds) for seconds in epochs]
    assert load("unlearn_step").relative_range(runs) == pytest.approx(spread)


@pytest.mark.parametrize("words", [("--num_rows", "3"), ("--sharded",)])
def test_settings_that_would_measure_nothing(load, words):
    with pytest.raises(SystemExit):
        load("unlearn_step").parsed([*SMALL, *ROWS, *words])


def wrong_beta(sides):
    return sides, "BETA", 0.2


def reference_that_follows(sides):
    right = sides._two_models

    def follows(name, arena, model, rows, options):
        trainer, more = right(name, arena, model, rows, options)
        trainer.reference = trainer.model
        return trainer, more

    return sides, "_two_models", follows


def other_rows(side):
    def fault(sides):
        right = getattr(sides, side)
        return (
            sides,
            side,
            lambda name, arena, model, rows, options: right(name, arena, model, rows[::-1], options),
        )

    return fault


def other_order(sides):
    return sides, "in_step_order", lambda rows, size: sides.concatenate_datasets(rows[::-1])


FAULTS = {
    "beta": (wrong_beta, "two models"),
    "reference": (reference_that_follows, "two models"),
    "rows of two models": (other_rows("_two_models"), "two models"),
    "rows of gd": (other_rows("_ours"), "gd"),
    "order of sft": (other_order, "sft"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_side_that_does_something_else_ends_the_run(load, monkeypatch, arena, model, npo, fault):
    plant, named = FAULTS[fault]
    sides = load("unlearn_sides")
    monkeypatch.setattr(*plant(sides))
    rows = sides.persona_rows(arena, "image", 4)
    other = sides.side_of(named, arena, sides.twin(model), rows, checkpointing=False)
    raced = {"npo": npo[0], named: other}, {"npo": npo[1], named: [other.run()]}
    with pytest.raises(SystemExit, match=f"NPO and {named} differ by"):
        load("unlearn_step").stepped(arena, "a case", "an opponent", raced, named, None)


def test_nan_ends_the_run(load):
    step = load("unlearn_step")
    one, other = (
        argparse.Namespace(clock=argparse.Namespace(first={"retain_loss": value, "grad_norm": 1.0}, losses=[]))
        for value in (1.0, float("nan"))
    )
    assert step.apart(one, one, "gd") == 0
    assert not step.apart(one, other, "gd") <= 1e9
    assert not step.apart(other, one, "gd") <= 1e9


def test_every_storage_of_weights_counts_once(load, arena, model):
    sides = load("unlearn_sides")
    rows = sides.persona_rows(arena, "image", 4)
    adapter = sum(weight.nbytes for weight in model.parameters() if weight.requires_grad)
    rest = sum(tensor.nbytes for tensor in [*model.parameters(), *model.buffers()]) - adapter
    made = {name: sides.side_of(name, arena, sides.twin(model), rows, checkpointing=False) for name in sides.SIDES}
    made["sft"].run()  # its guard takes its copies then
    held = {name: side.weight_bytes() for name, side in made.items()}
    assert held == {
        "npo": rest + 3 * adapter,  # the reference's, and the last good one
        "gd": rest + 3 * adapter,
        "two models": 2 * (rest + adapter),
        "sft": rest + 3 * adapter,
    }


def test_every_run_starts_anew_and_changes_no_other_side(load, arena, model):
    sides = load("unlearn_sides")
    rows = sides.persona_rows(arena, "both", 4)
    assert [image != [] for image in rows[0]["images"]] == [True, False, True, False]
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    side = sides.side_of("npo", arena, sides.twin(model), rows, checkpointing=False)
    losses = []
    for _ in range(2):
        side.run()
        losses.append(side.clock.losses)
    assert losses[0] == losses[1]
    assert len(losses[0]) == 2
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("fits", [True, False])
def test_memory_on_a_gpu(load, monkeypatch, arena, model, fits):
    """The clock of a GPU, whose counters are made up."""
    step, sides = load("unlearn_step"), load("unlearn_sides")
    right = sides.Clock.__init__
    monkeypatch.setattr(sides.Clock, "__init__", lambda clock, device: right(clock, "cuda"))
    for name, value in (("synchronize", 0), ("reset_peak_memory_stats", 0), ("memory_allocated", 14e9)):
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    peaks = iter([20e9, 35e9]) if fits else iter([45e9])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: next(peaks))
    if not fits:

        def full(*arguments):
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(sides, "_two_models", full)
    card, *others = step.peaks(arena, model, sides.persona_rows(arena, "image", 2))
    assert card["ours_peak_bytes"] == (20e9 if fits else 45e9)
    assert card["ratio"] == pytest.approx((20 if fits else 45) / 40)
    assert card["met"] is fits
    assert [other["opponent_peak_bytes"] for other in others[:1]] == ([35e9] if fits else [])
    assert len(others) == (2 if fits else 0)
