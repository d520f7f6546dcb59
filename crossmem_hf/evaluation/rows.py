# SPDX-License-Identifier: Apache-2.0
"""The rows that a model is evaluated on, checked, and which other answers each is compared with. It runs no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crossmem_hf.data.forms import conversational
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.candidates import (
    ByAttribute,
    Candidates,
    answers_by_attribute,
    given_by_attribute,
    listed_by_attribute,
    same_text,
    spelled,
)
from crossmem_hf.evaluation.measures import METRICS
from crossmem_hf.evaluation.rouge import rouge_words
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.evaluation.subsample import evenly_spaced
from crossmem_hf.metrics.matching import normalize_name
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.pictures.keys import picture_keys
from crossmem_hf.storage import fingerprint

NEEDED_COLUMNS = ("images", "prompt", "answer", "modality", "persona_id")
PERTURBED = "perturbed_answer"
_MATCHING = ("recall", "exact_match", "partial_recall", "gap", "transfer", "forget_diagnosis")


@dataclass(frozen=True, slots=True)
class Compared:
    """The answers whose likelihoods a row needs.

    Attributes:
        texts: All different; the candidates of Exposure come first.
        num_ranked: How many of them are candidates; 0 where nothing is ranked.
        truth: Place of the right answer.
        reference: Place of what the false answers are set against: the right answer, or the same in other words.
        false: Places of the false answers of the truth ratio; empty where it is not asked for.
    """

    texts: tuple[str, ...]
    num_ranked: int
    truth: int
    reference: int
    false: tuple[int, ...]

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
    """

    rows: Any
    about: Sequence[Mapping[str, Any]]
    by_attribute: ByAttribute
    candidates_are: str
    false_column: str | None
    true_column: str | None
    ranked: bool
    falsified: bool

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

    def compared(self, row: Mapping[str, Any]) -> Compared:
        """What the row's answer is compared with.

        Raises:
            CrossmemError: Its false answers are none, blank or the truth itself, or its truth in other words is blank.
        """
        truth = row["answer"]
        rivals = [truth if same_text(text, truth) else text for text in self.candidates_of(row)]
        reference = row[self.true_column] if self.falsified and self.true_column else truth
        false = self._false(row, reference) if self.falsified else ()
        texts = tuple(dict.fromkeys([*(rivals if self.ranked else ()), truth, reference, *false]))
        place = {text: number for number, text in enumerate(texts)}
        return Compared(
            texts=texts,
            num_ranked=len(rivals) if self.ranked else 0,
            truth=place[truth],
            reference=place[reference],
            false=tuple(place[text] for text in false),
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


def load_questions(settings: ScoreSettings) -> Questions:
    """The rows of the settings' split, checked.

    Raises:
        CrossmemError: An unknown config or split, a dataset that cannot be read, missing columns, no rows, or fewer
            than two candidates for an attribute whose candidates are needed.
    """
    every = rows_of(settings, settings.split)
    rows = evenly_spaced(every, settings.max_rows)
    by_attribute, candidates_are = listed_by_attribute(settings, every, list(dict.fromkeys(rows["attribute"])))
    return questions_of(
        rows,
        settings.metrics,
        by_attribute,
        candidates_are=candidates_are,
        false_answers=settings.false_answers,
        true_answers=settings.true_answers,
    )


def questions_from(rows: Any, metrics: Sequence[str], candidates: Candidates | None, *, name: str = "") -> Questions:
    """A user's rows, in whatever form `data.forms` reads, checked.

    Args:
        candidates: What answers are ranked among; None takes all different answers to the same attribute.
        name: What the set is called in errors, e.g. "forget".

    Raises:
        CrossmemError: The rows cannot be asked, or the candidates not be used; see `check_row`.
    """
    rows = conversational(rows, f"the {name} set" if name else "the evaluation set")
    called = f"{name} rows" if name else "rows"
    missing = sorted({*NEEDED_COLUMNS} - set(rows.column_names))
    if missing:
        raise CrossmemError(
            f"The {called} lack the columns {missing!r}; they have {rows.column_names!r}.",
            "Use rows from crossmem_hf.data.load_rows, or add the columns (modality says image or text).",
        )
    if len(rows) == 0:
        raise CrossmemError(f"There are no {called} to ask; expected at least one.", "Choose another split.")
    by_attribute = answers_by_attribute(rows) if candidates is None else given_by_attribute(candidates, rows)
    are = "all different answers of the rows" if candidates is None else "those that were given"
    return questions_of(rows, metrics, by_attribute, candidates_are=are, name=name)


def questions_of(
    rows: Any,
    metrics: Sequence[str],
    by_attribute: ByAttribute,
    *,
    candidates_are: str,
    false_answers: str | None = None,
    true_answers: str | None = None,
    name: str = "",
) -> Questions:
    """Rows with their candidates and false answers, checked.

    Args:
        false_answers: Column of false answers; None takes ``perturbed_answer`` if there is one, else the other
            candidates.
        true_answers: Column of what they are set against; None takes the answer.

    Raises:
        CrossmemError: There is no such column, or a row cannot be asked or compared.
    """
    column = false_answers or (PERTURBED if PERTURBED in rows.column_names else None)
    _check_column(column, "false", "take the other candidates of the attribute", rows)
    _check_column(true_answers, "true", "take the answer itself", rows)
    falsified = "truth_ratio" in metrics
    ranked = any("truth_rank" in METRICS[metric].needs for metric in metrics)
    questions = Questions(
        rows=rows,
        about=without_pictures(rows),
        by_attribute=by_attribute,
        candidates_are=candidates_are,
        false_column=column,
        true_column=true_answers,
        ranked=ranked,
        falsified=falsified,
    )
    _check(questions, metrics, needed=ranked or (falsified and column is None), name=name)
    return questions


def _check_column(column: str | None, kind: str, otherwise: str, rows: Any) -> None:
    if column is not None and column not in rows.column_names:
        raise CrossmemError(
            f"There is no column {column!r} of {kind} answers; the rows have {', '.join(rows.column_names)}.",
            f"Name one of these, or leave --{kind}-answers out to {otherwise}.",
        )


def rows_of(settings: ScoreSettings, split: str) -> Any:
    """One split of the settings' config, as a Dataset.

    Raises:
        CrossmemError: It cannot be read, lacks columns, or is empty.
    """
    where: dict[str, Any] = {"num_personas": settings.num_personas, "seed": settings.persona_seed}
    rows = load_rows(settings.dataset, settings.config, split, **where)
    missing = {"images", "prompt", "answer"} - set(rows.column_names)
    if missing or not len(rows):
        raise CrossmemError(
            f"Split {split!r} of config {settings.config!r} "
            + (f"has no column {sorted(missing)}; it holds no questions." if missing else "has no rows."),
            "Choose a config of questions, such as qa or recall_image, and a split that has rows.",
        )
    return rows


def without_pictures(rows: Any) -> list[dict[str, Any]]:
    """The rows as dicts, pictures left out, so that none is decoded."""
    return list(rows.remove_columns(["images"]))


def row_keys(rows: Any, about: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A fingerprint of each row, pictures included."""
    return tuple(fingerprint([row, key]) for row, key in zip(about, picture_keys(rows), strict=True))


def _check(questions: Questions, metrics: Sequence[str], *, needed: bool, name: str) -> None:
    known = {attribute: set(map(spelled, values)) for attribute, values in questions.by_attribute.items()}
    of = f" of the {name} rows" if name else ""
    for number, row in enumerate(questions.about):
        check_row(number, row, of)
        _check_matchable(number, row["answer"], metrics, of)
        attribute, values = row.get("attribute"), questions.candidates_of(row)
        if needed and len(values) < 2:
            raise CrossmemError(
                f"There {'is 1 candidate' if values else 'are no candidates'} for the attribute "
                f"{attribute!r}: {list(values)!r}; expected at least 2 to rank.",
                "Name a config with candidates as --candidates-from, or leave out the metrics that rank.",
            )
        if needed and spelled(row["answer"]) not in known[attribute]:
            raise CrossmemError(
                f"The answer {row['answer']!r} of row {number}{of} is not among the {len(values)} candidates for "
                f"{attribute!r}.",
                "Add it to them: Exposure is the rank of the true answer among them.",
            )
        questions.compared(row)


def check_row(number: int, row: Mapping[str, Any], of: str = "") -> None:
    """Accept a row that has an answer, a persona and a modality.

    Args:
        of: What the row is one of, in words, with a space before.

    Raises:
        CrossmemError: One is missing; the row is named.
    """
    if not str(row["answer"] or "").strip():
        raise CrossmemError(f"Row {number}{of} has the answer {row['answer']!r}.", "Give each row an answer.")
    if row["persona_id"] is None or row["modality"] not in MODALITIES:
        raise CrossmemError(
            f"Row {number}{of} has the persona_id {row['persona_id']!r} and the modality {row['modality']!r}.",
            f"Give each row a persona_id and one of the modalities {', '.join(MODALITIES)}.",
        )


def _check_matchable(number: int, answer: str, metrics: Sequence[str], of: str) -> None:
    """Refuse a truth of which the metrics of free answers would find nothing to compare, before any pass."""
    normal = {metric: normalize_name(answer) for metric in _MATCHING} | {"rouge": rouge_words(answer)}
    lost = [metric for metric in metrics if metric in normal and not normal[metric]]
    if lost:
        raise CrossmemError(
            f"Row {number}{of} has the answer {answer!r}, of which {', '.join(lost)} would compare nothing: it is "
            "only punctuation.",
            f"Give it another answer, or leave {' and '.join(lost)} out of the metrics.",
        )
