# SPDX-License-Identifier: Apache-2.0
"""Prompts in groups: every row once, start and tail together its own prompt, each picture prepared once."""

from functools import partial

import numpy as np
import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import encode
from crossmem_hf.scoring.prefill import PromptQueue, extended, positions, prefilled
from crossmem_hf.seeding import rng_for
from tests.scoring.families import families
from tests.scoring.tiny import NAMES, SHAPE, image_row, llama, llava, processor, text_config, text_row, tokenizer

FIRST, SECOND = image_row(0)["images"][0], image_row(5)["images"][0]
LONG = "A red hat, a green scarf, a blue dog and a walking stick are what this person has."


def row(*parts):
    """A question whose parts are texts and pictures, in order; pictures are copies, as a dataset decodes them anew."""
    content = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in parts]
    return {
        "prompt": [{"role": "user", "content": content}],
        "images": [part.copy() for part in parts if not isinstance(part, str)],
    }


def queue_of(rows, processing=None, **settings):
    return PromptQueue(processing or processor(), rows, device="cpu", **{"share": True, **settings})


def drained(queue, batch_size=3):
    batches = []
    while queue:
        batches.append(queue.take(batch_size))
        assert 1 <= len(batches[-1].groups) <= batch_size
    return batches


def grouped(rows, **settings):
    """The groups' rows, in the order in which they come."""
    return [group.rows for batch in drained(queue_of(rows, **settings)) for group in batch.groups]


def own_inputs(processing, one):
    return encode(processing, [prompt_text(processing, one)], [one["images"]])


def assert_complete(batches, rows, processing, held_back=0):
    """Every row once, and what it is fed, start and tail, is its own prompt with its own pictures."""
    members = sorted(number for batch in batches for group in batch.groups for number in group.rows)
    assert members == list(range(len(rows)))
    for batch in batches:
        assert len({bool(rows[number]["images"]) for group in batch.groups for number in group.rows}) == 1
        mask = batch.inputs["attention_mask"]
        assert mask[:, -1].all()
        assert mask.tolist() == [sorted(line) for line in mask.tolist()]
        assert mask.any(0).all()  # no column is padding only
        for place, group in enumerate(batch.groups):
            start = batch.inputs["input_ids"][place][mask[place].bool()].tolist()
            for number, tail in zip(group.rows, group.tails, strict=True):
                own = own_inputs(processing, rows[number])
                assert [*start, *tail] == own["input_ids"][0].tolist()
                assert len(tail) >= held_back
                for name in {"token_type_ids", "mm_token_type_ids"} & set(own):
                    kinds = batch.inputs[name][place][mask[place].bool()].tolist()
                    assert [*kinds, *[0] * len(tail)] == own[name][0].tolist()
        leaders = [rows[group.rows[0]] for group in batch.groups]
        if leaders[0]["images"]:
            together = encode(
                processing, [prompt_text(processing, one) for one in leaders], [one["images"] for one in leaders]
            )
            assert torch.equal(batch.inputs["pixel_values"], together["pixel_values"])
        else:
            assert "pixel_values" not in batch.inputs


def anything(number, pictures=True):
    """Random rows: few pictures and few texts, in any order, so that much is shared."""
    rng = rng_for(0, "rows", number)
    texts = ["Who?", "Who is this person?", "Is it Ann or Bo?", LONG, f"{LONG} Who?", f"{LONG} Is it Ann?", f"{LONG}!"]

    def parts():
        shown = [rng.choice([FIRST, SECOND]) for _ in range(rng.choice([0, 1, 1, 2]) * pictures)]
        said = [rng.choice(texts) for _ in range(rng.randint(1, 2))]
        return rng.sample([*shown, *said], len(shown) + len(said))

    return [row(*parts()) for _ in range(rng.randint(1, 14))], rng.randint(1, 5)


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("held_back", [0, 1])
@pytest.mark.parametrize("number", range(8))
def test_every_row_comes_once_and_whole(number, held_back, share):
    rows, batch_size = anything(number)
    queue = queue_of(rows, share=share, held_back=held_back)
    assert_complete(drained(queue, batch_size), rows, processor(), held_back)


@pytest.mark.parametrize("name", ["llava_siglip", "idefics3", "gemma3"])
@pytest.mark.parametrize("number", range(2))
def test_every_row_of_other_families_too(name, number):
    """Tiles of which pictures have different numbers; token types that mark pictures."""
    rows, batch_size = anything(number)
    rows.append(row(FIRST.resize((90, 30)), "Who?"))
    processing = families()[name].processor
    assert_complete(drained(queue_of(rows, processing), batch_size), rows, processing)


