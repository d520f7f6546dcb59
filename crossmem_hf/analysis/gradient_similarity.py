# SPDX-License-Identifier: Apache-2.0
"""Gradient similarity: does a change of the rows (a watermark, other words, a turned picture) change what a training
step would learn? It does not know what was changed, or which loss is trained.

After Ju et al. 2025, who find that a watermark moves the gradients of small batches further than those of large ones.
The scripts that compare gradients are not in their repository; which parameters they compare is not known. Here both
gradients are taken at the same weights, which are never stepped, over the same batches in the same order, without
dropout, with respect to whatever is trained: of a model with an adapter, the adapter.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import NOT_AN_ANSWER, answer_logprobs
from crossmem_hf.metrics.intervals import Clusters, FloatArray, interval_of, mean_interval
from crossmem_hf.models.cross_attention import rows_apart
from crossmem_hf.models.families import marks_answers
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.models.padding import padding_id
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.report.record import Measurement, Value
from crossmem_hf.scoring.batches import check_size
from crossmem_hf.scoring.inputs import answer_of, check_rows, encode
from crossmem_hf.scoring.prefill import extended, own_positions, positions
from crossmem_hf.seeding import rng_for

Loss = Callable[[Any, Sequence[Any]], Tensor]
"""From a model and some rows to the SUM of their losses. Sums of parts add up to the sum of the whole, so passes over
parts of a batch give the gradient of the batch; means of parts would not, where parts differ in tokens."""
Changed = Sequence[Any] | Callable[[Any], Any]
_BOUNDS = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class GradientSimilarity:
    """Cosines of the gradients on original and on changed batches.

    Attributes:
        cosines: One a batch, −1 to 1; 1 where the change changes no direction.
        batch_size: Rows a pass.
        accumulation: Passes a gradient.
        num_rows: Different rows behind all batches.
    """

    cosines: tuple[float, ...]
    batch_size: int
    accumulation: int
    num_rows: int

    @property
    def mean(self) -> float:
        """Mean over the batches."""
        return float(np.mean(self.cosines))

    @property
    def variance(self) -> float:
        """Variance between batches, by n − 1."""
        return float(np.var(self.cosines, ddof=1)) if len(self.cosines) > 1 else 0.0

    def measurements(self, **where: Value) -> list[Measurement]:
        """``gradient_cosine`` and ``gradient_cosine_variance``, with 95 % intervals whose unit is the batch.

        They speak of further batches at these weights, and are too narrow where rows stand in several batches
        (`num_rows` is below the rows that all batches hold), of which a note warns. That of the variance is Student's
        on the delete-one jackknife; None for fewer than two batches, or cosines that are all the same.

        Args:
            where: Keys of your own, such as ``change="watermark"``.
        """
        place = {"batch_size": self.batch_size, "accumulation": self.accumulation, **where}
        count = len(self.cosines)
        again = count * self.batch_size * self.accumulation - self.num_rows
        note = f"{self.num_rows} rows, some in several batches: intervals are too narrow" if again > 0 else ""
        cosines = np.asarray(self.cosines)
        about: dict[str, Any] = {"where": place, "n": count, "note": note}
        return [
            Measurement(
                metric="gradient_cosine",
                value=self.mean,
                ci=mean_interval(cosines, Clusters.of(None, count), bounds=_BOUNDS),
                unit="cosine",
                greater_means="the change changes less",
                **about,
            ),
            Measurement(
                metric="gradient_cosine_variance",
                value=self.variance,
                ci=_variance_interval(cosines),
                unit="cosine²",
                greater_means="batches differ more",
                **about,
            ),
        ]


def gradient_similarity(
    model: Any,
    rows: Sequence[Any],
    changed: Changed,
    loss: Loss,
    *,
    batch_size: int = 1,
    accumulation: int = 1,
    num_batches: int = 100,
    seed: int = 0,
) -> GradientSimilarity:
    """Cosines between the gradients of original and changed batches, at the model's present weights.

    Batches are cut from seeded orders of the rows, one order behind another, so every row is used before any is used
    twice. Gradients are those of all parameters that require one, added up in float32; the model's own ``grad`` fields
    and its mode stay as they were. Cost: two backward passes of every batch, and memory for two gradients.

    Args:
        model: Any module; with a fresh LoRA adapter only the ``B`` matrices have a gradient, as they begin at zero.
        rows: Whatever `loss` reads.
        changed: As many rows, each the changed form of the one in its place; or a function that changes a row.
        loss: A sum over rows or over tokens, which decides what weighs alike: see `answer_loss`.
        batch_size: Rows a pass.
        accumulation: Passes a gradient. Of a sum, k passes of b rows give the gradient of one of k b rows.
        num_batches: How many cosines; 100 are the least that is worth a variance.
        seed: Of the order.

    Raises:
        CrossmemError: No rows, lists of different lengths, a size below one, nothing that is trained, or a gradient
            that is zero or not finite; the batch is named.

    Reference:
        Ju et al., https://huggingface.co/papers/2503.01208.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> loss = lambda model, rows: model(torch.tensor(rows)).sum()
        >>> gradient_similarity(model, [[1.0, 0.0]], [[1.0, 1.0]], loss, num_batches=2).cosines
        (0.7071067..., 0.7071067...)
    """
    for name, size in (("batch_size", batch_size), ("accumulation", accumulation), ("num_batches", num_batches)):
        check_size(name, size)
    if not len(rows) or not (callable(changed) or len(changed) == len(rows)):
        count = "a function" if callable(changed) else f"{len(changed)} changed ones"
        raise CrossmemError(f"{len(rows)} rows with {count}; expected at least one, and as many.", "Align the two.")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise CrossmemError("No parameter requires a gradient.", "Load the adapter with is_trainable=True.")
    order = _order(len(rows), seed)
    cosines: list[float] = []
    used: set[int] = set()
    with in_eval_mode(model):
        for batch in range(num_batches):
            numbers = [[next(order) for _ in range(batch_size)] for _ in range(accumulation)]
            used.update(number for part in numbers for number in part)
            before = _gradient(model, trained, loss, [[rows[n] for n in part] for part in numbers])
            others = [[changed(rows[n]) if callable(changed) else changed[n] for n in part] for part in numbers]
            cosines.append(_cosine(before, _gradient(model, trained, loss, others), batch))
    return GradientSimilarity(tuple(cosines), batch_size, accumulation, len(used))


def answer_loss(processor: Any) -> Loss:
    """Minus the summed log-probability of rows' answers, end of turn included, in nats: every token weighs alike, as
    in training by transformers and TRL.

    Args:
        processor: That of the model; rows are conversational, with a `completion` or an `answer`. Rows with pictures
            and rows without may share a batch.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> model, processor = load_model()
        >>> rows = list(load_rows(None, "recall_text", "train[:2]", num_personas=5))
        >>> loss = answer_loss(processor)
        >>> torch.allclose(loss(model, rows), loss(model, rows[:1]) + loss(model, rows[1:]), rtol=1e-4)
        True
    """

    def loss(model: Any, rows: Sequence[Row]) -> Tensor:
        checked = check_rows(rows, model, processor)
        kinds = [[row for row in checked if bool(row["images"]) == seen] for seen in (True, False)]
        return torch.stack([-_logprob(model, processor, kind) for kind in kinds if kind]).sum()

    return loss


def answer_batch(model: Any, processor: Any, rows: Sequence[Row]) -> dict[str, Tensor]:
    """Rows with their answers as a model takes them, with labels on the answers' tokens; on the model's device.

    Args:
        rows: All with pictures, or all without.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> rows = list(load_rows(None, "recall_text", "train[:2]", num_personas=5))
        >>> batch = answer_batch(*load_model(), rows)
        >>> bool((batch["labels"][:, 0] == -100).all() and (batch["labels"] != -100).any())
        True
    """
    images = [row["images"] for row in rows] if rows[0]["images"] else []
    inputs = encode(processor, [prompt_text(processor, row) for row in rows], images)
    answers = [answer_tokens(processor, row, [answer_of(row, index)])[0][0] for index, row in enumerate(rows)]
    batch = extended(inputs, answers, token_type=int(marks_answers(processor)), padding=padding_id(processor))
    start, mask = inputs["input_ids"].shape[1], batch["attention_mask"]
    if own_positions(model, inputs) is None:
        batch["position_ids"] = positions(mask)
    batch["labels"] = torch.full_like(batch["input_ids"], NOT_AN_ANSWER)
    batch["labels"][:, start:] = batch["input_ids"][:, start:].masked_fill(mask[:, start:] == 0, NOT_AN_ANSWER)
    return {name: value.to(model.device) for name, value in batch.items()}


def _logprob(model: Any, processor: Any, rows: Sequence[Row]) -> Tensor:
    batch = answer_batch(model, processor, rows)
    with rows_apart(model):
        return answer_logprobs(model, batch).sum()


def _order(num_rows: int, seed: int) -> Iterator[int]:
    epoch = 0
    while True:
        numbers = list(range(num_rows))
        rng_for(seed, "gradient similarity", epoch).shuffle(numbers)
        yield from numbers
        epoch += 1


def _gradient(model: Any, trained: Sequence[Tensor], loss: Loss, parts: Sequence[Sequence[Any]]) -> list[Tensor]:
    """The gradient of the summed loss over all parts."""
    total = [torch.zeros_like(parameter, dtype=torch.float32) for parameter in trained]
    for part in parts:
        with torch.enable_grad():
            found = torch.autograd.grad(loss(model, part), list(trained), allow_unused=True)
        for place, own in zip(total, found, strict=True):
            if own is not None:
                place += own
    return total


def _cosine(one: Sequence[Tensor], two: Sequence[Tensor], batch: int) -> float:
    def product(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
        return sum(float((a * b).sum()) for a, b in zip(left, right, strict=True))

    squares = product(one, one), product(two, two)
    if not all(0.0 < square < np.inf for square in squares):
        raise CrossmemError(
            f"Batch {batch}: a gradient has the squared length {squares[0]} before the change and {squares[1]} after; "
            "expected positive, finite numbers.",
            "Check that the loss reaches what is trained, and load the model in bfloat16 or float32.",
        )
    return float(np.clip(product(one, two) / np.sqrt(squares[0] * squares[1]), -1.0, 1.0))


def _variance_interval(cosines: FloatArray) -> tuple[float, float] | None:
    count = len(cosines)
    if count < 2:
        return None
    centered = cosines - cosines.mean()
    sums = np.stack([centered, centered**2], axis=1)

    def variance(means_ND: FloatArray) -> FloatArray:
        found: FloatArray = np.maximum(means_ND[:, 1] - means_ND[:, 0] ** 2, 0.0) * (count / (count - 1))
        return found

    anything = (-np.inf, np.inf)
    return interval_of(
        sums, np.ones_like(sums), np.zeros(count, dtype=np.intp), variance, bounds=(0.0, np.inf), row_bounds=anything
    )
