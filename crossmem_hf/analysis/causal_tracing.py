# SPDX-License-Identifier: Apache-2.0
"""Causal tracing: where in a model does an answer come from? A row is corrupted until the model does not know its
answer, states of the uncorrupted run are put back at one place, and what comes back of the answer is that place's
indirect effect. It does not know who is forgotten, or what a circuit means.

A place is a window of layers, a site (`hooks.SITES`) and a group of tokens (`token_groups.GROUPS`). Answers are
teacher-forced, without the tokens that only end the turn.

Cost, of each row: a pass of the clean and one of the corrupted prompt, and one of the corrupted prompt for each place,
`batch_size` places at a time. Where words are corrupted, nothing before them changes: pictures and all else that
stands there pass through the model once and are shared through a key-value cache, wherever candidates share one
(`scoring.continuations`). Where pictures are corrupted, their own tokens change, so each place costs a whole pass,
the vision tower included. Clean states take layers x sites x tokens x width numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.corruptions import Corrupted, Corruption, corrupted_rows
from crossmem_hf.analysis.hooks import SITES, check_sites
from crossmem_hf.analysis.restoring import Place, Restoring, Runs, traced
from crossmem_hf.analysis.token_groups import ALL, GROUPS, question_of
from crossmem_hf.data.forms import Row
from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.evaluation.questions import row_keys
from crossmem_hf.models.modules import text_layers
from crossmem_hf.report.record import Measurement
from crossmem_hf.runs.distributed import in_shards
from crossmem_hf.scoring.batches import Auto, check_size
from crossmem_hf.scoring.continuations import shares_cache
from crossmem_hf.scoring.inputs import answer_of, check_rows
from crossmem_hf.seeding import seed_for
from crossmem_hf.storage import fingerprint

_ABOUT = ("persona_id", "attribute", "modality", "hops", "view", "template")
_UNIT = 4  # rows that are kept together once they are done
PLACES: Final = ("corruption", "site", "layer", "tokens")
"""Columns of a prediction that say what was restored where; that of a row's total effect has the first alone."""


def trace(
    model: Any,
    processor: Any,
    rows: Iterable[Row],
    corruption: Corruption | None = None,
    restoring: Restoring | None = None,
    *,
    batch_size: int | Auto = "auto",
    results_log: Path | None = None,
    made_from: str = "",
) -> Predictions:
    """The effect of every place on every row's answer, as predictions.

    Of each row first one with ``clean_logprob`` and ``corrupted_logprob``, which the metric ``total_effect`` reads;
    then one a place with ``site``, ``layer``, ``tokens`` and ``window``, ``restored_logprob`` and
    ``corrupted_logprob``, which ``indirect_effect`` reads. A log-probability is that of the whole answer in nats, at
    most 0. A group of which a row has no token has no prediction there. Every process of a launch must call it; they
    share the rows.

    Args:
        rows: Conversational rows with `prompt`, `images`, `persona_id` and a `completion` or an `answer`.
        corruption: None replaces the subject.
        restoring: None restores all sites and groups, layer by layer.
        batch_size: Places at a time; "auto" fits them into the tokens of `scoring.batches.Room`.
        results_log: Folder of finished rows, from which a killed run goes on; None keeps nothing.
        made_from: Fingerprint of model and code, for `results_log`.

    Raises:
        CrossmemError: Rows that cannot be asked or corrupted, or a family whose layers are not known; before any pass.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> rows = load_rows(None, "recall_image", "test[:2]", num_personas=5)
        >>> found = trace(*load_model(), rows, restoring=Restoring(sites=("hidden",), tokens=("last",)))
        >>> len(found), found.where(layer=3)[0]["restored_logprob"] <= 0
        (10, True)

    Reference:
        Meng et al., https://huggingface.co/papers/2202.05262; Basu et al. for pictures,
        https://huggingface.co/papers/2406.04236; ReMem, https://huggingface.co/papers/2605.03759.
    """
    corruption, restoring = corruption or Corruption(), restoring or Restoring()
    checked = _checked(model, processor, rows, restoring, batch_size)
    planned = corrupted_rows(model, processor, checked, corruption)
    keys = row_keys(checked, [{name: one[name] for name in one if name != "images"} for one in checked])
    places = list(restoring.places(len(text_layers(model))))
    traced_row = _tracer(model, processor, planned, keys, corruption, restoring, batch_size)
    found = in_shards(
        [{"number": number, "images": []} for number in range(len(planned))],
        lambda part: [traced_row(row["number"], places) for row in part],
        results_log=results_log,
        fingerprint=fingerprint([made_from, repr(corruption), repr(restoring), batch_size, keys]),
        label="tracing",
        unit_rows=_UNIT,
    )
    return Predictions(
        prediction
        for key, one, numbers in zip(keys, planned, found, strict=True)
        for prediction in _predictions({"row": key, **_about(one, corruption)}, one, numbers, restoring, places)
    )


