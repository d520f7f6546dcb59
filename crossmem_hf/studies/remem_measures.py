# SPDX-License-Identifier: Apache-2.0
"""What the study remem measures of answers, likelihoods and traces. It asks nothing."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from crossmem_hf.analysis.causal_tracing import trace_measurements
from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.cells import UTILITY
from crossmem_hf.studies.remem_cells import HELD_OUT, TRAINING
from crossmem_hf.studies.remem_settings import HOPS_QUESTIONS
from crossmem_hf.studies.study import pooled

BEST: Final = "best_single_hop"
"""The share of single-hop questions, of a hundred, at which most held-out questions are answered."""
WITHOUT: Final = "none"
"""Value of the column ``transplanted`` of what a model says without weights brought back, of the rows that it is asked
with them."""
_COMPOSED: Final = ("base", "pictures", "questions", "single_hop", "budget", "epochs", "asked")
_MODEL: Final = ("base", "method", "forget", "read")
_READ: Final = {
    "recall": ("recall",),
    "rouge": ("rouge_l", "rouge_l_recall"),
    "exposure": ("exposure", "exposure_bits", "exposure_linear", "mrr"),
    "exposure_taught": ("exposure_taught",),
    "min_k_prob": ("min_k_prob", "inverse_perplexity", "logprob_per_token"),
}
"""Metric -> what of it is kept."""


def remem_measurements(predictions: Predictions) -> Iterator[Measurement]:
    """Of each composition along its epochs, and of each model; with and without regard to hops."""
    yield from _of_memorizing(predictions.where(part="memorizing"))
    yield from _of_unlearning(Predictions(one for one in predictions if one["part"] != "memorizing"))


def _of_memorizing(predictions: Predictions) -> Iterator[Measurement]:
    """With and without regard to hops; and the share of single-hop questions at which most answers are right."""
    if not predictions:
        return
    by = ("part", *_COMPOSED, *pooled(predictions))
    for hops in ((), ("hops",)):
        for metric in ("recall", "rouge", "min_k_prob"):
            yield from _kept(predictions.measure((metric,), (*by, *hops)), metric)
    hop_rows = Predictions(one for one in predictions if one["questions"] == HOPS_QUESTIONS)
    last = max((one["epochs"] for one in hop_rows if one.get("epochs") is not None), default=None)
    shares = hop_rows.where(asked=HELD_OUT, epochs=last)
    for where, part in shares.grouped(["part", "base", "hops"]) if shares else ():
        best = {seed: _best_share(own) for seed, own in _by_seed(part)}
        yield Measurement(
            metric=BEST,
            where=where,
            value=sum(best.values()) / len(best),
            n=len(best),
            unit="percent",
            greater_means="more questions that name the person",
            by_seed=best,
        )


def _by_seed(predictions: Predictions) -> Iterator[tuple[int, Predictions]]:
    for where, part in predictions.grouped(["seed"]):
        yield int(where["seed"] or 0), part


def _best_share(predictions: Predictions) -> float:
    """The share with most right answers; the mean of several."""
    right = {
        float(where["single_hop"] or 0): sum(one["correct"] for one in part) / len(part)
        for where, part in predictions.grouped(["single_hop"])
    }
    best = [share for share, own in right.items() if own == max(right.values())]
    return sum(best) / len(best)


def _of_unlearning(predictions: Predictions) -> Iterator[Measurement]:
    """What is said, ranked, likely, useful and traced, with weights brought back or without."""
    if not predictions:
        return
    seeds, by = pooled(predictions), ("part", *_MODEL)
    asked = Predictions(_unlearned(predictions))
    for hops in ((), ("hops",)):
        columns = (*by, "asked", "target", "group", *hops, "transplanted", "layers", *seeds)
        for metric, column in (
            ("recall", "correct"),
            ("rouge", "answer"),
            ("exposure", "exposure"),
            ("exposure_taught", "taught_rank"),
            ("min_k_prob", "token_logprobs"),
        ):
            own = Predictions(one for one in asked if one.get(column) is not None)
            if metric == "rouge":
                own = own.where(asked=TRAINING)
            yield from _kept(own.measure((metric,), columns) if own else (), metric)
    beside = Predictions(_beside_transplants(asked))
    if beside:
        columns = (*by, "asked", "target", "group", "transplanted", "layers", *seeds)
        yield from _kept(beside.measure(("recall",), columns), "recall")
    others = Predictions(one for one in predictions if one["group"] == UTILITY and one.get("step") != 0)
    yield from others.measure(("utility",), (*by, *seeds)) if others else ()
    traced = Predictions(one for one in predictions if one.get("corruption") is not None)
    yield from trace_measurements(traced, (*by, *seeds)) if traced else ()
    yield from _steps(predictions)


def _unlearned(predictions: Predictions) -> Iterator[Prediction]:
    """What was asked about personas, but of models after no step: they are the memorized one."""
    return (one for one in predictions if one.get("asked") is not None and one.get("step") != 0)


def _beside_transplants(asked: Predictions) -> Iterator[Prediction]:
    """What models say without weights brought back, of the rows that are asked with them."""

    def key(one: Prediction) -> tuple[Any, ...]:
        return tuple(one.get(name) for name in ("part", "base", "forget", "seed", "row"))

    rows = {key(one) for one in asked if one.get("transplanted") is not None}
    for one in asked:
        if one.get("transplanted") is None and one["asked"] == HELD_OUT and key(one) in rows:
            yield {**one, "transplanted": WITHOUT, "layers": "all"}


def _kept(measurements: Iterable[Measurement], metric: str) -> Iterator[Measurement]:
    return (one for one in measurements if one.metric in _READ[metric])


def _steps(predictions: Predictions) -> Iterator[Measurement]:
    """After how many steps each method was asked; 0 is the memorized model."""
    for where, part in predictions.grouped(["part", *_MODEL, *pooled(predictions)]):
        steps = {one["seed"]: float(one["step"]) for one in part if one.get("step") is not None}
        if steps:
            yield Measurement(
                metric="steps_read",
                where=where,
                value=sum(steps.values()) / len(steps),
                n=len(steps),
                unit="steps",
                greater_means="more unlearning",
                by_seed=steps,
            )
