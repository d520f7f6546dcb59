# SPDX-License-Identifier: Apache-2.0
"""Rows with the answers that each is compared with. It does not know where they come from, or what is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from unicodedata import normalize

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.keys import picture_keys
from crossmem_hf.storage import fingerprint

ByAttribute = dict[Any, tuple[str, ...]]


def spelled(text: Any) -> Any:
    """The same for composed and decomposed spellings of a text."""
    return normalize("NFC", text) if isinstance(text, str) else text


def same_text(one: Any, other: Any) -> bool:
    """Whether two texts are one, composed or decomposed."""
    return bool(one == other or spelled(one) == spelled(other))


def row_keys(rows: Any, about: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A fingerprint of each row, pictures included."""
    return tuple(fingerprint([row, key]) for row, key in zip(about, picture_keys(rows), strict=True))


@dataclass(frozen=True, slots=True)
class Compared:
    """The answers whose likelihoods a row needs.

    Attributes:
        texts: All different; the candidates of Exposure come first.
        num_ranked: How many of them are candidates; 0 where nothing is ranked.
        truth: Place of the right answer.
        reference: Place of what the false answers are set against: the right answer, or the same in other words.
        false: Places of the false answers of the truth ratio; empty where it is not asked for.
        untaught: Places of candidates that no model was taught; empty where none are known.
    """

    texts: tuple[str, ...]
    num_ranked: int
    truth: int
    reference: int
    false: tuple[int, ...]
    untaught: tuple[int, ...] = ()

    @property
    def false_texts(self) -> list[str]:
        """The false answers themselves."""
        return [self.texts[place] for place in self.false]


@dataclass(frozen=True)
class Questions:
    """Rows, and what they are compared with.

    Attributes:
        rows: A Dataset in the row schema.
        about: The same rows without pictures.
        by_attribute: Attribute -> its candidates, at least two wherever they are needed.
        candidates_are: Where they come from, in words.
        false_column: Column of false answers; None takes the other candidates.
        true_column: Column of what they are set against; None takes the answer.
        ranked: Whether the truth is ranked among the candidates.
        falsified: Whether false answers are scored.
        untaught: Attribute -> values that no model was taught. Where there are some, the truth is ranked among them,
            and besides among its candidates, which were taught too.
    """

    rows: Any
    about: Sequence[Mapping[str, Any]]
    by_attribute: ByAttribute
    candidates_are: str
    false_column: str | None
    true_column: str | None
    ranked: bool
    falsified: bool
    untaught: ByAttribute = field(default_factory=dict)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """A fingerprint of each row, pictures included."""
        return row_keys(self.rows, self.about)

    @property
    def fingerprint(self) -> str:
        """Changes whenever the rows, their pictures or their order do."""
        return fingerprint(self.keys)

    def candidates_of(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """What the row's answer is ranked among."""
        return self.by_attribute[row.get("attribute")]

    def num_rivals(self, row: Mapping[str, Any]) -> int:
        """How many answers the truth is ranked among, itself included; where nothing is ranked, how many a guesser
        would choose from."""
        untaught = self.untaught.get(row.get("attribute"), ()) if self.ranked else ()
        return len(untaught) + 1 if untaught else len(self.candidates_of(row))

    def compared(self, row: Mapping[str, Any]) -> Compared:
        """What the row's answer is compared with.

        Raises:
            CrossmemError: Its false answers are none, blank or the truth itself, or its truth in other words is blank.
        """
        truth = row["answer"]
        rivals = [truth if same_text(text, truth) else text for text in self.candidates_of(row)]
        reference = row[self.true_column] if self.falsified and self.true_column else truth
        false = self._false(row, reference) if self.falsified else ()
        untaught = self.untaught.get(row.get("attribute"), ()) if self.ranked else ()
        texts = tuple(dict.fromkeys([*(rivals if self.ranked else ()), truth, reference, *false, *untaught]))
        place = {text: number for number, text in enumerate(texts)}
        return Compared(
            texts=texts,
            num_ranked=len(rivals) if self.ranked else 0,
            truth=place[truth],
            reference=place[reference],
            false=tuple(place[text] for text in false),
            untaught=tuple(place[text] for text in untaught),
        )

    def _false(self, row: Mapping[str, Any], reference: Any) -> tuple[str, ...]:
        if not isinstance(reference, str) or not reference.strip():
            raise CrossmemError(
                f"A row of {row['persona_id']!r} has the {self.true_column} {reference!r}; expected a text.",
                "Correct the column, or leave --true-answers out to take the answer itself.",
            )
        if self.false_column is None:
            return tuple(text for text in self.candidates_of(row) if not same_text(text, row["answer"]))
        given = row[self.false_column]
        texts = (given,) if isinstance(given, str) else tuple(given or ())
        true = (row["answer"], reference)
        if not texts or any(
            not isinstance(text, str) or not text.strip() or any(same_text(text, one) for one in true)
            for text in texts
        ):
            raise CrossmemError(
                f"A row of {row['persona_id']!r} has the {self.false_column} {given!r} for the answer "
                f"{row['answer']!r}; expected at least one other text.",
                "Correct the column, or name another as --false-answers.",
            )
        return texts
