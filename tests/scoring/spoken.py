# SPDX-License-Identifier: Apache-2.0
"""Rows that share pictures, and the oracle of generation: one row, a full pass a token, without cache or padding."""

import torch

from tests.scoring.tiny import image_row, text_row

QUESTIONS = ("Who?", "What is the name of the person in this picture?", "Is it Kim or Lee? Say the whole name, please")


def queried(question, number):
    """A question about someone's portrait."""
    return {**image_row(number), "prompt": [{"role": "user", "content": question}]}


def shared_rows():
    """Three questions about one picture, two about another, one about a third, texts between; unequal in length."""
    about = [(0, 0), (1, 3), (1, 0), (2, 7), (2, 0), (0, 3)]
    rows = [queried(QUESTIONS[question], number) for question, number in about]
    return [*rows[:3], text_row(1), *rows[3:], text_row(2)]


def step_by_step(model, processing, row, steps):
    """The likeliest answer to one row."""
    turns = [
        {
            "role": "user",
            "content": [
                *[{"type": "image"}] * len(row["images"]),
                {"type": "text", "text": row["prompt"][0]["content"]},
            ],
        }
    ]
    prompt = processing.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    given = {"images": row["images"]} if row["images"] else {}
    inputs = dict(processing(text=prompt, **given, return_tensors="pt"))
    inputs.pop("attention_mask")
    made = []
    for _ in range(steps):
        with torch.no_grad():
            made.append(int(model(**inputs).logits[0, -1].argmax()))
        if made[-1] == processing.tokenizer.eos_token_id:
            break
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([[made[-1]]])], dim=1)
    return processing.tokenizer.decode(made, skip_special_tokens=True).strip()
