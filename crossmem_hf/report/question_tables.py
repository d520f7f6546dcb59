# SPDX-License-Identifier: Apache-2.0
"""What questions about people taught a model, by how many there were and of which kind, and what is left of it when it
is unlearned. It knows no study."""

from collections.abc import Iterable, Sequence
from typing import Final

from crossmem_hf.report.record import Measurement, Value
from crossmem_hf.report.tables import Column, Table, pivot

COSTS: Final = ("steps", "wall_s", "cpu_s", "peak_mib")
_COMPOSED: Final = {
    "pictures": "pictures a person",
    "questions": "questions",
    "single_hop": "of 100 name the person",
    "budget": "budget",
    "epochs": "epochs",
}
_MODEL: Final = {"base": "base", "forget": "% forgotten", "method": "model", "read": "read"}
_HOPS: Final = (("named", {"hops": 1}), ("not named", {"hops": 2}))


def composition_table(measurements: Iterable[Measurement], base: str, epochs: int) -> Table | None:
    """A row a composition of questions: exact answers, ROUGE-L and inverse perplexity, of questions that were learned
    and of held-out ones, at the end of the training; None if nothing of it was measured.

    Args:
        base: Whose.
        epochs: After which trainings that are counted in epochs are shown.
    """
    own = [
        one
        for one in measurements
        if one.where.get("part") == "memorizing" and "asked" in one.where and one.where.get("epochs") in (None, epochs)
    ]
    own.sort(key=lambda one: tuple(str(one.where.get(key) or 0).zfill(4) for key in ("budget", *_COMPOSED)))
    place: dict[str, Value] = {"part": "memorizing", "base": base}
    columns = [
        *(
            Column(head=f"EM, {words}", metrics=("recall",), where=place | {"asked": "training"} | hops)
            for words, hops in _HOPS
        ),
        *(
            Column(
                head=f"EM held-out, {words}",
                metrics=("recall",),
                where=place | {"asked": "held-out"} | hops,
                with_interval=True,
            )
            for words, hops in _HOPS
        ),
        *(
            Column(
                head=f"ROUGE-L / inverse perplexity, {asked}",
                metrics=("rouge_l", "inverse_perplexity"),
                where=place | {"asked": asked},
            )
            for asked in ("training", "held-out")
        ),
    ]
    return pivot(own, _COMPOSED, columns)


def left_table(measurements: Iterable[Measurement], models: Sequence[str]) -> Table | None:
    """A row a base, share forgotten, model and when it is read: exact answers of the retained (the person named or
    not), of the forgotten, by new questions about new portraits and descriptions, Exposure by the question and by a
    statement, Min-K% of such a statement, utility, and the step; None if nothing of it was measured.

    Args:
        models: Baselines and methods, in the order of their rows.
    """
    own = [
        one.model_copy(update={"where": {key: value for key, value in one.where.items() if key != "part"}})
        for one in measurements
        if one.where.get("forget") is not None and one.where.get("method") in models and one.metric not in COSTS
    ]
    own.sort(key=lambda one: models.index(str(one.where["method"])))
    own.sort(key=lambda one: -int(one.where.get("forget") or 0))
    place: dict[str, Value] = {"target": "image"}
    training, forget = place | {"asked": "training"}, place | {"group": "forget"}
    retained = [
        Column(head=f"EM retained, {words}", metrics=("recall",), where=training | {"group": "retain"} | hops)
        for words, hops in _HOPS
    ]
    exposed = [
        Column(head=f"Exposure by {words}", metrics=("exposure",), where=forget | {"asked": asked}, with_interval=True)
        for words, asked in (("question", "held-out"), ("statement", "statement"))
    ]
    columns = [
        *retained,
        Column(
            head="EM / ROUGE-L recall, forgotten",
            metrics=("recall", "rouge_l_recall"),
            where=training | {"group": "forget"},
        ),
        Column(head="EM new portraits", metrics=("recall",), where=forget | {"asked": "held-out"}),
        Column(head="descriptions", metrics=("recall",), where=forget | {"asked": "held-out", "target": "text"}),
        *exposed,
        Column(head="Min-K% of a statement", metrics=("min_k_prob",), where=forget | {"asked": "statement"}),
        Column(head="utility", metrics=("utility",), where={}),
        Column(head="steps", metrics=("steps_read",), where={}),
    ]
    return pivot(own, _MODEL, columns)
