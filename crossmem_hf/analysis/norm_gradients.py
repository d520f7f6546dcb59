# SPDX-License-Identifier: Apache-2.0
"""Gradients at the inputs of norms, row by row: how much of what is learned, and of what is memorized, comes there. It
does not know the loss, nor which rows are which.

Shapes: ``B`` rows of a batch, ``R`` of all batches.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossmem_hf.analysis.hooks import Change, inputs_changed
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.intervals import UNIT, Clusters, FloatArray, interval_of, ratio_of
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.models.norms import Layers, norms_in
from crossmem_hf.report.record import Measurement

RowLosses = Callable[[Any], Tensor]
"""From a batch, to which only its caller gives a meaning, to the (B,) losses of its rows."""


def norm_input_gradients(
    model: nn.Module, losses: RowLosses, batches: Iterable[Any], *, layers: Layers = "all", part: str | None = None
) -> dict[str, FloatArray]:
    """How long the gradient of each row's loss is at what each norm reads.

    Only what flows through the norm counts: where a residual branch goes past it (Pre-LN), that part is another's.
    The model is run without dropout, and gets no gradients.

    Args:
        losses: Runs the model on a batch. Rows must not depend on each other.
        batches: What `losses` takes, one after another.
        layers: As for `norms_in`.
        part: As for `norms_in`.

    Returns:
        Name of the norm -> (R,) L2 norms over tokens and width, in the unit of the loss; at least 0, and 0 where the
        loss does not depend on the norm. Norms that did not run are left out.

    Raises:
        CrossmemError: As `norms_in`, or no batch, losses that are no numbers of rows or have no gradient, gradients
            that are not finite, or a norm that reads states without a row each (as in towers that pack pictures).

    Reference:
        Singhal and Kim 2025, https://huggingface.co/papers/2511.10566: L2 norm a row. Their code takes the norm of the
        absolute gradient's mean over tokens and rows, which is a number a norm and has no interval.

    Example:
        >>> model = nn.Sequential(nn.LayerNorm(3))
        >>> rows = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 6.0]])
        >>> norm_input_gradients(model, lambda batch: model(batch)[:, 0], [rows])["0"].round(4)
        array([0.5 , 0.25])
    """
    norms = norms_in(model, layers, part=part)
    found: dict[str, list[FloatArray]] = {}
    with in_eval_mode(model), torch.enable_grad():
        for batch in batches:
            read: dict[str, list[Tensor]] = {}
            with inputs_changed({norm.module: _keeping(read, norm.name) for norm in norms}):
                losses_B = _checked(losses(batch))
            for name, lengths_B in _lengths(losses_B, read).items():
                found.setdefault(name, []).append(lengths_B)
    if not found:
        raise CrossmemError("No norm of the model ran.", "Pass batches, and losses that run the model.")
    return {name: np.concatenate(parts) for name, parts in found.items()}


def gradient_ratios(
    learning: Mapping[str, FloatArray], memorizing: Mapping[str, FloatArray], where: Mapping[str, Any] | None = None
) -> list[Measurement]:
    """Of each norm, the mean gradient of rows that are learned over that of rows that are memorized.

    The paper finds about 1 in Post-LN models, and far more in Pre-LN models.

    Args:
        learning: From `norm_input_gradients`: rows that were not trained on, with their true labels.
        memorizing: The same of training rows with noisy labels.
        where: What else the measurements are about.

    Returns:
        ``learning_gradient`` and ``memorizing_gradient`` (means over rows) and ``gradient_ratio`` of each norm, the
        last with an interval over rows. A norm where rows that are memorized have no gradient has no ratio.

    Raises:
        CrossmemError: Other norms in one than in the other.
    """
    if learning.keys() != memorizing.keys():
        raise CrossmemError(
            f"Gradients at {len(learning)} norms for learning and {len(memorizing)} for memorizing, not all the same.",
            "Measure both in the same way.",
        )
    found = []
    for name, learned_R in learning.items():
        memorized_R, place = memorizing[name], {**(where or {}), "norm": name}
        numbers = (("learning_gradient", learned_R), ("memorizing_gradient", memorized_R))
        found += [
            Measurement(metric=metric, where=place, value=float(lengths.mean()), n=len(lengths), unit="loss")
            for metric, lengths in numbers
        ]
        found += _ratio(learned_R, memorized_R, place)
    return found


def _ratio(learned_R: FloatArray, memorized_R: FloatArray, place: dict[str, Any]) -> list[Measurement]:
    """The ratio, if there is one. Its interval is that of learning / (learning + memorizing), which is bounded."""
    learned, memorized = float(learned_R.mean()), float(memorized_R.mean())
    if learned + memorized in (0.0, learned):
        return []
    rows = len(learned_R) + len(memorized_R)
    columns_RD = np.full((rows, 2), np.nan)
    columns_RD[: len(learned_R), 0], columns_RD[len(learned_R) :, 1] = learned_R, memorized_R
    clusters = Clusters.of(None, rows)
    sums, counts = clusters.table(columns_RD)
    ends = interval_of(sums, counts, clusters.seed, _learning_share, bounds=UNIT, row_bounds=(0.0, np.inf))
    return [
        Measurement(
            metric="gradient_ratio",
            where=place,
            value=ratio_of(learned / (learned + memorized)),
            ci=None if ends is None or ends[1] == 1.0 else (ratio_of(ends[0]), ratio_of(ends[1])),
            n=rows,
            chance=1.0,
            unit="ratio",
            greater_means="more gradient for learning than for memorizing",
        )
    ]


def _learning_share(means_ND: FloatArray) -> FloatArray:
    share: FloatArray = means_ND[:, 0] / means_ND.sum(axis=1)
    return share


def _keeping(read: dict[str, list[Tensor]], name: str) -> Change:
    """Hands the norm a name of its own for what it reads, so that its gradient is the norm's alone."""

    def keep(states: Tensor) -> Tensor:
        own = states.view_as(states) if states.requires_grad else states.detach().requires_grad_()
        read.setdefault(name, []).append(own)
        return own

    return keep


