# SPDX-License-Identifier: Apache-2.0
"""What a calibration of a face model found, as plain text for a terminal. It works nothing out."""

from collections.abc import Iterator, Mapping
from typing import Any

from crossmem_hf.report.tables import Table

_WIDTH = 24


def calibration_text(record: Mapping[str, Any]) -> str:
    """The record of `studies.calibrate.run_calibration` as lines: counts, a histogram, thresholds, warnings."""
    return "\n".join(_lines(record))


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"{record['face_model']} on {record['num_pictures']} faces of {record['num_personas']} people"
    for name, said in (("no_face", "without a face that is looking ahead"), ("several_faces", "with several faces")):
        if record[name]:
            some = ", ".join(record[name][:3]) + (", ..." if len(record[name]) > 3 else "")
            yield f"  left out: {len(record[name])} pictures {said} ({some})"
    for name, said in (("within", "one person"), ("between", "two people")):
        found = record[name]
        quartiles = " ".join(f"{value:.3f}" for value in found["quantiles"])
        yield f"cosines of {said}: {found['num_pairs']} pairs" + (
            f", lowest, quartiles, highest {quartiles}" * bool(quartiles)
        )
    yield from _histogram(record)
    for name, said in (("suggested", "suggested threshold"), ("own", "threshold in use")):
        if record[name]:
            yield f"{said} {record[name]['threshold']:.4f}"
            yield f"  one person taken for two: {_rate(record[name]['false_reject'])}"
            yield f"  two people taken for one: {_rate(record[name]['false_accept'])}"
    yield from (f"note: {warning}" for warning in record["warnings"])


def _histogram(record: Mapping[str, Any]) -> Iterator[str]:
    edges, within, between = record["edges"], record["within"]["counts"], record["between"]["counts"]
    if edges:
        rows = (
            (f"{low:.3f}", f"{high:.3f}", str(one), _bar(one, max(within)), str(two), _bar(two, max(between)))
            for low, high, one, two in zip(edges[:-1], edges[1:], within, between, strict=True)
        )
        heads = ("cosine", "to", "one", "person".ljust(_WIDTH), "two", "people")
        yield str(Table(heads, tuple(rows), right=frozenset({0, 1, 2, 4})))


def _bar(count: int, max_count: int) -> str:
    return "#" * -(-count * _WIDTH // max_count) if count else ""


def _rate(rate: Mapping[str, Any]) -> str:
    interval = "no interval" if rate["low"] is None else f"95 % {100 * rate['low']:.1f} to {100 * rate['high']:.1f} %"
    return f"{100 * rate['value']:.1f} % of {rate['num_pairs']} pairs ({interval}, over people; 0 is best)"
