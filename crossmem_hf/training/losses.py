# SPDX-License-Identifier: Apache-2.0
"""The losses, as pure functions from tensors to one value a row. They do not know models, batches or weights.

Shapes: ``B`` rows, ``T`` tokens, ``V`` vocabulary, ``N`` answer tokens of all rows, in row order.
All return (B,) and none averages over rows, so that a batch may be cut anywhere without changing the mean."""

import torch
from torch import Tensor
from torch.nn import functional as F


def npo(logprobs_B: Tensor, reference_B: Tensor, *, beta: float) -> Tensor:
    """Negative preference optimisation: lower when answers have become less likely than under the reference.

    Args:
        logprobs_B: Summed answer log-probability under the policy, nats.
        reference_B: The same under the model as it was before unlearning.
        beta: Above 0. Small: close to gradient ascent. Large: stops pushing soon after the reference is passed.

    Returns:
        (B,), at least 0; exactly ``2 / beta * ln 2`` where policy and reference agree.

    Reference:
        The loss of https://huggingface.co/papers/2404.05868, no deviation.

    Example:
        >>> npo(torch.tensor([-3.0]), torch.tensor([-3.0]), beta=0.1)
        tensor([13.8629])
    """
    return -2.0 / beta * F.logsigmoid(-beta * (logprobs_B - reference_B))


def ga(logprobs_B: Tensor) -> Tensor:
    """Gradient ascent on the answers: their summed log-probability, to be made small; unbounded below.

    Reference:
        https://huggingface.co/papers/2404.05868; summed, so that its gradient is that of `npo` as beta falls to 0.
        TOFU averages over the tokens of a batch instead, so its learning rates do not carry over.
    """
    return logprobs_B


def nll(token_logprobs_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Negative log-likelihood a token of each row's answer, nats, at least 0.

    Deviation from TOFU's retain term: tokens are averaged within a row before rows are, so the value does not
    depend on which rows share a batch.
    """
    return -token_logprobs_BT.masked_fill(~mask_BT, 0.0).sum(dim=1) / mask_BT.sum(dim=1)


def kl(logits_NV: Tensor, reference_NV: Tensor, mask_BT: Tensor) -> Tensor:
    """KL(reference || policy) a token of each row's answer, nats, at least 0, exactly 0 where they agree.

    Shapes:
        logits_NV, reference_NV: logits at the answer tokens that `mask_BT` marks, rows in order.

    Reference:
        The KL retain term of TOFU, https://huggingface.co/papers/2401.06121; we count answer tokens only, where
        its code also counts prompt and padding.
    """
    logprobs_NV, reference_logprobs_NV = F.log_softmax(logits_NV, dim=-1), F.log_softmax(reference_NV, dim=-1)
    kl_N = (reference_logprobs_NV.exp() * (reference_logprobs_NV - logprobs_NV)).sum(dim=-1)
    rows_N = mask_BT.nonzero()[:, 0]
    sums_B = torch.zeros(len(mask_BT), dtype=kl_N.dtype, device=kl_N.device).index_add(0, rows_N, kl_N)
    return sums_B / mask_BT.sum(dim=1)
