# SPDX-License-Identifier: Apache-2.0
"""One look at what a model remembers of a set of rows: recall and Exposure by modality. It does not know when."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import numpy as np
import torch
from datasets import Dataset

from crossmem_hf.data.forms import Row, conversational
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.memorization_check import check_askable
from crossmem_hf.evaluation.recall import answered
from crossmem_hf.metrics.exposure.exposure_math import ExposureItems, chance_exposure
from crossmem_hf.metrics.matching import chance_recall
from crossmem_hf.runs.distributed import in_shards
from crossmem_hf.scoring.candidates import score_candidates

Candidates = Sequence[str] | Mapping[str, Sequence[str]]

REPORTED = "test"
"""Begins the templates of rows that are kept for reporting."""
UNIT_ROWS = 32  # what a process asks at a time: few enough to share, enough to fill a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Rows whose memory is measured.

    Args:
        name: E.g. ``"forget"``; begins the names of the numbers.
        rows: As `gate.check_askable` wants them, and with `attribute` where candidates depend on it.
        candidates: What answers are ranked among: one list, or one an attribute. None measures no Exposure.

    Raises:
        CrossmemError: No rows, a column or a modality is missing, fewer than two candidates, one twice or blank, an
            attribute without any, or a row whose answer is not among its candidates.
    """

    name: str
    rows: Dataset
    candidates: Candidates | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", conversational(self.rows, f"the {self.name} set"))
        check_askable(self.rows, self.name, also=["attribute"] if isinstance(self.candidates, Mapping) else [])
        if self.candidates is not None:
            self._check_candidates()

    def _check_candidates(self) -> None:
        by_attribute = isinstance(self.candidates, Mapping)
        attributes = set(self.rows["attribute"]) if by_attribute else {""}
        known: dict[str, set[str]] = {}
        for attribute in sorted(attributes):
            own = list(self._candidates_of({"attribute": attribute}))
            odd = [text for text in own if not isinstance(text, str) or not text.strip()]
            known[attribute] = {normalize("NFC", text) for text in own if isinstance(text, str)}
            if len(own) < 2 or odd or len(known[attribute]) != len(own):
                raise CrossmemError(
                    f"The candidates {f'of {attribute!r} ' if attribute else ''}are {own[:5]!r}; expected at least "
                    "two texts, each once.",
                    "Pass all values that the answer may have, such as everyone's name.",
                )
        rows = self.rows.select_columns([name for name in ("answer", "attribute") if name in self.rows.column_names])
        for index, row in enumerate(rows):
            if normalize("NFC", row["answer"]) not in known[row["attribute"] if by_attribute else ""]:
                raise CrossmemError(
                    f"Row {index} of the {self.name!r} rows has the answer {row['answer']!r}, which is no candidate.",
                    "Add it: Exposure is the rank of the true answer among them.",
                )

    def _candidates_of(self, row: Row) -> Sequence[str]:
        assert self.candidates is not None, "asked only where there are candidates"
        if not isinstance(self.candidates, Mapping):
            return self.candidates
        if row["attribute"] not in self.candidates:
            raise CrossmemError(
                f"There are no candidates for {row['attribute']!r}; there are for {sorted(self.candidates)!r}.",
                "Add a list for every attribute of the rows.",
            )
        return self.candidates[row["attribute"]]

    @property
    def modalities(self) -> list[str]:
        """The modalities of the rows, in alphabetical order."""
        return sorted(set(self.rows["modality"]))

    def chance(self) -> dict[str, float]:
        """Recall of a guesser among the candidates, by modality."""
        return {modality: chance_recall(several, len(several)) for modality, several in self._counts().items()}

    def chance_exposures(self) -> dict[str, float]:
        """``<name>_<modality>_exposure_chance``: Exposure of a guesser among the candidates, if any."""
        if self.candidates is None:
            return {}
        return {
            f"{self.name}_{modality}_exposure_chance": float(np.mean([chance_exposure(count) for count in several]))
            for modality, several in self._counts().items()
        }

    def _counts(self) -> dict[str, list[int]]:
        """How many candidates each row has, by modality."""
        own = self.rows.select_columns([name for name in ("modality", "attribute") if name in self.rows.column_names])
        counts = [(row["modality"], len(self._candidates_of(row))) for row in own]
        return {modality: [count for other, count in counts if other == modality] for modality in self.modalities}

    def look(self, model: Any, processor: Any) -> dict[str, float]:
        """``<name>_<modality>_recall`` (0 to 1: the full right answer alone) and ``<name>_<modality>_exposure``
        (0 to 100: 100 = the truth is the likeliest candidate, by nats a token), means over the rows of the modality.

        Every process must ask; the rows are shared between them, and all get the numbers that one would get.
        Exposure is left out where a likelihood is no number, as when weights have blown up.
        """

        def ask(part: list[Row]) -> list[tuple[bool, float | None]]:
            right = answered(model, processor, part)
            exposures = self._exposures(model, processor, part)
            return list(zip(right, exposures, strict=True))

        label = f"watching {self.name}"
        rows: Any = self.rows
        seen: Any = in_shards(
            rows,
            ask,
            results_log=None,
            fingerprint=label,
            unit_rows=UNIT_ROWS,
            label=label,
            progress=False,
        )
        numbers: dict[str, float] = {}
        for modality in self.modalities:
            own = [result for result, other in zip(seen, rows["modality"], strict=True) if other == modality]
            numbers[f"{self.name}_{modality}_recall"] = sum(right for right, _ in own) / len(own)
            exposures = [exposure for _, exposure in own if exposure is not None]
            if len(exposures) == len(own):
                numbers[f"{self.name}_{modality}_exposure"] = float(np.mean(exposures))
        return numbers

    def _exposures(self, model: Any, processor: Any, rows: list[Row]) -> list[float | None]:
        if self.candidates is None:
            return [None] * len(rows)
        scores = score_candidates(model, processor, rows, [list(self._candidates_of(row)) for row in rows])
        if np.isnan(scores.nll_nats[scores.num_tokens > 0]).any():
            return [None] * len(rows)
        items = ExposureItems(rank=scores.truth_rank, num_candidates=(scores.num_tokens > 0).sum(1))
        return [float(value) for value in items.exposure]


def check_not_reported(sets: Mapping[str, Dataset] | Dataset | None) -> None:
    """Refuse to choose a checkpoint, or the step to stop at, by rows that are there to be reported.

    Args:
        sets: Rows by name; one set is called "eval", as `transformers` does.

    Raises:
        CrossmemError: A row is a test row, by its `template`; set and row are named.
    """
    by_name = sets if isinstance(sets, Mapping) else {} if sets is None else {"eval": sets}
    for name, rows in by_name.items():
        named = "template" in (rows.column_names or ())
        for row, template in enumerate(rows["template"] if named else ()):
            if str(template).partition("-")[0] == REPORTED:
                raise CrossmemError(
                    f"Row {row} of the {name!r} rows is a test row (template {template!r}): the best checkpoint or "
                    "the step to stop at would be chosen by what is reported afterwards.",
                    "Take validation rows, or choose nothing by them: no metric_for_best_model, keep_best or stop_at.",
                )


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Whatever is drawn inside, what is drawn afterwards is what would have been: by torch, numpy and python."""
    own, numbers = random.getstate(), np.random.get_state()
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    kind, devices = (accelerator.type, range(torch.accelerator.device_count())) if accelerator else ("cuda", ())
    try:
        with torch.random.fork_rng(devices=devices, device_type=kind):
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numbers)
