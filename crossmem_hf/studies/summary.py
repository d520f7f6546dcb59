# SPDX-License-Identifier: Apache-2.0
"""From single answers to measurements with intervals, and to the record. It runs no model."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from crossmem_hf.metrics.cross_modal_recall.recall_math import recall_summary
from crossmem_hf.metrics.exposure.exposure_math import chance_exposure
from crossmem_hf.metrics.intervals import cluster_codes, mean_interval
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import EXPOSURE, GAP, RECALL, TRANSFER, ExposureItem, Measurement, other

Item = Mapping[str, Any]
_KINDS = {RECALL: ("proportion", "more_memorised"), GAP: ("proportion", "larger_gap"), TRANSFER: ("ratio", "better")}


def measurements(items: Sequence[Item], forgotten: frozenset[str], num_candidates: int) -> list[Measurement]:
    """Recall, gap, transfer and Exposure of every stage, source and group, a seed and pooled over seeds.

    Args:
        items: Asked questions (`asking.Asked` as JSON).
        forgotten: Ids of the people to forget, of all seeds.
        num_candidates: Names to choose from, a seed.
    """
    seeds = sorted({item["seed"] for item in items})
    found = []
    for seed in [*seeds, None] if len(seeds) > 1 else seeds:
        of_seed = [item for item in items if seed is None or item["seed"] == seed]
        for (stage, source), part in _grouped(of_seed, "stage", "source"):
            for group in ("all", "forget", "retain"):
                chosen = [
                    item for item in part if group == "all" or (item["persona_id"] in forgotten) == (group == "forget")
                ]
                if chosen and (group == "all" or stage != "base"):
                    where = {"stage": stage, "source": source, "group": group, "seed": seed}
                    found += [*_recalls(chosen, where, num_candidates), *_exposures(chosen, where, num_candidates)]
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


def _exposures(items: Sequence[Item], where: dict[str, Any], num_candidates: int) -> Iterator[Measurement]:
    import numpy as np

    for (target,), part in _grouped(items, "target"):
        values = np.array([item["exposure"] for item in part])
        codes = cluster_codes([item["persona_id"] for item in part], len(part))
        low, high = mean_interval(values, codes, bounds=(0.0, 100.0))
        yield Measurement(
            metric=EXPOSURE,
            target=target,
            value=float(values.mean()),
            ci_low=low,
            ci_high=high,
            n=len(part),
            chance=chance_exposure(num_candidates),
            unit="0-100",
            higher_is="more_memorised",
            **where,
        )


def exposures_by_person(items: Sequence[Item], forgotten: frozenset[str]) -> Iterator[ExposureItem]:
    """One Exposure a person, stage and cell: the mean over held-out views."""
    for (stage, source, target, seed, persona_id), part in _grouped(
        items, "stage", "source", "target", "seed", "persona_id"
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
