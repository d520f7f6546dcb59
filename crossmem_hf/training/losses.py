# SPDX-License-Identifier: Apache-2.0
"""The losses, as pure functions from tensors to one value a row. They do not know models, batches or weights.

Shapes: ``B`` rows, ``T`` tokens, ``V`` vocabulary, ``D`` width, ``N`` answer tokens of all rows, in row order.
All return (B,) and none averages over rows, so that a batch may be cut anywhere without changing the mean."""

import torch
from torch import Tensor
from torch.nn import functional as F


def npo(logprobs_B: Tensor, reference_B: Tensor, *, beta: float) -> Tensor:
    """Negative preference optimization: lower when answers have become less likely than under the reference.

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


def simnpo(token_logprobs_BT: Tensor, mask_BT: Tensor, *, beta: float, delta: float) -> Tensor:
    """NPO without a reference: lower when a token of the answer has become less likely, in the mean.

    Args:
        beta: Above 0. Large: stops pushing soon after the answer is unlikely.
        delta: The negative log-likelihood a token, nats, around which the loss bends.

    Returns:
        (B,), at least 0.

    Reference:
        https://huggingface.co/papers/2410.07163 in the form of its TOFU code, which has ``beta * delta`` where the
        paper has gamma; its MUSE code puts logits in the place of log-likelihoods and is not followed.
    """
    return -2.0 / beta * F.logsigmoid(beta * (nll(token_logprobs_BT, mask_BT) - delta))


def dpo(
    chosen_B: Tensor, rejected_B: Tensor, reference_chosen_B: Tensor, reference_rejected_B: Tensor, *, beta: float
) -> Tensor:
    """Preference for a refusal over the secret, both relative to the reference.

    Args:
        chosen_B, rejected_B: Summed log-probability of the refusal and of the secret under the policy, nats.
        reference_chosen_B, reference_rejected_B: The same under the model as it was before unlearning.

    Returns:
        (B,), at least 0; exactly ``ln 2`` where policy and reference agree.

    Reference:
        https://huggingface.co/papers/2305.18290 at the scale of TOFU and trl. NPO's authors and open-unlearning
        multiply it by 2 / beta, as the loss of NPO: ``forget_weight`` 2 / beta gives theirs.
    """
    return -F.logsigmoid(beta * ((chosen_B - reference_chosen_B) - (rejected_B - reference_rejected_B)))


def wga(token_logprobs_BT: Tensor, mask_BT: Tensor, *, beta: float) -> Tensor:
    """Weighted gradient ascent: each token's log-likelihood counts by its likelihood to the power of beta.

    Unlikely tokens are pushed no further, so the loss is bounded where `ga` is not. No gradient flows through weights.

    Returns:
        (B,), at most 0; a mean over the tokens of each row.

    Reference:
        https://huggingface.co/papers/2502.19301. Deviation from open-unlearning: tokens are averaged within a row.
    """
    weights_BT = (beta * token_logprobs_BT.detach()).exp()
    return -nll(weights_BT * token_logprobs_BT, mask_BT)


def undial(logits_NV: Tensor, reference_NV: Tensor, answers_N: Tensor, mask_BT: Tensor, *, beta: float) -> Tensor:
    """Cross-entropy with the reference's own distribution after the answer's logits were lowered by beta.

    Shapes:
        logits_NV, reference_NV: logits at the answer tokens that `mask_BT` marks, rows in order.
        answers_N: those tokens.

    Returns:
        (B,) nats a token, at least 0; at best the entropy of the lowered distribution.

    Reference:
        https://huggingface.co/papers/2402.10052. Deviation from open-unlearning: answer tokens only, averaged within
        a row; its code counts prompt and padding too.
    """
    lowered_NV = reference_NV.scatter_add(1, answers_N[:, None], torch.full_like(reference_NV[:, :1], -beta))
    losses_N = -(F.softmax(lowered_NV, dim=-1) * F.log_softmax(logits_NV, dim=-1)).sum(dim=-1)
    return _row_means(losses_N, mask_BT)


def representation_mse(hidden_ND: Tensor, target: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean squared distance of hidden states to where they should be, at the positions that predict the answer.

    With the target a fixed vector it is RMU's forget loss, with the reference's hidden states its retain loss.

    Args:
        hidden_ND: Hidden states of one layer under the policy.
        target: (N, D), or (D,) for all alike.

    Returns:
        (B,), at least 0: a mean over coordinates, then over the positions of each row.

    Reference:
        RMU, https://huggingface.co/papers/2403.03218, averaged over coordinates as in its code; the paper sums.
        Deviation: its code takes every token of a text, open-unlearning the answer's own tokens; we take the positions
        that predict them, one earlier. Each row's sum is divided by its own number of tokens; open-unlearning's code
        divides it by every row's (shapes (B,) and (B, 1)), so where lengths differ it has the mean of the sums times
        the mean of 1 / tokens.
    """
    return _row_means((hidden_ND - target).square().mean(dim=-1), mask_BT)


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
    return _row_means(kl_N, mask_BT)


def _row_means(values_N: Tensor, mask_BT: Tensor) -> Tensor:
    """(B,) means of what was measured at the tokens that `mask_BT` marks."""
    rows_N = mask_BT.nonzero()[:, 0]
    sums_B = torch.zeros(len(mask_BT), dtype=values_N.dtype, device=values_N.device).index_add(0, rows_N, values_N)
    return sums_B / mask_BT.sum(dim=1)
