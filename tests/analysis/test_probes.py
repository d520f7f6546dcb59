# SPDX-License-Identifier: Apache-2.0
"""Probes find a label in the layer where it was planted and nowhere else; the faults of a split by picture."""

import numpy as np
import pytest
import torch

from crossmem_hf.analysis.probes import layer_states, probe
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modules import modules_of
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import encode
from tests.training import tiny

PERSONS = np.arange(40).repeat(5)
LABELS = PERSONS % 2
SIGN = (2.0 * LABELS - 1.0)[:, None]
FEW = {"num_repeats": 2}


def noise(width=8, seed=0, rows=200):
    return np.random.default_rng(seed).standard_normal((rows, width))


def identity(width=60, seed=1):
    """States that tell who it is, and nothing else: a vector a person, and a little noise."""
    return noise(width, seed, 40)[PERSONS] + 0.1 * noise(width, seed + 1)


def of(found, metric):
    return [one for one in found if one.metric == metric]


def contains(measurement, value):
    low, high = measurement.ci
    return low <= value <= high


def test_label_is_found_in_the_one_layer_that_has_it():
    states = np.stack([noise(seed=layer) for layer in range(4)], axis=1)
    states[:, 2, :1] += 3 * SIGN
    found = probe(states, LABELS, PERSONS, **FEW)
    accuracy, selectivity = of(found, "probe_accuracy"), of(found, "probe_selectivity")
    assert [one.where for one in accuracy] == [{"layer": layer} for layer in range(4)]
    assert accuracy[2].value > 0.98
    assert accuracy[2].ci[0] > accuracy[2].chance == 0.5
    assert selectivity[2].ci[0] > 0.2
    for layer in (0, 1, 3):
        assert contains(accuracy[layer], 0.5)
        assert contains(selectivity[layer], 0.0)
    assert all(contains(one, 0.5) for one in of(found, "probe_random"))


def test_three_labels_and_their_chance():
    labels = np.array(["a", "a", "b", "c"])[PERSONS % 4]
    states = noise() + 5 * np.stack([labels == name for name in "abcabcab"], axis=1)
    first, *_ = probe(np.stack([states, noise(seed=3)], axis=1), labels, PERSONS, **FEW)
    assert (first.chance, first.n) == (0.5, 200)
    assert first.value > 0.95


def test_split_by_picture_leaks_who_it_is_and_by_person_not():
    """Ju et al. split pictures at random: of 20 users a class, all are on both sides."""
    states = identity()[:, None]
    by_picture = of(probe(states, LABELS, range(200), **FEW), "probe_accuracy")[0]
    by_person = of(probe(states, LABELS, PERSONS, **FEW), "probe_accuracy")[0]
    assert by_picture.value > 0.95
    assert contains(by_person, 0.5)
    assert by_person.value < 0.75


def test_random_labels_of_persons_are_at_chance_by_person():
    labels = np.random.default_rng(5).permutation(np.arange(40) % 2)[PERSONS]
    found = probe(identity()[:, None], labels, PERSONS, **FEW)
    assert contains(of(found, "probe_accuracy")[0], 0.5)
    assert contains(of(found, "probe_random")[0], 0.5)


def test_what_the_untuned_model_tells_too_is_no_gain():
    """Names of two lists differ in words: both models tell them apart in layer 0, the tuned one alone in layer 1."""
    untuned = np.stack([noise(seed=1), noise(seed=2)], axis=1)
    untuned[:, 0, :1] += 4 * SIGN
    tuned = untuned + 0.01 * noise(seed=3)[:, None]
    tuned[:, 1, :1] += 4 * SIGN
    found = probe(tuned, LABELS, PERSONS, untuned_NLD=untuned, **FEW)
    words, learned = of(found, "probe_gain")
    assert [one.value > 0.98 for one in of(found, "probe_accuracy")] == [True, True]
    assert contains(words, 0.0)
    assert learned.ci[0] > 0.2
    assert [one.value > 0.9 for one in of(found, "probe_untuned")] == [True, False]


