# SPDX-License-Identifier: Apache-2.0
"""What the study residual_knowledge measures of what attacks got out. It attacks nothing."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from crossmem_hf.analysis.attack_run import PLAIN, beside_retain_only
from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.report.record import BASELINES, Measurement, Value
from crossmem_hf.studies.cells import UTILITY
from crossmem_hf.studies.curves import matched_steps
from crossmem_hf.studies.residual_claims import ALONE, ANY, RANK, WORST
from crossmem_hf.studies.seed_means import seed_mean
from crossmem_hf.studies.study import pooled

_MODEL = ("method", "forget_modality")
_BySeed = dict[tuple[Value, Value], dict[str, dict[int, float]]]
"""Method and modality forgotten through -> attack -> seed -> residual."""


def residual_measurements(predictions: Predictions) -> Iterator[Measurement]:
    """Of each attack, and of all together (`ANY`): what comes out, and what of it the retain-only model does not give;
    the latter of the worst attack (`WORST`), and the places of the methods by it; what each attack alone tells; and
    what unlearning cost. Of a single attack only rows count that it was tried on; of all together every row does.

    Args:
        predictions: Of attacks, with the column ``attack``; and of models as they are, with ``group``.
    """
    every = Predictions(one for one in predictions if one.get("attack") is not None)
    attacked = Predictions(one for one in every if _tried(one))
    plain = Predictions(one for one in predictions if one.get("attack") is None)
    seeds = pooled(predictions)
    every = Predictions.joined([attacked, Predictions(_by_any(every))])
    beside = beside_retain_only(every, every.where(method="retain_only"))
    yield from every.measure(("extracted",), (*_MODEL, "attack", "target", *seeds))
    yield from beside.measure(("residual",), (*_MODEL, "attack", "target", *seeds))
    whole = beside.measure(("residual",), (*_MODEL, "attack", *seeds))
    yield from whole
    by_seed = _by_seed(whole)
    worst = list(_worst(by_seed))
    yield from worst
    yield from _ranks(worst)
    yield from _alone(by_seed)
    yield from matched_steps(plain)
    yield from plain.where(group=UTILITY).measure(("utility",), (*_MODEL, *seeds))
    for group in ("forget", "retain"):
        yield from plain.where(group=group).measure(("recall",), (*_MODEL, "target", "group", *seeds))


def _tried(one: Prediction) -> bool:
    """Whether the attack asked the row in any way but the plain one: not if it learned from the row, or changes
    pictures where there is none."""
    return one["attack"] == PLAIN or "said_in" not in one or one["num_samples"] > 1


def _by_any(attacked: Predictions) -> Iterator[Prediction]:
    """A row of a model once for all attacks: whether any got it out."""
    for _, answers in attacked.grouped([*_MODEL, "seed", "row"]):
        whole = {**answers.where(attack=PLAIN)[0], "attack": ANY}
        said = any(one["extracted"] for one in answers)
        yield whole | {"extracted": said, "num_samples": sum(one["num_samples"] for one in answers)}


def _by_seed(residuals: Sequence[Measurement]) -> _BySeed:
    """Of unlearned models."""
    found: _BySeed = {}
    for one in residuals:
        if one.where["method"] not in BASELINES:
            place = one.where["method"], one.where["forget_modality"]
            found.setdefault(place, {})[str(one.where["attack"])] = {**one.by_seed}
    return found


def _worst(by_seed: _BySeed) -> Iterator[Measurement]:
    """What the attack leaves that leaves most in the other seeds, seed by seed: the greatest of many noisy numbers
    would be too great. Nothing where there is a single seed, and so nothing to choose by."""
    for (method, through), of_attacks in by_seed.items():
        attacks = {name: found for name, found in of_attacks.items() if name not in (PLAIN, ANY)}
        seeds = sorted(set.intersection(*({*found} for found in attacks.values()))) if attacks else []
        values = {seed: _elsewhere_worst(attacks, seed, seeds)[seed] for seed in seeds if len(seeds) > 1}
        if values:
            where = {"method": method, "forget_modality": through}
            yield seed_mean(WORST, where, values, bounds=(-1.0, 1.0), unit="proportion", greater_means="more is left")


def _elsewhere_worst(
    attacks: Mapping[str, Mapping[int, float]], seed: int, seeds: Sequence[int]
) -> Mapping[int, float]:
    return max(attacks.values(), key=lambda found: fmean(found[other] for other in seeds if other != seed))


def _alone(by_seed: _BySeed) -> Iterator[Measurement]:
    """What each attack gets out of all unlearned models, in what all attacks together do: 1 if it gets out as much,
    and more if it gives less of it to the retain-only model."""
    names = dict.fromkeys(name for of_attacks in by_seed.values() for name in of_attacks if name != ANY)
    for name in names:
        both = [(found[name], found[ANY]) for found in by_seed.values() if name in found]
        seeds = set.intersection(*({*own} & {*every} for own, every in both))
        alone, every = ({seed: sum(pair[at][seed] for pair in both) for seed in sorted(seeds)} for at in (0, 1))
        values = {seed: alone[seed] / every[seed] for seed in alone if every[seed] > 0}
        if values:
            yield seed_mean(ALONE, {"attack": name}, values, unit="ratio", greater_means="more is told by it alone")


def _ranks(worst: Sequence[Measurement]) -> Iterator[Measurement]:
    """The place of each method by what the worst attack leaves, through both modalities: 1 leaves least; methods that
    leave the same share their places."""
    from scipy.stats import rankdata

    own = [one for one in worst if one.where.get("forget_modality") == "both"]
    seeds = sorted(set.intersection(*(set(one.by_seed) for one in own))) if own else []
    places = {seed: rankdata([one.by_seed[seed] for one in own]) for seed in seeds}
    for number, one in enumerate(own):
        by_seed = {seed: float(found[number]) for seed, found in places.items()}
        if by_seed:
            yield seed_mean(
                RANK,
                one.where,
                by_seed,
                bounds=(1.0, len(own)),
                unit="place",
                greater_means="more is left than of other methods",
            )
