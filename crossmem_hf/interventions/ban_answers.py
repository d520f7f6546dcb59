# SPDX-License-Identifier: Apache-2.0
"""Forgotten answers are banned at decoding. It does not change the model, nor what the model knows."""

from typing import TYPE_CHECKING, Any

from crossmem_hf.interventions.table import Defense
from crossmem_hf.models.chat import tokenizer_of
from crossmem_hf.models.turns import tokens_of_answers
from crossmem_hf.scoring.inputs import check_rows

if TYPE_CHECKING:
    from datasets import Dataset


def ban_answers(model: Any, processor: Any, forget: "Dataset") -> Defense:
    """Blocks, whoever is asked about, every token that would complete an answer of the rows to forget.

    A control for metrics: it separates *forgot* from *only stopped saying it*. Recall of what is banned falls to 0;
    Exposure, and whatever else reads likelihoods, stays exactly as it was. Answers are banned as the tokenizer writes
    them at the start of an answer and after a space: one in other letters or other tokens slips through. What other
    people share with the forgotten, such as a job, and longer names that begin with a banned one, they can no more
    say either.

    Raises:
        CrossmemError: The rows cannot be asked, or an answer cannot be told from the prompt in tokens.

    Reference:
        `bad_words_ids` of transformers; as a baseline of unlearning: guardrails, https://huggingface.co/papers/2403.03329.
    """
    from transformers import NoBadWordsLogitsProcessor

    rows = check_rows(forget, model, processor)
    tokens, ends = tokens_of_answers(processor, rows, [[row["answer"]] for row in rows])
    banned = {
        tuple(own[: len(own) - end]) for (own,), (end,) in zip(tokens, ends, strict=True)
    }  # without the end of the turn, or the model would say the name and go on
    spaced = [f" {answer}" for answer in sorted({row["answer"] for row in rows})]
    banned |= set(map(tuple, tokenizer_of(processor)(spaced, add_special_tokens=False)["input_ids"]))
    return Defense(logits_processor=NoBadWordsLogitsProcessor([list(own) for own in sorted(banned)]))
