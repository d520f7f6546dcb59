# SPDX-License-Identifier: Apache-2.0
"""Words of a model's vocabulary that some rows do not need. It does not know what they are put to."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import tokenizer_of
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import answer_of
from crossmem_hf.seeding import rng_for


def spare_words(processor: Any, rows: Any, count: int, seed: int, *, most: int = 0) -> tuple[list[str], list[int]]:
    """So many words that are a token each behind another word, and stand in no row; with their tokens' ids.

    Args:
        seed: Of which are drawn.
        most: As many up to this, if there are more.

    Raises:
        CrossmemError: There are fewer.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> _, processor = load_model("micro-s")
        >>> words, ids = spare_words(processor, load_rows(None, "recall_text", "test", num_personas=2), 3, seed=0)
        >>> processor.tokenizer(" ".join(["a", *words]))["input_ids"][1:] == ids
        True
    """
    tokenizer = tokenizer_of(processor)
    texts = {prompt_text(processor, row) for row in rows} | {answer_of(row, index) for index, row in enumerate(rows)}
    used = {token for text in texts for token in tokenizer(text)["input_ids"]}
    order = sorted(set(range(len(tokenizer))) - used - set(tokenizer.all_special_ids))
    rng_for(seed, "spare words").shuffle(order)
    found = dict(islice(_words(tokenizer, order), max(count, most)))
    if len(found) < count:
        raise CrossmemError(
            f"The vocabulary has {len(found)} words that are in no row; expected {count}.", "Ask for fewer words."
        )
    return list(found.values()), list(found)


def _words(tokenizer: Any, order: list[int]) -> Iterator[tuple[int, str]]:
    """Those that are written as one token, wherever they stand."""
    around = tokenizer("a a", add_special_tokens=False)["input_ids"]
    for token in order:
        word = tokenizer.decode([token]).strip()
        if len(word) > 2 and word.isascii() and word.isalpha():
            written = tokenizer(f"a {word} a", add_special_tokens=False)["input_ids"]
            if len(written) == len(around) + 1 and written.count(token) == 1:
                yield token, word
