# SPDX-License-Identifier: Apache-2.0
"""From items to lines: which numbers of a metric are read, for which groups, in which units and direction. It computes
none of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from crossmem_hf.data.configs.robust import robust_kind
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import measures
from crossmem_hf.evaluation.measures import Against, Found, Item
from crossmem_hf.report.score_record import ALL, MODEL, ScoreLine


@dataclass(frozen=True)
class Reading:
    """How a number of a summary becomes a line.

    Attributes:
        name: Of the number in the summary; left out of the lines where it is not there.
        chance: Name of its chance level in the summary.
        n: Name of the number of rows behind it.
        metric: Name of the line; empty for `name`.
    """

    name: str
    unit: str
    higher_is: str
    chance: str = ""
    n: str = "n"
    metric: str = ""


@dataclass(frozen=True)
class Measure:
    """A metric: what it makes of items, the columns by which items are grouped, and what is read of it."""

    found: Callable[[Sequence[Item], Against], Found]
    by: tuple[str, ...]
    readings: tuple[Reading, ...]


def score_lines(
    metrics: Sequence[str], items: Sequence[Item], against: Against
) -> tuple[list[ScoreLine], dict[str, list[Any]]]:
    """The lines of the metrics, for all items and by group, and the columns with a value an item.

    A group is the items of one modality asked in, one number of hops, one kind of the config ``robust`` or, for
    `exposure` and `exact_match`, one attribute, wherever there are several.

    Raises:
        CrossmemError: A metric refuses the items; metric and group are named.
    """
    lines: list[ScoreLine] = []
    columns: dict[str, list[Any]] = {}
    parts = replace(against, retain_only=None)  # the items of a retain-only model are those of all rows
    for metric in metrics:
        measure = MEASURES[metric]
        for group, chosen in _groups(items, measure.by):
            try:
                summary, of_items = measure.found(chosen, against if group == ALL else parts)
            except ValueError as error:
                raise CrossmemError(
                    f"{metric} could not be computed ({group}): {error}", "Leave it out of --metrics, or see its card."
                ) from error
            lines += _lines(measure.readings, summary, group)
            if group == ALL:
                columns |= {name.removeprefix("item_"): values for name, values in of_items.items()}
    return lines, columns


def baseline_lines(name: str, items: Sequence[Item]) -> list[ScoreLine]:
    """Exposure of another model on the same rows; the group says whose: ``"model=base"``, ``"model=base,
    modality=image"``."""
    lines, _ = score_lines(("exposure",), items, Against())
    whose = f"{MODEL}={name}"
    return [replace(line, group=whose if line.group == ALL else f"{whose}, {line.group}") for line in lines]


def _groups(items: Sequence[Item], by: Sequence[str]) -> Iterator[tuple[str, list[Item]]]:
    yield ALL, list(items)
    for column in by:
        found = [robust_kind(item.get("template")) if column == _KIND else item[column] for item in items]
        values = sorted({value for value in found if value is not None})
        for value in values if len(values) > 1 else ():
            yield f"{column}={value}", [item for item, own in zip(items, found, strict=True) if own == value]


def _lines(readings: Sequence[Reading], summary: Mapping[str, float], group: str) -> Iterator[ScoreLine]:
    for reading in readings:
        if reading.name in summary:
            yield ScoreLine(
                metric=reading.metric or reading.name,
                group=group,
                value=summary[reading.name],
                ci_low=summary.get(f"{reading.name}_ci_low"),
                ci_high=summary.get(f"{reading.name}_ci_high"),
                n=int(summary[reading.n]),
                chance=summary.get(reading.chance),
                unit=reading.unit,
                higher_is=reading.higher_is,
            )


_MORE, _LESS = "more_memorized", "less_memorized"
_KIND = "kind"
_MODALITY_NAMES = ("modality", "hops", _KIND)
_EVERYTHING = (*_MODALITY_NAMES, "attribute")
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "exposure": Measure(
            measures.exposure,
            _EVERYTHING,
            (
                Reading("exposure", "0-100", _MORE, chance="chance_exposure"),
                Reading("exposure_bits", "bits", _MORE, chance="chance_exposure_bits"),
                Reading("exposure_linear", "0-100", _MORE, chance="chance_exposure_linear"),
                Reading("mrr", "proportion", _MORE, chance="chance_mrr"),
            ),
        ),
        "cross_modal_recall": Measure(
            measures.recall,
            ("modality",),
            (
                Reading("recall", "proportion", _MORE, chance="chance"),
                Reading("recall_gap", "proportion", "larger_gap", n="recall_gap_n"),
                Reading("recall_transfer", "ratio", "more_transfer", n="recall_transfer_n"),
            ),
        ),
        "min_k_prob": Measure(
            measures.min_k,
            _MODALITY_NAMES,
            (
                Reading("min_k_prob", "0-100", _MORE),
                Reading("min_k_plus_plus", "standard deviations", _MORE),
                Reading("inverse_perplexity", "0-100", _MORE),
                Reading("logprob_per_token", "nats", _MORE),
            ),
        ),
        "extraction_strength": Measure(
            measures.strength,
            _MODALITY_NAMES,
            (
                Reading("extraction_strength", "proportion", _MORE),
                Reading("token_match", "proportion", _MORE),
                Reading("extraction_probability", "proportion", _MORE),
                Reading("discoverable", "proportion", _MORE),
            ),
        ),
        "truth_ratio": Measure(
            measures.truth_ratio,
            _MODALITY_NAMES,
            (
                Reading("truth_ratio", "proportion", _LESS),
                Reading("truth_ratio_retain", "proportion", _MORE),
                Reading("truth_probability", "proportion", _MORE, chance="no_difference"),
                Reading("forget_quality", "p-value", "closer_to_retain_only"),
            ),
        ),
        "rouge": Measure(
            measures.rouge,
            _MODALITY_NAMES,
            (Reading("rouge_l", "proportion", _MORE), Reading("rouge_l_recall", "proportion", _MORE)),
        ),
        "exact_match": Measure(
            measures.exact_match, _EVERYTHING, (Reading("exact_match", "proportion", _MORE, chance="chance"),)
        ),
        "forget_diagnosis": Measure(
            measures.diagnosis,
            _MODALITY_NAMES,
            (
                Reading("still_known", "proportion", _MORE),
                Reading("latent", "proportion", _MORE, chance="chance_first", metric="still_known_unsaid"),
                Reading("refused", "proportion", "more_refusals"),
                Reading("collapsed", "proportion", "more_damage"),
                Reading("forgotten", "proportion", _LESS),
                Reading(
                    "normalized_rank_forgotten",
                    "proportion",
                    _LESS,
                    chance="chance_rank_forgotten",
                    n="n_forgotten",
                    metric="rank_of_forgotten",
                ),
            ),
        ),
        "priv_leak": Measure(
            measures.leak,
            (),
            (
                Reading("auc", "proportion", _LESS, chance="no_difference", metric="priv_leak_auc"),
                Reading("priv_leak", "percent", "0_is_ideal"),
            ),
        ),
        "judge": Measure(measures.judge, _MODALITY_NAMES, (Reading("judge_score", "proportion", _MORE),)),
    }
)
"""Metric -> how it is computed, split and read."""
