# SPDX-License-Identifier: Apache-2.0
"""Two links that were learned apart, asked one by one and at once. It knows no study."""

from collections.abc import Iterable

from crossmem_hf.report.record import Measurement
from crossmem_hf.report.tables import Column, Table, pivot

_KEYS = {"source": "names learned from", "target": "asked in", "views": "views", "asked": "asked for"}


def hop_table(measurements: Iterable[Measurement], base: str) -> Table | None:
    """A row a modality learned from, modality asked in, kind of views and way of asking; a column a mix of what was
    learned: recall.

    Args:
        base: Whose.

    Returns:
        None where nothing of it was measured.
    """
    own = [one for one in measurements if one.where.get("base") == base and "asked" in one.where]
    own.sort(key=lambda one: (str(one.where["source"]), str(one.where["target"]), one.where["views"] == "far"))
    mixes = list(dict.fromkeys(str(one.where["mix"]) for one in own))
    columns = [
        Column(head=mix, metrics=("recall",), where={"base": base, "mix": mix}, with_interval=True) for mix in mixes
    ]
    return pivot(own, _KEYS, columns)
