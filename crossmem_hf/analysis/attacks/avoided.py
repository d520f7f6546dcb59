# SPDX-License-Identifier: Apache-2.0
"""The least likely of some answers is taken for the truth: what a model was pushed away from stands out. Whoever does
this needs the likelihoods of answers, and a list that has the truth. It does not know who is forgotten."""

from pathlib import Path
from typing import Any

from crossmem_hf.analysis.attacks.ranked import AMONG, ranked
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions


def avoided(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    among: tuple[int, ...] = AMONG,
) -> Predictions:
    """The predictions of `ranked`, with whether the truth is less likely than every rival.

    Columns as there; ``extracted`` says whether the truth is last among the smallest number of answers, alone.

    Args:
        seed: As for `ranked`, with `among`.

    Raises:
        CrossmemError: As `ranked`.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> avoided(evaluator, *load_model(), among=(2, 5))[0]["num_options"]
        2
    """
    found = ranked(evaluator, model, processor, seed=seed, output_dir=output_dir, made_from=made_from, among=among)
    return Predictions(({**one, "extracted": one["is_last"]} for one in found), against=found.against)
