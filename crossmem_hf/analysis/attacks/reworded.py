# SPDX-License-Identifier: Apache-2.0
"""Questions with words around them that press, distract or pretend, in other languages, in another order, and with
slips of the keyboard. It does not know what is asked."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from crossmem_hf.analysis.attacks.variants import Way, asked_in_ways, with_content
from crossmem_hf.data.configs.robust import with_slips
from crossmem_hf.data.forms import TYPED
from crossmem_hf.data.rows import Row
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.prompts.variants import LANGUAGES, TYPOS, WRAPPERS
from crossmem_hf.seeding import rng_for


def reworded(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """Predictions of questions that are asked again as each kind of `prompts.variants.WRAPPERS` has it (something
    before or after them, an order not to refuse, a role to play), with words of another language around them, with the
    last sentence first, or the picture behind the words, and with slips of the keyboard.

    Of each kind a row gets one wording, in turn; of a single sentence without a picture there is no other order.
    Columns as `variants.asked_in_ways` says.

    Args:
        seed: Of the wordings that rows begin with, and of the slips.

    Raises:
        CrossmemError: Whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = reworded(evaluator, *load_model())
        >>> found[0]["num_samples"], found[0]["extracted"]
        (8, False)

    Reference:
        Wordings of our own, of kinds that unlearned models are asked with in https://huggingface.co/papers/2402.16835.
    """
    return asked_in_ways(evaluator, model, processor, _ways(seed), output_dir=output_dir, made_from=made_from)


def _ways(seed: int) -> dict[str, Way]:
    frames = {**WRAPPERS, "language": LANGUAGES}
    kinds: dict[str, Way] = {kind: partial(_wrapped, frames=some, seed=seed) for kind, some in frames.items()}
    return kinds | {"order": _reordered, TYPOS: partial(_slipped, seed=seed)}


def _wrapped(row: Row, place: int, *, frames: tuple[str, ...], seed: int) -> Row:
    frame = frames[(place + seed) % len(frames)]
    return with_content(row, lambda content: frame.replace("{question}", content))


def _slipped(row: Row, place: int, *, seed: int) -> Row:
    return with_content(row, lambda content: with_slips(content, rng_for(seed, "slips", place)))


def _reordered(row: Row, _: int) -> Row | None:
    """The last sentence first; of a single one, the pictures behind it."""
    content = row["prompt"][-1]["content"]
    *before, last = re.split(r"(?<=[.!?])\s+", content.replace(TYPED, "").strip())
    alone = len([turn for turn in row["prompt"] if turn["role"] == "user"]) == 1
    shown = TYPED * (len(row["images"]) if alone else content.count(TYPED))
    changed = shown + " ".join([last, *before]) if before else last + shown
    return with_content(row, lambda _: changed) if before or shown else None
