# SPDX-License-Identifier: Apache-2.0
"""Linear probes: can a label be read from the hidden states of a layer, of people whom the probe never saw? It does
not know what the label means, or how the model was trained.

After Ju et al. 2025, who probe every layer for whether a picture shows a user that was seen in training. Their split
is by picture, so pictures of one user are on both sides, and a probe that knows users by heart looks as if it could
read the label. Here a person's rows are held out together, states of the untuned model are the line to beat, and
random labels show what the same procedure gives where there is nothing to read.

Shapes: ``N`` rows, ``L`` layers, ``D`` width.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.analysis.hooks import module_at, reading
from crossmem_hf.analysis.logistic import LogisticRegression
from crossmem_hf.analysis.representations import Array, check_finite, over_prompts
from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.intervals import (
    CONFIDENCE,
    UNIT,
    Clusters,
    FloatArray,
    mean_interval,
    spread_intervals,
    tail_of,
)
from crossmem_hf.models.modules import text_layers
from crossmem_hf.report.record import Measurement
from crossmem_hf.scoring.batches import Auto, check_size
from crossmem_hf.seeding import seed_for

Split = tuple[NDArray[np.intp], NDArray[np.intp]]
"""(N,) labels, and (N,) the fold that holds each row out."""
_DIFFERENCE = (-1.0, 1.0)
_MARGIN = 2.0
"""Factor of the variance between persons. What two persons have in common counts twice, since each is held out from a
probe that was fitted to the other: up to twice the variance of persons who have nothing to do with one another."""


def layer_states(
    model: Any, processor: Any, rows: Iterable[Row], *, position: int = -1, batch_size: int | Auto = "auto"
) -> NDArray[np.float32]:
    """What every layer puts out at one position of each row's prompt, before the final norm.

    Args:
        model: A causal or image-text-to-text model, with or without adapter. States of the untuned model are those of
            the same rows under its base, or inside peft's ``model.disable_adapter()``.
        rows: Conversational rows with `prompt` and `images` (empty for text).
        position: Counted from the end of the prompt: −1 is its last token, where the answer is predicted. Ju et al.
            take −2.
        batch_size: Prompts at a time; "auto" fits them into the memory there is.

    Returns:
        (N, L, D) in the order of the rows.

    Raises:
        CrossmemError: As `representations.last_token_states`, or a prompt without such a position; the row is named.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> layer_states(*load_model(), load_rows(None, "recall_text", "test[:3]", num_personas=5)).shape
        (3, 4, 128)
    """
    if isinstance(position, bool) or not isinstance(position, int) or position >= 0:
        raise CrossmemError(
            f"position={position!r}; expected a whole number below 0.", "Count from the end of the prompt: -1 is last."
        )
    modules = {layer: module_at(model, layer, "hidden") for layer in range(len(text_layers(model)))}

    def look(inputs: dict[str, Any], numbers: tuple[int, ...]) -> Array:
        real_B = inputs["attention_mask"].sum(dim=1)
        short = [number for number, length in zip(numbers, real_B.tolist(), strict=True) if length < -position]
        if short:
            raise CrossmemError(
                f"Row {short[0]}: its prompt has {int(real_B.min())} tokens and no position {position}.",
                "Choose a position nearer to 0.",
            )
        with reading(modules, lambda states: states[:, position].float().cpu().clone()) as seen:
            model(**inputs, use_cache=False, logits_to_keep=1)
        states_BLD: Array = np.stack([seen[layer].numpy() for layer in modules], axis=1)
        for layer in modules:
            check_finite(states_BLD[:, layer], numbers, f"layer {layer}")
        return states_BLD

    parts = list(over_prompts(model, processor, rows, look, batch_size=batch_size))
    order = np.argsort([number for numbers, _ in parts for number in numbers])
    return np.concatenate([states for _, states in parts])[order].astype(np.float32, copy=False)


def probe(
    states_NLD: NDArray[Any],
    labels: Sequence[Any],
    persons: Sequence[Any],
    *,
    untuned_NLD: NDArray[Any] | None = None,
    num_folds: int = 5,
    num_repeats: int = 5,
    strength: float = 1.0,
    seed: int = 0,
) -> list[Measurement]:
    """How well each layer's states tell the labels of held-out people, with all that it must be compared to.

    Args:
        labels: Of each row, at least two different ones, each of at least two persons.
        persons: Of each row, whom it is about; a number a row makes the leaking split by picture of Ju et al.
        untuned_NLD: States of the same rows in the model before training, of any width.
        num_folds: Into which persons are dealt, those with the same labels evenly; each is held out once a repeat. 5
            holds out 20 %, as Ju et al. Best a divisor of the number of persons of each label.
        strength: ``C`` of the logistic regression; 1 is scikit-learn's default.
        seed: Of folds and random labels.

    Returns:
        Of every layer, shares of rows with 95 % intervals over persons: ``probe_accuracy``, its chance the
        share of the most frequent label; ``probe_random``, the same with labels in other hands (whole persons' where
        each has one, else rows'), about chance, or below where folds are uneven; ``probe_selectivity``, −1 to 1,
        accuracy minus that; with `untuned_NLD` also ``probe_untuned`` and ``probe_gain``, −1 to 1, accuracy minus
        that, row by row: it alone speaks of training.

    Raises:
        CrossmemError: Shapes or numbers that do not fit, states that are not finite, or too few labels or persons.

    Reference:
        Ju et al., https://huggingface.co/papers/2503.01208; Hewitt and Liang, https://huggingface.co/papers/1909.03368,
        whose random labels are of word types where ours are of persons.

    Example:
        >>> persons = [number // 4 for number in range(80)]
        >>> labels = ["seen" if person % 2 else "unseen" for person in persons]
        >>> states = np.random.default_rng(0).standard_normal((80, 2, 3))
        >>> states[:, 1, 0] += [4.0 if label == "seen" else -4.0 for label in labels]
        >>> [found.value for found in probe(states, labels, persons) if found.metric == "probe_accuracy"][1]
        1.0
    """
    _check_states(states_NLD, states_NLD if untuned_NLD is None else untuned_NLD, len(labels))
    clusters, codes = _checked(labels, persons, num_folds, num_repeats)
    rngs = [np.random.default_rng(seed_for(seed, "probe", repeat)) for repeat in range(num_repeats)]
    true = [_dealt(codes, clusters.persona, num_folds, rng) for rng in rngs]
    random = [_dealt(_random_labels(codes, clusters.persona, rng), clusters.persona, num_folds, rng) for rng in rngs]
    chance = float(np.bincount(codes).max() / len(codes))
    found: list[Measurement] = []
    for layer in range(states_NLD.shape[1]):
        right = {"accuracy": _right(states_NLD[:, layer], true, strength)}
        right["random"] = _right(states_NLD[:, layer], random, strength)
        right["selectivity"] = right["accuracy"] - right["random"]
        if untuned_NLD is not None:
            right["untuned"] = _right(untuned_NLD[:, layer], true, strength)
            right["gain"] = right["accuracy"] - right["untuned"]
        found += _measurements(layer, right, clusters, chance)
    return found


def _check_states(states_NLD: NDArray[Any], untuned_NLD: NDArray[Any], num_rows: int) -> None:
    if states_NLD.ndim != 3 or len(states_NLD) != num_rows:
        raise CrossmemError(
            f"States of the shape {states_NLD.shape} came with {num_rows} labels; expected (rows, layers, width) "
            "and a label a row.",
            "Pass what layer_states gives, and labels in the order of its rows.",
        )
    if untuned_NLD.ndim != 3 or untuned_NLD.shape[:2] != states_NLD.shape[:2]:
        raise CrossmemError(
            f"untuned_NLD has the shape {untuned_NLD.shape}, the tuned states {states_NLD.shape}.",
            "Take states of the same rows and layers from both models.",
        )
    if not (np.isfinite(states_NLD).all() and np.isfinite(untuned_NLD).all()):
        raise CrossmemError("A state is not finite.", "Load the model in bfloat16 or float32.")


def _checked(
    labels: Sequence[Any], persons: Sequence[Any], num_folds: int, num_repeats: int
) -> tuple[Clusters, NDArray[np.intp]]:
    """The persons of the rows, and their labels as numbers from 0."""
    for name, number, least in (("num_folds", num_folds, 2), ("num_repeats", num_repeats, 1)):
        check_size(name, number)
        if number < least:
            raise CrossmemError(f"{name}={number}; expected at least {least}.", "Pass 5, as by default.")
    if any(label is None for label in labels):
        raise CrossmemError(f"Row {list(labels).index(None)} has no label.", "Leave out rows without one.")
    try:
        clusters = Clusters.of(persons, len(labels))
    except ValueError as error:
        raise CrossmemError(f"The persons do not fit the rows: {error}", "Give every row its person.") from error
    names, inverse = np.unique([str(label) for label in labels], return_inverse=True)
    codes, num_persons = inverse.astype(np.intp), len(clusters.seed)
    of_labels = [len(np.unique(clusters.persona[codes == label])) for label in range(len(names))]
    if len(of_labels) < 2 or min(of_labels) < 2 or num_persons < num_folds:
        raise CrossmemError(
            f"{len(of_labels)} labels, of {min(of_labels)} persons or more, and {num_persons} persons for {num_folds} "
            "folds; expected two labels of two persons, and a person a fold.",
            "Add persons, pass fewer folds, or ask about another label.",
        )
    return clusters, codes


def _dealt(labels_N: NDArray[np.intp], persons_N: NDArray[np.intp], num_folds: int, rng: np.random.Generator) -> Split:
    """The labels, and folds that hold all rows of a person, with persons of the same labels dealt evenly."""
    kinds: dict[tuple[int, ...], list[int]] = {}
    for person in range(int(persons_N.max()) + 1):
        kinds.setdefault(tuple(np.unique(labels_N[persons_N == person]).tolist()), []).append(person)
    dealt = np.concatenate([rng.permutation(kinds[kind]) for kind in sorted(kinds)])
    fold = np.empty(len(dealt), dtype=np.intp)
    fold[dealt] = np.arange(len(dealt)) % num_folds
    return labels_N, fold[persons_N]


def _random_labels(
    labels_N: NDArray[np.intp], persons_N: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """The labels in other hands: persons' where each has one, else rows'."""
    firsts = np.unique(persons_N, return_index=True)[1]
    of_person = labels_N[firsts]
    if (of_person[persons_N] == labels_N).all():
        return rng.permutation(of_person)[persons_N]
    return rng.permutation(labels_N)


def _right(states_ND: NDArray[Any], repeats: Sequence[Split], strength: float) -> FloatArray:
    """(N,) in which share of the repeats each row's label was told by probes that did not see its person."""
    right_N = np.zeros(len(states_ND))
    for labels_N, folds_N in repeats:
        for fold in range(int(folds_N.max()) + 1):
            held = folds_N == fold
            seen, codes = np.unique(labels_N[~held], return_inverse=True)
            fitted = LogisticRegression.fit(states_ND[~held], codes, strength=strength)
            right_N[held] += seen[fitted.predict(states_ND[held])] == labels_N[held]
    return right_N / len(repeats)


def _measurements(
    layer: int, right: Mapping[str, FloatArray], clusters: Clusters, chance: float
) -> Iterator[Measurement]:
    for name, values_N in right.items():
        differs = name in ("selectivity", "gain")
        yield Measurement(
            metric=f"probe_{name}",
            where={"layer": layer},
            value=float(values_N.mean()),
            ci=_interval(values_N, clusters, _DIFFERENCE if differs else UNIT),
            n=len(values_N),
            chance=None if differs else chance,
            unit="proportion",
            greater_means="more of the label can be read",
        )


def _interval(values_N: FloatArray, clusters: Clusters, bounds: tuple[float, float]) -> tuple[float, float]:
    """That of a mean over rows, or with the variance between persons times `_MARGIN` if that is wider."""
    sums, counts = clusters.table(values_N[:, None])
    left_K = ((sums.sum() - sums) / (counts.sum() - counts))[:, 0]
    value, tail = values_N.mean(keepdims=True), tail_of(CONFIDENCE)
    wide = spread_intervals(value, left_K[None], len(left_K), bounds, tail, _MARGIN)[0].tolist()
    ends = (*mean_interval(values_N, clusters, bounds=bounds), *wide)
    return min(ends), max(ends)