def _checked(losses_B: Tensor) -> Tensor:
    if losses_B.dim() != 1 or not losses_B.isfinite().all():
        raise CrossmemError(
            f"Losses of shape {tuple(losses_B.shape)}, finite: {bool(losses_B.isfinite().all())}; expected a finite "
            "number a row.",
            "Return the loss of each row, such as cross_entropy(..., reduction='none').",
        )
    if not losses_B.requires_grad:
        raise CrossmemError("The losses have no gradient.", "Compute them without torch.no_grad and from the model.")
    return losses_B


def _lengths(losses_B: Tensor, read: Mapping[str, list[Tensor]]) -> dict[str, FloatArray]:
    """(B,) for each norm that ran, over all its runs."""
    every = [states for parts in read.values() for states in parts]
    gradients = iter(torch.autograd.grad(losses_B.sum(), every, allow_unused=True) if every else ())
    rows, found = len(losses_B), {}
    for name, parts in read.items():
        squared_B = torch.zeros(rows, dtype=torch.float64)
        for states in parts:
            gradient = next(gradients)
            if rows > 1 and len(states) != rows:
                raise CrossmemError(
                    f"{name!r} reads states of shape {tuple(states.shape)} in a batch of {rows} rows.",
                    "Pass batches of one row.",
                )
            if gradient is not None:
                squared_B += gradient.double().reshape(rows, -1).square().sum(1).cpu()
        lengths_B: FloatArray = squared_B.sqrt().numpy()
        if not np.isfinite(lengths_B).all():
            raise CrossmemError(f"A gradient at {name!r} is not finite.", "Use float32, or a smaller loss.")
        found[name] = lengths_B
    return found
