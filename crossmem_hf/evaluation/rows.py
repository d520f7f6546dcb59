# SPDX-License-Identifier: Apache-2.0
"""The rows that a model is evaluated on, checked, and which other answers each is compared with. It runs no model."""

from collections.abc import Mapping, Sequence
from typing import Any

from crossmem_hf.data.forms import conversational
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.candidates import (
    Candidates,
    answers_by_attribute,
    given_by_attribute,
    listed_by_attribute,
    untaught_by_attribute,
)
from crossmem_hf.evaluation.measures import METRICS
from crossmem_hf.evaluation.questions import ByAttribute, Questions, spelled
from crossmem_hf.evaluation.rouge import rouge_words
from crossmem_hf.evaluation.settings import AskedSettings, ScoreSettings
from crossmem_hf.evaluation.subsample import evenly_spaced
from crossmem_hf.metrics.matching import normalize_name
from crossmem_hf.personas.schema import MODALITIES

NEEDED_COLUMNS = ("images", "prompt", "answer", "modality", "persona_id")
PERTURBED = "perturbed_answer"
_MATCHING = ("recall", "exact_match", "partial_recall", "gap", "transfer", "forget_diagnosis")


def load_questions(settings: ScoreSettings) -> Questions:
    """The rows of the settings' split, checked.

    Raises:
        CrossmemError: An unknown config or split, a dataset that cannot be read, missing columns, no rows, or fewer
            than two candidates for an attribute whose candidates are needed.
    """
    every = rows_of(settings, settings.split)
    rows = evenly_spaced(every, settings.max_rows)
    queried = list(dict.fromkeys(rows["attribute"]))
    by_attribute, untaught, candidates_are = listed_by_attribute(settings, every, queried)
    return questions_of(
        rows,
        settings.metrics,
        by_attribute,
        candidates_are=candidates_are,
        untaught=untaught,
        false_answers=settings.false_answers,
        true_answers=settings.true_answers,
    )


def questions_from(
    rows: Any,
    metrics: Sequence[str],
    candidates: Candidates | None,
    *,
    untaught: Candidates | None = None,
    name: str = "",
) -> Questions:
    """A user's rows, in whatever form `data.forms` reads, checked.

    Args:
        candidates: What answers are ranked among; None takes all different answers to the same attribute.
        untaught: Values that no model was taught, to rank the truth among instead; attributes may be missing.
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
            "Use rows from crossmem_hf.load_rows, or add the columns (modality says image or text).",
        )
    if len(rows) == 0:
        raise CrossmemError(f"There are no {called} to ask; expected at least one.", "Choose another split.")
    by_attribute = answers_by_attribute(rows) if candidates is None else given_by_attribute(candidates, rows)
    are = "all different answers of the rows" if candidates is None else "those that were given"
    others = {} if untaught is None else untaught_by_attribute(untaught, by_attribute)
    return questions_of(rows, metrics, by_attribute, candidates_are=are, untaught=others, name=name)


def questions_of(
    rows: Any,
    metrics: Sequence[str],
    by_attribute: ByAttribute,
    *,
    candidates_are: str,
    untaught: ByAttribute | None = None,
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
    ranked = any({"truth_rank", "taught_rank"} & {*METRICS[metric].needs} for metric in metrics)
    questions = Questions(
        rows=rows,
        about=without_pictures(rows),
        by_attribute=by_attribute,
        candidates_are=candidates_are,
        false_column=column,
        true_column=true_answers,
        ranked=ranked,
        falsified=falsified,
        untaught=untaught or {},
    )
    _check(questions, metrics, needed=ranked or (falsified and column is None), name=name)
    return questions


def _check_column(column: str | None, kind: str, otherwise: str, rows: Any) -> None:
    if column is not None and column not in rows.column_names:
        raise CrossmemError(
            f"There is no column {column!r} of {kind} answers; the rows have {', '.join(rows.column_names)}.",
            f"Name one of these, or leave --{kind}-answers out to {otherwise}.",
        )


def rows_of(settings: AskedSettings, split: str) -> Any:
    """One split of the settings' config, as a Dataset.

    Raises:
        CrossmemError: It cannot be read, lacks columns, or is empty.
    """
    where: dict[str, Any] = settings.knobs()
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
