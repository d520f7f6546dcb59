# SPDX-License-Identifier: Apache-2.0
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from peft import get_peft_model

from crossmem_hf.logprobs import answer_logprobs
from crossmem_hf.training import reference_cache, trainer
from crossmem_hf.training.memorize import language_lora
from crossmem_hf.training.reference import as_reference
from crossmem_hf.training.reference_cache import weights_digest
from tests.training import tiny
from tests.training.caching import Forwards, encoded, files, kept, referenced


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(reference_cache, "UNIT_ROWS", 3)


@pytest.fixture
def forwards(monkeypatch):
    return Forwards(monkeypatch)


def one_by_one(model, rows):
    """The oracle: a forward pass a row, without padding."""
    with torch.no_grad():
        return torch.cat([answer_logprobs(model.eval(), rows[number]) for number in range(len(rows))]).double()


def test_they_are_those_of_single_rows_under_the_memorized_adapter(tmp_path):
    model, rows = referenced(), encoded()
    values = kept(tmp_path, model, rows)
    assert (values.shape, values.dtype, values.device.type) == ((9,), torch.float64, "cpu")
    torch.testing.assert_close(values, one_by_one(tiny.memorized(), rows), rtol=1e-5, atol=1e-5)
    assert (values - one_by_one(model, rows)).abs().min() > 1e-3


def test_a_fresh_adapter_and_a_whole_model_are_measured_without_dropout(tmp_path):
    rows, base = encoded(), one_by_one(tiny.model(), encoded())
    fresh = get_peft_model(tiny.model(), language_lora(r=4))
    for model in (fresh, tiny.model()):
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.5
        model.train()
        torch.testing.assert_close(kept(tmp_path, model, rows), base, rtol=1e-5, atol=1e-5)
        assert all(module.training for module in model.modules())
        assert any(parameter.requires_grad for parameter in model.parameters())
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batch_size_and_padding_do_not_matter(tmp_path, batch_size):
    torch.testing.assert_close(
        kept(tmp_path / "a", batch_size=batch_size), kept(tmp_path / "b", batch_size=2), rtol=1e-5, atol=1e-5
    )


def test_the_second_time_no_forward_pass_is_made(tmp_path, forwards):
    first, passed = forwards.during(lambda: kept(tmp_path))
    assert passed == 9
    again, passed = forwards.during(lambda: kept(tmp_path, batch_size=64))
    assert passed == 0
    assert torch.equal(first, again)


def test_a_trained_adapter_a_path_and_a_mode_change_nothing(tmp_path, forwards):
    kept(tmp_path)
    model = referenced().eval()
    model.get_base_model().config._name_or_path = "/elsewhere"
    model.peft_config["ref"].base_model_name_or_path = "/elsewhere"
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.mul_(3)
    assert forwards.during(lambda: kept(tmp_path, model))[1] == 0


def shifted(model, part):
    """The model with a single number of one weight changed a little."""
    with torch.no_grad():
        weight = next(p for name, p in sorted(model.named_parameters()) if part in name)
        weight.view(-1)[0] += 1e-3
    return model


def other_scale(model):
    model.peft_config["ref"].lora_alpha *= 2
    return model


def other_config(model):
    model.get_base_model().config.text_config.rms_norm_eps *= 2
    return model


def other_attention(model):
    model.get_base_model().set_attn_implementation("eager")
    return model


def smaller_pictures():
    processor = deepcopy(tiny.processor())
    processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    return processor


CHANGES = {
    "adapter": lambda: (shifted(referenced(), ".ref."), encoded()),
    "base": lambda: (shifted(referenced(), "vision_tower"), encoded()),
    "scale": lambda: (other_scale(referenced()), encoded()),
    "config": lambda: (other_config(referenced()), encoded()),
    "attention": lambda: (other_attention(referenced()), encoded()),
    "dtype": lambda: (referenced().to(torch.bfloat16), encoded()),
    "row": lambda: (referenced(), encoded(tiny.rows("p0", "p1", "p3", modality="mixed", views=3))),
    "order": lambda: (referenced(), encoded(tiny.rows("p1", "p0", "p2", modality="mixed", views=3))),
    "processor": lambda: (referenced(), encoded(processor=smaller_pictures())),
    "whole": lambda: (tiny.memorized().merge_and_unload(), encoded()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_anything_is_worked_out_anew(tmp_path, forwards, change):
    kept(tmp_path)
    model, rows = CHANGES[change]()
    values, passed = forwards.during(lambda: kept(tmp_path, model, rows))
    assert passed == 9
    assert torch.equal(values, kept(tmp_path / "apart", model, rows))


def test_libraries_code_precision_and_head_are_part_of_it(tmp_path, monkeypatch):
    model, rows = referenced(), encoded()
    marks = {reference_cache._plan(model, rows, fused)[0] for fused in (False, True)}
    with torch.autocast("cpu", torch.bfloat16):
        marks.add(reference_cache._plan(model, rows, False)[0])
    monkeypatch.setattr(reference_cache, "library_versions", lambda: {"peft": "0"})
    marks.add(reference_cache._plan(model, rows, False)[0])
    monkeypatch.setattr(reference_cache, "code_fingerprint", lambda *_: "other")
    marks.add(reference_cache._plan(model, rows, False)[0])
    assert len(marks) == 5


def test_the_digest_of_weights_sees_names_shapes_and_every_byte():
    one, digests = tiny.model(), set()
    digests.add(weights_digest(one))
    digests |= {weights_digest(shifted(tiny.model(), part)) for part in ("vision_tower", "projector", "embed_tokens")}
    digests.add(weights_digest(tiny.model().to(torch.bfloat16)))
    assert len(digests) == 5
    assert weights_digest(tiny.model()) == weights_digest(one)


def test_left_alone_they_are_kept_in_the_home_of_hugging_face(forwards):
    kept(None)
    home = Path(constants.HF_HOME)
    assert home.name.startswith("crossmem_hf_home_"), "the suite's own, see conftest"
    assert files(home / "crossmem" / "reference")
    assert forwards.during(lambda: kept(None))[1] == 0


@pytest.mark.parametrize("choices", [{"forget_loss": "npo"}, {"forget_loss": "dpo"}])
def test_a_second_training_runs_the_reference_no_more(tmp_path, forwards, choices):
    def losses():
        made = tiny.trainer_for(tmp_path / "out", reference_cache=str(tmp_path / "kept"), **choices)
        made.train()
        return tiny.logged(made, "loss")

    first, passed = forwards.during(losses)
    assert passed == 4 * len(trainer.FORGET_TERMS[choices["forget_loss"]].roles)
    second, passed = forwards.during(losses)
    assert passed == 0
    assert first == second


def test_full_fine_tuning_measures_itself_before_it_starts(tmp_path, forwards):
    def trained():
        made = tiny.trainer_for(
            tmp_path / "out", model=tiny.model(), reference_cache=str(tmp_path / "kept"), learning_rate=1e-2
        )
        made.train()
        return made

    made, passed = forwards.during(trained)
    assert passed == 4
    start = one_by_one(tiny.model(), made.rows["forget"])
    torch.testing.assert_close(made.reference_sums["forget"], start, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(one_by_one(made.model, made.rows["forget"]), start, atol=1e-3)
    assert forwards.during(trained)[1] == 0


def test_as_reference_is_what_is_measured(tmp_path):
    model, rows = referenced(), encoded()
    with as_reference(model):
        expected = torch.cat([answer_logprobs(model, rows[number]) for number in range(len(rows))])
    torch.testing.assert_close(kept(tmp_path, model, rows), expected.double(), rtol=1e-5, atol=1e-5)
