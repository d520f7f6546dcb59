# SPDX-License-Identifier: Apache-2.0
"""What a model answered, a prediction a row: kept, grouped, measured and shown. It does not know how rows are asked.

A prediction is a mapping of plain JSON values. Who was asked what: ``row`` (its fingerprint), ``persona_id``,
``attribute``, ``modality``, ``hops``, ``view``, ``template``, ``question``, ``truth``, ``num_candidates``. What came
of it, as far as metrics need it: ``answer`` and ``correct``; ``truth_rank`` (1 = likeliest; None where a likelihood is
no number), ``exposure`` (0 to 100); the columns of `measures.PASSES`; ``perplexity`` of the answer. And whatever else
tells measurements apart, such as ``stage``, ``source``, ``group``, ``method`` and ``seed``.
"""

import html
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, overload

from crossmem_hf.data.configs.robust import robust_kind
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.measures import METRICS, check_metrics, computed, measurements_of
from crossmem_hf.evaluation.summaries import Against
from crossmem_hf.report.record import Measurement, Value
from crossmem_hf.storage import write_atomic

logger = logging.getLogger(__name__)

Prediction = dict[str, Any]
FILE = "predictions.jsonl"
_ROWS_OF_MATRIX = ("model", "method", "forget_modality", "stage", "source", "group")
_REMEDY = "Pass a predictions.jsonl that crossmem wrote."


def value_of(prediction: Mapping[str, Any], column: str) -> Any:
    """A column of a prediction, None where it has none; ``target`` is the modality asked in, ``kind`` that of a
    question of the config ``robust``."""
    if column == "target":
        return prediction.get("modality")
    if column == "kind":
        return robust_kind(prediction.get("template"))
    return prediction.get(column)


