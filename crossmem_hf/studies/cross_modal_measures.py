# SPDX-License-Identifier: Apache-2.0
"""What the study cross_modal measures of answers. It asks nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.cross_modal_arms import USUAL
from crossmem_hf.studies.study import pooled

AREA: Final = "area_between_curves"
ANOTHER: Final = "named_another"
"""The share of answers that are the full name of another taught persona."""
KEYS: Final = ("base", "arm", "source", "target", "views", "among", "trained", "attack", "learned")
"""What tells measurements apart; of facts also ``hops``, of names where the base tells the looks ``looks``. Only the
usual arm has far views, ``learned`` ("base": nothing yet; "nearest row": no model), ``among`` (what the truth is
ranked among), ``trained`` (the share of the training) and ``attack``."""
_KEPT = ("recall", "gap", "transfer", "exposure", "partial_recall", "still_known_unsaid", "utility_visual_attributes")


def cross_modal_measurements(predictions: Predictions) -> Iterator[Measurement]:
    """Recall wherever it was asked; gap and transfer of what was learned; Exposure and the share of truths that are
    not said and rank first where truths were ranked; how often another persona is named; the area between the learning
    curves, which is the mean gap along the training; how much of what personas look like the base can tell, and recall
    where it tells all of it, and where not. A point of a pre-training is called as its folder is, wherever that was.
    """
    predictions = Predictions({**one, "base": Path(one["base"]).name} for one in predictions)
    by = (*KEYS, *pooled(predictions))
    looks = predictions.where(group="utility")
    learned = Predictions(one for one in predictions if one.get("group") != "utility")
    names = learned.where(attribute="full_name")
    facts = Predictions(one for one in learned if one["attribute"] != "full_name")
    found = [*looks.measure(("utility",), by), *names.measure(("recall",), by)]
    found += names.where(learned=None).measure(("gap", "transfer"), by)
    found += facts.measure(("recall", "gap", "transfer"), (*by, "hops"))
    for _, own in names.grouped(["arm"]):  # a guesser chooses among the personas of the arm
        ranked = Predictions(one for one in own if one.get("exposure") is not None)
        for metric in ("exposure", "partial_recall", "forget_diagnosis"):
            found += ranked.measure((metric,), by)
    yield from (one for one in found if one.metric in _KEPT)
    plain = Predictions(one for one in names.where(arm=USUAL, views="test") if not any(map(one.get, KEYS[5:])))
    yield from _named_another(plain, by)
    told = _by_looks(plain, looks)
    yield from told.measure(("recall",), (*by, "looks")) if told else ()
    along = Predictions(one for one in names if one.get("trained") is not None)
    for one in along.measure(("gap",), [key for key in by if key != "trained"]):
        yield one.model_copy(update={"metric": AREA, "greater_means": "the other modality lags further behind"})


def _named_another(plain: Predictions, by: tuple[str, ...]) -> Iterator[Measurement]:
    taught: dict[int, set[str]] = {}
    for one in plain:
        taught.setdefault(one["seed"], set()).add(one["truth"])
    another = Predictions(
        {**one, "correct": not one["correct"] and one["answer"].strip() in taught[one["seed"]]} for one in plain
    )
    for found in another.measure(("recall",), by) if another else ():
        yield found.model_copy(
            update={"metric": ANOTHER, "chance": None, "greater_means": "more often taken for another persona"}
        )


def _by_looks(plain: Predictions, looks: Predictions) -> Predictions:
    """The answers of whom the base was asked what they look like in the same view, with the column ``looks``: whether
    it was wholly "right" or "wrong"."""
    right = {_view(one): one["correct"] for one in looks if one["attribute"] == "visual_attributes"}
    return Predictions(
        {**one, "looks": "right" if right[_view(one)] else "wrong"} for one in plain if _view(one) in right
    )


def _view(one: Prediction) -> tuple[object, ...]:
    return tuple(one.get(key) for key in ("base", "seed", "persona_id", "modality", "view"))
