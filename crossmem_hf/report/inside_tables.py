# SPDX-License-Identifier: Apache-2.0
"""What is seen inside of models: the shape of their states, how deep unlearning reached, when what was memorized, and
what probes read. It knows no study."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from types import MappingProxyType
from typing import Final

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.report.numbers import joined
from crossmem_hf.report.record import Measurement
from crossmem_hf.report.tables import Column, Table, pivot

BOUNDS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    dict.fromkeys(("unlearning_depth", "read_out", "task_recall", "probe_accuracy_mean"), (0.0, 1.0))
)
"""Metric -> what no mean over seeds is beyond."""


def inside_tables(measurements: Sequence[Measurement]) -> Iterator[tuple[str, Table]]:
    """(title, table) of all of the tables that measurements have numbers for."""
    tables = {
        "Models": shape_table,
        "Points of the pre-training": points_table,
        "People": order_table,
        "Patterns": patterns_table,
        "Probes": probes_table,
        "Gradients": gradients_table,
    }
    for title, made in tables.items():
        if (table := made(measurements)) is not None:
            yield f"**{title}**", table


def shape_table(measurements: Iterable[Measurement]) -> Table | None:
    """A row a model: RankMe of questions about those to forget and those to retain in both modalities, unlearning
    depth, and what is said of some before and once others are relearned; None if nothing of it was measured."""
    own = [one for one in measurements if one.where.get("part") == "learned"]
    columns = [
        _column(f"RankMe, {group}, {MODALITY_NAMES[target]}", "rankme", part="learned", group=group, target=target)
        for group in ("forget", "retain")
        for target in MODALITIES
    ]
    columns += [
        _column(
            f"depth, {MODALITY_NAMES[target]}, %", "unlearning_depth", part="learned", group="forget", target=target
        )
        for target in MODALITIES
    ]
    columns.append(_column("said, %", "recall", part="learned"))
    columns.append(_column("said once others are relearned, %", "extracted", part="learned"))
    return _rows(own, {"method": "model"}, columns)


def depths(measurements: Iterable[Measurement], names: Mapping[str, str]) -> str:
    """How deep each method of unlearning reached, of 100, in the mean over seeds and modalities, the least deep first.

    Args:
        names: Method -> its name in sentences.
    """
    own: dict[str, list[float]] = {}
    for one in measurements:
        if one.metric == "unlearning_depth":
            own.setdefault(str(one.where["method"]), []).append(one.value)
    means = sorted((fmean(values), names[method]) for method, values in own.items())
    return joined([f"{name} {100 * value:.0f}" for value, name in means])


def points_table(measurements: Iterable[Measurement]) -> Table | None:
    """A row a point of a pre-training: RankMe of questions about those to forget and those to retain, in both
    modalities."""
    own = [one for one in measurements if one.where.get("part") == "pretraining"]
    columns = [
        _column(f"RankMe, {group}, {MODALITY_NAMES[target]}", "rankme", part="pretraining", group=group, target=target)
        for group in ("forget", "retain")
        for target in MODALITIES
    ]
    return _rows(own, {"point": "point"}, columns)


def order_table(measurements: Iterable[Measurement]) -> Table | None:
    """A row an attribute of people and number of hops: the step by which half of it was memorized once, and what is
    known in the end, in both modalities."""
    own = [one for one in measurements if one.where.get("part") == "personas"]
    columns = [
        _column(f"{words}, {MODALITY_NAMES[modality]}", metric, part="personas", modality=modality)
        for metric, words in (("memorized_by", "half by step"), ("memorized", "known in the end, %"))
        for modality in MODALITIES
    ]
    return _rows(own, {"attribute": "what", "hops": "hops"}, columns)


def patterns_table(measurements: Iterable[Measurement]) -> Table | None:
    """A row a kind of pattern; of each size of decoder the step by which half was memorized once, how often one was
    forgotten again, and the share of held-out sequences that is right in the end."""
    own = [one for one in measurements if one.where.get("part") == "patterns" and "kind_of_pattern" in one.where]
    sizes = dict.fromkeys(str(one.where["size"]) for one in own)
    shown = (
        ("half by step", "memorized_by", "train"),
        ("forgotten", "forgettings", "train"),
        ("held out, %", "memorized", "test"),
    )
    columns = [
        _column(f"{words} ({size})", metric, part="patterns", size=size, split=split)
        for words, metric, split in shown
        for size in sizes
    ]
    return _rows(own, {"kind_of_pattern": "kind"}, columns)


def probes_table(measurements: Iterable[Measurement]) -> Table | None:
    """A row a rate of records, list of users and way to train: what probes read of users whom they never saw, before
    training and beyond it, what is read out of pictures, and whether ids that were seen are likelier."""
    own = [one for one in measurements if one.where.get("part") == "trained"]
    columns = [
        _column("probe, %", "probe_accuracy_mean", part="trained"),
        _column("before training, %", "probe_untuned_mean", part="trained"),
        _column("gain, points", "probe_gain_mean", part="trained"),
        *(
            _column(f"id read out, {users}, %", "read_out", part="trained", users=users)
            for users in ("seen", "unseen")
        ),
        _column("likelier ids (50 is chance)", "auroc_by_likelihood", part="trained"),
        _column("task, %", "task_recall", part="trained"),
    ]
    keys = {"rate": "rate", "list": "users", "batch_size": "batch", "accumulation": "accumulated"}
    return _rows(own, keys, columns)


def gradients_table(measurements: Iterable[Measurement]) -> Table | None:
    """A row a batch size and number of accumulated batches: the cosine of gradients on rows and on changed ones, in
    hundredths."""
    own = [_in_hundredths(one) for one in measurements if one.metric == "gradient_cosine"]
    changes = dict.fromkeys(str(one.where["change"]) for one in own)
    columns = [_column(f"cosine ×100, {change}", "gradient_cosine", change=change) for change in changes]
    return _rows(own, {"batch_size": "batch", "accumulation": "accumulated"}, columns)


def _in_hundredths(one: Measurement) -> Measurement:
    ci = None if one.ci is None else (100 * one.ci[0], 100 * one.ci[1])
    return one.model_copy(update={"value": 100 * one.value, "ci": ci, "unit": "hundredths"})


def _column(head: str, metric: str, **where: str) -> Column:
    return Column(head=head, metrics=(metric,), where=where, with_interval=True)


def _rows(own: Sequence[Measurement], keys: dict[str, str], columns: Sequence[Column]) -> Table | None:
    """Without the row of what guessing would give, which means nothing here."""
    table = pivot(own, keys, columns) if own else None
    return None if table is None else Table(table.heads, table.rows[:-1], right=table.right)
