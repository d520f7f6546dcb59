# SPDX-License-Identifier: Apache-2.0
"""How much of a memorized model's circuit is left in another model, such as the unlearned one: of the attentions and
MLPs that carried its answers, what still comes back there? It compares traces, and traces nothing."""

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean
from typing import Any, Final

from crossmem_hf.analysis.causal_tracing import PLACES
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Prediction, Predictions

AT_LEAST: Final = 0.5
_Place = tuple[Any, ...]
_Effects = dict[Any, dict[_Place, float]]


def circuit_left(memorized: Predictions, other: Predictions, *, at_least: float = AT_LEAST) -> Predictions:
    """The share of the circuit that is left, of every row, as predictions, whose column ``circuit_left`` the metric of
    this name reads: from 0, nothing comes back where it did, to 1, as much as in the memorized model.

    The circuit are the attentions and MLPs (layer and tokens) that bring back at least this share of what the
    corruption takes from the memorized model, in nats, in the mean over the rows of all *other* personas: no row has a
    say in what it is measured by. Hidden states, through which answers of the layers before pass, too, are none. Left
    is the sum over these places of what comes back in the other model, at most what does in the memorized one, over
    the sum of the latter. The column ``circuit`` names them as (corruption, site, layer, tokens); the others are those
    of the other model. Rows from which the corruption takes nothing, or whose circuit brings nothing back in the
    memorized model, are left out.

    Nats are of an answer however unlikely it has become: see ``clean_logprob``. Where it is said no more, whatever is
    shown, nothing is left, even if early layers know it; `analysis.unlearning_depth` sees that. Hold both against the
    retain-only model's.

    Args:
        memorized: From `causal_tracing.trace`, of rows of at least two personas.
        other: Of the same rows and places, and of the one corruption.
        at_least: Share of the total effect, more than 0 to 1.

    Raises:
        CrossmemError: Traces of other rows or places, or of several corruptions, fewer than two personas, a share out
            of range, or no place that brings back so much.

    Example:
        >>> whole = {"corruption": "picture", "clean_logprob": -1.0, "corrupted_logprob": -9.0}
        >>> place = {"site": "mlp", "layer": 3, "tokens": "last", "restored_logprob": -2.0}
        >>> rows = [{"row": who, "persona_id": who, **whole} for who in "ab"]
        >>> found = Predictions([*rows, *({**row, **place} for row in rows)])
        >>> half = Predictions({**one, "corrupted_logprob": -5.5} for one in found)
        >>> {one["circuit_left"] for one in circuit_left(found, half)}
        {0.5}

    Reference:
        Ours, after the circuits of PAVA, https://huggingface.co/papers/2608.30649, which look at the memorized model.
    """
    before, after = _effects(memorized), _effects(other)
    whole, theirs = ({one["row"]: one for one in found if "site" not in one} for found in (memorized, other))
    circuits = _circuits(whole, before, after, at_least)
    found = []
    for row, one in whole.items():
        circuit = circuits[one["persona_id"]] & set(before[row])
        full = sum(max(before[row][place], 0.0) for place in circuit)
        if full > 0 and _back(one, "clean_logprob") > 0:
            left = sum(min(max(after[row][place], 0.0), max(before[row][place], 0.0)) for place in circuit)
            found.append({**theirs[row], "circuit_left": left / full, "circuit": sorted(map(list, circuit), key=str)})
    return Predictions(found)


def _effects(found: Predictions) -> _Effects:
    """Row -> place -> indirect effect, nats; hidden states are left out."""
    effects: _Effects = defaultdict(dict)
    for one in found:
        if one.get("site") in ("attention", "mlp"):
            effects[one["row"]][tuple(one[name] for name in PLACES)] = _back(one, "restored_logprob")
    return effects


def _back(one: Prediction, run: str) -> float:
    return float(one[run]) - float(one["corrupted_logprob"])


def _circuits(
    whole: Mapping[Any, Prediction], before: _Effects, after: _Effects, at_least: float
) -> dict[Any, set[_Place]]:
    """Persona -> the places that carry the answers of all others.

    Raises:
        CrossmemError: As `circuit_left`.
    """
    if not 0 < at_least <= 1:
        raise CrossmemError(f"at_least={at_least!r}; expected more than 0, at most 1.", "0.5 is the default.")
    if {row: set(places) for row, places in before.items()} != {row: set(places) for row, places in after.items()}:
        raise CrossmemError(
            f"The traces are of {len(before)} and of {len(after)} rows, or of different places.",
            "Trace both models on the same rows with the same corruption and restoring.",
        )
    corruptions = sorted({str(one["corruption"]) for one in whole.values()})
    if len(corruptions) > 1 or not before:
        raise CrossmemError(
            f"The traces are of the corruptions {', '.join(corruptions)} and of {len(before)} rows with attentions or "
            "MLPs.",
            "Trace these sites, and compare one corruption at a time, .where(corruption=...).",
        )
    persons = {one["persona_id"] for one in whole.values()}
    if len(persons) < 2:
        raise CrossmemError(
            f"The rows are about {len(persons)} person; expected two or more: a circuit is that of others.",
            "Trace rows of more personas.",
        )
    circuits = {person: _circuit(whole, before, person, at_least) for person in persons}
    if not any(circuits.values()):
        raise CrossmemError(
            f"No place brings back {at_least:g} of what the corruption takes from the memorized model.",
            "Check its total effect, or ask for less with at_least=.",
        )
    return circuits


def _circuit(whole: Mapping[Any, Prediction], effects: _Effects, person: Any, at_least: float) -> set[_Place]:
    """The places that carry the answers of everybody but one persona."""
    rows = [row for row, one in whole.items() if one["persona_id"] != person]
    total = fmean(_back(whole[row], "clean_logprob") for row in rows)
    if total <= 0:
        return set()
    places = {place for row in rows for place in effects[row]}
    return {place for place in places if fmean(effects[row].get(place, 0.0) for row in rows) >= at_least * total}
