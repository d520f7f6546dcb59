# SPDX-License-Identifier: Apache-2.0
"""CP-Fuse: two models that memorized different texts are fused so that neither's can be told. It does not know what
each was trained on."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from transformers import LogitsProcessor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.auxiliary import Auxiliary, auxiliary_of, beginning, unread_tokens
from crossmem_hf.interventions.table import Defense
from crossmem_hf.models.chat import tokenizer_of

if TYPE_CHECKING:
    from datasets import Dataset

EXPONENTS: Final = (*(place * 2 / 9 for place in range(9)), *(float(whole) for whole in range(2, 11)))
"""What each model's probabilities may be raised to, as in the authors' code: 0 to 2 in ninths of 2, then whole numbers
up to 10. No two of them have sum 1, so that even two equal models are sharpened or flattened a little."""
_FLOOR: Final = -1e4  # nats, for what a model rules out


def fuse_logprobs(
    first: Tensor,
    second: Tensor,
    first_path: Tensor,
    second_path: Tensor,
    exponents: Sequence[float] = EXPONENTS,
) -> Tensor:
    """The next token's distribution that is near both models, and nearer to the one that finds the text less likely.

    Of all p ~ p_1^a p_2^b with a and b of `exponents` it is the one with the least of
    ``max_i KL(p || p_i) - log p_i(text so far)``, so that neither model's own text gains on the other's.

    Args:
        first: (B, V) log-probabilities of the next token, nats.
        second: (B, V) those of the other model, over the same vocabulary.
        first_path: (B,) log-probability of the answer so far under the first model, nats.
        second_path: (B,) the same under the other.

    Returns:
        (B, V) log-probabilities. What the first model rules out stays so.

    Reference:
        CP-Fuse, https://huggingface.co/papers/2412.06619, with the grid of its code.

    Example:
        >>> one, other = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.1, 0.9]]).log()
        >>> fuse_logprobs(one, other, torch.zeros(1), torch.zeros(1)).exp()
        tensor([[0.5000, 0.5000]])
    """
    one, other = (logprobs.double().clamp(min=_FLOOR) for logprobs in (first, second))
    best = torch.full_like(first_path, torch.inf, dtype=torch.float64)
    found = torch.zeros_like(one)
    for own, theirs in product(exponents, repeat=2):
        fused = (own * one + theirs * other).log_softmax(-1)
        shares = fused.exp()
        entropy = (shares * fused).sum(-1)
        costs = [
            entropy - (shares * logprobs).sum(-1) - path
            for logprobs, path in ((one, first_path), (other, second_path))
        ]
        cost = torch.maximum(*costs)
        better = cost < best
        best = torch.where(better, cost, best)
        found = torch.where(better[:, None], fused, found)
    return found.to(first).masked_fill(first == -torch.inf, -torch.inf)


class CPFuseLogitsProcessor(LogitsProcessor):
    """The CP-Fuse defense at decoding: the model and a second one write together.

    The guarantee of the paper is of two models that were trained on disjoint texts. It works with greedy decoding,
    samples and beams, in batches, and one object serves any number of calls: what each model thinks of the answer so
    far is kept while the texts grow by a token each, and dropped when others come. The second model reads tokens
    alone; padding and what stands for pictures is left out.

    Args:
        second_model: A causal model with the same vocabulary.
        tokenizer: Of both; or a processor.
        exponents: Those tried for each model; the passes over them take time with the square of their number.

    Reference:
        https://huggingface.co/papers/2412.06619
    """

    def __init__(self, second_model: Any, tokenizer: Any, exponents: Sequence[float] = EXPONENTS) -> None:
        self._second = Auxiliary(second_model, empty=beginning(tokenizer_of(tokenizer)))
        self._unread = unread_tokens(tokenizer)
        self._exponents = tuple(exponents)
        self._texts: list[tuple[int, ...]] = []
        self._said = self._paths = torch.empty(0)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(B, V) log-probabilities of both models together."""
        texts = [tuple(token for token in row if token not in self._unread) for row in input_ids.tolist()]
        first = scores.float().log_softmax(-1)
        second = self._second.logits(texts).to(scores.device).log_softmax(-1)
        if first.shape != second.shape:
            raise CrossmemError(
                f"The models have {first.shape[-1]} and {second.shape[-1]} tokens; expected one vocabulary.",
                "Take two models of one family.",
            )
        self._paths = self._continued(texts, scores.device)
        self._texts, self._said = texts, torch.stack([first, second])
        return fuse_logprobs(first, second, self._paths[0], self._paths[1], self._exponents).to(scores)

    def _continued(self, texts: Sequence[tuple[int, ...]], device: Any) -> Tensor:
        """(2, B) log-probability of each answer so far under both models; 0 where a text is a new prompt."""
        known = {text: row for row, text in reversed(list(enumerate(self._texts)))}
        paths = []
        for text in texts:
            if text in known:
                paths.append(self._paths[:, known[text]])
            elif text[:-1] in known:
                row = known[text[:-1]]
                paths.append(self._paths[:, row] + self._said[:, row, text[-1]])
            else:
                return torch.zeros(2, len(texts), device=device)
        return torch.stack(paths, dim=1).to(device)


def cp_fuse(model: Any, processor: Any, forget: "Dataset", *, auxiliary_model: Any = None) -> Defense:
    """The model and another write together, whoever is asked about; the rows are not looked at.

    Args:
        auxiliary_model: The second model, trained on other texts. None takes the model without its adapter, which was
            trained on none.

    Raises:
        CrossmemError: There is neither an auxiliary model nor an adapter to take off.

    Reference:
        https://huggingface.co/papers/2412.06619
    """
    return Defense(logits_processor=CPFuseLogitsProcessor(auxiliary_of(model, auxiliary_model), processor))
