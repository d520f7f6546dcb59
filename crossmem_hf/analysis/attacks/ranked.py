# SPDX-License-Identifier: Apache-2.0
"""The truth ranked first by its likelihood, among more and more rivals. It asks for no free answers but plain ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.evaluation.questions import same_text
from crossmem_hf.seeding import rng_for

AMONG: Final = (50, 500, 5000)
"""Answers to choose from, the truth included."""


def ranked(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    among: tuple[int, ...] = AMONG,
) -> Predictions:
    """The evaluator's own predictions, with whether the truth is the likeliest of so many answers: itself and rivals
    of the same attribute, each weighed by its log-probability a token.

    Rivals are values that no model was taught, where the evaluator knows some, else its other candidates. The columns
    are ``ranks``, the rank of the truth among each number of answers, 1 the likeliest; ``num_options``, the smallest
    such number, of which chance is; ``extracted``, whether the truth is first there, and ``is_last``, whether it is
    last alone; and ``num_samples``, 1.

    Args:
        seed: Of which rivals the smaller numbers have.
        among: Numbers of answers. All come from one pass; where there are fewer rivals, all of them.

    Raises:
        CrossmemError: A number below 2, a row without a rival, a likelihood that is no number, or whatever the
            evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = ranked(evaluator, *load_model(), among=(2, 5))
        >>> [len(found[0]["ranks"]), found[0]["num_options"], found.measure(["extracted"], by=())[0].chance]
        [2, 2, 0.5]

    Reference:
        Exposure's ranks, Carlini et al., https://huggingface.co/papers/1802.08232, read as a guess.
    """
    if min(among, default=0) < 2:
        raise CrossmemError(f"among={among!r}; expected numbers from 2.", "Pass (50, 500), for example.")
    metrics = tuple(dict.fromkeys([*evaluator.metrics, "exposure"]))
    asking = evaluator.altered(metrics=metrics, keep="all")
    found = asking(model, processor, output_dir=output_dir, made_from=made_from)
    chosen = sorted({*among})
    columns = (
        _columns(one, _rivals(asking, row, one), chosen, (seed, place))
        for place, (one, row) in enumerate(zip(found, evaluator.questions.about, strict=True))
    )
    return Predictions(({**one, **more} for one, more in zip(found, columns, strict=True)), against=found.against)


def _rivals(asking: Evaluator, row: Mapping[str, Any], one: Prediction) -> list[int]:
    """Places among the prediction's candidates."""
    untaught = asking.questions.untaught.get(row.get("attribute"), ())
    wanted = untaught or asking.questions.candidates_of(row)
    places = {text: place for place, text in enumerate(one["candidates"])}
    others = [places[text] for text in wanted if text in places and not same_text(text, row["answer"])]
    if not others:
        raise CrossmemError(
            f"There is no candidate for {row.get('attribute')!r} but {row['answer']!r}.", "Give the evaluator some."
        )
    return others


def _columns(one: Prediction, rivals: Sequence[int], among: Sequence[int], seed: tuple[int, int]) -> Prediction:
    per_token = [
        nats / count for nats, count in zip(one["candidate_nll_nats"], one["candidate_num_tokens"], strict=True)
    ]
    if one["truth_rank"] is None:
        raise CrossmemError("The likelihood of a candidate is no number.", "Load the model in bfloat16 or float32.")
    order = rng_for(seed[0], "rivals", seed[1]).sample(list(rivals), len(rivals))
    truth = per_token[one["truth_index"]]
    ranks = {}
    for count in dict.fromkeys(min(number, len(order) + 1) for number in among):
        others = [per_token[place] for place in order[: count - 1]]
        ranks[str(count)] = 1 + sum(other <= truth for other in others)
    least = next(iter(ranks))
    last = all(per_token[place] < truth for place in order[: int(least) - 1])
    return {
        "ranks": ranks,
        "num_options": int(least),
        "num_samples": 1,
        "extracted": ranks[least] == 1,
        "is_last": last,
    }
