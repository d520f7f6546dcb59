# SPDX-License-Identifier: Apache-2.0
"""An answer that is only not said is found in the layers, one that was taken out of them is not, and scores are what a
pass a layer over whole sequences gives."""

import copy

import numpy as np
import pytest
import torch

from crossmem_hf.analysis.unlearning_depth import AnswerStates, answer_states, unlearning_depth
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modules import modules_of, sublayer, text_layers
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.scoring.inputs import answer_of, encode
from tests.analysis.circuits import circuit, planted, rows
from tests.scoring.families import families, model_of

FAMILIES = ("llava_siglip", "qwen2_5_vl")


def without_knowledge(model):
    """A copy whose layer that knows the answers writes nothing."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        sublayer(text_layers(other)[circuit(other)[0]], "mlp").down_proj.weight.zero_()
    return other


def silenced(model):
    """A copy that knows everything, but whose head says nothing of it."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        modules_of(other).head.weight.zero_()
    return other


def scores(model, processor, unlearned, retain_only, asked=None, **options):
    asked = asked or rows()
    own, without = (answer_states(one, processor, asked) for one in (unlearned, retain_only))
    return unlearning_depth(model, processor, asked, unlearned=own, retain_only=without, **options)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_only_not_said_is_told_from_what_is_gone(name):
    model, processor = planted(name)
    gone, masked = without_knowledge(model), silenced(model)
    found = scores(model, processor, masked, gone)
    assert len(found) == len(rows())
    for one in found:
        assert one["unlearning_depth"] == pytest.approx(0.0, abs=1e-5)
        assert circuit(model)[1] in one["layers"]
        assert not set(range(circuit(model)[0])) & set(one["layers"])
    assert all(one["unlearning_depth"] == pytest.approx(1.0) for one in scores(model, processor, gone, gone))
    (measured,) = found.measure(["unlearning_depth"], by=())
    assert (measured.n, measured.greater_means) == (len(rows()), "less memorized")
    assert measured.ci[1] > 0


def test_knowledge_that_is_half_gone_is_told_from_both():
    model, processor = planted("llava_siglip")
    half = copy.deepcopy(model)
    with torch.no_grad():
        sublayer(text_layers(half)[circuit(half)[0]], "mlp").down_proj.weight[::2] = 0.0
    found = [one["unlearning_depth"] for one in scores(model, processor, half, without_knowledge(model))]
    assert 0.01 < sum(found) / len(found) < 0.99


def by_hand(model, processor, row, states):
    """Log-probability of the answer a token, each layer's states put in by a hook, the whole sequence at once."""
    tokens, ends = answer_tokens(processor, row, [answer_of(row, 0)])
    answer = tokens[0][: len(tokens[0]) - ends[0]]
    inputs = encode(processor, [prompt_text(processor, row)], [row["images"]])
    behind = torch.tensor([answer[:-1]], dtype=torch.long)
    inputs["input_ids"] = torch.cat([inputs["input_ids"], behind], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if "token_type_ids" in inputs:
        inputs["token_type_ids"] = torch.cat([inputs["token_type_ids"], torch.zeros_like(behind)], 1)
    found = []
    for number in (None, *range(len(states))):

        def put(_module, _args, out, number=number):
            hidden = (out[0] if isinstance(out, tuple) else out).clone()
            hidden[:, -len(answer) :] = states[number]
            return (hidden, *out[1:]) if isinstance(out, tuple) else hidden

        handle = None if number is None else text_layers(model)[number].register_forward_hook(put)
        with torch.no_grad():
            logits = model(**inputs).logits[0, -len(answer) :].double()
        if handle is not None:
            handle.remove()
        found.append(float(torch.log_softmax(logits, -1)[range(len(answer)), answer].mean()))
    return found[0] - np.array(found[1:])


@pytest.mark.parametrize("name", ["llava_clip", "mistral_window", "gemma3"])
def test_scores_are_those_of_whole_passes_a_layer(name):
    model, processor = model_of(name), families()[name].processor
    asked = [
        {**row, "images": row["images"] if families()[name].tower else [], "answer": "Ann Lee Kim"} for row in rows(2)
    ]
    others = [copy.deepcopy(model) for _ in range(2)]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for other in others:
            for weight in other.parameters():
                weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
    own, without = (answer_states(one, processor, asked) for one in others)
    found = unlearning_depth(model, processor, asked, unlearned=own, retain_only=without, threshold=1e-4, batch_size=2)
    assert found
    at = {key: place for place, key in enumerate(own.rows)}
    for one in found:
        place = at[one["row"]]
        for column, source in (("lost_retain_only", without), ("lost_unlearned", own)):
            expected = by_hand(model, processor, asked[place], source.states[place])
            np.testing.assert_allclose(one[column], expected, atol=2e-5)
        lost, gone = np.array(one["lost_retain_only"]), np.array(one["lost_unlearned"])
        encodes = lost > 1e-4
        ratio = np.clip(gone[encodes] / lost[encodes], 0, 1)
        assert one["unlearning_depth"] == pytest.approx((lost[encodes] * ratio).sum() / lost[encodes].sum())
        assert one["layers"] == np.flatnonzero(encodes).tolist()


def test_rows_that_nothing_was_memorized_of_have_no_score():
    model, processor = planted("llava_siglip")
    gone = without_knowledge(model)
    with pytest.raises(CrossmemError, match="nothing that was memorized"):
        scores(gone, processor, gone, gone)


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_thresholds_that_let_everything_pass_are_refused(threshold):
    model, processor = planted("llava_siglip")
    with pytest.raises(CrossmemError, match="more than 0"):
        scores(model, processor, model, model, threshold=threshold)


def test_states_of_other_rows_or_shapes_are_refused():
    model, processor = planted("llava_siglip")
    own = answer_states(model, processor, rows())
    fewer = AnswerStates(own.rows[:3], own.states[:3])
    with pytest.raises(CrossmemError, match="of 3 rows"):
        unlearning_depth(model, processor, rows(), unlearned=fewer, retain_only=own)
    narrow = AnswerStates(own.rows, tuple(one[:, :, :4] for one in own.states))
    with pytest.raises(CrossmemError, match="one shape"):
        unlearning_depth(model, processor, rows(), unlearned=narrow, retain_only=own)


def test_states_that_are_no_numbers_are_refused_and_the_row_is_named():
    model, processor = planted("llava_siglip")
    broken = copy.deepcopy(model)
    with torch.no_grad():
        sublayer(text_layers(broken)[0], "mlp").down_proj.weight.fill_(float("nan"))
    with pytest.raises(CrossmemError, match="Row 0"):
        answer_states(broken, processor, rows())
