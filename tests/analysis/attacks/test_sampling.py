# SPDX-License-Identifier: Apache-2.0
"""What a model knows as one answer among several is found by drawing, and what it does not know is not."""

import math

import pytest
import torch

from crossmem_hf.analysis.attacks.sampling import sampling
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.turns import answer_tokens
from tests.training import tiny

NAMES = [name for _, name in tiny.PERSONAS.values()]
COLORS = dict(tiny.PERSONAS.values())


def planted(rows, shares):
    """Logits of a model that gives each answer with its share; `shares` takes the truth of a row.

    No two answers begin with the same token.
    """
    texts = sorted({*NAMES, "I do not know"})
    tokens = dict(zip(texts, answer_tokens(tiny.processor(), rows[0], texts)[0], strict=True))
    assert len({own[0] for own in tokens.values()}) == len(texts)

    def process(input_ids, scores):
        fixed = torch.full_like(scores, -math.inf)
        for place, ids in enumerate(input_ids.tolist()):
            _, _, queried = tiny.processor().tokenizer.decode(ids).rpartition("<|user|>")
            prompt, _, _ = queried.partition("<|assistant|>")
            truth = next(name for color, name in COLORS.items() if color in prompt)
            start = len(ids) - ids[::-1].index(tiny.processor().tokenizer.convert_tokens_to_ids("<|assistant|>"))
            said = ids[start:]
            for text, share in shares(truth).items():
                if tokens[text][: len(said)] == said and len(tokens[text]) > len(said):
                    fixed[place, tokens[text][len(said)]] = math.log(share) if not said else 0.0
        fixed[(fixed == -math.inf).all(1)] = 0.0  # of rows that have ended
        return fixed

    return process


def evaluator_of(shares, views):
    rows = tiny.rows(*tiny.PERSONAS, modality="text", views=views)
    return Evaluator(rows, metrics=["recall"], candidates=NAMES, logits_processor=planted(rows, shares))


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({"temperature": 4.0}, 0.35, 0.55),  # 0.3 and 0.7 at a temperature of 4: 0.45
        ({"temperature": 0.25}, 0.0, 0.1),  # 0.03
        ({"top_p": 0.6}, 0.0, 0.0),  # the likeliest answer alone
        ({"top_p": 0.9}, 0.2, 0.4),  # both
    ],
)
def test_draws_follow_temperature_and_share(options, least, most):
    evaluator = evaluator_of(lambda truth: {truth: 0.3, "I do not know": 0.7}, views=4)
    found = sampling(evaluator, tiny.model().eval(), tiny.processor(), num_samples=24, **options)
    assert least <= sum(one["num_said"] for one in found) / (24 * 16) <= most


@pytest.mark.parametrize(("name", "value"), [("temperature", 0.0), ("top_p", 0.0), ("top_p", 1.1)])
def test_draws_that_cannot_be_are_refused(name, value):
    evaluator = evaluator_of(lambda truth: {truth: 1.0}, views=1)
    with pytest.raises(CrossmemError, match=f"{name}={value}"):
        sampling(evaluator, tiny.model(), tiny.processor(), **{name: value})


def test_sampling_finds_what_greedy_decoding_does_not():
    evaluator = evaluator_of(lambda truth: {truth: 0.3, "I do not know": 0.7}, views=4)
    found = sampling(evaluator, tiny.model().eval(), tiny.processor(), num_samples=12)
    recall, extracted = found.measure(["recall", "extracted"], by=())
    assert (recall.value, extracted.n) == (0.0, 16)
    assert extracted.value >= 0.9  # 1 - 0.7 ** 12 is 0.986
    assert sum(one["num_said"] for one in found) / (12 * 16) == pytest.approx(0.3, abs=0.1)
    assert all(one["extracted"] == (one["num_said"] > 0) for one in found)


def test_sampling_of_a_guesser_is_at_chance():
    evaluator = evaluator_of(lambda truth: dict.fromkeys(NAMES, 0.25), views=30)
    found = sampling(evaluator, tiny.model().eval(), tiny.processor(), seed=1, num_samples=2)
    (extracted,) = found.measure(["extracted"], by=())
    assert extracted.chance == pytest.approx(1 - 0.75**2)
    assert extracted.value == pytest.approx(extracted.chance, abs=0.1)  # two standard errors of 120 rows


def test_sampling_goes_on_from_finished_parts(tmp_path, monkeypatch):
    evaluator = Evaluator(tiny.rows("p0", "p1"), metrics=["recall", "exposure"], max_new_tokens=3)
    queried = (evaluator, tiny.memorized().eval(), tiny.processor())
    first = sampling(*queried, num_samples=2, output_dir=tmp_path, made_from="this model")
    assert first == sampling(*queried, num_samples=2)
    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", None)  # whoever asks again fails
    assert sampling(*queried, num_samples=2, output_dir=tmp_path, made_from="this model") == first


def test_extracted_has_an_exact_chance_where_there_is_a_choice():
    one = {"persona_id": "p", "modality": "text", "extracted": True, "num_samples": 2, "num_candidates": 4}
    found = Predictions([one, {**one, "num_candidates": 2}]).measure(["extracted"], by=())
    assert [(m.value, m.chance) for m in found] == [(1.0, (7 / 16 + 3 / 4) / 2)]
    assert Predictions([{**one, "num_candidates": None}]).measure(["extracted"], by=())[0].chance is None


def test_mistakes_are_refused_before_any_pass():
    evaluator = Evaluator(tiny.rows("p0"), metrics=["recall"])
    with pytest.raises(CrossmemError, match="num_samples=0"):
        sampling(evaluator, None, None, num_samples=0)
    with pytest.raises(CrossmemError, match=r"extracted reads extracted, num_samples .* attacks of"):
        Evaluator(tiny.rows("p0"), metrics=["extracted"])