def test_labels_may_vary_within_a_person():
    labels = np.tile(np.arange(5) % 2, 40)
    states = np.stack([identity(), identity(seed=7)], axis=1)
    states[:, 1, :1] += 9 * (2 * labels - 1)[:, None]
    nothing, planted = of(probe(states, labels, PERSONS, num_repeats=1), "probe_accuracy")
    assert nothing.value < 0.7
    assert planted.value > 0.95
    assert planted.chance == 0.6


def test_intervals_hold_chance_in_random_worlds():
    """At 95 %, with some room for luck."""
    persons = np.arange(20).repeat(3)
    held = 0
    for seed in range(50):
        states = noise(4, seed, 20)[persons] + 0.3 * noise(4, seed + 1000, 60)
        held += contains(of(probe(states[:, None], persons % 2, persons, num_repeats=1), "probe_accuracy")[0], 0.5)
    assert held >= 45


def test_seed_fixes_the_folds():
    states = identity()[:, None] + 0.5 * noise(60, 4)[:, None]
    once, again, other = (probe(states, LABELS, PERSONS, seed=seed, num_repeats=1) for seed in (0, 0, 1))
    assert once == again != other


@pytest.mark.parametrize("position", [-1, -2])
@pytest.mark.parametrize("sees", [True, False])
def test_layer_states_are_those_that_the_model_reports(sees, position):
    rows = [tiny.row(persona, kind, view) for view in (0, 1) for persona in ("p0", "p3") for kind in ("image", "text")]
    model, processor = (tiny.model(), tiny.processor()) if sees else tiny.text_model()
    rows = rows if sees else [row for row in rows if not row["images"]]
    found = layer_states(model.eval(), processor, rows, position=position, batch_size=3)
    assert found.dtype == np.float32
    for row, states in zip(rows, found, strict=True):
        inputs = encode(processor, [prompt_text(processor, row)], [row["images"]] if row["images"] else [])
        with torch.no_grad():
            reported = model(**inputs, output_hidden_states=True).hidden_states
            last = list(modules_of(model).norms.values())[-1](torch.tensor(states[-1]))
        wanted = [layer[0, position].numpy() for layer in reported[1:]]
        np.testing.assert_allclose([*states[:-1], last.numpy()], wanted, atol=1e-5)


def test_positions_that_are_not_there():
    model, rows = tiny.model(), [tiny.row("p0")]
    with pytest.raises(CrossmemError, match=r"position=0; expected a whole number below 0"):
        layer_states(model, tiny.processor(), rows, position=0)
    with pytest.raises(CrossmemError, match=r"Row 0: its prompt has \d+ tokens and no position -500"):
        layer_states(model, tiny.processor(), rows, position=-500)


def test_faults_are_named():
    states = noise()[:, None]
    for change, message in (
        ({"labels": LABELS[:5]}, "came with 5 labels"),
        ({"labels": [None, *LABELS[1:]]}, "Row 0 has no label"),
        ({"labels": np.zeros(200)}, "1 labels"),
        ({"labels": PERSONS == 3}, "of 1 persons or more"),
        ({"persons": PERSONS[:5]}, "5 entries for 200 rows"),
        ({"num_folds": 41}, "40 persons for 41 folds"),
        ({"num_folds": 1}, "num_folds=1; expected at least 2"),
        ({"num_repeats": 0}, "num_repeats=0"),
        ({"untuned_NLD": states[:5]}, "untuned_NLD has the shape"),
        ({"states_NLD": states * np.nan}, "not finite"),
        ({"untuned_NLD": states * np.inf}, "not finite"),
    ):
        with pytest.raises(CrossmemError, match=message):
            probe(**{"states_NLD": states, "labels": LABELS, "persons": PERSONS, **change})
