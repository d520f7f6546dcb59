# SPDX-License-Identifier: Apache-2.0
"""What fills the shorter rows of a batch. It is masked wherever it stands, so any token does; many text models name
none. It knows no rows and no models."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import tokenizer_of


def padding_token(processing_class: Any) -> str:
    """The tokenizer's own padding token; else the one that ends texts, stands for the unknown, or begins texts.

    Raises:
        CrossmemError: It has none of them.

    Example:
        >>> from crossmem_hf import load_model
        >>> padding_token(load_model()[1])
        '<pad>'
    """
    tokenizer = tokenizer_of(processing_class)
    for token in (tokenizer.pad_token, tokenizer.eos_token, tokenizer.unk_token, tokenizer.bos_token):
        if token is not None:
            return str(token)
    raise CrossmemError(
        f"The {type(tokenizer).__name__} has no pad_token, eos_token, unk_token or bos_token to pad with.",
        "Set its pad_token to any token of its vocabulary.",
    )


def padding_id(processing_class: Any) -> int:
    """The number of `padding_token`."""
    return int(tokenizer_of(processing_class).convert_tokens_to_ids(padding_token(processing_class)))


@contextmanager
def able_to_pad(processing_class: Any) -> Iterator[None]:
    """While inside, the tokenizer pads with `padding_token`; afterwards it is as it was, and is saved so."""
    tokenizer = tokenizer_of(processing_class)
    if tokenizer.pad_token is not None:
        yield
        return
    tokenizer.pad_token = padding_token(tokenizer)
    try:
        yield
    finally:
        tokenizer.pad_token = None