def test_a_plain_tokenizer_too():
    rows = [
        {**one, "prompt": [{"role": "user", "content": "".join(part["text"] for part in one["prompt"][0]["content"])}]}
        for one in anything(1, pictures=False)[0] + anything(2, pictures=False)[0]
    ]
    batches = drained(queue_of(rows, tokenizer()))
    assert_complete(batches, rows, tokenizer())
    assert max(len(group.rows) for batch in batches for group in batch.groups) > 2


# what is a group


def test_one_picture_in_many_objects():
    rows = [row(FIRST, "Who?"), row(SECOND, "Who?"), row(FIRST, "Is it Ann?"), row(FIRST, "Who?")]
    assert {frozenset(group) for group in grouped(rows)} == {frozenset({0, 2, 3}), frozenset({1})}


def test_a_group_starts_with_the_whole_picture_and_what_else_is_shared():
    (batch,) = drained(queue_of([row(FIRST, "Who is it?"), row(FIRST, "Who?"), row(FIRST, "Who was it?")]))
    said = processor().tokenizer.decode(batch.inputs["input_ids"][0])
    assert said.count("<image>") == SHAPE.image_tokens
    assert said.replace("<image>", "").startswith("<|user|>Who")
    assert "?" not in said


def test_questions_before_the_picture_are_not_shared():
    """What stands behind a question saw it, so the picture's states differ."""
    rows = [row("Who?", FIRST), row("Is it Ann?", FIRST), row("Who?", FIRST, "Now!"), row("Is it Ann?", FIRST, "Now!")]
    groups = {frozenset(group) for group in grouped(rows)}
    assert groups & {frozenset({0, 2}), frozenset({1, 3})}
    assert all(len({number % 2 for number in group}) == 1 for group in groups)


def test_two_pictures_in_their_order():
    rows = [
        row(FIRST, SECOND, "Who?"),
        row(SECOND, FIRST, "Who?"),
        row(FIRST, SECOND, "Is it Ann?"),
        row(FIRST, "Who?"),
    ]
    assert {frozenset(group) for group in grouped(rows)} == {frozenset({0, 2}), frozenset({1}), frozenset({3})}


def test_questions_between_two_pictures_are_not_shared():
    rows = [row(FIRST, "and", SECOND, "Who?"), row(FIRST, "or", SECOND, "Who?"), row(FIRST, "and", SECOND, "Is it?")]
    assert {frozenset(group) for group in grouped(rows)} == {frozenset({0, 2}), frozenset({1})}


def test_texts_about_one_description():
    rows = [
        row(f"{LONG} Who?"),
        row("Who?"),
        row(f"{LONG} Is it Ann or Bo?"),
        row(f"{LONG} Where?"),
        row("Is it Ann?"),
    ]
    groups = grouped(rows)
    assert {0, 2, 3} in [set(group) for group in groups]
    assert sorted(map(len, groups)) == [1, 1, 3]


def test_a_short_start_is_not_worth_a_group():
    """Prompts whose shared start is less than half of them come on their own."""
    rows = [row("Is" + letter + LONG) for letter in "abcd"]
    assert sorted(grouped(rows)) == [(0,), (1,), (2,), (3,)]


def test_a_row_twice_is_read_once():
    for one in (row(LONG), row(FIRST, "Who?")):
        (batch,) = drained(queue_of([one] * 3))
        assert [group.tails for group in batch.groups] == [((), (), ())]


def test_without_sharing_each_row_is_alone():
    rows = [row(FIRST, "Who?"), row(FIRST, "Who?"), row(LONG), row(LONG)]
    assert sorted(grouped(rows, share=False)) == [(0,), (1,), (2,), (3,)]


def test_pictures_come_first_and_long_prompts_before_short_ones():
    rows = [row("a"), row(SECOND, LONG), row(LONG), row(FIRST, "a"), row("middle long")]
    assert grouped(rows) == [(1,), (3,), (2,), (4,), (0,)]


def test_a_batch_that_is_given_back_comes_again():
    rows, _ = anything(3)
    queue = queue_of(rows)
    seen = []
    for turn in range(100):
        batch = queue.take(3)
        if turn % 2 == 0:
            queue.give_back(batch)
            again = queue.take(1)
            assert again.groups == batch.groups[:1]
            batch = again
        seen.append(batch)
        if not queue:
            break
    assert_complete(seen, rows, processor())


