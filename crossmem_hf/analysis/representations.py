# SPDX-License-Identifier: Apache-2.0
"""The geometry of a model's hidden states over rows, without keeping the states. It does not know the formulas."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.representation_geometry.geometry_math import (
    RANK_RANGE,
    FloatArray,
    Form,
    Spectrum,
    geometry_summary,
    spectrum_of_covariance,
)
from crossmem_hf.scoring.batches import Auto, Room, in_batches
from crossmem_hf.scoring.inputs import check_rows
from crossmem_hf.scoring.prefill import PromptBatch

ROWS_AT_A_TIME: Final = 512
"""How many rows are sorted by length together; their pictures are held meanwhile."""
Array = NDArray[Any]
Look = Callable[[dict[str, Any], tuple[int, ...]], Array]


class StateMoments:
    """Number, mean and scatter of states that come in parts, in float64: all that their spectrum needs.

    Parts are joined by their means (Chan et al. 1979), so a mean far from 0 costs no digits.

    Args:
        dim: Width of a state. Takes `dim` squared numbers, however many states come.

    Example:
        >>> moments = StateMoments(2)
        >>> for part in ([[3.0, 0.0], [-3.0, 0.0]], [[0.0, 1.0], [0.0, -1.0]]):
        ...     moments.add(np.array(part))
        >>> moments.spectrum().eigenvalues
        array([0.9, 0.1])
    """

    def __init__(self, dim: int) -> None:
        self.n = 0
        self.mean_D = np.zeros(dim)
        self._scatter_DD = np.zeros((dim, dim))

    def add(self, states_ND: FloatArray) -> None:
        """Count some more states, (N, dim) finite numbers."""
        states = np.asarray(states_ND, dtype=np.float64)
        if not len(states):
            return
        mean_D = states.mean(axis=0)
        centered_ND, moved_D, total = states - mean_D, mean_D - self.mean_D, self.n + len(states)
        self._scatter_DD += centered_ND.T @ centered_ND
        self._scatter_DD += np.outer(moved_D, moved_D) * (self.n * len(states) / total)
        self.mean_D = self.mean_D + moved_D * (len(states) / total)
        self.n = total

    def spectrum(self) -> Spectrum:
        """The spectrum of all states so far.

        Raises:
            ValueError: Fewer than two states, or states that are all the same.
        """
        return spectrum_of_covariance(self._scatter_DD / max(self.n, 1), self.n)


def last_token_states(
    model: Any, processor: Any, rows: Iterable[Row], *, layer: int = -1, batch_size: int | Auto = "auto"
) -> Iterator[tuple[tuple[int, ...], FloatArray]]:
    """Hidden states behind each row's prompt, where the answer would begin.

    Rows are read as they are needed; of a long dataset no more than `ROWS_AT_A_TIME` are held.

    Args:
        model: A causal or image-text-to-text model, with or without adapter.
        processor: Its processor; needs a chat template.
        rows: Conversational rows with `prompt` and `images` (empty for text).
        layer: As transformers counts hidden states: 0 is what enters the first layer, 1 what leaves it, -1 what
            enters the head, behind the final norm in most families.
        batch_size: Prompts at a time; "auto" fits them into the memory there is.

    Yields:
        (numbers, states): which rows, counted from 0, and (rows, width) their states, float64; shorter prompts later.

    Raises:
        CrossmemError: No rows, rows that cannot be asked, a layer that there is not, a model that gives no hidden
            states, or a state that holds infinite numbers or NaN; the row is named.
    """
    yield from over_prompts(
        model, processor, rows, lambda inputs, numbers: _states(model, inputs, layer, numbers), batch_size=batch_size
    )


def over_prompts(
    model: Any, processor: Any, rows: Iterable[Row], look: Look, *, batch_size: int | Auto = "auto"
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """What `look` makes of the prompts of rows, batch by batch, without gradients; rows are read as they are needed.

    Args:
        look: From left-padded inputs and the numbers of their rows to an array with an entry a row.

    Yields:
        (numbers, array): which rows, counted from 0, and what was made of them.

    Raises:
        CrossmemError: No rows, or rows that cannot be asked.
    """
    waiting, first = iter(rows), 0
    while part := list(islice(waiting, ROWS_AT_A_TIME)):
        checked = check_rows(part, model, processor, first=first)

        def looked(batch: PromptBatch, _: Room) -> tuple[tuple[int, ...], Array]:
            numbers = tuple(group.rows[0] + first for group in batch.groups)  # noqa: B023  # used before `first` moves
            return numbers, look(batch.inputs, numbers)

        yield from in_batches(model, processor, checked, looked, share=False, batch_size=batch_size)
        first += len(part)
    if not first:
        check_rows([], model, processor)


def representation_geometry(
    model: Any,
    processor: Any,
    rows: Iterable[Row],
    *,
    layer: int = -1,
    form: Form = "eigenvalue",
    rank_range: Sequence[int] | None = RANK_RANGE,
    batch_size: int | Auto = "auto",
) -> dict[str, float]:
    """RankMe, alpha-ReQ and participation ratio of a model's states behind the prompts of rows.

    The numbers are those of the measurement `crossmem/representation_geometry` of the same states, which are not kept:
    memory does not grow with the rows.

    Args:
        layer: As for `last_token_states`.
        form: "eigenvalue" or "singular"; see `rankme` of the measurement.
        rank_range: First and last rank that alpha-ReQ is fitted on; None leaves it out, as narrow models need.

    Returns:
        rankme, alpha_req, alpha_r2, participation_ratio, n (rows) and dim (width of a state).

    Raises:
        CrossmemError: As `last_token_states`, or too few rows or too narrow states for the rank range.

    Reference:
        https://huggingface.co/papers/2509.23024

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> rows = load_rows(None, "recall_text", "train", num_personas=5)
        >>> sorted(representation_geometry(*load_model(), rows, rank_range=None))
        ['dim', 'n', 'participation_ratio', 'rankme']
    """
    moments = None
    for _, states_ND in last_token_states(model, processor, rows, layer=layer, batch_size=batch_size):
        moments = moments or StateMoments(states_ND.shape[1])
        moments.add(states_ND)
    assert moments is not None  # no rows are an error
    try:
        return geometry_summary(moments.spectrum(), form=form, rank_range=rank_range)
    except ValueError as error:
        raise CrossmemError(
            f"The states of layer {layer} have no such geometry: {error}", "Change the rows, the layer or the range."
        ) from error


def _states(model: Any, inputs: dict[str, Any], layer: int, numbers: Sequence[int]) -> FloatArray:
    """(B, D) the states at the last position, which is that of the last token, as prompts are padded on the left."""
    out = model(**inputs, output_hidden_states=True, use_cache=False, logits_to_keep=1)
    hidden = getattr(out, "hidden_states", None)
    if not hidden:
        raise CrossmemError(
            f"{type(model).__name__} gives no hidden states.", "Take a model that knows output_hidden_states."
        )
    if not -len(hidden) <= layer < len(hidden):
        raise CrossmemError(
            f"layer={layer!r}; {type(model).__name__} has hidden states 0 (embeddings) to {len(hidden) - 1}.",
            f"Choose one of them, or count back from -1 to {-len(hidden)}.",
        )
    states: FloatArray = hidden[layer][:, -1].double().cpu().numpy()
    check_finite(states, numbers, f"layer {layer}")
    return states


def check_finite(states_BD: Array, numbers: Sequence[int], place: str) -> None:
    """Nothing, if the states of these rows are finite.

    Raises:
        CrossmemError: One is not; its row and the place are named.
    """
    for number, state in zip(numbers, states_BD, strict=True):
        if not np.isfinite(state).all():
            raise CrossmemError(
                f"Row {number}: the state of {place} holds {state[~np.isfinite(state)][0]}; expected finite numbers.",
                "Load the model in bfloat16 or float32.",
            )
