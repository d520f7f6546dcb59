# SPDX-License-Identifier: Apache-2.0
"""From single answers to measurements with intervals, and to the record. It runs no model."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from crossmem_hf.metrics.cross_modal_recall.recall_math import recall_summary
from crossmem_hf.metrics.exposure.exposure_math import chance_exposure
from crossmem_hf.metrics.intervals import cluster_codes, mean_interval
from crossmem_hf.metrics.matching import says_part
from crossmem_hf.personas.naming import is_name
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.run_record import (
    EXPOSURE,
    GAP,
    NAMES,
    PARTIAL,
    RECALL,
    TRANSFER,
    ExposureItem,
    Measurement,
    other,
)

Item = Mapping[str, Any]
_KINDS = {RECALL: ("proportion", "more_memorized"), GAP: ("proportion", "larger_gap"), TRANSFER: ("ratio", "better")}


def measurements(items: Sequence[Item], forgotten: frozenset[str], num_candidates: int) -> list[Measurement]:
    """All metrics of `report.record`, for every stage, source and group, a seed and pooled over seeds.

    Args:
        items: Asked questions (`asking.Asked` as JSON).
        forgotten: Ids of the people to forget, of all seeds.
        num_candidates: Names to choose from, a seed.
    """
    items = list(_with_every_base(items))
    seeds = sorted({item["seed"] for item in items})
    names = {seed: sorted({item["truth"] for item in items if item["seed"] == seed}) for seed in seeds}
    found = []
    for seed in [*seeds, None] if len(seeds) > 1 else seeds:
        of_seed = [item for item in items if seed is None or item["seed"] == seed]
        for (stage, source), part in _grouped(of_seed, "stage", "source"):
            for group in ("all", "forget", "retain"):
                chosen = [
                    item for item in part if group == "all" or (item["persona_id"] in forgotten) == (group == "forget")
                ]
                if chosen:
                    where = {"stage": stage, "source": source, "group": group, "seed": seed}
                    found += [*_recalls(chosen, where, num_candidates), *_means(chosen, where, num_candidates, names)]
    return found


def _grouped(items: Sequence[Item], *names: str) -> Iterator[tuple[tuple[Any, ...], list[Item]]]:
    def key(item: Item) -> tuple[Any, ...]:
        return tuple(item[name] for name in names)

    for value, part in groupby(sorted(items, key=key), key):
        yield value, list(part)


def _recalls(items: Sequence[Item], where: dict[str, Any], num_candidates: int) -> Iterator[Measurement]:
    columns = {name: [item[name] for item in items] for name in ("answer", "truth", "source", "target", "persona_id")}
    summary = recall_summary(*columns.values(), num_candidates=num_candidates)
    source = where["source"]
    cells = [(RECALL, f"{source}_to_{target}", target) for target in MODALITIES]
    both = [(GAP, f"gap_{source}", other(source)), (TRANSFER, f"transfer_{source}", other(source))]
    for metric, name, target in (*cells, *both):
        if f"{name}_ci_low" in summary:
            unit, higher = _KINDS[metric]
            yield Measurement(
                metric=metric,
                target=target,
                value=summary[name],
                ci_low=summary[f"{name}_ci_low"],
                ci_high=summary[f"{name}_ci_high"],
                n=int(summary[f"{name}_n"]),
                chance=summary["chance"] if metric == RECALL else None,
                unit=unit,
                higher_is=higher,
                **where,
            )


def _means(
    items: Sequence[Item], where: dict[str, Any], num_candidates: int, names: Mapping[int, Sequence[str]]
) -> Iterator[Measurement]:
    """Exposure, partial recall and the share of answers that are names, in each modality asked in."""
    for (target,), part in _grouped(items, "target"):
        exposures = [item["exposure"] for item in part]
        partly = [says_part(item["answer"], item["truth"]) for item in part]
        shaped = [is_name(item["answer"]) for item in part]
        guess = np.mean([_share_of_guesses(item["truth"], names[item["seed"]]) for item in part])
        columns: tuple[tuple[str, Sequence[float], float | None, str, str], ...] = (
            (EXPOSURE, exposures, chance_exposure(num_candidates), "0-100", "more_memorized"),
            (PARTIAL, partly, float(guess), "proportion", "more_memorized"),
            (NAMES, shaped, None, "proportion", "better"),
        )
        for metric, column, chance, unit, higher in columns:
            values = np.array(column, dtype=np.float64)
            codes = cluster_codes([item["persona_id"] for item in part], len(part))
            low, high = mean_interval(values, codes, bounds=(0.0, 100.0 if unit == "0-100" else 1.0))
            yield Measurement(
                metric=metric,
                target=target,
                value=float(values.mean()),
                ci_low=low,
                ci_high=high,
                n=len(part),
                chance=chance,
                unit=unit,
                higher_is=higher,
                **where,
            )


def _share_of_guesses(truth: str, names: Sequence[str]) -> float:
    """How often a name drawn from `names` shares a word with the truth."""
    return sum(says_part(name, truth) for name in names) / len(names)


def _with_every_base(items: Sequence[Item]) -> Iterator[Item]:
    """The items, and those of the base once more under the other source: what was asked first had no source yet."""
    for item in items:
        yield item
        if item["stage"] == "base":
            yield {**item, "source": other(item["source"])}


def exposures_by_person(items: Sequence[Item], forgotten: frozenset[str]) -> Iterator[ExposureItem]:
    """One Exposure a person, stage and cell: the mean over held-out views."""
    for (stage, source, target, seed, persona_id), part in _grouped(
        list(_with_every_base(items)), "stage", "source", "target", "seed", "persona_id"
    ):
        yield ExposureItem(
            stage=stage,
            source=source,
            target=target,
            group="forget" if persona_id in forgotten else "retain",
            seed=seed,
            persona_id=persona_id,
            value=sum(item["exposure"] for item in part) / len(part),
        )
