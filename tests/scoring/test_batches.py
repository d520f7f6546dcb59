# SPDX-License-Identifier: Apache-2.0
"""Batches fit their budget, are halved when memory runs out, and hold every row exactly once."""

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.batches import MAX_PROMPTS, TOKENS_PER_PASS, TOKENS_PER_PASS_ON_DEVICES, Room, in_batches
from tests.scoring.tiny import image_row, llama, llava, mixed_rows, processor, text_row, tokenizer

CPU = torch.device("cpu")
NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: can't allocate memory: you tried too much"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
]


def short_text(number):
    return {"prompt": [{"role": "user", "content": f"{number}?"}], "images": []}


def short_picture(number):
    return {**image_row(number % 12), "prompt": [{"role": "user", "content": "?"}]}


def late_picture(number):
    """A question before its picture, which other questions about the picture share nothing with."""
    content = [{"type": "text", "text": f"A long question number {number}. " * 5}, {"type": "image"}]
    return {**image_row(0), "prompt": [{"role": "user", "content": content}]}


ROWS = {
    "one": [text_row(0)],
    "mixed": mixed_rows(9),
    "long_texts_after_short_pictures": [*map(short_picture, range(6)), *map(text_row, range(6))],
    "short_texts_after_pictures": [*map(image_row, range(5)), *map(short_text, range(9))],
    "pictures_that_come_late": [*map(late_picture, range(5)), *map(short_text, range(9))],
}


def run(rows, work=None, *, share=True, batch_size="auto", tokens_per_pass="auto"):
    """The rows of each batch, in the order of the batches, and the shapes of their inputs."""
    seen, shapes = [], []

    def noted(batch, room):
        if work:
            work(batch, room)
        shapes.append(tuple(batch.inputs["input_ids"].shape))
        return [number for group in batch.groups for number in group.rows]

    sizes = {"batch_size": batch_size, "tokens_per_pass": tokens_per_pass}
    seen.extend(in_batches(llava(), processor(), rows, noted, share=share, **sizes))
    return seen, shapes


def all_rows(seen):
    return sorted(number for part in seen for number in part)


# budgets


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("tokens_per_pass", [1, 100, "auto"])
@pytest.mark.parametrize("name", ROWS)
def test_no_batch_has_more_tokens_than_fit(name, tokens_per_pass, share):
    seen, shapes = run(ROWS[name], share=share, tokens_per_pass=tokens_per_pass)
    assert all_rows(seen) == list(range(len(ROWS[name])))
    most = TOKENS_PER_PASS["cpu"] if tokens_per_pass == "auto" else tokens_per_pass
    assert all(prompts == 1 or prompts * length <= most for prompts, length in shapes)


def test_batches_are_filled():
    rows = [text_row(1)] * 23
    (_, length), *_ = run(rows[:1])[1]
    _, shapes = run(rows, share=False, tokens_per_pass=10 * length + 3)
    assert [prompts for prompts, _ in shapes] == [10, 10, 3]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_a_given_size_is_kept(batch_size):
    """It is not cut to the tokens, which are for what follows the prompts."""
    seen, shapes = run(ROWS["mixed"], share=False, batch_size=batch_size, tokens_per_pass=1)
    assert all_rows(seen) == list(range(9))
    pictures, texts = 5, 4
    expected = [min(batch_size, kind - done) for kind in (pictures, texts) for done in range(0, kind, batch_size)]
    assert [prompts for prompts, _ in shapes] == expected


def test_how_much_room_there_is():
    room = Room(CPU, "auto", "auto")
    assert room.tokens == TOKENS_PER_PASS["cpu"] == 4096
    assert Room(torch.device("cuda"), "auto", "auto").tokens == TOKENS_PER_PASS_ON_DEVICES == 16384
    room.saw(1000)
    assert (room.prompts, room.nodes(4), room.nodes(5000)) == (4, 1024, 1)
    room.saw(5000)
    assert room.prompts == 1
    room.saw(1)
    assert room.prompts == MAX_PROMPTS
    wide = Room(CPU, "auto", "auto", vocabulary=2**18)
    assert (wide.tokens, wide.nodes(1), wide.nodes(4)) == (4096, 2048, 512)  # 2**29 logits, as documented
    assert Room(CPU, "auto", 4096, vocabulary=2**18).nodes(1) == 4096  # a number given is taken as it is
    given = Room(CPU, 7, 10)
    given.saw(1000)
    assert (given.prompts, given.nodes(7)) == (7, 1)