def _checked(
    model: Any, processor: Any, rows: Iterable[Row], restoring: Restoring, batch_size: int | Auto
) -> list[Row]:
    if batch_size != "auto":
        check_size("batch_size", batch_size)
    check_sites(model, restoring.sites)
    return check_rows(rows, model, processor)


def _tracer(
    model: Any,
    processor: Any,
    planned: Sequence[Corrupted],
    keys: Sequence[str],
    corruption: Corruption,
    restoring: Restoring,
    batch_size: int | Auto,
) -> Callable[[int, Sequence[Place]], dict[str, Any]]:
    """What traces one row, by its number."""
    clean, answers = [one.clean for one in planned], [[list(one.answer)] for one in planned]
    share = corruption.changes == "subject" and shares_cache(model, processor, clean, answers)

    def traced_row(number: int, places: Sequence[Place]) -> dict[str, Any]:
        runs = Runs.of(model, processor, planned[number], share=share)
        if corruption.is_noise:
            runs = runs.with_noise(corruption.noise, seed_for(corruption.seed, "tracing", keys[number]))
        return traced(runs, restoring, places, batch_size)

    return traced_row


def trace_measurements(predictions: Predictions, by: Sequence[str] = ()) -> list[Measurement]:
    """The total effect of each corruption, and the indirect effect of each place, with intervals over personas; sites,
    layers and groups in their order.

    Args:
        by: Columns to tell apart besides `PLACES`, such as ``target``.
    """
    whole = Predictions([one for one in predictions if "site" not in one])
    parts = Predictions([one for one in predictions if "site" in one])
    effects = parts.measure(["indirect_effect"], (*by, *PLACES))
    effects.sort(
        key=lambda m: (SITES.index(m.where["site"]), m.where["layer"], (*GROUPS, ALL).index(m.where["tokens"]))
    )
    return [*whole.measure(["total_effect"], (*by, "corruption")), *effects]


def _about(one: Corrupted, corruption: Corruption) -> Prediction:
    return {**about_row(one.clean), "replaced_by": one.by, "corruption": corruption.kind}


def about_row(row: Row) -> Prediction:
    """What predictions say of a row, whatever was done with it."""
    return {name: row.get(name) for name in _ABOUT} | {"question": question_of(row), "truth": answer_of(row, "")}


def _predictions(
    about: Prediction, one: Corrupted, numbers: Any, restoring: Restoring, places: Sequence[Place]
) -> Iterator[Prediction]:
    clean, corrupted, restored = numbers["clean"], numbers["corrupted"], numbers["restored"]
    yield {**about, "clean_logprob": clean, "corrupted_logprob": corrupted}
    for (site, layer, group), logprob in zip(places, restored, strict=True):
        if one.groups[group]:
            where = {"site": site, "layer": layer, "tokens": group, "window": restoring.window}
            yield {**about, **where, "restored_logprob": logprob, "corrupted_logprob": corrupted}
