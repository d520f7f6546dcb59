# SPDX-License-Identifier: Apache-2.0
"""A conversation through a processor's chat template: words, pictures' places, special tokens. It knows no answer's
tokens and no model's weights."""

from typing import Any

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.families import marks_answers

_SPACELESS = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0xABFF), (0xF900, 0xFAFF)),
    *((0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF)),
)
"""Code points of scripts without spaces between words, from Thai and Lao to Han and kana."""
_OPENING, _CLOSING = "([{<«“‘„¿¡#@$€£/\\-–—_~", ",.;:!?)]}>»”’%"


def is_tokenizer(processing_class: Any) -> bool:
    """Whether this is a plain tokenizer, as text-only models have one, and no processor."""
    return not hasattr(processing_class, "tokenizer")


def tokenizer_of(processing_class: Any) -> Any:
    """The tokenizer of a processor, or the tokenizer that it is."""
    return processing_class if is_tokenizer(processing_class) else processing_class.tokenizer


def sees_images(model_config: Any) -> bool:
    """Whether a model with this config has an image tower."""
    return getattr(model_config, "vision_config", None) is not None


def special_tokens(processing_class: Any) -> set[str]:
    """The texts that become a token of their own which is not said, such as `<eos>` and `<image>`."""
    tokenizer = tokenizer_of(processing_class)
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return special | set(tokenizer.all_special_tokens)


def placeholders(processor: Any) -> set[str]:
    """What processors put a picture in the place of: most their image token, Gemma the one that begins a picture."""
    named = {getattr(processor, name, None) for name in ("image_token", "boi_token")}
    return {str(token) for token in named if token}


def picture_tokens(processor: Any, model_config: Any = None) -> set[int]:
    """The ids of the tokens that stand for pictures in a model's inputs; empty where none is known.

    Args:
        model_config: Of the model, which may know what its processor does not say.
    """
    # Some processors name the placeholder in the text here, others the tokens that it becomes.
    named = {getattr(part, "image_token_id", None) for part in (processor, tokenizer_of(processor))}
    named |= {getattr(model_config, name, None) for name in ("image_token_id", "image_token_index")}
    return {int(token) for token in named if token is not None}


def check_template(processor: Any) -> None:
    """Nothing, if a processor or its tokenizer has a chat template.

    Raises:
        CrossmemError: Neither has one; the processor's class is named.
    """
    tokenizer = tokenizer_of(processor)
    if not (getattr(processor, "chat_template", None) or getattr(tokenizer, "chat_template", None)):
        raise CrossmemError(
            f"{type(processor).__name__} has no chat template, so nothing says how a question is put.",
            "Use the model's chat or instruct version, or set processor.chat_template, or save a chat_template.jinja "
            "beside the tokenizer; docs/models.md has one for PaliGemma.",
        )


def written(processor: Any, row: Row, answer: str | None) -> str:
    """The conversation of a row through the template, with an answer as its last turn, or ready for one.

    Args:
        answer: None for the template's own generation prompt. Where the row's prompt ends in a turn of the assistant,
            the answer is written behind its words.

    Raises:
        CrossmemError: There is no template, or it refuses the conversation.
    """
    from jinja2 import TemplateError, TemplateSyntaxError

    check_template(processor)
    try:
        text: str = processor.apply_chat_template(
            turns_of(processor, row, answer), tokenize=False, add_generation_prompt=answer is None
        )
    except TemplateError as error:
        roles = [turn["role"] for turn in row["prompt"]]
        raise CrossmemError(
            f"The chat template refuses a conversation of {roles!r} and an answer: {str(error).rstrip('.')}.",
            "Correct the chat template, which is no valid Jinja."
            if isinstance(error, TemplateSyntaxError)
            else "Write the prompt in turns that this model knows.",
        ) from error
    return _beginning(processor, text) + text


def _beginning(processor: Any, text: str) -> str:
    """The token that a processor puts before every text, unless the template writes it, as `transformers` decides."""
    tokenizer = tokenizer_of(processor)
    begins = tokenizer.bos_token
    if is_tokenizer(processor) or marks_answers(processor) or begins is None or text.startswith(begins):
        return ""
    return str(begins) if tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id else ""


def joint(before: str, answer: str) -> str:
    """What stands between a turn that was begun and the answer that goes on with it: a space, or nothing next to white
    space, behind an opening sign, before a closing one, and in scripts without spaces between words.

    Example:
        >>> joint("The name is", "Ann"), joint('It is "', "Ann"), joint("The grade is:", "-5"), joint("名字是", "王伟")
        (' ', '', ' ', '')
    """
    last, first = before[-1:], answer[:1]
    if not last or not first or last.isspace() or first.isspace():
        return ""
    opened = last in _OPENING or (last in "\"'" and (len(before) == 1 or before[-2].isspace()))
    spaceless = any(low <= ord(letter) <= high for letter in (last, first) for low, high in _SPACELESS)
    return "" if opened or first in _CLOSING or spaceless else " "


def turns_of(processor: Any, row: Row, answer: str | None) -> list[dict[str, Any]]:
    """The conversation as the processor's template expects it: lists of parts, or strings for a plain tokenizer.

    Pictures that the prompt does not place come before the first words of the user.
    """
    turns = [dict(turn) for turn in row["prompt"]]
    if answer is not None and turns[-1]["role"] == "assistant":
        turns[-1]["content"] = worded(turns[-1]["content"]) + answer
    elif answer is not None:
        turns.append({"role": "assistant", "content": answer})
    if is_tokenizer(processor):
        return [{**turn, "content": worded(turn["content"])} for turn in turns]
    placed = any(_pictures(turn["content"]) for turn in turns)
    waiting = 0 if placed else len(row["images"] or ())
    for turn in turns:
        if isinstance(turn["content"], str):
            turn["content"] = [{"type": "text", "text": turn["content"]}]
        if turn["role"] == "user" and waiting:
            turn["content"] = [{"type": "image"}] * waiting + turn["content"]
            waiting = 0
    return turns


def worded(content: Any) -> str:
    """The words of a turn's content, whether a string or a list of parts."""
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def _pictures(content: Any) -> int:
    return 0 if isinstance(content, str) else sum(part.get("type") == "image" for part in content)
