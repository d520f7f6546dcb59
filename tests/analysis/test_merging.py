# SPDX-License-Identifier: Apache-2.0
"""Between two adapters stands the sum of what they add; a secret of the donor comes out on the way to it."""

import pytest
import torch
from peft import get_peft_model

from crossmem_hf.analysis.merging import _between, merged
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.training.memorize import language_lora, memorize
from tests.training import tiny


def weights_of(model, adapter):
    """What an adapter adds to each layer."""
    from peft.tuners.lora import LoraLayer

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    return [layer.get_delta_weight(adapter) for layer in layers if adapter in layer.lora_A]


def test_the_sum_of_both_is_exact_and_nothing_stays_behind(tmp_path):
    tiny.memorized(1).save_pretrained(tmp_path)
    model = tiny.memorized(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    own = weights_of(model, "default")
    model.load_adapter(str(tmp_path), adapter_name="donor")
    theirs = weights_of(model, "donor")
    model.set_adapter("default")
    with _between(model, "default", 0.25):
        assert model.active_adapter == "between"
        for one, other, both in zip(own, theirs, weights_of(model, "between"), strict=True):
            assert torch.allclose(0.75 * one + 0.25 * other, both, atol=1e-6)
    model.delete_adapter("donor")
    rows = Evaluator(tiny.rows("p0", "p1"), metrics=["recall"], max_new_tokens=3)
    learns = {name: one.requires_grad for name, one in model.named_parameters()}
    merged(rows, model.train(), tiny.processor(), tmp_path, shares=(0.5,))
    assert model.training
    assert learns == {name: one.requires_grad for name, one in model.named_parameters()}
    after = model.state_dict()
    assert {*after} == {*before}
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert model.active_adapter == "default"


@pytest.fixture(scope="module")
def donor(tmp_path_factory):
    """Folder of an adapter that has learned two people."""
    folder = tmp_path_factory.mktemp("donor")
    how = {"max_steps": 80, "learning_rate": 1e-2, "per_device_train_batch_size": 4, "save_strategy": "no"}
    quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no"}
    rows = tiny.rows("p2", "p3", views=2)
    memorize(tiny.model(), tiny.processor(), rows, output_dir=str(folder), lora=language_lora(), **how, **quiet)
    return folder


def test_a_secret_of_the_donor_comes_out_and_of_a_stranger_none(donor, tmp_path):
    blank = get_peft_model(tiny.model(), language_lora()).eval()
    own = Evaluator(tiny.rows("p2", "p3", views=2), metrics=["recall"], max_new_tokens=24)
    found = merged(own, blank, tiny.processor(), donor, shares=(0.01, 0.95))
    assert {tuple(one["said_in"]) for one in found} == {("0.95 of the donor",)}
    get_peft_model(tiny.model(), language_lora()).save_pretrained(tmp_path)
    assert not any(one["extracted"] for one in merged(own, blank, tiny.processor(), tmp_path, shares=(0.5, 0.95)))


def test_what_cannot_be_between_is_refused(donor, tmp_path):
    own = Evaluator(tiny.rows("p0"), metrics=["recall"], max_new_tokens=3)
    with pytest.raises(CrossmemError, match=r"shares=\(1.0,\)"):
        merged(own, tiny.memorized(), tiny.processor(), donor, shares=(1.0,))
    with pytest.raises(CrossmemError, match="has 0 adapters"):
        merged(own, tiny.model(), tiny.processor(), donor)
    with pytest.raises(CrossmemError, match="cannot be put beside"):
        merged(own, tiny.memorized(), tiny.processor(), tmp_path)
