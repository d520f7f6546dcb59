# SPDX-License-Identifier: Apache-2.0
"""Answers: the likeliest, alone or in company, in the order of the rows, whatever a model's own settings say."""

import pytest
import torch
from transformers import LogitsProcessor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.seeding import rng_for
from tests.scoring.spoken import shared_rows, step_by_step
from tests.scoring.tiny import NAMES, image_row, llama, llava, mixed_rows, processor, text_row, tokenizer


@pytest.fixture(scope="module")
def alone():
    """Each of ten mixed rows asked on its own."""
    return [
        answer for row in mixed_rows() for answer in generate_answers(llava(), processor(), [row], max_new_tokens=8)
    ]


def test_answers_are_the_likeliest_tokens(alone):
    assert alone == [step_by_step(llava(), processor(), row, 8) for row in mixed_rows()]
    assert len(set(alone)) > 4


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_company_changes_nothing(alone, attention, batch_size):
    assert (
        generate_answers(llava(attention), processor(), mixed_rows(), max_new_tokens=8, batch_size=batch_size) == alone
    )


def test_the_order_of_rows_is_kept(alone):
    order = rng_for(0, "order").sample(range(10), 10)
    rows = mixed_rows()
    answers = generate_answers(llava(), processor(), [rows[row] for row in order], max_new_tokens=8, batch_size=4)
    assert answers == [alone[row] for row in order]


def test_a_plain_tokenizer_with_a_text_model():
    rows = [text_row(number) for number in range(4)]
    model = llama()
    answers = generate_answers(model, tokenizer(), rows, max_new_tokens=6)
    assert answers == [generate_answers(model, tokenizer(), [row], max_new_tokens=6)[0] for row in rows]
    assert all(answers)


def test_settings_of_the_model_do_not_reach_the_answers(alone):
    """Hub models ship sampling, penalties and beams; an answer to be measured has none of them."""
    model = llava.__wrapped__()
    model.generation_config.update(
        do_sample=True, temperature=5.0, repetition_penalty=1.7, no_repeat_ngram_size=1, num_beams=3, min_length=60
    )
    assert generate_answers(model, processor(), mixed_rows(), max_new_tokens=8) == alone


def test_any_end_of_turn_ends_an_answer(alone):
    """Gemma ends a turn with another token than its tokenizer's end of text."""
    model, tokens = llava.__wrapped__(), processor().tokenizer
    model.generation_config.update(eos_token_id=[tokens.eos_token_id, *tokens.encode("\r")], min_new_tokens=8)
    stopped = generate_answers(model, processor(), mixed_rows(), max_new_tokens=8)
    assert stopped == [answer.split("\r")[0].strip() for answer in alone]
    assert stopped != alone
    model.generation_config.eos_token_id = None
    assert generate_answers(model, processor(), mixed_rows(), max_new_tokens=8) == alone


def test_answers_are_cut_at_the_limit(alone):
    short = generate_answers(llava(), processor(), mixed_rows(), max_new_tokens=2)
    assert all(long.startswith(part.rstrip("\ufffd")) for long, part in zip(alone, short, strict=True))
    assert short != alone


@pytest.mark.parametrize("settings", [
    {"bad_words_ids": [[number] for number in range(4, 200)]},
    {"suppress_tokens": list(range(4, 200))},
    {"begin_suppress_tokens": list(range(4, 200))},
    {"sequence_bias": [[[number], -90.0] for number in range(4, 200)]},
    {"forced_eos_token_id": 9},
    {"encoder_repetition_penalty": 9.0},
    {"exponential_decay_length_penalty": (0, 9.0)},
    {"guidance_scale": 3.0},
    {"return_dict_in_generate": True},
    {"num_return_sequences": 2, "do_sample": True},
    {"cache_implementation": "static"},
    {"use_cache": False},
    {"stop_strings": ["e"]},
    {"prompt_lookup_num_tokens": 3},
])  # fmt: skip
def test_rarer_settings_do_not_reach_the_answers_either(settings):
    rows, model = [*shared_rows()[:4], text_row(1)], llava.__wrapped__()
    expected = generate_answers(model, processor(), rows, max_new_tokens=6)
    model.generation_config.update(**settings)
    assert generate_answers(model, processor(), rows, max_new_tokens=6) == expected


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_model_is_restored(training):
    model = llava.__wrapped__().train(training)
    model.model.vision_tower.eval()
    generate_answers(model, processor(), mixed_rows(2), max_new_tokens=2)
    assert model.training == training
    assert not model.model.vision_tower.training


