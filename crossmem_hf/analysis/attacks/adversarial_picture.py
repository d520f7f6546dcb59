# SPDX-License-Identifier: Apache-2.0
"""A faint pattern that is learned until some people's answers to their pictures are likely, laid on the pictures of
the others. It does not know who is forgotten."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from crossmem_hf.analysis.attacks.learned import Halves
from crossmem_hf.analysis.attacks.sign_descent import sign_descent
from crossmem_hf.analysis.attacks.weights import State
from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.modules import modules_of
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import check_rows, encode
from crossmem_hf.seeding import rng_for

BUDGET: Final = 12
NUM_STEPS: Final = 40
SHARE: Final = 0.2


def adversarial_picture(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    share: float = SHARE,
    budget: float = BUDGET,
    num_steps: int = NUM_STEPS,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers to the other personas' pictures under one pattern
    that was learned on those of a share of them.

    The pattern is learned by projected sign gradient on the likelihood of the taught rows' answers; it is the same for
    all pictures, and changes no pixel by more than the budget. Rows without a picture are asked once. Columns as
    `learned.Halves.asked` says.

    Args:
        seed: Of who is taught, and of the order of rows.
        share: Of the personas; at least one is taught, and one is not.
        budget: The most that a color of a pixel changes, of 255.
        num_steps: Of up to 16 rows each.

    Raises:
        CrossmemError: A number that is not above 0, pictures of fewer than two personas, a family whose
            tower does not take all pictures in one size, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = adversarial_picture(evaluator, *load_model("micro-s"), num_steps=2)
        >>> [sum(one["num_samples"] == count for one in found) for count in (1, 2)]
        [24, 16]

    Reference:
        Projected gradient descent, https://huggingface.co/papers/1706.06083, one pattern for all pictures as in
        https://huggingface.co/papers/1610.08401; 12 of 255 is the budget of an attack of Open-MMUnlearning.
    """
    if budget <= 0 or num_steps < 1:
        raise CrossmemError(
            f"budget={budget!r}, num_steps={num_steps!r}; expected numbers above 0.", "Pass 12 and 40, for example."
        )
    halves = Halves.of(evaluator, share, seed, "adversarial picture", applies=_has_picture)
    rows = [dict(row) for row in halves.rows(taught=True) if row["images"]]
    limits = Limits.of(processor, budget)
    learned = _learned(model, processor, rows, limits, num_steps=num_steps, seed=seed)
    states: dict[str, State] = {"pattern": partial(overlaid, model, learned, limits)}
    folder = None if output_dir is None else Path(output_dir) / f"{share}-{budget}-{num_steps}-{seed}"
    return halves.asked(model, processor, states, output_dir=folder, made_from=made_from)


def _has_picture(row: Row) -> bool:
    return bool(row["images"])


@dataclass(frozen=True)
class Limits:
    """What a pattern may do, in the numbers that a model is fed.

    Attributes:
        most_C11: The most that each color changes.
        black_C11: Each color of a black pixel.
        white_C11: Of a white one.
    """

    most_C11: Tensor
    black_C11: Tensor
    white_C11: Tensor

    @classmethod
    def of(cls, processor: Any, budget: float) -> "Limits":
        """Those of a processor.

        Args:
            budget: The most that a color of a pixel changes, of 255.
        """
        images = processor.image_processor
        scale = images.rescale_factor if images.do_rescale else 1.0
        mean, std = (torch.tensor(own).view(-1, 1, 1) for own in (images.image_mean, images.image_std))
        if not images.do_normalize:
            mean, std = torch.zeros_like(mean), torch.ones_like(std)
        return cls(budget * scale / std, -mean / std, (255 * scale - mean) / std)


@contextmanager
def overlaid(model: Any, pattern_CHW: Tensor, limits: Limits) -> Iterator[None]:
    """Within it the vision tower sees every picture with the pattern on it, no color beyond black and white.

    Raises:
        CrossmemError: When the model runs, if pictures are of another size than the pattern, or come in patches.
    """

    def put(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        seen: Tensor = args[0] if args else kwargs["pixel_values"]
        if seen.shape[-3:] != pattern_CHW.shape:
            raise CrossmemError(
                f"The vision tower is fed {tuple(seen.shape)}; expected pictures of {tuple(pattern_CHW.shape)} each.",
                "Attack a family whose processor brings all pictures to one size.",
            )
        low, high = (end.to(seen) for end in (limits.black_C11, limits.white_C11))
        laid = torch.clamp(seen + pattern_CHW.to(seen), low, high)
        return ((laid, *args[1:]), kwargs) if args else (args, {**kwargs, "pixel_values": laid})

    tower = modules_of(model).vision_tower
    assert tower is not None  # rows with pictures are refused before
    handle = tower.register_forward_pre_hook(put, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _learned(model: Any, processor: Any, rows: Sequence[Row], limits: Limits, *, num_steps: int, seed: int) -> Tensor:
    """The pattern, (colors, height, width)."""
    (first,) = check_rows(rows[:1], model, processor)
    fed = encode(processor, [prompt_text(processor, first)], [first["images"]])["pixel_values"]
    most = limits.most_C11.to(model.device)
    return sign_descent(
        model,
        processor,
        rows,
        torch.zeros(fed.shape[-3:], device=model.device),
        lambda pattern: overlaid(model, pattern, limits),
        most=most,
        step=most / 4,
        num_steps=num_steps,
        rng=rng_for(seed, "adversarial picture steps"),
    )
