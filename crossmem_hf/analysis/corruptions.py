# SPDX-License-Identifier: Apache-2.0
"""What a row becomes when what its answer depends on is taken away, token by token as long as before. It runs no
model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from crossmem_hf.analysis.token_groups import Groups, TokenGroup, question_of, spelled_places, token_groups
from crossmem_hf.data.forms import Row
from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.models.families import has_cross_attention
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.pictures.reading import as_seen
from crossmem_hf.prompts.subjects import IRRELEVANT, subject_of
from crossmem_hf.scoring.inputs import answer_of, encode

Kind = Literal["subject", "picture", "subject_noise", "picture_noise"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_AT_ONCE = 32  # texts that a tokenizer gets together


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """How rows are corrupted.

    Attributes:
        kind: ``"subject"`` puts another entity in the place of the words that say whom a question is about (ReMem):
            the subject of a row about another persona where that differs, so that names are swapped for names, else
            one of `prompts.subjects.IRRELEVANT`. ``"picture"`` shows the pictures of a row about another persona.
            ``"subject_noise"`` and ``"picture_noise"`` add Gaussian noise to the embeddings of these tokens.
        subject: Words of every question; None takes what `prompts.subjects.subject_of` finds in each.
        replacements: What may stand in the place of a subject, the first that fits taken; empty for those above.
        noise: Standard deviation of the noise, in standard deviations of the embeddings that it is added to, row by
            row. 3 is of Meng et al. 2022, who take the deviation over all their subjects.
        seed: Of the noise.

    Raises:
        CrossmemError: An unknown kind, noise that is no positive number, or replacements where nothing is replaced.
    """

    kind: Kind = "subject"
    subject: str | None = None
    replacements: tuple[str, ...] = ()
    noise: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("corruption", [self.kind], KINDS)
        if not 0 < self.noise < math.inf:
            raise CrossmemError(f"noise={self.noise!r}; expected a positive number.", "Pass 3 for three deviations.")
        if self.replacements and self.kind != "subject":
            raise CrossmemError(
                f"There are replacements, but {self.kind!r} replaces no words.",
                "Leave them out, or corrupt 'subject'.",
            )

    @property
    def is_noise(self) -> bool:
        """Whether noise is added, and nothing replaced."""
        return self.kind.endswith("noise")

    @property
    def changes(self) -> TokenGroup:
        """The group of tokens that it changes."""
        return "subject" if self.kind.startswith("subject") else "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupted:
    """A row, what it becomes, and where its tokens are, which is the same in both.

    Attributes:
        clean: The row.
        corrupted: The row that is asked in its place; the same one where noise is added.
        answer: Token ids of the answer behind both, the end of the turn left out.
        groups: As `token_groups` gives them.
        changed: The group that the corruption changes.
        by: In words, what the subject or the picture became.
    """

    clean: Row
    corrupted: Row
    answer: tuple[int, ...]
    groups: Groups
    changed: TokenGroup
    by: str


def corrupted_rows(model: Any, processor: Any, rows: Sequence[Row], corruption: Corruption) -> list[Corrupted]:
    """Every row with its corrupted one, whose tokens are as many in every group and, where words are replaced, the
    same outside the subject.

    Args:
        rows: Checked rows.

    Raises:
        CrossmemError: A row has no subject that is known, or none that is in its question; no picture where pictures
            are corrupted; or nothing with as many tokens can stand in its place. The row is named. Or pictures are to
            get noise that this model has no embeddings of.
    """
    if corruption.kind == "picture_noise" and has_cross_attention(model.config):
        raise CrossmemError(
            f"A {type(model).__name__} looks at pictures by cross-attention; no embeddings of tokens hold them.",
            "Corrupt 'picture' in the place of 'picture_noise'.",
        )
    subjects = [_subject(row, index, corruption) for index, row in enumerate(rows)]
    found = []
    for index, (row, subject) in enumerate(zip(rows, subjects, strict=True)):
        if corruption.changes == "image" and not row["images"]:
            raise CrossmemError(
                f"Row {index} has no picture, and the corruption is {corruption.kind!r}.",
                "Choose rows with pictures, such as recall_image, or corrupt the subject.",
            )
        ids = _ids(processor, row)
        tokens, ends = answer_tokens(processor, row, [answer_of(row, index)])
        answer = tuple(tokens[0][: len(tokens[0]) - ends[0]])
        groups = token_groups(processor, model.config, row, subject, ids, len(answer))
        one = Corrupted(clean=row, corrupted=row, answer=answer, groups=groups, changed=corruption.changes, by="noise")
        if corruption.kind == "subject":
            one = _renamed(processor, one, index, rows, subjects, corruption.replacements, ids)
        if corruption.kind == "picture":
            one = _reshown(processor, one, index, rows, ids)
        found.append(one)
    return found


def _subject(row: Row, index: int, corruption: Corruption) -> str:
    question = question_of(row)
    subject = corruption.subject or subject_of(question)
    if subject is None or subject not in question:
        what = "no words are known that say whom it is about" if subject is None else f"{subject!r} is not in it"
        raise CrossmemError(
            f"Row {index} asks {question!r}, and {what}.",
            "Pass subject= (--subject), words that stand in every question letter by letter.",
        )
    return subject


def _ids(processor: Any, row: Row) -> list[int]:
    inputs = encode(processor, [prompt_text(processor, row)], [row["images"]])
    return [int(token) for token in inputs["input_ids"][0]]


def _others(index: int, rows: Sequence[Row]) -> Iterator[int]:
    """Rows about other personas, from the next one on."""
    own = _persona(rows[index])
    for step in range(1, len(rows)):
        other = (index + step) % len(rows)
        if _persona(rows[other]) != own:
            yield other


def _persona(row: Row) -> str:
    return person_key(str(row.get("persona_id")))


def _renamed(
    processor: Any,
    one: Corrupted,
    index: int,
    rows: Sequence[Row],
    subjects: Sequence[str],
    replacements: Sequence[str],
    ids: Sequence[int],
) -> Corrupted:
    """The row with another entity in the place of its subject."""
    row, subject = one.clean, subjects[index]
    text, question = prompt_text(processor, row), question_of(row)
    before = max(text.rfind(question.strip()), 0)
    tokens, places = spelled_places(processor, text, subject, question)
    kept = [token for place, token in enumerate(tokens) if place not in set(places)]
    others = [subjects[other] for other in _others(index, rows)]
    things = sorted(
        IRRELEVANT, key=lambda thing: thing.split()[0] != subject.split()[0]
    )  # "the river" for "the person"
    known = replacements or [*others, *things]
    pool = [words for words in dict.fromkeys(known) if subject not in words and words not in subject]

    def fits(words: str, spelled: Sequence[int]) -> Row | None:
        if len(spelled) != len(tokens) or [t for at, t in enumerate(spelled) if at not in set(places)] != kept:
            return None
        other = _reworded(row, subject, words)
        fed = _ids(processor, other)
        differ = {at for at, token in enumerate(ids) if fed[at : at + 1] != [token]}
        return other if len(fed) == len(ids) and differ <= {*one.groups["subject"]} else None

    tokenizer = getattr(processor, "tokenizer", processor)
    for start in range(0, len(pool), _AT_ONCE):
        some = pool[start : start + _AT_ONCE]
        texts = [text[:before] + text[before:].replace(subject, words) for words in some]
        for words, spelled in zip(some, tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True):
            if (other := fits(words, spelled)) is not None:
                return replace(one, corrupted=other, by=words)
    raise CrossmemError(
        f"None of {len(pool)} entities has the {len(places)} tokens of {subject!r} in row {index}, {question!r}.",
        "Pass replacements= (--replacement) with some that have, or corrupt by noise.",
    )


def _reworded(row: Row, subject: str, words: str) -> Row:
    """The row with other words for the subject in the last turn of the user."""
    turns = [dict(turn) for turn in row["prompt"]]
    asked = next(turn for turn in reversed(turns) if turn["role"] == "user")
    content = asked["content"]
    parts = content if not isinstance(content, str) else [{"type": "text", "text": content}]
    new = [{**part, "text": part["text"].replace(subject, words)} if part.get("text") else part for part in parts]
    asked["content"] = new[0]["text"] if isinstance(content, str) else new
    return {**row, "prompt": turns}


def _reshown(processor: Any, one: Corrupted, index: int, rows: Sequence[Row], ids: Sequence[int]) -> Corrupted:
    """The row with the pictures of another persona, those of the same size first."""
    row = one.clean
    own = _sizes(row)
    others = sorted(_others(index, rows), key=lambda other: _sizes(rows[other]) != own)
    for other in others:
        shown = {**row, "images": rows[other]["images"]}
        if len(shown["images"]) == len(own) and _ids(processor, shown) == list(ids):
            return replace(one, corrupted=shown, by=f"pictures of {rows[other].get('persona_id')}")
    raise CrossmemError(
        f"No row about another persona than {row.get('persona_id')!r} has pictures that become as many tokens as "
        f"those of row {index}.",
        "Give rows about several personas with pictures of one size, or corrupt by noise.",
    )


def _sizes(row: Row) -> list[tuple[int, int]]:
    return [as_seen(image).size for image in row["images"]]
