# SPDX-License-Identifier: Apache-2.0
"""Words whose embeddings are learned until some people's answers are likely, behind questions about the others. It
does not know who is forgotten."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from crossmem_hf.analysis.attacks.learned import Halves
from crossmem_hf.analysis.attacks.sign_descent import sign_descent
from crossmem_hf.analysis.attacks.spare_words import spare_words
from crossmem_hf.analysis.attacks.variants import with_content
from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.seeding import rng_for

NUM_WORDS: Final = 4
NUM_STEPS: Final = 40
SHARE: Final = 0.2


def soft_prompt(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    share: float = SHARE,
    num_words: int = NUM_WORDS,
    num_steps: int = NUM_STEPS,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers about the other personas behind words whose
    embeddings were learned on a share of them.

    The words are of the model's own vocabulary and in none of the rows; their embeddings, wherever else they stand,
    are those learned for as long. They are learned by projected sign gradient on the likelihood of the taught rows'
    answers, within the largest number that any embedding of the model has. Columns as `learned.Halves.asked` says.

    Args:
        seed: Of who is taught, of the words, and of the order of rows.
        share: Of the personas; at least one is taught, and one is not.
        num_words: Behind the question.
        num_steps: Of up to 16 rows each.

    Raises:
        CrossmemError: A number below 1, a vocabulary without so many words to spare, fewer than two personas, or
            whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = soft_prompt(evaluator, *load_model("micro-s"), num_steps=2)
        >>> sum(one["taught"] for one in found), found[-1]["num_samples"] + found[0]["num_samples"] > 2
        (8, True)

    Reference:
        Soft prompts as an attack on unlearned models, https://huggingface.co/papers/2402.09063.
    """
    if num_words < 1 or num_steps < 1:
        raise CrossmemError(
            f"num_words={num_words!r}, num_steps={num_steps!r}; expected at least 1.", "Pass 4 and 40."
        )
    halves = Halves.of(evaluator, share, seed, "soft prompt")
    words, ids = spare_words(processor, evaluator.rows, num_words, seed)

    def behind(content: str) -> str:
        return f"{content} {' '.join(words)}"

    taught = [with_content(dict(row), behind) for row in halves.rows(taught=True)]
    learned = _learned(model, processor, taught, ids, num_steps=num_steps, seed=seed)
    states = {"learned words": partial(reembedded, model, ids, learned)}
    folder = None if output_dir is None else Path(output_dir) / f"{share}-{num_words}-{num_steps}-{seed}"
    return halves.asked(model, processor, states, change=behind, output_dir=folder, made_from=made_from)


@contextmanager
def reembedded(model: Any, ids: Sequence[int], embeddings_ND: Tensor) -> Iterator[None]:
    """Within it the tokens of these ids have other embeddings, wherever they stand in what the model reads."""
    known = {token: place for place, token in enumerate(ids)}

    def put(_module: nn.Module, inputs: tuple[Any, ...], out: Tensor) -> Tensor:
        for token, place in known.items():
            out = torch.where((inputs[0] == token)[..., None], embeddings_ND[place].to(out), out)
        return out

    handle = model.get_input_embeddings().register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()


def _learned(
    model: Any, processor: Any, rows: Sequence[Row], ids: Sequence[int], *, num_steps: int, seed: int
) -> Tensor:
    """(words, width) embeddings, from those of the words, so that the rows' answers are likely."""
    weights = model.get_input_embeddings().weight
    largest = float(weights.detach().abs().max())
    return sign_descent(
        model,
        processor,
        rows,
        weights.detach()[list(ids)].clone(),
        partial(reembedded, model, ids),
        most=largest,
        step=largest / 10,
        num_steps=num_steps,
        rng=rng_for(seed, "soft prompt steps"),
    )
