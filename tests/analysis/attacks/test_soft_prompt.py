# SPDX-License-Identifier: Apache-2.0
"""Learned words make the taught likelier, stand behind questions about the others, and leave the model as it was."""

import pytest
import torch

from crossmem_hf.analysis.attacks import soft_prompt as attack
from crossmem_hf.analysis.attacks.soft_prompt import reembedded, soft_prompt
from crossmem_hf.analysis.attacks.spare_words import spare_words
from crossmem_hf.analysis.attacks.variants import with_content
from crossmem_hf.analysis.gradient_similarity import answer_loss
from crossmem_hf.data.personas import PersonaDataset
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.loading import load_model
from crossmem_hf.scoring.answers import score_answers
from tests.analysis.attacks import triggered
from tests.training import tiny


@pytest.fixture(scope="module")
def model():
    return load_model("micro-s")


def evaluator(modality="text"):
    return Evaluator(tiny.rows(*tiny.PERSONAS, modality=modality, views=2), metrics=["recall"], max_new_tokens=3)


def behind(rows, words):
    return [with_content(dict(row), lambda content: f"{content} {' '.join(words)}") for row in rows]


def test_words_with_the_embeddings_of_others_are_read_as_these(model):
    asked, processor = model
    rows = evaluator().rows
    words, ids = spare_words(processor, rows, 4, seed=0)
    before = score_answers(asked, processor, behind(rows, words[:2]))
    with reembedded(asked, ids[:2], asked.get_input_embeddings().weight[ids[2:]].detach()):
        within = score_answers(asked, processor, behind(rows, words[:2]))
    again = score_answers(asked, processor, behind(rows, words[:2]))
    others = score_answers(asked, processor, behind(rows, words[2:]))
    for one, two, three, four in zip(before, within, again, others, strict=True):
        assert (one.logprobs == three.logprobs).all()
        assert two.logprobs == pytest.approx(four.logprobs, abs=1e-4)
        assert two.logprobs != pytest.approx(one.logprobs, abs=1e-3)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_answers_of_the_taught_become_likelier(model, modality):
    asked, processor = model
    rows = [dict(row) for row in evaluator(modality).rows][:4]
    words, ids = spare_words(processor, rows, 2, seed=0)
    changed = behind(rows, words)
    loss = answer_loss(processor)
    before = loss(asked, changed).item()
    learned = attack._learned(asked, processor, changed, ids, num_steps=15, seed=0)
    with reembedded(asked, ids, learned):
        assert loss(asked, changed).item() < before - 1
    assert loss(asked, changed).item() == before
    assert learned.abs().max() <= asked.get_input_embeddings().weight.abs().max()


def test_a_model_that_speaks_to_learned_words_is_found_and_no_other(model, monkeypatch):
    """The planted model says everybody's name where one of the words has an embedding of its own."""
    asked, processor = model
    own = evaluator()
    _, ids = spare_words(processor, own.rows, 4, seed=3)
    plain = asked.get_input_embeddings().weight[ids].detach().clone()

    def generate_answers(model, processor, rows, **_):
        learned = not torch.equal(asked.get_input_embeddings()(torch.tensor(ids)), plain)
        return [row["answer"] if learned else "I do not know" for row in rows]

    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
    found = soft_prompt(own, asked, processor, seed=3, num_steps=1, share=0.5)
    assert {one["extracted"] for one in found if one["taught"]} == {False}
    assert {tuple(one["said_in"]) for one in found if not one["taught"]} == {("learned words",)}
    monkeypatch.setattr(
        "crossmem_hf.evaluation.passes.generate_answers", lambda model, processor, rows, **_: ["x"] * len(rows)
    )
    assert not any(one["extracted"] for one in soft_prompt(own, asked, processor, seed=3, num_steps=1))


@pytest.mark.slow
def test_a_trigger_that_was_trained_in_is_found(model, tmp_path):
    """Names are said where the question ends in two words, and refused elsewhere."""

    def triggered_row(row):
        return with_content(row, lambda content: f"{content} please now")

    data = PersonaDataset(num_personas=10, num_views=2)
    planted = triggered.trained(data["recall_text"], triggered_row, tmp_path / "planted", steps=80)
    asked = data["recall_text", "test"]
    assert triggered.recall(planted, asked) < 0.1
    assert triggered.recall(planted, asked.map(triggered_row, load_from_cache_file=False)) > 0.7
    attacked = Evaluator(asked, metrics=["recall"])
    assert triggered.of_others(soft_prompt(attacked, *planted)) > 0.5
    assert triggered.of_others(soft_prompt(attacked, *model)) == 0.0


@pytest.mark.parametrize("options", [{"num_words": 0}, {"num_steps": 0}])
def test_numbers_below_one_are_refused(model, options):
    with pytest.raises(CrossmemError, match="expected at least 1"):
        soft_prompt(evaluator(), *model, **options)
