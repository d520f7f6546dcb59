# SPDX-License-Identifier: Apache-2.0
"""Answers that branch off one start: the same as alone, with each picture seen once, also where memory is short."""

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from crossmem_hf.scoring.generation import generate_answers
from tests.scoring.spoken import QUESTIONS, queried, shared_rows, step_by_step
from tests.scoring.tiny import image_row, llama, llava, processor, text_config, text_row, tokenizer


def seen_by_the_tower(model, work):
    """How many pictures go through the tower, and what the work gives."""
    seen = []
    hook = model.model.vision_tower.register_forward_pre_hook(
        lambda _, given, named: seen.append(len(given[0] if given else named["pixel_values"])), with_kwargs=True
    )
    done = work()
    hook.remove()
    return sum(seen), done


@pytest.fixture(scope="module")
def shared():
    """The oracle's answers to the rows that share pictures."""
    answers = [step_by_step(llava(), processor(), row, 8) for row in shared_rows()]
    assert len(set(answers)) == len(answers)
    return answers


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64, "auto"])
def test_a_shared_picture_changes_no_answer_and_is_seen_once(shared, batch_size):
    model = llava()

    def ask():
        return generate_answers(model, processor(), shared_rows(), max_new_tokens=8, batch_size=batch_size)

    ask()  # on the first call a model is tried
    assert seen_by_the_tower(model, ask) == (3, shared)


def test_one_group_larger_than_the_batch():
    """All questions about one picture, some of them twice, with tails from one token to many."""
    rows = [queried("?" * (1 + number % 7), 5) for number in range(9)]
    expected = [step_by_step(llava(), processor(), row, 4) for row in rows]
    assert len(set(expected)) > 1
    for batch_size in (2, 4):
        assert generate_answers(llava(), processor(), rows, max_new_tokens=4, batch_size=batch_size) == expected


WINDOWED = {
    "window": lambda: llama(MistralForCausalLM, text_config(MistralConfig, sliding_window=8, num_key_value_heads=2)),
    "hybrid": lambda: llama(
        Qwen2ForCausalLM,
        text_config(
            Qwen2Config,
            num_key_value_heads=2,
            use_sliding_window=True,
            sliding_window=8,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
    ),
}


@pytest.mark.parametrize("batch_size", [1, 3, "auto"])
@pytest.mark.parametrize("kind", WINDOWED)
def test_branches_of_a_model_that_looks_through_a_window(kind, batch_size):
    """Prompts that share a start longer than the window, and go on for different lengths."""
    model, start = WINDOWED[kind](), text_row(0)["prompt"][0]["content"]
    rows = [
        {"prompt": [{"role": "user", "content": start + more}], "images": []}
        for more in ("", " Now?", " Say it.", " Who is it, please?", " Well?", " I wonder who that may be.")
    ]
    expected = []
    for row in rows:
        text = tokenizer().apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        ids = tokenizer()(text, return_tensors="pt", return_token_type_ids=False)["input_ids"]
        expected.append(tokenizer().decode(greedy(model, ids, 6), skip_special_tokens=True).strip())
    assert len(set(expected)) > 3
    assert generate_answers(model, tokenizer(), rows, max_new_tokens=6, batch_size=batch_size) == expected


def greedy(model, ids, steps):
    """The likeliest tokens behind some text, a full pass each."""
    made = []
    while len(made) < steps and tokenizer().eos_token_id not in made:
        with torch.no_grad():
            made.append(int(model(torch.cat([ids, torch.tensor([made], dtype=torch.long)], 1)).logits[0, -1].argmax()))
    return made


ROWS = {
    "single": [image_row(number) for number in range(8)],
    "groups": [queried(question, number) for number in range(3) for question in QUESTIONS],
}


@pytest.mark.parametrize("kind", ROWS)
def test_less_at_a_time_where_memory_runs_out(monkeypatch, kind):
    rows, model, tried = ROWS[kind], llava.__wrapped__(), []
    expected = generate_answers(model, processor(), rows, max_new_tokens=3)
    whole = model.generate

    def small(**given):
        tried.append(len(given["input_ids"]))
        if tried[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return whole(**given)

    monkeypatch.setattr(model, "generate", small)
    assert generate_answers(model, processor(), rows, max_new_tokens=3, batch_size=8) == expected
    assert tried[0] == 8
    assert sum(size for size in tried if size <= 2) == len(rows)
    if kind == "single":
        assert tried == [8, 4, 2, 2, 2, 2]


def test_other_errors_are_not_taken_for_want_of_memory(monkeypatch):
    model = llava.__wrapped__()

    def broken(**_):
        raise RuntimeError("expected scalar type Half but found Float")

    monkeypatch.setattr(model, "generate", broken)
    with pytest.raises(RuntimeError, match="expected scalar type"):
        generate_answers(model, processor(), [text_row(0)])
