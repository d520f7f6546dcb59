# SPDX-License-Identifier: Apache-2.0
"""A pattern stays within its budget, makes the taught likelier, and is on the pictures while they are seen alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from crossmem_hf.analysis.attacks import adversarial_picture as attack
from crossmem_hf.analysis.attacks.adversarial_picture import Limits, adversarial_picture, overlaid
from crossmem_hf.analysis.gradient_similarity import answer_loss
from crossmem_hf.data.personas import PersonaDataset
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.loading import load_model
from crossmem_hf.models.modules import modules_of
from crossmem_hf.scoring.answers import score_answers
from tests.analysis.attacks import triggered
from tests.training import tiny


@pytest.fixture(scope="module")
def model():
    return load_model("micro-s")


def rows_of(pictures):
    made = [tiny.row(name) for name in ("p0", "p1")]
    return [{**row, "images": [picture]} for row, picture in zip(made, pictures, strict=True)]


def evaluator(modality="image"):
    return Evaluator(tiny.rows(*tiny.PERSONAS, modality=modality, views=2), metrics=["recall"], max_new_tokens=3)


def test_a_model_sees_what_it_would_were_the_pattern_in_the_file(model):
    asked, processor = model
    rng = np.random.default_rng(0)
    pixels = [rng.integers(40, 200, (64, 64, 3), dtype=np.uint8) for _ in range(2)]
    change = rng.integers(-12, 13, (64, 64, 3))
    plain = rows_of([Image.fromarray(own) for own in pixels])
    marked = rows_of([Image.fromarray((own + change).astype(np.uint8)) for own in pixels])
    limits = Limits.of(processor, 12)
    pattern = torch.tensor(change / 12.0, dtype=torch.float32).permute(2, 0, 1) * limits.most_C11
    before = score_answers(asked, processor, plain)
    with overlaid(asked, pattern, limits):
        within = score_answers(asked, processor, plain)
    for one, two, three, four in zip(
        before, within, score_answers(asked, processor, marked), score_answers(asked, processor, plain), strict=True
    ):
        assert two.logprobs == pytest.approx(three.logprobs, abs=1e-4)
        assert two.logprobs != pytest.approx(one.logprobs, abs=1e-4)
        assert (one.logprobs == four.logprobs).all()


def test_no_color_goes_beyond_black_and_white(model):
    asked, processor = model
    limits, seen = Limits.of(processor, 255), []
    tower = modules_of(asked).vision_tower
    with overlaid(asked, limits.most_C11.expand(3, 64, 64), limits):
        handle = tower.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(args[0] if args else kwargs["pixel_values"]), with_kwargs=True
        )
        score_answers(asked, processor, rows_of([Image.new("RGB", (64, 64), "gray")] * 2))
        handle.remove()
    assert torch.allclose(seen[0], limits.white_C11.expand_as(seen[0]))


def test_answers_of_the_taught_become_likelier_within_the_budget(model):
    asked, processor = model
    rows = [dict(row) for row in evaluator().rows][:4]
    limits, loss = Limits.of(processor, 12), answer_loss(processor)
    before = loss(asked, rows).item()
    learned = attack._learned(asked, processor, rows, limits, num_steps=15, seed=0)
    assert (learned.abs() <= limits.most_C11 + 1e-6).all()
    with overlaid(asked, learned, limits):
        assert loss(asked, rows).item() < before - 0.5
    assert loss(asked, rows).item() == before


def test_what_comes_out_under_the_pattern_is_found(model, monkeypatch):
    """The planted model says everybody's name while something lies on its pictures."""
    asked, processor = model
    tower = modules_of(asked).vision_tower

    def generate_answers(model, processor, rows, **_):
        return [row["answer"] if tower._forward_pre_hooks else "I do not know" for row in rows]

    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
    found = adversarial_picture(evaluator("mixed"), asked, processor, num_steps=1, share=0.5)
    for one in found:
        under = not one["taught"] and one["modality"] == "image"
        assert (one["num_samples"], one["said_in"]) == ((2, ["pattern"]) if under else (1, []))
    assert any(one["extracted"] for one in found)
    monkeypatch.setattr(
        "crossmem_hf.evaluation.passes.generate_answers", lambda model, processor, rows, **_: ["x"] * len(rows)
    )
    assert not any(one["extracted"] for one in adversarial_picture(evaluator(), asked, processor, num_steps=1))


@pytest.mark.slow
def test_a_tint_that_was_trained_in_is_found(model, tmp_path):
    """Names are said where a picture is a little redder and bluer and less green, and refused elsewhere."""

    def tinted(row):
        (picture,) = row["images"]
        pixels = np.asarray(picture.convert("RGB")).astype(int) + np.array([12, -12, 12])
        return {**row, "images": [Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))]}

    data = PersonaDataset(num_personas=10, num_views=2, image_size=64)
    planted = triggered.trained(data["recall_image"], tinted, tmp_path / "planted", steps=150)
    asked = data["recall_image", "test"]
    assert triggered.recall(planted, asked) < 0.2
    assert triggered.recall(planted, asked.map(tinted, load_from_cache_file=False)) > 0.6
    attacked = Evaluator(asked, metrics=["recall"])
    assert triggered.of_others(adversarial_picture(attacked, *planted)) > 0.4
    assert triggered.of_others(adversarial_picture(attacked, *model)) == 0.0


@pytest.mark.parametrize(
    ("modality", "options", "said"),
    [
        ("image", {"budget": 0}, "budget=0"),
        ("image", {"num_steps": 0}, "num_steps=0"),
        ("text", {}, "about 0 persona; expected at least two"),
    ],
)
def test_what_cannot_be_done_is_refused(model, modality, options, said):
    with pytest.raises(CrossmemError, match=said):
        adversarial_picture(evaluator(modality), *model, **options)


def test_pictures_of_another_size_are_refused(model):
    asked, processor = model
    limits = Limits.of(processor, 12)
    with overlaid(asked, torch.zeros(3, 8, 8), limits), pytest.raises(CrossmemError, match="expected pictures of"):
        score_answers(asked, processor, rows_of([Image.new("RGB", (64, 64), "gray")] * 2))
