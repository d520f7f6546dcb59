# SPDX-License-Identifier: Apache-2.0
"""States behind prompts, by plain forward passes; their streamed geometry, by the measurement of kept states."""

import numpy as np
import pytest
import torch

from crossmem_hf.analysis import representations
from crossmem_hf.analysis.representations import StateMoments, last_token_states, representation_geometry
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.representation_geometry.geometry_math import geometry_summary, spectrum_of
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import encode
from tests.training import tiny

ROWS = [
    tiny.row(persona, modality, view)
    for view in range(5)
    for persona in tiny.PERSONAS
    for modality in ("image", "text")
]


@pytest.fixture(scope="module")
def model():
    return tiny.model().eval()


def plain(model, processor, rows, layer):
    """A forward pass a row."""
    states = []
    for row in rows:
        inputs = encode(processor, [prompt_text(processor, row)], [row["images"]] if row["images"] else [])
        with torch.no_grad():
            states.append(model(**inputs, output_hidden_states=True).hidden_states[layer][0, -1].double().numpy())
    return np.stack(states)


def kept(model, processor, rows, **options):
    """The states in the order of the rows."""
    found = {}
    for numbers, states in last_token_states(model, processor, rows, **options):
        found |= dict(zip(numbers, states, strict=True))
    assert sorted(found) == list(range(len(rows)))
    return np.stack([found[number] for number in range(len(rows))])


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_states_are_those_of_plain_passes_in_any_batch(model, layer):
    wanted = plain(model, tiny.processor(), ROWS, layer)
    for batch_size in (1, 7, "auto"):
        found = kept(model, tiny.processor(), ROWS, layer=layer, batch_size=batch_size)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_text_models_have_states_too():
    model, tokenizer = tiny.text_model()
    texts = [row for row in ROWS if not row["images"]]
    found = kept(model.eval(), tokenizer, texts)
    np.testing.assert_allclose(found, plain(model, tokenizer, texts, -1), atol=1e-5)


@pytest.mark.parametrize("form", ["eigenvalue", "singular"])
def test_geometry_is_that_of_the_measurement(model, form):
    options = {"form": form, "rank_range": (2, 8)}
    wanted = geometry_summary(spectrum_of(kept(model, tiny.processor(), ROWS, batch_size=5)), **options)
    found = representation_geometry(model, tiny.processor(), ROWS, batch_size=5, **options)
    assert found == pytest.approx(wanted)
    assert (found["n"], found["dim"]) == (40, 32)


def test_rows_are_read_as_they_are_needed(model, monkeypatch):
    monkeypatch.setattr(representations, "ROWS_AT_A_TIME", 8)
    read = []
    states = last_token_states(model, tiny.processor(), (read.append(1) or row for row in ROWS), batch_size=4)
    numbers, _ = next(states)
    assert len(read) == 8
    assert sorted([*numbers, *(number for part, _ in states for number in part)]) == list(range(40))


def test_moments_of_parts_are_those_of_the_whole_far_from_zero():
    states = np.random.default_rng(0).standard_normal((300, 12)) * np.arange(1, 13) ** -1.0 + 1e6
    moments = StateMoments(12)
    for part in np.split(states, [1, 4, 4, 150]):
        moments.add(part)
    np.testing.assert_allclose(moments.spectrum().eigenvalues, spectrum_of(states).eigenvalues, rtol=1e-8)
    assert moments.n == 300
    np.testing.assert_allclose(moments.mean_D, states.mean(axis=0))


def test_faults_are_named(model, monkeypatch):
    with pytest.raises(CrossmemError, match="no rows"):
        representation_geometry(model, tiny.processor(), [])
    with pytest.raises(CrossmemError, match=r"layer=3; .* hidden states 0 \(embeddings\) to 2"):
        representation_geometry(model, tiny.processor(), ROWS, layer=3)
    with pytest.raises(CrossmemError, match="40 states of width 32 differ in"):
        representation_geometry(model, tiny.processor(), ROWS)
    monkeypatch.setattr(representations, "ROWS_AT_A_TIME", 8)
    with pytest.raises(CrossmemError, match="Row 9"):
        representation_geometry(model, tiny.processor(), [*ROWS[:9], {**ROWS[9], "prompt": 3}])
