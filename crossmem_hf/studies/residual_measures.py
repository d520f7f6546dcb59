# SPDX-License-Identifier: Apache-2.0
"""What the study residual_knowledge measures of what attacks got out. It attacks nothing."""

from collections.abc import Iterator, Sequence

from crossmem_hf.analysis.attack_run import PLAIN, beside_retain_only
from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.cells import UTILITY
from crossmem_hf.studies.curves import matched_steps
from crossmem_hf.studies.residual_claims import ANY, RANK
from crossmem_hf.studies.study import pooled

_MODEL = ("method", "forget_modality")


def residual_measurements(predictions: Predictions) -> Iterator[Measurement]:
    """Of each attack, and of all together (`ANY`): what comes out, and what of it the retain-only model does not give;
    the places of the methods by the latter; and what unlearning cost.

    Args:
        predictions: Of attacks, with the column ``attack``; and of models as they are, with ``group``.
    """
    attacked = Predictions(one for one in predictions if one.get("attack") is not None)
    plain = Predictions(one for one in predictions if one.get("attack") is None)
    seeds = pooled(predictions)
    every = Predictions.joined([attacked, Predictions(_by_any(attacked))])
    beside = beside_retain_only(every, every.where(method="retain_only"))
    yield from every.measure(("extracted",), (*_MODEL, "attack", "target", *seeds))
    yield from beside.measure(("residual",), (*_MODEL, "attack", "target", *seeds))
    whole = beside.measure(("residual",), (*_MODEL, "attack", *seeds))
    yield from whole
    yield from _ranks(whole)
    yield from matched_steps(plain)
    yield from plain.where(group=UTILITY).measure(("utility",), (*_MODEL, *seeds))
    for group in ("forget", "retain"):
        yield from plain.where(group=group).measure(("recall",), (*_MODEL, "target", "group", *seeds))


def _by_any(attacked: Predictions) -> Iterator[Prediction]:
    """A row of a model once for all attacks: whether any got it out."""
    for _, answers in attacked.grouped([*_MODEL, "seed", "row"]):
        whole = {**answers.where(attack=PLAIN)[0], "attack": ANY}
        said = any(one["extracted"] for one in answers)
        yield whole | {"extracted": said, "num_samples": sum(one["num_samples"] for one in answers)}


def _ranks(residuals: Sequence[Measurement]) -> Iterator[Measurement]:
    """The place of each method by what all attacks together leave, through both modalities: 1 leaves least; methods
    that leave the same share their places."""
    from scipy.stats import rankdata

    own = [one for one in residuals if one.where.get("attack") == ANY and one.where.get("forget_modality") == "both"]
    seeds = sorted(set.intersection(*(set(one.by_seed) for one in own))) if own else []
    places = {seed: rankdata([one.by_seed[seed] for one in own]) for seed in seeds}
    for number, one in enumerate(own):
        by_seed = {seed: float(found[number]) for seed, found in places.items()}
        if by_seed:
            yield Measurement(
                metric=RANK,
                where={name: one.where[name] for name in _MODEL},
                value=sum(by_seed.values()) / len(by_seed),
                n=len(by_seed),
                unit="place",
                greater_means="more is left than of other methods",
                by_seed=by_seed,
            )
