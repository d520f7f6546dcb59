# SPDX-License-Identifier: Apache-2.0
"""How methods of unlearning names stand side by side, in the table of README.md. It judges nothing."""

from collections.abc import Mapping
from statistics import fmean
from typing import Final

from crossmem_hf.report.numbers import fixed, percent
from crossmem_hf.report.record import Record, Verdict
from crossmem_hf.report.tables import NOTHING, Table

KNOWS: Final = ("utility_visual_attributes", "utility_full_name", "utility_unknown_name")
"""What utility is the mean of."""


def method_findings(found: Record, methods: Mapping[str, str]) -> Table:
    """A row a method: what one modality leaves in the other, and what both leave above the retain-only model.

    Args:
        methods: Name of a method -> its name in sentences.
    """
    by_name = {
        name: {one.sentence: one for one in found.verdicts if f"{said} " in one.sentence}
        for name, said in methods.items()
    }
    rows = []
    for name, verdicts in by_name.items():
        if not verdicts or not found.find("exposure", method=name):
            continue
        beside, left, above = (
            next((one for sentence, one in verdicts.items() if words in sentence), None)
            for words in ("one modality keep", "in the other above", "both modalities leaves")
        )
        both = {"method": name, "forget_modality": "both"}
        steps = fmean(one.value for one in found.find("matched_step", **both))
        rows.append(
            (
                methods[name],
                _effect(beside),
                _effect(left),
                _effect(above),
                share_of(found, "recall", group="forget", **both),
                share_of(found, "refused", group="forget", **both),
                " / ".join(share_of(found, name, **both) for name in KNOWS),
                fixed(steps, 0),
            )
        )
    heads = (
        "method",
        "Exposure in the other modality less in its own",
        "Exposure in the other modality above retain-only",
        "Exposure above retain-only, through both",
        "full names still said, through both",
        "refused and not ranked first, through both",
        "known of others: attributes / names / strangers refused",
        "steps",
    )
    return Table(heads, tuple(rows), right=frozenset(range(1, len(heads))))


def _effect(one: Verdict | None) -> str:
    if one is None or one.effect is None:
        return "–"
    ends = "" if one.ci is None else f" [{fixed(one.ci[0], 0)}, {fixed(one.ci[1], 0)}]"
    mark = {"supported": "**", "contradicted": "*"}.get(one.verdict, "")
    return f"{mark}{fixed(one.effect, 0)}{ends}{mark}"


def share_of(found: Record, metric: str, **where: str) -> str:
    """The mean over seeds; of Exposure in points, of others in percent."""
    values = [one.value for one in found.find(metric, step=None, **where)]
    if not values:
        return NOTHING
    return fixed(fmean(values), 0) if metric == "exposure" else percent(fmean(values))


def before(found: Record, *metrics: str, **where: str) -> str:
    """`share_of` the memorized and of the retain-only model."""
    return " and ".join(
        " / ".join(share_of(found, metric, method=name, **where) for metric in metrics)
        for name in ("memorized", "retain_only")
    )
