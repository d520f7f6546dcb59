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

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.corruptions import Corrupted, Corruption, corrupted_rows
from crossmem_hf.analysis.hooks import SITES, check_sites
from crossmem_hf.analysis.restoring import Place, Restoring, Runs, traced
from crossmem_hf.analysis.token_groups import ALL, GROUPS
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
    checked = check_rows(rows, model, processor)
    check_sites(model, restoring.sites)
    if batch_size != "auto":
        check_size("batch_size", batch_size)
    planned = corrupted_rows(model, processor, checked, corruption)
    keys = row_keys(checked, [{name: one[name] for name in one if name != "images"} for one in checked])
    share = corruption.changes == "subject" and shares_cache(
        model, processor, checked, [[list(one.answer)] for one in planned]
    )
    seeds = [seed_for(corruption.seed, "tracing", key) for key in keys]
    places = list(restoring.places(len(text_layers(model))))

    def traced_row(at: int) -> Any:
        runs = Runs.of(model, processor, planned[at], share=share)
        if corruption.is_noise:
            runs = runs.with_noise(corruption.noise, seeds[at])
        return traced(runs, restoring, places, batch_size)

    numbered = [{"number": number, "images": []} for number in range(len(planned))]
    of = fingerprint([made_from, repr(corruption), repr(restoring), batch_size, keys])
    found = in_shards(
        numbered,
        lambda part: [traced_row(row["number"]) for row in part],
        results_log=results_log,
        fingerprint=of,
        label="tracing",
        unit_rows=4,
    )
    predictions: list[Prediction] = []
    for index, (one, numbers) in enumerate(zip(planned, found, strict=True)):
        about = {"row": keys[index], **_about(one, index), "corruption": corruption.kind}
        predictions += _predictions(about, one, numbers, restoring, places)
    return Predictions(predictions)


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


def _about(one: Corrupted, index: int) -> Prediction:
    row = one.clean
    question = row["prompt"][-1]["content"]
    about = {name: row.get(name) for name in _ABOUT} | {"question": question, "truth": answer_of(row, index)}
    return about | {"replaced_by": one.by}


def _predictions(
    about: Prediction, one: Corrupted, numbers: Any, restoring: Restoring, places: Sequence[Place]
) -> Iterator[Prediction]:
    clean, corrupted, restored = numbers["clean"], numbers["corrupted"], numbers["restored"]
    yield {**about, "clean_logprob": clean, "corrupted_logprob": corrupted}
    for (site, layer, group), logprob in zip(places, restored, strict=True):
        if one.groups[group]:
            where = {"site": site, "layer": layer, "tokens": group, "window": restoring.window}
            yield {**about, **where, "restored_logprob": logprob, "corrupted_logprob": corrupted}