@pytest.mark.parametrize("value", [0, -3, 0.5, 2.5, "x", None, True])
@pytest.mark.parametrize("name", ["batch_size", "tokens_per_pass"])
def test_a_size_below_one(name, value):
    with pytest.raises(CrossmemError, match=f"{name}={value!r}; expected a whole number, at least 1"):
        run([text_row(0)], **{name: value})


# want of memory


@pytest.fixture
def cleared(monkeypatch):
    """Each time that memory is freed, which takes long."""
    times = []
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda **settings: times.append(settings))
    return times


def failing_above(limit, error):
    """Work that runs out of memory with more tokens than `limit`, and the sizes it was asked for."""
    queried = []

    def work(batch, room):
        queried.append((len(batch.groups), room.tokens))
        if batch.inputs["input_ids"].numel() > limit:
            raise error

    return work, queried


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("sizes", [{}, {"batch_size": 8}, {"batch_size": 3, "tokens_per_pass": 50}])
def test_batches_are_halved_until_they_fit(sizes, share, cleared):
    rows = ROWS["mixed"]
    work, queried = failing_above(130, NO_MEMORY[0])
    seen, shapes = run(rows, work, share=share, **sizes)
    assert all_rows(seen) == list(range(9))
    assert all(prompts * length <= 130 for prompts, length in shapes)
    assert cleared == [{"garbage_collection": True}] * (len(queried) - len(shapes)) != []
    assert [most for most, _ in queried] != sorted(most for most, _ in queried)
    tokens = [tokens for _, tokens in queried]
    assert tokens == sorted(tokens, reverse=True)


def test_batches_stay_small_afterwards(cleared):
    """One refusal is enough: what did not fit is not tried again."""
    rows = [text_row(1)] * 20
    work, queried = failing_above(300, NO_MEMORY[0])
    seen, shapes = run(rows, work, share=False, batch_size=16)
    assert all_rows(seen) == list(range(20))
    sizes = [size for size, _ in queried]
    refused = len(queried) - len(shapes)
    assert refused >= 2
    assert sizes == sorted(sizes, reverse=True)  # never more than once for each size that fails
    assert len(set(sizes[:refused])) == refused
    assert set(sizes[refused:-1]) == {sizes[refused]}


@pytest.mark.parametrize("error", NO_MEMORY)
def test_not_even_one_token(error, cleared):
    work, queried = failing_above(0, error)
    with pytest.raises(CrossmemError, match="Out of memory with a single prompt and a single token") as caught:
        run(ROWS["mixed"], work, tokens_per_pass=4)
    assert queried[-1] == (1, 1)
    assert len(queried) == 3
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError(), ValueError("CUDA out of memory."),
    KeyError("x"), RuntimeError("CUDA error: device-side assert triggered"),
])  # fmt: skip
def test_other_errors_are_raised_as_they_are(error):
    work, queried = failing_above(0, error)
    with pytest.raises(type(error)) as caught:
        run(ROWS["one"], work)
    assert caught.value is error
    assert len(queried) == 1


def test_what_a_real_allocator_says_is_understood():
    def work(batch, room):
        if len(batch.groups) > 1:
            torch.empty(1 << 60, dtype=torch.uint8)

    seen, shapes = run(ROWS["mixed"], work, batch_size=2)
    assert all_rows(seen) == list(range(9))
    assert {prompts for prompts, _ in shapes} == {1}


# the model meanwhile


def test_the_model_is_in_evaluation_inside_and_as_it_was_outside():
    model = llama().train()

    def work(batch, room):
        assert not model.training
        assert torch.is_inference_mode_enabled()
        return True

    rows = [text_row(number) for number in range(4)]
    outside = []
    for _ in in_batches(model, tokenizer(), rows, work, share=False, batch_size=1):
        outside.append((model.training, torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
    assert outside == [(True, False, True)] * 4


def test_nothing_is_done_before_it_is_asked_for():
    done = []
    rows = [text_row(number) for number in range(5)]
    found = in_batches(llama(), tokenizer(), rows, lambda batch, room: done.append(batch), share=False, batch_size=2)
    assert not done
    next(found)
    assert len(done) == 1
