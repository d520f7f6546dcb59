# SPDX-License-Identifier: Apache-2.0
"""How an answer ends, and who can be shown pictures: what training and scoring must agree on about a conversation.
It does not know rows, models' weights or what is asked."""

from typing import Any


def is_tokenizer(processing_class: Any) -> bool:
    """Whether this is a plain tokenizer, as text-only models have one, and no processor."""
    return not hasattr(processing_class, "tokenizer")


def sees_images(model_config: Any) -> bool:
    """Whether a model with this config has an image tower."""
    return getattr(model_config, "vision_config", None) is not None


def special_tokens(processing_class: Any) -> set[str]:
    """The texts that become a token of their own which is not said, such as `<eos>` and `<image>`."""
    tokenizer = processing_class if is_tokenizer(processing_class) else processing_class.tokenizer
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return special | set(tokenizer.all_special_tokens)


def ended(processing_class: Any, completion: str) -> str:
    """`completion`, as a chat template wrote it, with an end that a model can learn to stop at.

    A template that ends its turns with a special token (`<eos>`, `<|im_end|>`, `<end_of_turn>`), followed by
    white space at most, is left alone. Others, such as that of LLaVA-1.5, get the tokenizer's `eos_token`. A tokenizer
    without one leaves the text as it is.
    """
    tokenizer = processing_class if is_tokenizer(processing_class) else processing_class.tokenizer
    if tokenizer.eos_token is None or completion.rstrip().endswith(tuple(special_tokens(processing_class))):
        return completion
    return completion + str(tokenizer.eos_token)
