# SPDX-License-Identifier: Apache-2.0
"""How far a training step on each row would move a model: less for what it was trained on. It does not know which
rows those are, or which loss is trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from crossmem_hf.analysis.gradient_similarity import Loss
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.intervals import FloatArray
from crossmem_hf.models.modes import in_eval_mode


def gradient_norms(model: Any, rows: Sequence[Any], loss: Loss) -> FloatArray:
    """The length of the gradient of each row's loss, with respect to all parameters that require one.

    It is a score of the metric `min_k_prob`, whose `auroc_gradient_norm` says how well it betrays what was trained on.
    Cost: a backward pass a row, and memory for one gradient. The model's own ``grad`` fields and its mode stay as they
    were.

    Args:
        model: Any module; load an adapter with ``is_trainable=True``.
        rows: Whatever `loss` reads.
        loss: As `gradient_similarity.answer_loss` makes it.

    Returns:
        (rows,) L2 norms in the unit of the loss, at least 0; shorter where more is known.

    Raises:
        CrossmemError: No rows, nothing that is trained, or a gradient that is not finite; the row is named.

    Reference:
        GradNorm, https://huggingface.co/papers/2402.17012, as in OpenUnlearning, https://huggingface.co/papers/2506.12618.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> gradient_norms(model, [[3.0, 4.0], [0.0, 1.0]], lambda model, rows: model(torch.tensor(rows)).sum())
        array([5., 1.])
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained or not len(rows):
        raise CrossmemError(
            f"{len(rows)} rows, and {len(trained)} parameters that require a gradient; expected one of each or more.",
            "Load the adapter with is_trainable=True.",
        )
    norms = np.empty(len(rows))
    with in_eval_mode(model), torch.enable_grad():
        for place, row in enumerate(rows):
            parts = torch.autograd.grad(loss(model, [row]), trained, allow_unused=True)
            lengths = [part.float().norm() for part in parts if part is not None]
            norms[place] = float(torch.stack(lengths).norm()) if lengths else 0.0
            if not np.isfinite(norms[place]):
                raise CrossmemError(
                    f"Row {place}: its gradient is {norms[place]} long.", "Load the model in bfloat16 or float32."
                )
    return norms
