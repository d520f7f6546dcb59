# SPDX-License-Identifier: Apache-2.0
"""The rows to score, and which other answers each is compared with. It runs no model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from crossmem_hf.data.loading import load_rows, published_rows, silent_progress
from crossmem_hf.data.spec import SPLITS, check_config
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.rouge import rouge_words
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.metrics.matching import normalize_name
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.pictures.keys import picture_keys
from crossmem_hf.storage import fingerprint

PERTURBED = "perturbed_answer"
_CANDIDATES = "candidates"
_MATCHING = ("cross_modal_recall", "exact_match", "forget_diagnosis")


@dataclass(frozen=True, slots=True)
class Compared:
    """The answers whose likelihoods a row needs.

    Attributes:
        texts: All different; the candidates of Exposure come first.
        num_candidates: How many of them are candidates; 0 where Exposure is not asked for.
        truth: Place of the right answer.
        told: Place of what the false answers are set against: the right answer, or the same in other words.
        false: Places of the false answers of the truth ratio; empty where it is not asked for.
    """

    texts: tuple[str, ...]
    num_candidates: int
    truth: int
    told: int
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
        keys: A fingerprint of each row, pictures included.
        by_attribute: Attribute -> its candidates, at least two wherever they are needed.
        candidates_are: Where they come from, in words.
        false_column: Column of false answers; None takes the other candidates.
        true_column: Column of what they are set against; None takes the answer.
        ranked: Whether the truth is ranked among the candidates.
        falsified: Whether false answers are scored.
    """

    rows: Any
    about: Sequence[Mapping[str, Any]]
    keys: tuple[str, ...]
    by_attribute: Mapping[str, tuple[str, ...]]
    candidates_are: str
    false_column: str | None
    true_column: str | None
    ranked: bool
    falsified: bool

    @property
    def fingerprint(self) -> str:
        """Changes whenever the rows, their pictures or their order do."""
        return fingerprint(self.keys)

    def compared(self, row: Mapping[str, Any]) -> Compared:
        """What the row's answer is compared with.

        Raises:
            CrossmemError: Its false answers are none, blank or the truth itself, or its truth in other words is blank.
        """
        truth = row["answer"]
        rivals = [truth if _same(text, truth) else text for text in self.by_attribute[row["attribute"]]]
        told = row[self.true_column] if self.falsified and self.true_column else truth
        false = self._false(row, told) if self.falsified else ()
        texts = tuple(dict.fromkeys([*(rivals if self.ranked else ()), truth, told, *false]))
        place = {text: number for number, text in enumerate(texts)}
        return Compared(
            texts=texts,
            num_candidates=len(rivals) if self.ranked else 0,
            truth=place[truth],
            told=place[told],
            false=tuple(place[text] for text in false),
        )

    def _false(self, row: Mapping[str, Any], told: Any) -> tuple[str, ...]:
        if not isinstance(told, str) or not told.strip():
            raise CrossmemError(
                f"A row of {row['persona_id']!r} has the {self.true_column} {told!r}; expected a text.",
                "Correct the column, or leave --true-answers out to take the answer itself.",
            )
        if self.false_column is None:
            return tuple(text for text in self.by_attribute[row["attribute"]] if not _same(text, row["answer"]))
        given = row[self.false_column]
        texts = (given,) if isinstance(given, str) else tuple(given or ())
        true = (row["answer"], told)
        if not texts or any(
            not isinstance(text, str) or not text.strip() or any(_same(text, one) for one in true) for text in texts
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
    rows = spread(every, settings.max_rows)
    about = without_pictures(rows)
    column = settings.false_answers or (PERTURBED if PERTURBED in rows.column_names else None)
    if column is not None and column not in rows.column_names:
        raise CrossmemError(
            f"There is no column {column!r} of false answers; the rows have {', '.join(rows.column_names)}.",
            "Name one of these, or leave --false-answers out to take the other candidates of the attribute.",
        )
    if settings.true_answers is not None and settings.true_answers not in rows.column_names:
        raise CrossmemError(
            f"There is no column {settings.true_answers!r} of true answers; the rows have "
            f"{', '.join(rows.column_names)}.",
            "Name one of these, or leave --true-answers out to take the answer itself.",
        )
    falsified = "truth_ratio" in settings.metrics
    ranked = "exposure" in settings.metrics or "forget_diagnosis" in settings.metrics
    by_attribute, candidates_are = _candidates(settings, every, about)
    questions = Questions(
        rows=rows,
        about=about,
        keys=row_keys(rows, about),
        by_attribute=by_attribute,
        candidates_are=candidates_are,
        false_column=column,
        true_column=settings.true_answers,
        ranked=ranked,
        falsified=falsified,
    )
    _check(questions, settings.metrics, needed=ranked or (falsified and column is None))
    return questions


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


def spread(rows: Any, most: int | None) -> Any:
    """At most so many rows, evenly spread, because neighbors are about one person."""
    if most is None or most >= len(rows):
        return rows
    return rows.select([number * len(rows) // most for number in range(most)])


def _candidates(
    settings: ScoreSettings, every: Any, about: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, tuple[str, ...]], str]:
    """Attribute -> candidates: from the dataset's list, or all different answers of the split; and which, in words.

    The second is ReMem's protocol (arXiv 2605.03759): all different true values in the dataset.
    """
    listed = _listed(settings)
    answered: dict[str, list[str]] = {}
    for attribute, answer in zip(every["attribute"], every["answer"], strict=True):
        answered.setdefault(attribute, []).append(answer)
    asked = list(dict.fromkeys(row["attribute"] for row in about))
    origins = []
    if listed.keys() & set(asked):
        origins.append(f"the values in config {settings.candidates_from or _CANDIDATES!r}")
    if set(asked) - listed.keys():
        origins.append("all different answers of the split")
    values = {attribute: _different(listed.get(attribute) or answered[attribute]) for attribute in asked}
    return values, " or else ".join(origins)


def _different(texts: Sequence[Any]) -> tuple[Any, ...]:
    """Each text once, in the first of its Unicode spellings."""
    first: dict[Any, Any] = {}
    for text in texts:
        first.setdefault(_spelled(text), text)
    return tuple(first.values())


def _spelled(text: Any) -> Any:
    return normalize("NFC", text) if isinstance(text, str) else text


def _same(one: Any, other: Any) -> bool:
    """Whether two texts are one, composed or decomposed."""
    return bool(one == other or _spelled(one) == _spelled(other))


def _listed(settings: ScoreSettings) -> dict[str, list[str]]:
    config, dataset = settings.candidates_from or _CANDIDATES, settings.dataset
    if settings.candidates_from is None and config not in _configs(dataset):
        return {}
    found: dict[str, list[str]] = {}
    for split in _splits(dataset, config):
        if dataset is None:
            rows = load_rows(None, config, split, num_personas=settings.num_personas, seed=settings.persona_seed)
        else:
            rows = published_rows(dataset, config, split)
        if not {"attribute", "values"} <= set(rows.column_names):
            raise CrossmemError(
                f"Config {config!r} has the columns {', '.join(rows.column_names)}; expected attribute and values.",
                "Name a config that lists the values of each attribute as --candidates-from, or leave it out.",
            )
        found |= dict(zip(rows["attribute"], rows["values"], strict=True))
    return found


def _configs(dataset: str | None) -> Sequence[str]:
    from datasets import get_dataset_config_names

    return tuple(SPLITS) if dataset is None else _names(get_dataset_config_names, dataset)


def _splits(dataset: str | None, config: str) -> Sequence[str]:
    from datasets import get_dataset_split_names

    if dataset is None:
        check_config(config)
    return SPLITS[config] if dataset is None else _names(get_dataset_split_names, dataset, config)


def _names(listing: Callable[..., list[str]], *of: str) -> list[str]:
    try:
        with silent_progress():
            return listing(*of)
    except (OSError, ValueError, RuntimeError) as error:
        raise CrossmemError(
            f"Could not look for candidates in {' / '.join(of)}: {error}.",
            "Check the name given as --candidates-from.",
        ) from error


def _check(questions: Questions, metrics: Sequence[str], *, needed: bool) -> None:
    spelled = {name: set(map(_spelled, values)) for name, values in questions.by_attribute.items()}
    for number, row in enumerate(questions.about):
        check_about(number, row)
        _check_matchable(number, row["answer"], metrics)
        values = questions.by_attribute[row["attribute"]]
        if needed and len(values) < 2:
            raise CrossmemError(
                f"There {'is 1 candidate' if values else 'are no candidates'} for the attribute "
                f"{row['attribute']!r}: {list(values)!r}; "
                "expected at least 2 to rank.",
                "Name a config with candidates as --candidates-from, or leave out the metrics that rank.",
            )
        if needed and _spelled(row["answer"]) not in spelled[row["attribute"]]:
            raise CrossmemError(
                f"The answer {row['answer']!r} of row {number} is not among the {len(values)} candidates for "
                f"{row['attribute']!r}.",
                "Add it to them, or name another config as --candidates-from.",
            )
        questions.compared(row)


def check_about(number: int, row: Mapping[str, Any]) -> None:
    """Accept a row that has an answer, a person and a modality.

    Raises:
        CrossmemError: One is missing; the row is named.
    """
    if not str(row["answer"] or "").strip():
        raise CrossmemError(f"Row {number} has the answer {row['answer']!r}.", "Give each row an answer.")
    if row["persona_id"] is None or row["modality"] not in MODALITIES:
        raise CrossmemError(
            f"Row {number} has the persona_id {row['persona_id']!r} and the modality {row['modality']!r}.",
            f"Give each row a persona_id and one of the modalities {', '.join(MODALITIES)}.",
        )


def _check_matchable(number: int, answer: str, metrics: Sequence[str]) -> None:
    """Refuse a truth of which the metrics of free answers would find nothing to compare, before any pass."""
    normal = {metric: normalize_name(answer) for metric in _MATCHING} | {"rouge": rouge_words(answer)}
    lost = [metric for metric in metrics if metric in normal and not normal[metric]]
    if lost:
        raise CrossmemError(
            f"Row {number} has the answer {answer!r}, of which {', '.join(lost)} would compare nothing: it is only "
            "punctuation.",
            f"Give it another answer, or leave {' and '.join(lost)} out of --metrics.",
        )
