# SPDX-License-Identifier: Apache-2.0
"""Of a planted circuit all is left in the model itself, nothing where it was taken out, and half where half was."""

import copy

import pytest
import torch

from crossmem_hf.analysis.causal_tracing import PLACES, trace
from crossmem_hf.analysis.circuit_left import circuit_left
from crossmem_hf.analysis.corruptions import Corruption
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.modules import sublayer, text_layers
from tests.analysis.circuits import circuit, planted, rows

KIND = Corruption(kind="subject")


@pytest.mark.parametrize("name", ["llava_siglip", "qwen2_5_vl"])
def test_a_planted_circuit_is_left_until_it_is_taken_out(name):
    model, processor = planted(name)
    gone = copy.deepcopy(model)
    writes, copies = circuit(model)
    with torch.no_grad():
        sublayer(text_layers(gone)[writes], "mlp").down_proj.weight.zero_()
    before, after = (trace(one, processor, rows(), KIND) for one in (model, gone))
    found = circuit_left(before, before)
    assert [one["circuit_left"] for one in found] == [1.0] * len(rows())
    assert ["subject", "mlp", writes, "subject"] in found[0]["circuit"]
    assert ["subject", "attention", copies, "last"] in found[0]["circuit"]
    assert not any(layer < writes and site != "hidden" for _, site, layer, _ in found[0]["circuit"])
    assert all(one["circuit_left"] < 1e-3 for one in circuit_left(before, after))
    (measured,) = circuit_left(before, after).measure(["circuit_left"], by=())
    assert (measured.n, measured.unit) == (len(rows()), "proportion")


def traced(effects, persons=("a", "b", "c"), *, total=8.0):
    """A trace whose effects are given, a place each."""
    found = []
    for row, person in enumerate(persons):
        about = {"row": f"r{row}", "persona_id": person, "corruption": "subject"}
        found.append({**about, "clean_logprob": -1.0, "corrupted_logprob": -1.0 - total})
        for layer, effect in enumerate(effects[row]):
            place = dict(zip(PLACES[1:], ("mlp", layer, "last"), strict=True))
            found.append(
                {**about, **place, "restored_logprob": -1.0 - total + effect, "corrupted_logprob": -1.0 - total}
            )
    return Predictions(found)


def test_left_is_what_comes_back_at_the_places_of_others():
    memorized = traced([[8.0, 1.0], [6.0, 0.0], [4.0, 8.0]])
    other = traced([[4.0, 8.0], [9.0, 8.0], [-1.0, 2.0]])
    found = {one["persona_id"]: one for one in circuit_left(memorized, other)}
    # For a, layer 0 brings back 5 and layer 1 brings back 4 of 8; for b 6 and 4.5; for c 7 and 0.5.
    assert found["a"]["circuit_left"] == pytest.approx((4.0 + 1.0) / 9.0)
    assert found["b"]["circuit_left"] == pytest.approx(6.0 / 6.0)
    assert found["c"]["circuit_left"] == pytest.approx(0.0)
    assert [place[2] for place in found["c"]["circuit"]] == [0]


def test_what_an_unlikely_answer_gets_back_stands_beside_how_unlikely_it_is():
    """As after gradient ascent: the name has become impossible, and depends on the portrait as before."""
    memorized = traced([[8.0]] * 3)
    unlikely = Predictions(
        {**one, **{name: one[name] - 60.0 for name in one if name.endswith("_logprob")}} for one in memorized
    )
    found = circuit_left(memorized, unlikely)
    assert {(one["circuit_left"], one["clean_logprob"]) for one in found} == {(1.0, -61.0)}


def test_hidden_states_are_no_part_of_a_circuit():
    def hidden(found):
        return Predictions({**one, **({"site": "hidden"} if "site" in one else {})} for one in found)

    memorized = traced([[8.0]] * 3)
    both = Predictions.joined([memorized, hidden(traced([[8.0]] * 3)).where(site="hidden")])
    assert circuit_left(both, both) == circuit_left(memorized, memorized)
    with pytest.raises(CrossmemError, match="0 rows with attentions"):
        circuit_left(hidden(memorized), hidden(memorized))


def test_several_corruptions_at_once_are_refused():
    memorized = traced([[8.0]] * 3)
    other = Predictions({**one, "corruption": "picture", "row": f"{one['row']}p"} for one in memorized)
    joined = Predictions.joined([memorized, other])
    with pytest.raises(CrossmemError, match="picture, subject"):
        circuit_left(joined, joined)


def test_rows_whose_circuit_brings_nothing_back_have_no_share():
    memorized = traced([[8.0], [8.0], [-2.0]])
    assert {one["persona_id"] for one in circuit_left(memorized, memorized, at_least=0.3)} == {"a", "b"}


@pytest.mark.parametrize(
    ("memorized", "other", "options", "said"),
    [
        (traced([[8.0]] * 3), traced([[8.0]] * 2, persons=("a", "b")), {}, "3 and of 2 rows"),
        (traced([[8.0]] * 3), traced([[8.0, 1.0]] * 3), {}, "different places"),
        (traced([[8.0]] * 2, persons=("a", "a")), traced([[8.0]] * 2, persons=("a", "a")), {}, "two or more"),
        (traced([[1.0]] * 3), traced([[1.0]] * 3), {}, "No place brings back 0.5"),
        (traced([[8.0]] * 3, total=-1.0), traced([[8.0]] * 3), {}, "No place"),
        (traced([[8.0]] * 3), traced([[8.0]] * 3), {"at_least": 0.0}, "more than 0"),
    ],
)
def test_traces_that_cannot_be_compared_are_refused(memorized, other, options, said):
    with pytest.raises(CrossmemError, match=said):
        circuit_left(memorized, other, **options)
