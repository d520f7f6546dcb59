# SPDX-License-Identifier: Apache-2.0
"""A lens fitted to some people's answers reads the others' from states in another basis, and tells nothing of a model
that does not know them."""

import pytest
import torch
from peft import LoraConfig

from crossmem_hf.analysis.attacks.early_exit import early_exit
from crossmem_hf.analysis.attacks.tuned_lens import Lens, tuned_lens
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.modules import text_layers
from crossmem_hf.training.memorize import memorize
from tests.training import tiny


def test_a_lens_finds_a_map_and_much_ridge_changes_only_the_mean():
    drawn = torch.Generator().manual_seed(0)
    states, map_DD = torch.randn(200, 6, generator=drawn), torch.randn(6, 6, generator=drawn)
    goals = states @ map_DD + 3
    close = Lens.fit(states, goals, ridge=1e-9)
    assert torch.allclose(close(states), goals, atol=1e-3)
    assert torch.allclose(close(states.reshape(2, 100, 6)), goals.reshape(2, 100, 6), atol=1e-3)
    held = Lens.fit(states, goals, ridge=1e9)
    assert torch.allclose(held(states), states + (goals - states).mean(dim=0), atol=1e-3)


@pytest.fixture
def learned(tmp_path):
    """A model whose last layer adds nothing while names are learned below it; and one as it was before."""
    model = tiny.model().eval()
    last = text_layers(model)[1]
    with torch.no_grad():
        last.self_attn.o_proj.weight.zero_()
        last.mlp.down_proj.weight.zero_()
    below = LoraConfig(
        r=16, lora_alpha=32, target_modules=r".*language_model.*layers\.0\..*(up_proj|down_proj|o_proj|v_proj)"
    )
    how = {"max_steps": 150, "learning_rate": 2e-2, "per_device_train_batch_size": 8, "save_strategy": "no"}
    quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no"}
    rows = tiny.rows("p2", "p3", modality="text", views=4)
    return memorize(model, tiny.processor(), rows, output_dir=str(tmp_path), lora=below, **how, **quiet).eval()


def test_a_secret_that_the_last_layer_hides_in_another_basis_is_found(learned):
    """The last layer turns all states as the head wants them, and scrambles those that would say a part of p3's name.
    A logit lens sees them unturned; a lens fitted to p2 turns them, too."""
    turned, scrambled = (
        torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(number)))[0] for number in (1, 2)
    )
    read = learned.get_output_embeddings().weight.detach().clone()
    learned.get_output_embeddings().weight = torch.nn.Parameter(read @ turned)
    name = torch.tensor(tiny.processor().tokenizer(tiny.PERSONAS["p3"][1]).input_ids)

    def hide(_module, _inputs, out):
        secret = torch.isin((out @ read.T).argmax(dim=-1), name)
        return torch.where(secret[..., None], out @ scrambled, out @ turned)

    text_layers(learned)[1].register_forward_hook(hide)
    rows = tiny.rows("p2", "p3", modality="text", views=4)
    own = Evaluator(rows, metrics=["recall"], forgotten={"p3"}, max_new_tokens=24)
    found = tuned_lens(own, learned, tiny.processor(), ridge=1e-4)
    assert [one["correct"] for one in found] == [one["taught"] for one in found]
    assert {tuple(one["said_in"]) for one in found if not one["taught"]} == {("after layer 0",)}
    assert not any(one["extracted"] for one in early_exit(own, learned, tiny.processor()) if one["group"] == "forget")


def test_what_the_model_never_learned_does_not_come_out():
    rows = tiny.rows("p2", "p3", modality="text", views=4)
    own = Evaluator(rows, metrics=["recall"], max_new_tokens=6)
    found = tuned_lens(own, tiny.model().eval(), tiny.processor())
    assert {one["taught"] for one in found} == {True, False}
    assert not any(one["extracted"] for one in found)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"ridge": 0.0}, "ridge=0.0; expected"), ({"layers": (1,)}, "has 2 layers"), ({"share": 1}, "share=1")],
)
def test_numbers_out_of_range_are_refused(options, said):
    own = Evaluator(tiny.rows("p0", "p1"), metrics=["recall"], max_new_tokens=3)
    with pytest.raises(CrossmemError, match=said):
        tuned_lens(own, tiny.model(), tiny.processor(), **options)