# work that is done once


@pytest.mark.parametrize(("questions", "times"), [(1, 1), (2, 2), (9, 2)])
def test_a_picture_is_prepared_once_for_all_who_follow(questions, times, monkeypatch):
    prepared = []
    kind = type(processor().image_processor)
    prepare = kind.__call__

    def counting(self, images, *given, **named):
        prepared.append(images)
        return prepare(self, images, *given, **named)

    monkeypatch.setattr(kind, "__call__", counting)
    rows = [row(FIRST, f"Is it {name}?") for name in NAMES[:questions]]
    batches = drained(queue_of(rows))
    assert len(prepared) == times
    assert_complete(batches, rows, processor())


def test_the_processor_is_left_as_it_was():
    before = dict(vars(processor()))
    drained(queue_of([row(FIRST, "Who?"), row(FIRST, "Is it Ann?"), row(SECOND, "Who?")]))
    assert vars(processor()) == before


# what a model keeps


def test_positions_count_real_tokens():
    assert positions(torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])).tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]


def window_model():
    return llama(MistralForCausalLM, text_config(MistralConfig, num_key_value_heads=2, sliding_window=8))


@pytest.mark.parametrize("build", [llama, window_model])
def test_a_start_is_kept_whole(build):
    """Left-padded starts end as they would alone; the cache also holds what a window does not reach any more."""
    model, rows = build(), [text_row(number, number % 3) for number in range(4)]
    queue = queue_of(rows, tokenizer(), share=False)
    batch = queue.take(4)
    with torch.inference_mode():
        kept = prefilled(model, batch.inputs)
        assert kept.cache.get_seq_length() == batch.inputs["input_ids"].shape[1]
        assert {layer.keys.shape[-2] for layer in kept.cache.layers} == {kept.cache.get_seq_length()}
        for place, group in enumerate(batch.groups):
            own = own_inputs(tokenizer(), rows[group.rows[0]])["input_ids"]
            assert kept.next_B1[place].tolist() == [own.shape[1]] == [int(kept.mask_BL[place].sum())]
            alone = model(input_ids=own, use_cache=False).logits[0, -1]
            assert (kept.last_BV[place] - alone).abs().max() <= 1e-4


def test_a_tail_on_either_side():
    inputs = {
        "input_ids": torch.tensor([[0, 5], [6, 7]]),
        "attention_mask": torch.tensor([[0, 1], [1, 1]]),
        "token_type_ids": torch.tensor([[0, 1], [0, 1]]),
        "pixel_values": torch.ones(2, 3),
    }
    longer = partial(extended, inputs, [[1, 2, 3], [4]])
    right, left = longer(), longer(side="left")
    assert right["input_ids"].tolist() == [[0, 5, 1, 2, 3], [6, 7, 4, 0, 0]]
    assert right["attention_mask"].tolist() == [[0, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert left["input_ids"].tolist() == [[0, 5, 1, 2, 3], [6, 7, 0, 0, 4]]
    assert left["attention_mask"].tolist() == [[0, 1, 1, 1, 1], [1, 1, 0, 0, 1]]
    for both in (right, left):
        assert both["token_type_ids"].tolist() == [[0, 1, 0, 0, 0]] * 2
        assert both["pixel_values"] is inputs["pixel_values"]
    assert inputs["input_ids"].shape == (2, 2)


def test_starts_of_unequal_length_answer_as_alone():
    """Cut and padded again, with pictures: the states behind each start are those of the start alone."""
    rows = [row(FIRST, "Who?"), row(FIRST, LONG), row(SECOND, "Where is Ann?"), row(SECOND, "Where is Bo?")]
    batch = queue_of(rows).take(4)
    assert sorted(batch.inputs["attention_mask"].sum(1).tolist())[0] < batch.inputs["input_ids"].shape[1]
    with torch.inference_mode():
        last = prefilled(llava(), batch.inputs).last_BV
        for place, mask in enumerate(batch.inputs["attention_mask"].bool()):
            alone = {"input_ids": batch.inputs["input_ids"][place][mask][None]}
            alone["pixel_values"] = batch.inputs["pixel_values"][place][None]
            expected = llava()(**alone, use_cache=False).logits[0, -1]
            assert np.abs((last[place] - expected).numpy()).max() <= 1e-4
