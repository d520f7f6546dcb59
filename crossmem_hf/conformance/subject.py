# SPDX-License-Identifier: Apache-2.0
"""A model under test and what it is asked: drawn portraits and descriptions of people who do not exist. And the plain
path that everything is compared with: one row, one answer, one forward pass over what the processor itself makes of
the whole conversation. It does not know the checks."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.models.chat import is_tokenizer, sees_images, special_tokens, tokenizer_of
from crossmem_hf.models.families import marks_answers
from crossmem_hf.models.modes import evaluating
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for
from crossmem_hf.scoring.prefill import extended

SHORT, LONG = "Who is this?", "What is the name of the person in this picture?"
TEXTS = ("Ann has a red hat. Who has a hat?", "Someone with a scarf, a dog and two cats lives here. Who may that be?")


@dataclass(frozen=True)
class Subject:
    """A model, its processor and some rows.

    Attributes:
        rows: Two questions about one picture, a wide picture, two pictures in one row, texts; what the model can be
            asked of these.
        answers: Candidates; row i is answered by number i, counted around.
        close: Nats a token that two ways may differ by in the model's dtype.
    """

    model: Any
    processor: Any
    rows: tuple[dict[str, Any], ...]
    answers: tuple[str, ...]
    close: float

    @property
    def with_pictures(self) -> list[dict[str, Any]]:
        """The rows with pictures."""
        return [row for row in self.rows if row["images"]]

    @cached_property
    def plain(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(rows, candidates) summed negative log-likelihoods in nats on the plain path, and numbers of tokens."""
        every = [[plain_logprobs(self, row, answer) for answer in self.answers] for row in self.rows]
        sums = np.array([[-one.sum() for one in line] for line in every])
        return sums, np.array([[len(one) for one in line] for line in every])


def subject_of(model: Any, processor: Any) -> Subject:
    """A model with all that it can be asked."""
    personas = list(sample_personas(3))
    answers = (*(person.full_name for person in personas), "x")
    first, second, third = (render_portrait(person, view_for(person, "test", 0), 64) for person in personas)
    with_pictures = [(SHORT, first), (LONG, first), (SHORT, third.resize((96, 48))), (SHORT, first, second)]
    prompts: list[tuple[Any, ...]] = (
        list(with_pictures) if sees_images(model.config) and not is_tokenizer(processor) else []
    )
    prompts += [] if marks_answers(processor) else [(text,) for text in TEXTS]
    rows = tuple(row_of(*one, answer=answers[place % len(answers)]) for place, one in enumerate(prompts))
    half = str(model.dtype).split(".")[-1] in ("float16", "bfloat16")
    return Subject(model, processor, rows, answers, 0.2 if half else 1e-3)


def row_of(question: str, *images: Any, answer: str) -> dict[str, Any]:
    """A conversational row."""
    prompt, completion = {"role": "user", "content": question}, {"role": "assistant", "content": answer}
    return {"prompt": [prompt], "completion": [completion], "answer": answer, "images": list(images)}


def turns_of(processor: Any, row: dict[str, Any], answer: str) -> list[dict[str, Any]]:
    """The conversation, as the processor's template wants it."""
    question = row["prompt"][0]["content"]
    prompts: Any
    said: Any
    if is_tokenizer(processor):
        prompts, said = question, answer
    else:
        prompts = [*[{"type": "image"} for _ in row["images"]], {"type": "text", "text": question}]
        said = [{"type": "text", "text": answer}]
    return [{"role": "user", "content": prompts}, {"role": "assistant", "content": said}]


def written(processor: Any, row: dict[str, Any], answer: str) -> tuple[str, str]:
    """(prompt, whole conversation) as the chat template writes them: up to the answer, without a space before it, and
    up to the token that ends its turn."""
    whole = processor.apply_chat_template(turns_of(processor, row, answer), tokenize=False)
    before, _, after = whole.rpartition(answer)
    words = tokenizer_of(processor)
    ends = {after.find(token) + len(token): token for token in special_tokens(processor) if token in after}
    end = after[: min(ends)] if ends else after.rstrip() + (words.eos_token or "")
    return before.rstrip(" "), before + answer + end


def inputs_of(subject: Subject, row: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    """What the processor makes of one text and the row's pictures."""
    given = {"images": [row["images"]]} if row["images"] else {}
    words = tokenizer_of(subject.processor)
    as_is = is_tokenizer(subject.processor) or marks_answers(subject.processor)
    more["add_special_tokens"] = not (as_is or text.startswith(str(words.bos_token)))
    made = dict(subject.processor(text=[text], **given, return_tensors="pt", **more))
    unused = {"labels", "token_type_ids"} if is_tokenizer(subject.processor) else {"labels"}
    return {name: value.to(subject.model.device) for name, value in made.items() if name not in unused}


def conversation(subject: Subject, row: dict[str, Any], answer: str) -> tuple[dict[str, Any], list[int]]:
    """(inputs, answer's token ids): the whole conversation as the processor encodes it."""
    prompt, whole = written(subject.processor, row, answer)
    before = inputs_of(subject, row, prompt)["input_ids"].shape[1]
    if marks_answers(subject.processor):
        end = subject.processor.tokenizer.eos_token
        inputs = inputs_of(subject, row, prompt, suffix=[whole[len(prompt) :].removesuffix(end)])
    else:
        inputs = inputs_of(subject, row, whole)
    return inputs, inputs["input_ids"][0, before:].tolist()


def plain_logprobs(subject: Subject, row: dict[str, Any], answer: str) -> NDArray[np.float64]:
    """(tokens,) log-probability of each token of an answer, in nats."""
    import torch

    inputs, tokens = conversation(subject, row, answer)
    with evaluating(subject.model):
        logits = subject.model(**inputs, use_cache=False).logits[0, -len(tokens) - 1 : -1].double()
    every = torch.log_softmax(logits, -1)
    found: NDArray[np.float64] = every[range(len(tokens)), tokens].cpu().numpy()
    return found


def plain_greedy(subject: Subject, row: dict[str, Any], steps: int, ends: set[int]) -> tuple[list[int], float]:
    """The likeliest tokens one after the other, each by a pass over all before it, up to one of `ends`; and the
    smallest lead in logits that one of them had."""
    prompt, _ = written(subject.processor, row, subject.answers[0])
    inputs, made, lead = inputs_of(subject, row, prompt), list[int](), float("inf")
    token_type = int(marks_answers(subject.processor))
    while len(made) < steps and not (made and made[-1] in ends):
        longer = extended(inputs, [made], token_type=token_type) if made else inputs
        with evaluating(subject.model):
            best = subject.model(**longer, use_cache=False).logits[0, -1].double().topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        made.append(int(best.indices[0]))
    return made, lead
