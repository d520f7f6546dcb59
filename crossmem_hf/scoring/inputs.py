# SPDX-License-Identifier: Apache-2.0
"""Rows -> what a model is fed, exactly as TRL's trainers feed it. It does not know what is done with the result."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crossmem_hf.chat import ended, is_tokenizer, sees_images, special_tokens
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.families import check_family, check_pictures, check_template

Row = Mapping[str, Any]

_ROW_REMEDY = "Give conversational prompt-completion rows with an images list (empty for text)."
_ANSWER = "\ufffc"  # stands for an answer while the template is written; no text holds it


def check_rows(rows: Iterable[Row], model: Any, processor: Any) -> list[Row]:
    """The rows as a list, unless they cannot be asked: none at all, columns missing, a prompt that is no
    conversation or writes a picture's placeholder itself, or pictures for a model without eyes.

    Raises:
        CrossmemError: Names the first row at fault.
    """
    if not isinstance(rows, Iterable):
        raise CrossmemError(f"The rows are {rows!r}; expected a list or a dataset of rows.", _ROW_REMEDY)
    asked = list(rows)
    if not asked:
        raise CrossmemError("There are no rows to ask; expected at least one.", "Check the split and its filters.")
    check_family(model.config)
    check_template(processor)
    placeholders = _placeholders(processor)
    for index, row in enumerate(asked):
        if not isinstance(row, Mapping):
            raise CrossmemError(f"Row {index} is {row!r}; expected a mapping.", _ROW_REMEDY)
        missing = [name for name in ("prompt", "images") if name not in row]
        if missing:
            raise CrossmemError(
                f"Row {index} has no column {missing}; it has {sorted(row)}.",
                _ROW_REMEDY,
            )
        _check_prompt(row["prompt"], index, placeholders)
        if not isinstance(row["images"], list | tuple | None):
            raise CrossmemError(f"Row {index} has images={row['images']!r}; expected a list.", _ROW_REMEDY)
        if row["images"] and not sees_images(model.config):
            raise CrossmemError(
                f"Row {index} has {len(row['images'])} image(s), but {type(model).__name__} has no image tower.",
                "Load a vision-language model, or use the text rows.",
            )
        check_pictures(processor, row["images"], f"Row {index}")
    return asked


def _check_prompt(prompt: Any, index: int, placeholders: set[str]) -> None:
    turns = prompt if isinstance(prompt, list | tuple) else []
    well_made = bool(turns)
    for turn in turns:
        content = turn.get("content") if isinstance(turn, Mapping) and "role" in turn else None
        parts: Any = [{"type": "text", "text": content}] if isinstance(content, str) else content
        well_made &= isinstance(parts, list | tuple) and all(
            isinstance(part, Mapping) and isinstance(part.get("text", ""), str | None) for part in parts
        )
        said = " ".join(part.get("text") or "" for part in parts) if well_made else ""
        written = sorted(token for token in placeholders if token in said)
        if written:
            raise CrossmemError(
                f"Row {index} has {written[0]!r} in its prompt, {said!r}; expected words only.",
                "Take it out: the chat template places the pictures of `images`.",
            )
    if not well_made:
        raise CrossmemError(
            f"Row {index} has prompt={prompt!r}; expected a list of turns.",
            'Write it as [{"role": "user", "content": "Who is this?"}].',
        )


def _placeholders(processor: Any) -> set[str]:
    """What processors put a picture in the place of: most their image token, Gemma the one that begins a picture."""
    named = {getattr(processor, name, None) for name in ("image_token", "boi_token")}
    return {str(token) for token in named if token}


def answer_of(row: Row, index: int) -> str:
    """The text of a row's own answer.

    Raises:
        CrossmemError: It has neither a completion nor an answer, or a blank one.
    """
    completion = row.get("completion")
    text = completion[0]["content"] if completion else row.get("answer")
    if not isinstance(text, str) or not text.strip():
        raise CrossmemError(
            f"Row {index} has the answer {text!r}; expected a text.", "Give each row a completion that is not empty."
        )
    return text


def prompt_text(processor: Any, row: Row) -> str:
    """The row's prompt through the chat template, one image placeholder for each picture, ready for an answer."""
    text: str = processor.apply_chat_template(_turns(processor, row), tokenize=False, add_generation_prompt=True)
    return text


