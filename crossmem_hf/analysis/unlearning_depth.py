# SPDX-License-Identifier: Apache-2.0
"""How deep did unlearning reach? States of the model that unlearned are put into the one that had memorized, layer by
layer, where the answer is predicted: does it still read the answer there? It does not know who is forgotten.

The unlearning depth score (UDS). Put in first are the states of the retain-only model: what they cost the answer, in
nats a token, is what a layer holds of it. Where that is more than a threshold, the layer encodes the answer, and what
the unlearned model's states cost is held against it. 1 is as the retain-only model, 0 as if nothing was unlearned.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossmem_hf.analysis.causal_tracing import about_row
from crossmem_hf.analysis.corruptions import Corrupted
from crossmem_hf.analysis.hooks import Change, Place, Site, check_sites, module_at, reading, replacing
from crossmem_hf.analysis.representations import check_finite
from crossmem_hf.analysis.restoring import Runs, running
from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.evaluation.questions import row_keys
from crossmem_hf.models.modules import text_layers
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.scoring.batches import Auto, Room
from crossmem_hf.scoring.continuations import shares_cache
from crossmem_hf.scoring.inputs import answer_of, check_rows, encode

THRESHOLD: Final = 0.05
"""Nats a token, as Lee et al. have it."""
_SITE: Final[Site] = "hidden"


class NothingMemorizedError(CrossmemError):
    """There is no depth to measure: no layer of the memorized model holds more than the retain-only one's."""


@dataclass(frozen=True, slots=True)
class AnswerStates:
    """What the layers of a model put out where answers are predicted.

    Attributes:
        rows: Keys of the rows, as predictions have them.
        states: Of each row, (layers, tokens of the answer, width); on the CPU, in the model's precision.
    """

    rows: tuple[str, ...]
    states: tuple[Tensor, ...]


def answer_states(model: Any, processor: Any, rows: Iterable[Row]) -> AnswerStates:
    """The states of a model that are put into another: taken by themselves, so that both need not be held at once.

    Args:
        rows: Conversational rows with `prompt`, `images` and a `completion` or an `answer`.

    Raises:
        CrossmemError: Rows that cannot be asked, or a family whose layers are not known, before any pass; states that
            are infinite or NaN.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> found = answer_states(*load_model(), load_rows(None, "recall_text", "test[:2]", num_personas=5))
        >>> len(found.rows), found.states[0].shape[0]
        (2, 4)
    """
    checked = check_rows(rows, model, processor)
    sought = {layer: module_at(model, layer, _SITE) for layer in range(len(text_layers(model)))}
    found = []
    for number, runs in enumerate(_runs(model, processor, checked)):
        with running(model), reading(sought, partial(_last, count=len(runs.row.answer))) as seen:
            runs.logprobs(runs.clean, 1)
        found.append(torch.stack([seen[layer][0] for layer in sought]))
        check_finite(found[-1].float().numpy().reshape(1, -1), [number], "the layers")
    return AnswerStates(tuple(_keys(checked)), tuple(found))


def _last(states_BTD: Tensor, *, count: int) -> Tensor:
    return states_BTD[:, -count:].cpu()


def unlearning_depth(
    memorized: Any,
    processor: Any,
    rows: Iterable[Row],
    *,
    unlearned: AnswerStates,
    retain_only: AnswerStates,
    threshold: float = THRESHOLD,
    batch_size: int | Auto = "auto",
) -> Predictions:
    """The unlearning depth score of every row, as predictions, whose column ``unlearning_depth`` the metric of this
    name reads: from 0, what the memorized model needs is all there, to 1, no more is than in the retain-only model.

    Besides there are ``lost_retain_only`` and ``lost_unlearned``, what the states of either cost the answer in each
    layer, nats a token, and ``layers``, where the first is above the threshold. Rows that no layer encodes are left
    out: the memorized model knows them no better than the retain-only one. A row takes a pass of its prompt, which is
    shared where the family can, and two of its answer for each layer.

    Args:
        memorized: The model that states are put into.
        rows: As for `answer_states`, the same ones.
        unlearned, retain_only: States of the model that unlearned, and of the one that never learned.
        threshold: Above which a layer encodes an answer, nats a token, more than 0.
        batch_size: Layers at a time; "auto" fits them into the tokens of `scoring.batches.Room`.

    Raises:
        CrossmemError: States of other rows or of another shape, or a threshold of 0 or less; a
            `NothingMemorizedError` if no layer encodes any answer.

    Example:
        >>> import torch
        >>> from crossmem_hf import load_model, load_rows
        >>> model, processor = load_model()
        >>> rows = load_rows(None, "recall_text", "test[:2]", num_personas=5)
        >>> own, other = answer_states(model, processor, rows), answer_states(load_model()[0], processor, rows)
        >>> nothing = AnswerStates(other.rows, tuple(torch.zeros_like(one) for one in other.states))
        >>> {one["unlearning_depth"] for one in unlearning_depth(
        ...     model, processor, rows, unlearned=own, retain_only=nothing, threshold=1e-6
        ... )}
        {0.0}

    Reference:
        Lee et al. 2026, https://huggingface.co/papers/2605.24614, who put in the states of a span within the answer;
        our answers are the span, the end of the turn left out.
    """
    if not threshold > 0:
        raise CrossmemError(f"threshold={threshold!r}; expected more than 0 nats a token.", "0.05 is Lee et al.'s.")
    checked = check_rows(rows, memorized, processor)
    keys = _keys(checked)
    _check_alike(keys, unlearned, retain_only)
    sources = zip(keys, _runs(memorized, processor, checked), unlearned.states, retain_only.states, strict=True)
    scored = ((key, runs, _scored(runs, own, threshold, batch_size)) for key, runs, *own in sources)
    found = [{"row": key, **about_row(runs.row.clean), **one} for key, runs, one in scored if one is not None]
    if not found:
        raise NothingMemorizedError(
            f"None of {len(checked)} answers loses more than {threshold:g} nats a token in any layer when the "
            "retain-only model's states are put in: there is nothing that was memorized.",
            "Check that the first model memorized these rows, and that the retain-only one did not.",
        )
    return Predictions(found)