def test_dropout_is_off_while_answering(alone):
    model = llava.__wrapped__().train()
    for layer in model.model.language_model.layers:
        layer.self_attn.attention_dropout = 0.9
    assert generate_answers(model, processor(), mixed_rows(), max_new_tokens=8) == alone


@pytest.mark.parametrize(("rows", "said"), [
    ([], "There are no rows to ask"),
    ([{"prompt": []}], r"Row 0 has no column \['images'\]"),
])  # fmt: skip
def test_bad_rows(rows, said):
    with pytest.raises(CrossmemError, match=said):
        generate_answers(llava(), processor(), rows)


def test_no_batch_is_an_error_and_not_an_empty_answer():
    with pytest.raises(CrossmemError, match="batch_size=-1; expected a whole number, at least 1"):
        generate_answers(llava(), processor(), [text_row(0)], batch_size=-1)


@pytest.mark.parametrize("value", ["a", "auto", 0, -1, 2.5, True])
def test_a_length_that_is_none(value):
    with pytest.raises(CrossmemError, match=f"max_new_tokens={value!r}; expected a whole number, at least 1"):
        generate_answers(llava(), processor(), [text_row(0)], max_new_tokens=value)


def test_pictures_for_a_blind_model():
    with pytest.raises(CrossmemError, match="Row 0 has 1 image"):
        generate_answers(llama(), tokenizer(), [image_row(0)])


@pytest.mark.parametrize(("answers", "tokens"), [
    (["Ann", NAMES[0], " Kim "], None),
    (["Ann", None, NAMES[0]], 32),
    (["Ann", "  "], 32),
])  # fmt: skip
def test_room_for_the_longest_answer(monkeypatch, answers, tokens):
    model, room = llava.__wrapped__(), []
    whole = model.generate
    monkeypatch.setattr(model, "generate", lambda **given: room.append(given["max_new_tokens"]) or whole(**given))
    rows = [{**text_row(number), "answer": answer} for number, answer in enumerate(answers)]
    generate_answers(model, processor(), rows)
    longest = len(processor().tokenizer(f"{NAMES[0]}<eos>", add_special_tokens=False)["input_ids"])
    assert set(room) == {tokens or longest + 8}


def test_room_for_the_longest_completion(monkeypatch):
    """Rows of TRL have no `answer`; others have a short one in a long sentence."""
    model, room = llava.__wrapped__(), []
    whole = model.generate
    monkeypatch.setattr(model, "generate", lambda **given: room.append(given["max_new_tokens"]) or whole(**given))
    sentence = f"As far as I can tell the person in this picture is {NAMES[0]}, whom I know from earlier pictures."
    longest = len(processor().tokenizer(f"{sentence}<eos>", add_special_tokens=False)["input_ids"])
    assert longest > 32
    for answered in ({}, {"answer": NAMES[0]}):
        generate_answers(model, processor(), [{**text_row(0), "completion": sentence, **answered}])
    assert set(room) == {longest + 8}


class Ban(LogitsProcessor):
    """Some tokens are never chosen."""

    def __init__(self, *tokens):
        self.tokens = torch.tensor(tokens)

    def __call__(self, input_ids, scores):
        return scores.index_fill(1, self.tokens, -torch.inf)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_processor_bans_a_token(temperature):
    """In one batch and in several; what the ban does not concern stays."""
    queried = {"max_new_tokens": 1, "temperature": temperature}
    free = generate_answers(llava(), processor(), mixed_rows(), **queried)
    vocabulary = processor().tokenizer.get_vocab()
    word = next(answer for answer in free if answer in vocabulary)
    ban = Ban(vocabulary[word])
    kept = generate_answers(llava(), processor(), mixed_rows(), **queried, logits_processor=ban, batch_size=3)
    assert word not in kept
    assert [one for one in free if one != word] == [k for k, f in zip(kept, free, strict=True) if f != word]
    assert kept == generate_answers(llava(), processor(), mixed_rows(), **queried, logits_processor=[ban, ban])


def test_logits_processor_that_cannot_be_called():
    with pytest.raises(CrossmemError, match="logits_processor='ban' cannot be called"):
        generate_answers(llava(), processor(), mixed_rows(), logits_processor=["ban"])