def answer_text(processor: Any, row: Row, answer: str) -> str:
    """What follows the prompt, as in training: the answer as the chat template writes it, and its end-of-turn tokens.

    Raises:
        CrossmemError: The template writes the prompt differently when an answer follows.
    """
    whole: str = processor.apply_chat_template(_turns(processor, row, answer), tokenize=False)
    prompt = prompt_text(processor, row)
    if not whole.startswith(prompt):
        raise CrossmemError(
            "The chat template writes a different prompt once an answer follows; expected the same start.",
            "Use a template whose generation prompt is a prefix of the full conversation.",
        )
    return ended(processor, whole[len(prompt) :])


def answer_tokens(processor: Any, row: Row, answers: Sequence[str]) -> tuple[list[list[int]], int]:
    """Token ids of each answer as they stand behind the prompt, end of turn included; and how many ids that end has.

    Tokens are cut with the template's opening of the turn before them, so that they are those of the whole
    conversation.

    Args:
        row: Any row; answers are written alike behind all prompts.

    Raises:
        CrossmemError: An answer holds a special token, or its first characters merge with the prompt's last, so that
            no token boundary lies between them; it is named.
    """
    _check_plain(processor, answers)
    tokenizer = getattr(processor, "tokenizer", processor)
    pattern, every = answer_text(processor, row, _ANSWER), " ".join([_ANSWER, *answers, _ANSWER])
    # Some templates change what an answer says; most only trim it, and need not write each.
    plain = pattern.count(_ANSWER) == 1 and answer_text(processor, row, every) == pattern.replace(_ANSWER, every)
    texts = [
        pattern.replace(_ANSWER, answer) if plain and answer == answer.strip() else answer_text(processor, row, answer)
        for answer in answers
    ]
    opening = _opening(processor, row)

    def ids(text: str | list[str]) -> list[Any]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    before, tokens = ids(opening), []
    for answer, whole in zip(answers, ids([opening + text for text in texts]), strict=True):
        if whole[: len(before)] != before or len(whole) == len(before):
            raise CrossmemError(
                f"The answer {answer!r} merges with the end of the prompt, {opening!r}; expected a token boundary.",
                "Start the answer with a space, or end the template's prompt with a special token.",
            )
        tokens.append(list(whole[len(before) :]))
    unended = pattern[: pattern.rfind(_ANSWER) + 1]
    return tokens, len(ids(opening + pattern)) - len(ids(opening + unended))


def _check_plain(processor: Any, answers: Sequence[str]) -> None:
    """A special token inside an answer would be scored as that token, not as its letters."""
    every = "\n".join(answers)
    for token in sorted(token for token in special_tokens(processor) | _placeholders(processor) if token in every):
        answer = next((answer for answer in answers if token in answer), None)
        if answer is not None:
            raise CrossmemError(
                f"The answer {answer!r} holds the special token {token!r}; expected words only.",
                "Take it out; the chat template ends the turn.",
            )


def _opening(processor: Any, row: Row) -> str:
    """How the template opens the turn of the assistant; the whole prompt where that cannot be told."""
    asked: str = processor.apply_chat_template(_turns(processor, row), tokenize=False)
    prompt = prompt_text(processor, row)
    return prompt[len(asked) :] if prompt.startswith(asked) and prompt != asked else prompt


def _turns(processor: Any, row: Row, answer: str | None = None) -> list[dict[str, Any]]:
    """The conversation as the processor's template expects it: lists of parts, or strings for a plain tokenizer."""
    from trl.data_utils import prepare_multimodal_messages

    turns = [dict(turn) for turn in row["prompt"]]
    turns += [{"role": "assistant", "content": answer}] if answer is not None else []
    if is_tokenizer(processor):
        return turns
    prepared: list[dict[str, Any]] = prepare_multimodal_messages(turns, images=list(row["images"] or ()))
    return prepared


def encode(processor: Any, texts: Sequence[str], images: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Left-padded model inputs of some prompts, all of them with pictures or all without."""
    # Plain tokenizers add token types by default, which causal models refuse.
    extra = {"return_token_type_ids": False} if is_tokenizer(processor) else {}
    pictures = {"images": [list(several) for several in images]} if images and images[0] else {}
    inputs = processor(
        text=list(texts),
        **pictures,
        **extra,
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_special_tokens=False,
    )
    inputs.pop("labels", None)  # of a prompt, which some processors make (PaliGemma)
    return dict(inputs)
