# SPDX-License-Identifier: Apache-2.0
"""What layers put out is read as the model reports it, replaced where it is said, and left as it was afterwards."""

import pytest
import torch

from crossmem_hf.analysis.hooks import SITES, check_sites, embeddings_changed, module_at, reading, replacing
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modules import text_layers
from tests.scoring.families import BLIND, OTHERS, SEEING, families, model_of

TOKENS = torch.tensor([[5, 6, 7, 8]])


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


@pytest.mark.parametrize("name", sorted({*SEEING, *OTHERS, *BLIND}))
def test_every_family_has_every_site_in_every_layer(name):
    check_sites(model_of(name), SITES)


def test_hidden_states_are_those_that_the_model_reports():
    model = model_of("llava_clip")
    with reading({layer: module_at(model, layer, "hidden") for layer in range(3)}) as seen, torch.no_grad():
        reported = model(TOKENS, output_hidden_states=True).hidden_states
    for layer in range(2):  # the last is reported behind the final norm
        torch.testing.assert_close(seen[layer], reported[layer + 1])


def test_a_part_of_the_states_may_be_kept():
    model = model_of("llava_clip")
    place = {"it": module_at(model, 0, "hidden")}
    with reading(place) as whole, reading(place, lambda states: states[:, -1]) as last:
        changed_nothing = logits(model)
    torch.testing.assert_close(last["it"], whole["it"][:, -1])
    torch.testing.assert_close(changed_nothing, logits(model))


def test_attention_and_mlp_are_what_a_layer_adds():
    model = model_of("llava_clip")
    places = {(1, site): module_at(model, 1, site) for site in SITES} | {"before": module_at(model, 0, "hidden")}
    with reading(places) as seen:
        logits(model)
    added = seen[1, "attention"] + seen[1, "mlp"]
    torch.testing.assert_close(seen["before"] + added, seen[1, "hidden"])


@pytest.mark.parametrize("name", ["llava_clip", "gemma3", "jamba"])
@pytest.mark.parametrize("site", SITES)
def test_what_is_put_back_as_it_was_changes_nothing(name, site):
    model = model_of(name)
    plain = logits(model)
    with reading({"it": module_at(model, 1, site)}) as seen:
        logits(model)
    with replacing(model, {(1, site): lambda _: seen["it"]}):
        torch.testing.assert_close(logits(model), plain)
    with replacing(model, {(1, site): torch.zeros_like}):
        assert (logits(model) - plain).abs().max() > 1e-3
    torch.testing.assert_close(logits(model), plain)


def test_embeddings_are_changed_before_the_first_layer():
    model = model_of("llava_clip")
    embedded = model.get_input_embeddings()(TOKENS + 1)
    with embeddings_changed(model, lambda _: embedded):
        changed = logits(model)
    with torch.no_grad():
        torch.testing.assert_close(changed, model(TOKENS + 1).logits)


def test_hooks_go_after_an_error_too():
    model = families()["llava_clip"].model()
    with pytest.raises(KeyError), replacing(model, {(0, "mlp"): lambda states: states}), reading({}):
        raise KeyError
    with pytest.raises(KeyError), embeddings_changed(model, lambda states: states):
        raise KeyError
    modules = [text_layers(model)[0], module_at(model, 0, "mlp")]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


def test_a_module_that_did_not_run_is_named():
    model = model_of("llava_clip")
    with pytest.raises(CrossmemError, match="gave no states of 'it'"), reading({"it": module_at(model, 0, "mlp")}):
        pass


@pytest.mark.parametrize("layer", [-1, 3])
def test_a_layer_that_is_not_there(layer):
    with pytest.raises(CrossmemError, match=rf"layer={layer}; the language model has 3 layers\. Choose 0 to 2"):
        module_at(model_of("llava_clip"), layer, "mlp")


def test_a_site_that_is_not_known():
    with pytest.raises(CrossmemError, match="Unknown site 'neuron'"):
        module_at(model_of("llava_clip"), 0, "neuron")
