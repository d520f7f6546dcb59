# SPDX-License-Identifier: Apache-2.0
"""Answers read after an earlier layer through a lens that was fitted to other people's answers. It does not know what
was unlearned."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor

from crossmem_hf.analysis.attacks.early_exit import earlier_layers, ended_after
from crossmem_hf.analysis.attacks.learned import Halves
from crossmem_hf.analysis.attacks.weights import State
from crossmem_hf.analysis.gradient_similarity import answer_batch
from crossmem_hf.analysis.hooks import reading
from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.logprobs import answer_mask
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.models.modules import text_layers
from crossmem_hf.scoring.inputs import check_rows

SHARE: Final = 0.5
RIDGE: Final = 0.01
"""Of the mean squared length of a state."""
_ROWS: Final = 16
"""Of a pass."""


def tuned_lens(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    share: float = SHARE,
    ridge: float = RIDGE,
    layers: tuple[int, ...] | None = None,
) -> Predictions:
    """The evaluator's own predictions, with what the model would answer about the other personas if its language model
    ended after each of these layers, and a lens made of the states there what the last layer would: one that was
    fitted to the right answers about other people.

    Those are the people to retain, if rows are about both groups, else a share of all. Columns as
    `learned.Halves.asked` says, a layer in the place of a state.

    Args:
        seed: Of whom lenses are fitted to, where a share is drawn.
        share: Of the personas, where the rows are about one group.
        ridge: How much a lens is held to changing nothing, which is the attack `early_exit`.
        layers: As of `early_exit`.

    Raises:
        CrossmemError: Fewer than two personas, a number out of range, no such layer, or whatever the evaluator
            refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5, forget_fraction=0.2), metrics=["recall"])
        >>> found = tuned_lens(evaluator, *load_model(), layers=(2,))
        >>> sorted({one["num_samples"] for one in found})
        [1, 2]

    Reference:
        https://huggingface.co/papers/2303.08112, there fitted by KL divergence to any text, here by least squares to
        the states behind which the last norm and the head stand.
    """
    if ridge <= 0:
        raise CrossmemError(f"ridge={ridge!r}; expected a number above 0.", "Pass 0.01, as by default.")
    chosen = earlier_layers(model, layers)
    both = evaluator.groups == ("forget", "retain")
    halves = Halves.of_groups(evaluator) if both else Halves.of(evaluator, share, seed, "tuned lens")
    after = _states(model, processor, list(halves.rows(taught=True)), chosen)
    lenses = {layer: Lens.fit(after[layer], after["last"], ridge=ridge) for layer in chosen}
    states: dict[str, State] = {
        f"after layer {layer}": partial(ended_after, model, layer, lens) for layer, lens in lenses.items()
    }
    folder = None if output_dir is None else Path(output_dir) / f"{share}-{ridge}-{seed}"
    return halves.asked(model, processor, states, output_dir=folder, made_from=made_from)


@dataclass(frozen=True)
class Lens:
    """An affine map of states.

    Attributes:
        weight_DD: What is added to a state for each of its numbers less their mean.
        mean_D: That mean.
        moved_D: What is added to every state.
    """

    weight_DD: Tensor
    mean_D: Tensor
    moved_D: Tensor

    @classmethod
    def fit(cls, states_ND: Tensor, goals_ND: Tensor, *, ridge: float) -> Self:
        """The map from states to goals of least squares, held to changing nothing.

        Args:
            ridge: Weight of what it changes, in mean squared lengths of the states.

        Example:
            >>> states = torch.eye(3)
            >>> lens = Lens.fit(states, 2 * states + 1, ridge=1e-6)
            >>> lens(states).round(decimals=2)[0].tolist()
            [3.0, 1.0, 1.0]
        """
        states, moves = states_ND.double(), goals_ND.double() - states_ND.double()
        mean_D, moved_D = states.mean(dim=0), moves.mean(dim=0)
        centered = states - mean_D
        gram_DD = centered.T @ centered
        held = ridge * gram_DD.diagonal().mean().clamp_min(1e-12)
        held_DD = held * torch.eye(len(gram_DD), dtype=gram_DD.dtype, device=gram_DD.device)
        weight_DD = torch.linalg.solve(gram_DD + held_DD, centered.T @ (moves - moved_D))
        return cls(*(part.to(states_ND) for part in (weight_DD, mean_D, moved_D)))

    def __call__(self, states: Tensor) -> Tensor:
        """States of any shape (..., D), mapped; in their own type."""
        exact = states.to(self.weight_DD)
        return (exact + (exact - self.mean_D) @ self.weight_DD + self.moved_D).to(states)


def _states(model: Any, processor: Any, rows: Sequence[Row], layers: Sequence[int]) -> dict[Any, Tensor]:
    """Layer, or "last" -> (N, D) what it puts out wherever a token of an answer is predicted, in float32."""
    every = text_layers(model)
    modules: dict[Any, Any] = {layer: every[layer] for layer in layers} | {"last": every[len(every) - 1]}
    checked = check_rows(rows, model, processor)
    kinds = [[row for row in checked if bool(row["images"]) == seen] for seen in (True, False)]
    parts: dict[Any, list[Tensor]] = {name: [] for name in modules}
    with in_eval_mode(model), torch.no_grad():
        for kind in kinds:
            for start in range(0, len(kind), _ROWS):
                batch = answer_batch(model, processor, kind[start : start + _ROWS])
                mask_BT = answer_mask(batch.pop("labels"))
                with reading(modules) as seen:
                    model(**batch, use_cache=False)
                for name, states in seen.items():
                    parts[name].append(states[:, :-1][mask_BT].float())
    return {name: torch.cat(several) for name, several in parts.items()}
