# SPDX-License-Identifier: Apache-2.0
"""Documents: cosines by hand and to the bit whatever the neighbors, and embeddings that are the base's alone."""

import math

import numpy as np
import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.documents import BaseStates, Document, DocumentIndex
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.inputs import encode
from tests.interventions.adapted import FAMILIES, NAMES, adapted, fill
from tests.training import tiny

TEXTS = [Document(text) for text in ("Who is this?", "Someone red, seen 0 times.", "Someone blue")]


def picture(color):
    return tiny.row(color)["images"]


def index_of(vectors):
    """An index of these vectors, by the number that a document's text is."""
    return DocumentIndex(lambda documents: [vectors[int(one.text)] for one in documents])


def numbered(*numbers):
    return [Document(str(number)) for number in numbers]


def test_golden_value():
    index = index_of([[3.0, 4.0], [0.0, -2.0], [10.0, 0.0]])
    index.add(numbered(0, 1))
    (query_D,) = index.embedded(numbered(2))
    np.testing.assert_allclose(index.cosines(query_D), [0.6, 0.0], atol=1e-15)
    index.add(numbered(2))
    assert len(index) == 3
    np.testing.assert_allclose(index.cosines(query_D), [0.6, 0.0, 1.0], atol=1e-15)


def test_only_directions_count():
    index = index_of([[3.0, 4.0], [300.0, 400.0]])
    index.add(numbered(0, 1))
    one, other = index.cosines(index.embedded(numbered(0))[0])
    assert one == pytest.approx(other, abs=1e-15)


def test_cosine_is_the_same_bits_whatever_its_neighbors():
    vectors = np.random.default_rng(0).normal(size=(60, 37))
    query_D = index_of(vectors).embedded(numbered(59))[0]
    alone = []
    for number in range(50):
        index = index_of(vectors)
        index.add(numbered(number))
        alone.append(index.cosines(query_D)[0])
    for order in (range(50), range(49, -1, -1), [*range(1, 50, 2), *range(0, 50, 2)]):
        index = index_of(vectors)
        index.add(numbered(*order))
        assert index.cosines(query_D).tolist() == [alone[number] for number in order]


def test_empty_index_is_near_to_nothing():
    assert index_of([]).cosines(np.ones(3)).shape == (0,)


@pytest.mark.parametrize("kind", [torch.tensor, lambda rows: torch.tensor(rows).bfloat16(), np.array, list])
def test_embeddings_may_be_tensors_or_arrays(kind):
    index = DocumentIndex(lambda documents: kind([[1.0, 0.0]] * len(documents)))
    index.add(TEXTS)
    assert index.cosines(np.array([1.0, 0.0])).tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ([[1.0], [math.nan]], "document 1 has length nan"),
        ([[1.0], [math.inf]], "document 1 has length inf"),
        ([[0.0], [1.0]], "document 0 has length 0"),
        ([[1.0]], r"2 documents have the shape \(1, 1\)"),
        ([1.0, 2.0], r"have the shape \(2,\)"),
    ],
)
def test_embeddings_without_direction_are_errors(found, named):
    with pytest.raises(CrossmemError, match=named):
        DocumentIndex(lambda _: found).add(TEXTS[:2])


@pytest.mark.parametrize("documents", [[], ["a text"]])
def test_what_is_no_document_is_an_error(documents):
    with pytest.raises(CrossmemError, match="expected documents, at least one"):
        index_of([[1.0]]).add(documents)


def test_widths_must_agree():
    index = index_of([[1.0, 2.0], [1.0, 2.0, 3.0]])
    index.add(numbered(0))
    for add in (lambda: index.add(numbered(1)), lambda: index.cosines(np.ones(3))):
        with pytest.raises(CrossmemError, match="width 3 among those of width 2"):
            add()


def test_document_does_not_print_what_it_says():
    assert repr(Document("a secret", picture("p0"))) == "Document(8 characters, 1 images)"


@pytest.mark.parametrize("family", FAMILIES)
def test_base_states_are_means_of_the_base(family):
    model, processor = adapted(family)
    turn = {"prompt": [{"role": "user", "content": TEXTS[0].text}], "images": []}
    inputs = encode(processor, [prompt_text(processor, turn)], [[]])
    with model.disable_adapter(), torch.no_grad():
        wanted = model(**inputs, output_hidden_states=True).hidden_states[-1][0].mean(0)
    np.testing.assert_allclose(BaseStates(model, processor)(TEXTS[:1])[0], wanted, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_base_states_know_nothing_of_adapters_and_neighbors(family):
    model, processor = adapted(family)
    embed = BaseStates(model, processor)
    before = embed(TEXTS)
    for name in NAMES:
        fill(model, name, value=math.nan)
    assert np.array_equal(embed(TEXTS), before)
    assert np.array_equal(np.concatenate([embed([one]) for one in TEXTS]), before)
    assert model.active_adapters == ["board"]
    assert len({row.tobytes() for row in before}) == 3


def test_base_states_see_pictures():
    model, processor = adapted("llava")
    index = DocumentIndex(BaseStates(model, processor))
    index.add([Document("Who is this?", picture(color)) for color in ("p0", "p1")])
    near, far = index.cosines(index.embedded([Document("Who is this?", picture("p0"))])[0])
    assert near == pytest.approx(1, abs=1e-12)
    assert far < near - 1e-6


def test_pictures_need_a_tower():
    model, processor = adapted("llama")
    with pytest.raises(CrossmemError, match="has no image tower"):
        BaseStates(model, processor)([Document("Who?", picture("p0"))])
