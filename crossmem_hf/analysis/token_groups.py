# SPDX-License-Identifier: Apache-2.0
"""Which tokens of a row are its pictures, its subject, the rest of its question, and those that predict its answer. It
does not know what is done with them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import picture_tokens, tokenizer_of, worded
from crossmem_hf.models.turns import prompt_text

TokenGroup = Literal["image", "subject", "question", "last"]
GROUPS: Final[tuple[TokenGroup, ...]] = get_args(TokenGroup)
"""``image``: the tokens that stand for pictures. ``subject``: the words that say whom the question is about, wherever
they stand in it. ``last``: the tokens that predict the answer, which are the last of the prompt and, of an answer of
several tokens, all but its last. ``question``: all others of the prompt, those of the chat template among them. No
token is in two groups; one that holds the space before the subject, or a letter of it, belongs to the subject."""
ALL: Final = "all"
"""Every group together, which leaves out the answer's last token alone: nothing is predicted from it."""

Groups = Mapping[str, tuple[int, ...]]


def question_of(row: Row) -> str:
    """The words of the last turn of the user, in which the subject is looked for."""
    turns = [turn for turn in row["prompt"] if turn["role"] == "user"]
    return worded(turns[-1]["content"]) if turns else ""


def token_groups(
    processor: Any, model_config: Any, row: Row, subject: str, ids: Sequence[int], num_answer: int
) -> Groups:
    """Group -> places of its tokens among those of prompt and answer; `ALL` too. A group without tokens is empty.

    Args:
        subject: Words of the row's question.
        ids: Of the prompt, as the model gets them, not padded.
        num_answer: Tokens of the answer, at least one.

    Raises:
        CrossmemError: The subject is not in the question, or its tokens cannot be told among those of the prompt.
    """
    last = range(len(ids) - 1, len(ids) - 1 + num_answer)
    marks = picture_tokens(processor, model_config)
    image = [place for place, token in enumerate(ids) if token in marks]
    own = [place for place in _subject_places(processor, row, subject, ids) if place not in last]
    if not own:
        raise CrossmemError(
            f"The subject {subject!r} is the last token of the prompt, from which the answer is predicted.",
            "Name other words of the question as the subject.",
        )
    taken = {*image, *own, *last}
    rest = [place for place in range(len(ids)) if place not in taken]
    found: dict[str, Sequence[int]] = {"image": image, "subject": own, "question": rest, "last": last}
    return {name: tuple(found[name]) for name in GROUPS} | {ALL: tuple(sorted({*taken, *rest}))}


def _subject_places(processor: Any, row: Row, subject: str, ids: Sequence[int]) -> list[int]:
    """Places of the subject's tokens, counted in what the model gets: processors write more tokens than the chat
    template, such as those of pictures, so the same run of tokens is looked for, counted from the end."""
    text = prompt_text(processor, row)
    tokens, places = spelled_places(processor, text, subject, question_of(row))
    run = tokens[places[0] : places[-1] + 1]
    written, fed = _starts(run, tokens), _starts(run, ids)
    if len(written) != len(fed):
        raise CrossmemError(
            f"The tokens of {subject!r} cannot be told in the prompt {text[:120]!r}: a picture stands between, or "
            "the processor writes other words than the chat template.",
            "Put pictures before the question, or name other words of it as the subject.",
        )
    shift = fed[written.index(places[0])] - places[0]
    return [place + shift for place in places]


def _starts(run: Sequence[int], tokens: Sequence[int]) -> list[int]:
    """Where a run of tokens begins among others."""
    own = list(run)
    return [at for at in range(len(tokens) - len(own) + 1) if list(tokens[at : at + len(own)]) == own]


def spelled_places(processor: Any, text: str, subject: str, question: str) -> tuple[list[int], list[int]]:
    """The tokens of a prompt's text, and which of them hold letters of the subject inside the question, or the space
    before it, which other words may take into a token of theirs.

    Raises:
        CrossmemError: The subject is not in the question, or the tokenizer does not say which letters a token holds.
    """
    tokenizer = tokenizer_of(processor)
    if not getattr(tokenizer, "is_fast", False):
        raise CrossmemError(
            f"{type(tokenizer).__name__} does not say which letters a token holds.",
            "Load the model's fast tokenizer, which has a tokenizer.json.",
        )
    first = max(text.rfind(question.strip()), 0)
    spans = []
    while subject and (first := text.find(subject, first)) >= 0:
        spaces = len(text[:first]) - len(text[:first].rstrip(" "))
        spans.append((first - spaces, first + len(subject)))
        first += len(subject)
    if not spans:
        raise CrossmemError(
            f"The subject {subject!r} is not in the question {question!r}.",
            "Name words that stand in every question, letter by letter, as the subject.",
        )
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    places = [
        place
        for place, (begin, end) in enumerate(found["offset_mapping"])
        if any(begin < stop and end > start for start, stop in spans)
    ]
    return list(found["input_ids"]), places