def _keys(rows: Sequence[Row]) -> Sequence[str]:
    return row_keys(rows, [{name: one[name] for name in one if name != "images"} for one in rows])


def _runs(model: Any, processor: Any, rows: Sequence[Row]) -> Iterator[Runs]:
    """Of each row, from the last token of the prompt on, where the rest can be shared."""
    check_sites(model, (_SITE,))
    planned = []
    for index, row in enumerate(rows):
        tokens, ends = answer_tokens(processor, row, [answer_of(row, index)])
        answer = tuple(tokens[0][: len(tokens[0]) - ends[0]])
        prompt = encode(processor, [prompt_text(processor, row)], [row["images"]])["input_ids"].shape[1]
        groups = {"last": (prompt - 1,), "image": ()}
        planned.append(Corrupted(clean=row, corrupted=row, answer=answer, groups=groups, changed="last", by=""))
    share = shares_cache(model, processor, rows, [[list(one.answer)] for one in planned])
    for one in planned:
        yield Runs.of(model, processor, one, share=share)


def _check_alike(keys: Sequence[str], unlearned: AnswerStates, retain_only: AnswerStates) -> None:
    for name, one in (("unlearned", unlearned), ("retain_only", retain_only)):
        if list(one.rows) != list(keys):
            raise CrossmemError(
                f"The states of {name!r} are of {len(one.rows)} rows that are not the {len(keys)} asked about.",
                "Take answer_states of the same rows, in the same order.",
            )


def _scored(runs: Runs, states: Sequence[Tensor], threshold: float, batch_size: int | Auto) -> Prediction | None:
    """What a row's prediction says, of states of the unlearned and the retain-only model; None if it has no score."""
    tokens = len(runs.row.answer)
    expected = len(text_layers(runs.model)), tokens, runs.model.config.get_text_config().hidden_size
    for one in states:
        if one.shape != expected:
            raise CrossmemError(
                f"States of the shape {tuple(one.shape)}; the memorized model has {expected}.",
                "Take three models of one shape with one tokenizer.",
            )
    gone, lost = (_cost(runs, one, batch_size) / tokens for one in states)
    encodes = np.flatnonzero(lost > threshold)
    if not encodes.size:
        return None
    score = np.clip(gone[encodes], 0.0, lost[encodes]).sum() / lost[encodes].sum()
    return {
        "unlearning_depth": float(score),
        "layers": encodes.tolist(),
        "lost_retain_only": lost.tolist(),
        "lost_unlearned": gone.tolist(),
    }


def _cost(runs: Runs, states_LTD: Tensor, batch_size: int | Auto) -> NDArray[np.float64]:
    """What the answer's log-probability loses with each layer's states put in, nats. The run without is in every
    batch, as half precision gives other numbers in a batch of another size."""
    model = runs.model
    found: list[float] = []
    states_LTD = states_LTD.to(model.device, model.dtype)
    room = Room(model.device, batch_size, "auto")
    room.saw(runs.length)
    while len(found) < len(states_LTD):
        layers = range(len(found), min(len(found) + max(1, room.prompts - 1), len(states_LTD)))
        changes: dict[Place, Change] = {
            (layer, _SITE): _replaced(place, states_LTD[layer]) for place, layer in enumerate(layers, 1)
        }
        try:
            with running(model), replacing(model, changes):
                plain, *changed = runs.logprobs(runs.clean, 1 + len(layers))
        except RuntimeError as error:
            room.shrink(error, len(layers))
        else:
            found += [plain - one for one in changed]
    return np.asarray(found)


def _replaced(row: int, states_TD: Tensor) -> Change:
    def change(states_BTD: Tensor) -> Tensor:
        changed = states_BTD.clone()
        changed[row, -len(states_TD) :] = states_TD
        return changed

    return change
