# SPDX-License-Identifier: Apache-2.0
"""The one answer log-probability, shared by losses and scoring. It does not know what the answers are, or why they
are scored. Shapes: ``B`` rows, ``T`` tokens, ``V`` vocabulary, ``N`` answer tokens of all rows, in row order."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from crossmem_hf.errors import CrossmemError

NOT_AN_ANSWER = -100  # the label of every prompt, image and padding token


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """What one forward pass says about the answers of a batch.

    Attributes:
        token_logprobs_BT: Nats, at most 0; entry t belongs to token t + 1, and is 0 where that is no answer token.
        mask_BT: True on answer tokens, same layout.
        answers_N: The answer tokens themselves.
        logits_NV: Logits that predict the answer tokens, or None when the fused head did not build them.
        hidden_ND: Hidden states of one layer where the answer tokens are predicted, if they were asked for.
    """

    token_logprobs_BT: Tensor
    mask_BT: Tensor
    answers_N: Tensor
    logits_NV: Tensor | None = None
    hidden_ND: Tensor | None = None

    @property
    def sums_B(self) -> Tensor:
        """Log-probability of each whole answer, in nats."""
        return self.token_logprobs_BT.sum(dim=1)

    def rows(self, start: int, stop: int) -> "AnswerScores":
        """The scores of rows `start` to `stop` - 1."""
        before, inside = int(self.mask_BT[:start].sum()), int(self.mask_BT[start:stop].sum())
        tokens = slice(before, before + inside)
        return AnswerScores(
            self.token_logprobs_BT[start:stop],
            self.mask_BT[start:stop],
            self.answers_N[tokens],
            None if self.logits_NV is None else self.logits_NV[tokens],
            None if self.hidden_ND is None else self.hidden_ND[tokens],
        )


def answer_mask(labels_BT: Tensor) -> Tensor:
    """(B, T - 1), True where the token after the position is an answer token.

    Raises:
        CrossmemError: A row has no answer token that a model could predict; its index is named.
    """
    mask_BT = labels_BT[:, 1:] != NOT_AN_ANSWER
    empty = (~mask_BT.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise CrossmemError(
            f"Rows {empty!r} of a batch of {len(labels_BT)} have no answer token; each needs at least one.",
            "Check that their completions are not empty and that max_length does not cut them off.",
        )
    return mask_BT


def score_logits(logits_BTV: Tensor, labels_BT: Tensor) -> AnswerScores:
    """The answer scores of logits that are already there.

    Only answer positions are read, so prompt, image and padding logits may hold anything, even NaN.

    Shapes:
        logits_BTV: position t scores token t + 1 (unshifted, as a model returns them).
        labels_BT: token ids; -100 everywhere except on the answer.

    Raises:
        CrossmemError: The shapes disagree, or a row has no answer token.
    """
    if logits_BTV.shape[:2] != labels_BT.shape:
        raise CrossmemError(
            f"Logits for {tuple(logits_BTV.shape[:2])} positions came with labels for {tuple(labels_BT.shape)}.",
            "Pass labels as long as the input, unshifted, with -100 outside the answer.",
        )
    mask_BT = answer_mask(labels_BT)
    logits_NV = logits_BTV[:, :-1][mask_BT]
    if logits_NV.dtype in (torch.float16, torch.bfloat16):
        logits_NV = logits_NV.float()
    answers_N = labels_BT[:, 1:][mask_BT]
    logprobs_N = -F.cross_entropy(logits_NV, answers_N, reduction="none")
    blank_BT = logprobs_N.new_zeros(mask_BT.shape)
    return AnswerScores(blank_BT.masked_scatter(mask_BT, logprobs_N), mask_BT, answers_N, logits_NV)


def sequence_logprobs(logits_BTV: Tensor, labels_BT: Tensor, *, per_token: bool = False) -> Tensor:
    """Log-probability of each row's answer, given logits.

    Prompt and padding never contribute, so rows of different lengths may share a batch.

    Args:
        per_token: Divide by answer length. Use it when candidates differ in length; NPO and DPO need it off.

    Returns:
        (B,) in nats, at most 0; closer to 0 means better memorized.

    Raises:
        CrossmemError: The shapes disagree, or a row has no answer token; its index is named.

    Reference:
        The summed answer log-probability of NPO, https://huggingface.co/papers/2404.05868, and TOFU.

    Example:
        >>> sequence_logprobs(torch.zeros(1, 3, 4), torch.tensor([[-100, 1, 2]]))
        tensor([-2.7726])
    """
    scores = score_logits(logits_BTV, labels_BT)
    return scores.sums_B / scores.mask_BT.sum(dim=1) if per_token else scores.sums_B


def answer_scores(model: torch.nn.Module, batch: Mapping[str, Tensor], *, fused: bool = False) -> AnswerScores:
    """The answer scores of one forward pass.

    Args:
        batch: What the model takes, with `labels` as in `score_logits`.
        fused: Use the head that `trl` trainers patch in: no (B, T, V) logits exist and `logits_NV` is None.

    Raises:
        CrossmemError: `labels` is missing, or a row has no answer token.
    """
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    if "labels" not in batch:
        raise CrossmemError(
            f"A batch with {sorted(batch)!r} has no 'labels', so nothing says which tokens are the answer.",
            "Add labels: token ids on the answer, -100 elsewhere.",
        )
    labels_BT = batch["labels"]
    mask_BT = answer_mask(labels_BT)
    if fused:
        out = model(**inputs, labels=labels_BT, fused_lm_head=True)
        return AnswerScores(out.log_probs, mask_BT, labels_BT[:, 1:][mask_BT])
    first = int(mask_BT.any(dim=0).nonzero()[0])
    kept = labels_BT.shape[1] - first  # long image prefixes never reach the head
    scores = score_logits(model(**inputs, use_cache=False, logits_to_keep=kept).logits, labels_BT[:, -kept:])
    pad_BT = scores.token_logprobs_BT.new_zeros(len(labels_BT), first)
    return replace(scores, token_logprobs_BT=torch.cat([pad_BT, scores.token_logprobs_BT], dim=1), mask_BT=mask_BT)


def answer_logprobs(model: torch.nn.Module, batch: Mapping[str, Tensor], *, fused: bool = False) -> Tensor:
    """(B,) log-probability in nats of each row's whole answer under the model; see `answer_scores`."""
    return answer_scores(model, batch, fused=fused).sums_B
