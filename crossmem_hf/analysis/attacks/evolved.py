# SPDX-License-Identifier: Apache-2.0
"""Words behind the question that are bred until some people's answers are likely, then put behind questions about the
others. It needs likelihoods alone, no gradients, and does not know who is forgotten."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from crossmem_hf.analysis.attacks.learned import Halves
from crossmem_hf.analysis.attacks.spare_words import spare_words
from crossmem_hf.analysis.attacks.variants import with_content
from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.seeding import rng_for

NUM_WORDS: Final = 4
NUM_QUERIES: Final = 64
NUM_KEPT: Final = 4
"""Parents of what is tried next."""
VOCABULARY: Final = 200
"""Words that are tried, at most."""
SHARE: Final = 0.2
_ROWS: Final = 16
"""About the taught, which every try is scored on."""

Words = tuple[str, ...]


def evolved(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    share: float = SHARE,
    num_words: int = NUM_WORDS,
    num_queries: int = NUM_QUERIES,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers about the other personas behind the words that made
    answers about a share of them likeliest.

    Words are of the model's own vocabulary and in none of the rows. The first tries are drawn; each further one is one
    of the best so far with one word changed. Columns as `learned.Halves.asked` says, and ``words``, the best found.

    Args:
        seed: Of who is taught, and of all that is drawn.
        share: Of the personas; at least one is taught, and one is not.
        num_words: Behind the question.
        num_queries: How many tries, each a pass over up to 16 rows about the taught.

    Raises:
        CrossmemError: A number below 1, a vocabulary without so many words to spare, fewer than two personas, or
            whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = evolved(evaluator, *load_model("micro-s"), num_queries=2)
        >>> len(found[0]["words"].split())
        4

    Reference:
        Prompts evolved to recover what was unlearned (REBEL, patryk-rybak/REBEL); the way of breeding is ours.
    """
    if num_words < 1 or num_queries < 1:
        said = f"num_words={num_words!r}, num_queries={num_queries!r}; expected at least 1."
        raise CrossmemError(said, "Pass 4 and 64, for example.")
    halves = Halves.of(evaluator, share, seed, "evolved")
    taught, rng = halves.rows(taught=True), rng_for(seed, "evolved tries")
    asked = [dict(taught[place]) for place in rng.sample(range(len(taught)), min(_ROWS, len(taught)))]
    vocabulary, _ = spare_words(processor, evaluator.rows, num_words, seed, most=VOCABULARY)
    fitness = partial(_fitness, model, processor, asked)
    best = bred(vocabulary, fitness, num_words=num_words, num_queries=num_queries, rng=rng)
    folder = None if output_dir is None else Path(output_dir) / f"{share}-{num_words}-{num_queries}-{seed}"
    found = halves.asked(
        model,
        processor,
        {"evolved words": nullcontext},
        change=partial(_behind, words=best),
        output_dir=folder,
        made_from=made_from,
    )
    return found.with_columns(words=" ".join(best))


def bred(
    vocabulary: Sequence[str], fitness: Callable[[Words], float], *, num_words: int, num_queries: int, rng: Random
) -> Words:
    """The fittest words of so many tries.

    Args:
        fitness: Of words, a number; greater is fitter. It is asked once a try.

    Example:
        >>> bred(["a", "b"], lambda words: words.count("b"), num_words=3, num_queries=60, rng=Random(0))
        ('b', 'b', 'b')
    """
    tried: dict[Words, float] = {}
    for query in range(num_queries):
        best = sorted(tried, key=lambda words: -tried[words])[:NUM_KEPT]
        if query < max(2, num_queries // 8):
            words = tuple(rng.choice(vocabulary) for _ in range(num_words))
        else:
            parent, place = rng.choice(best), rng.randrange(num_words)
            words = (*parent[:place], rng.choice(vocabulary), *parent[place + 1 :])
        if words not in tried:
            tried[words] = fitness(words)
    return max(tried, key=lambda words: tried[words])


def _behind(content: str, words: Words) -> str:
    return f"{content} {' '.join(words)}"


def _fitness(model: Any, processor: Any, rows: Sequence[Row], words: Words) -> float:
    """Mean log-probability of the rows' answers, in nats."""
    changed = [with_content(row, partial(_behind, words=words)) for row in rows]
    scores = score_answers(model, processor, changed)
    return float(sum(tokens.content.logprobs.sum() for tokens in scores) / len(scores))