class Predictions(Sequence[Prediction]):
    """A sequence of predictions.

    Args:
        against: What they are compared with unless `measure` is told otherwise.

    Example:
        >>> about = {"persona_id": "p0", "attribute": "job", "truth": "vet", "num_candidates": 2}
        >>> said = {"vet": True, "cook": False}
        >>> rows = [{**about, "modality": "image", "answer": word, "correct": right} for word, right in said.items()]
        >>> Predictions(rows).measure(["recall"])
        [recall (target image) 0.5 [0.0125, 0.988], n=2, chance 0.5]
    """

    def __init__(self, predictions: Iterable[Mapping[str, Any]], *, against: Against | None = None) -> None:
        self._predictions = [dict(prediction) for prediction in predictions]
        self.against = against or Against()

    def __len__(self) -> int:
        return len(self._predictions)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> Self: ...

    def __getitem__(self, place: int | slice) -> Prediction | Self:
        return self._like(self._predictions[place]) if isinstance(place, slice) else self._predictions[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Predictions) and self._predictions == other._predictions

    __hash__ = None  # type: ignore[assignment]  # its predictions may be changed

    def _like(self, predictions: Iterable[Mapping[str, Any]]) -> Self:
        return type(self)(predictions, against=self.against)

    def with_columns(self, **columns: Value) -> Self:
        """The same, each prediction with these values in the place of any that it has."""
        return self._like({**prediction, **columns} for prediction in self)

    def where(self, **values: Value) -> Self:
        """Those that have all of these values; None matches a prediction without that column."""
        return self._like(p for p in self if all(value_of(p, name) == want for name, want in values.items()))

    @classmethod
    def joined(cls, several: Iterable["Predictions"]) -> Self:
        """All predictions of several, in their order, compared with what the first are."""
        parts = list(several)
        together = (prediction for part in parts for prediction in part)
        return cls(together, against=parts[0].against if parts else None)

    def grouped(self, by: Sequence[str]) -> Iterator[tuple[dict[str, Value], Self]]:
        """The predictions of each combination of values, in the order of the values; a value that is None, or a column
        that is not there, is left out of the combination.

        Example:
            >>> [(where, len(part)) for where, part in Predictions([{"seed": 1}, {"seed": 0}]).grouped(["seed"])]
            [({'seed': 0}, 1), ({'seed': 1}, 1)]
        """
        groups: dict[tuple[Any, ...], list[Prediction]] = {}
        for prediction in self:
            groups.setdefault(tuple(value_of(prediction, name) for name in by), []).append(prediction)
        for values in sorted(
            groups, key=lambda values: [(value is None, str(type(value)), value) for value in values]
        ):
            where = {name: value for name, value in zip(by, values, strict=True) if value is not None}
            yield where, self._like(groups[values])

    def measure(
        self,
        metrics: Sequence[str],
        by: Sequence[str] = ("target", "group"),
        *,
        against: Against | None = None,
    ) -> list[Measurement]:
        """One measurement a number of a metric and combination of values; columns not in `by` are pooled over.

        Intervals hold 95 %: for further seeds where several are pooled, else for further personas of the one
        population (`metrics.intervals`). Where seeds are pooled, `Measurement.by_seed` keeps the value of each. `gap`
        and `transfer` compare the modalities asked in, and are never split by ``target``.

        Args:
            metrics: Names in `measures.METRICS`.
            by: Columns to tell apart; ``target`` is the modality asked in.
            against: What they are compared with; None takes what they came with. A retain-only model is left out of
                parts, as its predictions are those of all rows.

        Raises:
            CrossmemError: An unknown metric, a column that it needs is not there, or it refuses the predictions.
        """
        chosen = check_metrics(metrics)
        whole = replace(against or self.against, names=self._names() if "partial_recall" in chosen else {})
        found: list[Measurement] = []
        for name in chosen:
            for where, part in self.grouped([column for column in by if column not in METRICS[name].across]):
                compared = whole if len(part) == len(self) else replace(whole, retain_only=None)
                place = ", ".join(f"{key} {value}" for key, value in where.items()) or "all"
                summary = computed(name, part._predictions, compared, place)[0]
                found += measurements_of(name, summary, where, part._of_seeds(name, summary, compared, where))
        return found

    def _of_seeds(
        self, name: str, summary: Mapping[str, float], against: Against, where: Mapping[str, Value]
    ) -> dict[int, Mapping[str, float]]:
        """A metric's summary of each persona seed, if these predictions pool over seeds that are known."""
        parts = [] if "seed" in where else [(own.get("seed"), part) for own, part in self.grouped(["seed"])]
        if len(parts) == 1:
            parts, only = [], parts[0][0]
            return {only: summary} if type(only) is int else {}
        alone = replace(against, retain_only=None)  # which belongs to the rows of all seeds
        return {
            seed: computed(name, part._predictions, alone, f"seed {seed}")[0]
            for seed, part in parts
            if type(seed) is int
        }

    def _names(self) -> dict[tuple[Any, Any], list[str]]:
        """(seed, attribute) -> all truths."""
        names: dict[tuple[Any, Any], set[str]] = {}
        for prediction in self:
            names.setdefault((prediction.get("seed"), prediction["attribute"]), set()).add(prediction["truth"])
        return {about: sorted(own) for about, own in names.items()}

    def write(self, path: str | os.PathLike[str]) -> Path:
        """The path, once it holds a line a prediction; NaN and infinities as Python's `json` writes them.

        Raises:
            CrossmemError: The file could not be written.
        """
        return write_atomic(path, "".join(json.dumps(prediction) + "\n" for prediction in self))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The predictions in a file, or in the file `FILE` of a folder.

        Raises:
            CrossmemError: There is no such file, or a line is no JSON object.
        """
        file = Path(path)
        file = file / FILE if file.is_dir() else file
        try:
            lines = [json.loads(line) for line in file.read_bytes().splitlines()]
        except (OSError, ValueError) as error:
            raise CrossmemError(f"Could not read the predictions of {str(file)!r}: {error}.", _REMEDY) from error
        odd = next((number for number, line in enumerate(lines) if not isinstance(line, dict)), None)
        if odd is not None:
            raise CrossmemError(f"Line {odd + 1} of {str(file)!r} is {lines[odd]!r:.80}, no prediction.", _REMEDY)
        return cls(lines)

    def headlines(self, metrics: Sequence[str], by: Sequence[str]) -> dict[str, Measurement]:
        """``"forget_image_recall"`` -> the first measurement of each metric and combination, under the values of `by`.

        A metric that refuses some predictions, such as Exposure where a likelihood is no number, is left out of those.

        Raises:
            CrossmemError: An unknown metric.
        """
        found: dict[str, Measurement] = {}
        for metric in check_metrics(metrics):
            for where, part in self.grouped([name for name in by if name not in METRICS[metric].across]):
                try:
                    first = next(iter(part.measure([metric], by=tuple(where))), None)
                except CrossmemError as error:
                    logger.warning("%s", error.fault)
                    continue
                if first is not None:
                    found["_".join([*map(str, where.values()), first.metric])] = first
        return found

    @property
    def _shown(self) -> tuple[str, ...]:
        """The metrics that these predictions are usually shown in, as far as they have their columns."""
        columns = self._predictions[0].keys() if self._predictions else {}
        return tuple(name for name in ("recall", "exposure") if columns and set(METRICS[name].needs) <= set(columns))

    def _matrices(self) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Of each metric its name and unit, the modalities asked in, and a row of cells a group."""
        for metric in self._shown:
            found = [one for one in self.measure([metric], (*_ROWS_OF_MATRIX, "target")) if one.metric == metric]
            targets = sorted({str(one.where["target"]) for one in found})
            rows: dict[str, dict[str, str]] = {}
            for one in found:
                group = ", ".join(str(value) for name, value in one.where.items() if name != "target")
                rows.setdefault(group or "all", {})[str(one.where["target"])] = _cell(one)
            cells = [[group, *(own.get(target, "") for target in targets)] for group, own in rows.items()]
            yield f"{metric} ({found[0].unit})", targets, cells

    def __str__(self) -> str:
        """The matrix: a row a group, a column a modality asked in; value [95 % interval], n and chance level, that of
        recall in a forced choice."""
        parts = []
        for title, targets, cells in self._matrices():
            lines = [[title, *(f"asked in {target}" for target in targets)], *cells]
            widths = [max(len(line[column]) for line in lines) for column in range(len(targets) + 1)]
            texts = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
            parts.append("\n".join(text.rstrip() for text in texts))
        return "\n\n".join(parts) or f"{len(self)} predictions"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows)\n{self}"

    def _repr_html_(self) -> str:
        """The matrix for a notebook."""
        tables = []
        for title, targets, cells in self._matrices():
            heads = "".join(f"<th>asked in {html.escape(target)}</th>" for target in targets)
            rows = "".join(
                f"<tr><th>{html.escape(group)}</th>"
                + "".join(f"<td>{html.escape(cell)}</td>" for cell in own)
                + "</tr>"
                for group, *own in cells
            )
            tables.append(f"<table><tr><th>{html.escape(title)}</th>{heads}</tr>{rows}</table>")
        return "".join(tables) or html.escape(str(self))


def _cell(one: Measurement) -> str:
    interval = "" if one.ci is None else f" [{one.ci[0]:.3g}, {one.ci[1]:.3g}]{one.seeds_mark}"
    chance = "" if one.chance is None else f", chance {one.chance:.3g}"
    return f"{one.value:.3g}{interval}, n={one.n}{chance}"
