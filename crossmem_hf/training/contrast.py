# SPDX-License-Identifier: Apache-2.0
"""A contrastive term beside memorizing: portraits and descriptions of the same personas come to the same state, from
which answers are said. It does not know what the answers are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F
from trl import SFTTrainer

from crossmem_hf.data.selection import personas_of
from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import NOT_AN_ANSWER
from crossmem_hf.models.modules import modules_of
from crossmem_hf.training.collate import Batch

Collate = Callable[[Sequence[Mapping[str, Any]]], Batch]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What is brought together, and how much.

    Attributes:
        rows: Row n presents the persona of training row n in the other modality; its answer is not learned.
        weight: Of the term; the bridged base was pre-trained with 0.3.
        temperature: Of its softmax.
    """

    rows: Dataset
    weight: float = 0.3
    temperature: float = 0.1

    def beside(self, learned: Dataset) -> Dataset:
        """The rows, if they go with those to be learned.

        Raises:
            CrossmemError: Another number of rows, or other personas.
        """
        if personas_of(self.rows) != personas_of(learned):
            raise CrossmemError(
                f"The {len(self.rows)} rows to contrast with are not about the personas of the {len(learned)} "
                "training rows, one by one.",
                "Take the same split of the other modality, such as recall_text beside recall_image.",
            )
        return self.rows


def info_nce(one_BD: Tensor, other_BD: Tensor, whom_B: Tensor, *, temperature: float) -> Tensor:
    """Symmetric InfoNCE: lower when each state is more like that of the same row in the other modality than like those
    of other personas.

    Args:
        one_BD: States of rows in one modality.
        other_BD: In the other, in the same order.
        whom_B: A number a persona; other rows of the same persona are neither right nor wrong.

    Returns:
        A scalar, at least 0, nats; ln of the number of rows where all states are alike and all personas differ.

    Reference:
        InfoNCE (https://huggingface.co/papers/1807.03748) in both directions, as CLIP has it
        (https://huggingface.co/papers/2103.00020), with a fixed temperature.

    Example:
        >>> states = torch.eye(2)
        >>> round(info_nce(states, states, torch.arange(2), temperature=1.0).item(), 4)
        0.3133
    """
    one, other = F.normalize(one_BD, dim=-1), F.normalize(other_BD, dim=-1)
    same = torch.arange(len(one), device=one.device)
    doubtful = (whom_B[:, None] == whom_B[None]) & ~torch.eye(len(one), dtype=torch.bool, device=one.device)
    similarity_BB = (one @ other.T / temperature).masked_fill(doubtful, -torch.inf)
    return (F.cross_entropy(similarity_BB, same) + F.cross_entropy(similarity_BB.T, same)) / 2


def answer_states(hidden_BTD: Tensor, labels_BT: Tensor) -> Tensor:
    """(B, D) the state from which each row's answer is said: at the token before its first.

    Args:
        labels_BT: With `NOT_AN_ANSWER` wherever no answer is; every row has one.
    """
    first = (labels_BT[:, 1:] != NOT_AN_ANSWER).int().argmax(1)
    return hidden_BTD[torch.arange(len(first), device=hidden_BTD.device), first]


class ContrastCollator:
    """Batches of training rows, with those to contrast under ``contrast`` and persona numbers under ``whom``."""

    def __init__(self, learned: Collate, contrast: Collate, personas: Sequence[str]) -> None:
        self.learned, self.contrast = learned, contrast
        numbers = {persona: number for number, persona in enumerate(dict.fromkeys(personas))}
        self.whom = [numbers[persona] for persona in personas]

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The batch of these examples."""
        whom = torch.tensor([self.whom[int(example["row"])] for example in examples])
        return {**self.learned(examples), "contrast": self.contrast(examples), "whom": whom}


class ContrastiveSFTTrainer(SFTTrainer):
    """`SFTTrainer` with the term; each step has two forward passes."""

    def __init__(self, *args: Any, contrast: Contrast, **options: Any) -> None:
        super().__init__(*args, **options)
        self.contrast = contrast

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of the answers plus that of the term."""
        others, whom, labels = inputs.pop("contrast"), inputs.pop("whom"), inputs["labels"]
        with final_states(self.accelerator.unwrap_model(model)) as states:
            found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            other_labels = others.pop("labels")
            model(**others, use_cache=False)
        one, other = answer_states(states[0], labels), answer_states(states[-1], other_labels)
        term = info_nce(one.float(), other.float(), whom, temperature=self.contrast.temperature)
        term = self.contrast.weight * term / self.current_gradient_accumulation_steps
        return (found[0] + term, found[1]) if return_outputs else found + term


@contextmanager
def final_states(model: nn.Module) -> Iterator[list[Tensor]]:
    """Gets what the final norm of the language model puts out in each forward pass, (B, T, D)."""
    seen: list[Tensor] = []
    norm = list(modules_of(model).norms.values())[-1]
    hook = norm.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    try:
        yield seen
    finally:
        hook.remove()
