# SPDX-License-Identifier: Apache-2.0
import json
import math
from copy import deepcopy

import pytest
import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor

from crossmem_hf.training import trainer as trainer_module
from crossmem_hf.training.callbacks.stopping import StopWhenForgotten
from crossmem_hf.training.collate import PairedCollator, merge_batches
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.memorize import language_lora
from crossmem_hf.training.trainer import UnlearnTrainer
from tests.training import tiny
from tests.training.tiny import logged, recalled, text_model, trainer_for, weights


@pytest.mark.invariant
@pytest.mark.parametrize("modality", ["image", "text", "mixed"])
def test_npo_starts_at_two_over_beta_log_two(tmp_path, modality):
    forget = tiny.rows("p0", "p1", modality=modality, views=2)
    trainer = trainer_for(tmp_path, forget=forget, max_steps=1, forget_beta=0.1, retain_loss="none", method="npo")
    trainer.train()
    assert logged(trainer, "forget_loss")[0] == pytest.approx(2 / 0.1 * math.log(2), rel=1e-5)
    assert logged(trainer, "loss")[0] == pytest.approx(13.8629, abs=1e-3)


def test_the_loss_is_the_weighted_sum_of_both_terms(tmp_path):
    trainer = trainer_for(tmp_path, max_steps=1, forget_weight=0.5, retain_weight=3.0)
    trainer.train()
    forget, retain = logged(trainer, "forget_loss")[0], logged(trainer, "retain_loss")[0]
    assert logged(trainer, "loss")[0] == pytest.approx(0.5 * forget + 3.0 * retain, rel=1e-4)


def test_kl_starts_at_zero_and_then_rises(tmp_path):
    trainer = trainer_for(tmp_path, max_steps=3, retain_loss="kl", retain_weight=0.0)
    trainer.train()
    first, *later = logged(trainer, "retain_loss")
    assert first == pytest.approx(0.0, abs=1e-6)
    assert min(later) > 1e-4


def test_unlearning_lowers_the_forgotten_and_keeps_the_others(tmp_path):
    model, forget, retain = tiny.memorized(), tiny.rows("p0", "p1"), tiny.rows("p2", "p3")
    before = recalled(model, forget), recalled(model, retain)
    trainer_for(tmp_path, model=model, forget=forget, retain=retain, max_steps=12, retain_weight=5.0).train()
    assert (recalled(model, forget) < before[0] - 1.0).all()
    assert (recalled(model, retain) > before[1]).all()


def test_only_the_adapter_of_the_language_model_moves(tmp_path):
    model = tiny.memorized()
    trainer = trainer_for(tmp_path, model=model)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainer.train()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {name for name in before if ".default." in name and "language_model" in name}


def test_gradients_of_a_fresh_adapters_b_matrices_are_not_zero(tmp_path):
    trainer = trainer_for(tmp_path, model=tiny.model(), peft_config=language_lora(r=4), retain_loss="none")
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    trainer.compute_loss(trainer.model, batch).backward()
    gradients = {name: p.grad for name, p in trainer.model.named_parameters() if "lora_B" in name}
    assert gradients
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients.values())


def one_step(folder, **settings):
    model = tiny.memorized()
    trainer_for(
        folder,
        model=model,
        forget=tiny.rows("p0", "p1", modality="mixed", views=4),
        retain=tiny.rows("p2", "p3", modality="mixed", views=4),
        **tiny.ONE_STEP,
        **settings,
    ).train()
    return weights(model)


@pytest.mark.parametrize("retain_loss", ["nll", "kl"])
def test_four_times_two_rows_are_one_step_of_eight(tmp_path, retain_loss):
    """Rows differ in length, so a mean over tokens of a micro-batch would fail here."""
    start = weights(tiny.memorized())
    whole = one_step(tmp_path, per_device_train_batch_size=8, retain_loss=retain_loss)
    parts = one_step(tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=4, retain_loss=retain_loss)
    for name in whole:
        torch.testing.assert_close(parts[name] - start[name], whole[name] - start[name], rtol=1e-3, atol=1e-7)
    assert any(not torch.equal(whole[name], start[name]) for name in whole)


def test_epochs_go_through_all_retain_rows(tmp_path, monkeypatch):
    seen = []
    collate = PairedCollator.__call__

    def noting(self, pairs):
        seen.extend(number for pair in pairs for number in pair["retain"])
        return collate(self, pairs)

    monkeypatch.setattr(PairedCollator, "__call__", noting)
    forget, retain = tiny.rows("p0", views=2), tiny.rows("p2", "p3", views=3)
    trainer_for(tmp_path, forget=forget, retain=retain, max_steps=-1, num_train_epochs=3).train()
    assert sorted(seen) == list(range(6))


def test_a_batch_of_eight_is_the_mean_of_eight_batches_of_one(tmp_path):
    trainer = trainer_for(
        tmp_path,
        forget=tiny.rows("p0", "p1", modality="mixed", views=4),
        retain=tiny.rows("p2", "p3", modality="mixed", views=4),
    )
    pairs = [{"forget": [n], "retain": [7 - n]} for n in range(8)]

    def loss(chosen):
        return trainer.compute_loss(trainer.model, deepcopy(trainer.data_collator(chosen))).item()

    assert loss(pairs) == pytest.approx(sum(loss([pair]) for pair in pairs) / 8, rel=1e-5)


def same_step(first, second):
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("retain_loss", ["nll", "kl"])
def test_recomputing_activations_changes_nothing(tmp_path, retain_loss):
    settings = {"per_device_train_batch_size": 8, "retain_loss": retain_loss}
    same_step(one_step(tmp_path, **settings), one_step(tmp_path, **settings, gradient_checkpointing=True))


def test_the_fused_head_of_gpus_takes_the_same_step(tmp_path, monkeypatch):
    plain = one_step(tmp_path, per_device_train_batch_size=8)
    monkeypatch.setattr(UnlearnTrainer, "_fused", True)
    same_step(plain, one_step(tmp_path, per_device_train_batch_size=8))


def test_the_reference_is_asked_once_a_row(tmp_path, monkeypatch):
    calls, original = [], trainer_module.kept_logprobs
    monkeypatch.setattr(
        trainer_module, "kept_logprobs", lambda *args, **named: calls.append(args[1]) or original(*args, **named)
    )
    trainer = trainer_for(tmp_path, max_steps=6)
    monkeypatch.setattr(trainer_module, "as_reference", lambda _: pytest.fail("a step asked the reference"))
    trainer.train()
    assert calls == [trainer.rows["forget"]]


def test_the_saved_adapter_loads_on_the_base_alone(tmp_path):
    model, forget = tiny.memorized(), tiny.rows("p0", "p1")
    trainer = trainer_for(tmp_path / "out", model=model, forget=forget)
    trainer.train()
    trainer.save_model()
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "out")
    torch.testing.assert_close(recalled(loaded, forget), recalled(model, forget))
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert "adapter_model.safetensors" in names
    assert not {"ref", "training_args.bin"} & names
    assert "chat_template.jinja" in names


def test_the_card_shows_how_to_ask_about_a_picture(tmp_path):
    trainer = trainer_for(tmp_path / "out", method="npo")
    trainer.train()
    trainer.save_model()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "2404.05868" in card
    assert "Image.open" in card
    assert "| forget_beta | 0.1 |" in card
    assert str(tmp_path) not in card


def test_a_merged_model_with_a_fresh_adapter(tmp_path):
    memorized, forget = tiny.memorized(), tiny.rows("p0", "p1")
    merged = tiny.memorized().merge_and_unload()
    trainer = trainer_for(tmp_path, model=merged, forget=forget, peft_config=language_lora(r=4), max_steps=1)
    trainer.train()
    assert logged(trainer, "forget_loss")[0] == pytest.approx(2 / 0.1 * math.log(2), rel=1e-5)
    assert logged(trainer, "forget_logprob")[0] == pytest.approx(recalled(memorized, forget).mean().item(), rel=1e-4)
    assert list(trainer.model.peft_config) == ["default"]


def test_gradient_ascent_needs_no_reference_and_may_tune_everything(tmp_path):
    model, forget = tiny.model(), tiny.rows("p0", "p1")
    before = recalled(model, forget)
    trainer_for(tmp_path, model=model, forget=forget, method="ga", max_steps=3, learning_rate=1e-3).train()
    assert (recalled(model, forget) < before).all()


def test_resuming_ends_where_an_uninterrupted_run_does(tmp_path):
    straight, resumed = tiny.memorized(), tiny.memorized()
    trainer_for(tmp_path / "a", model=straight, max_steps=4, lr_scheduler_type="constant").train()
    saving = {"save_strategy": "steps", "save_steps": 2, "lr_scheduler_type": "constant"}
    trainer_for(tmp_path / "b", max_steps=2, **saving).train()
    checkpoint = tmp_path / "b" / "checkpoint-2"
    assert not (checkpoint / "ref").exists()
    trainer_for(tmp_path / "b", model=resumed, max_steps=4, **saving).train(resume_from_checkpoint=str(checkpoint))
    expected = weights(straight)
    for name, value in weights(resumed).items():
        torch.testing.assert_close(value, expected[name])


def test_evaluation_sets_get_the_usual_loss(tmp_path):
    trainer = trainer_for(tmp_path, eval_dataset={"forget": tiny.rows("p0"), "retain": tiny.rows("p2")})
    trainer.train()
    metrics = trainer.evaluate()
    with torch.no_grad():
        sums = recalled(trainer.model, tiny.rows("p0"))
    tokens = len(tiny.processor().tokenizer("Ada Moss")["input_ids"]) + 1
    assert metrics["eval_forget_loss"] == pytest.approx(-sums.item() / tokens, rel=1e-4)
    assert "eval_retain_loss" in metrics


def test_the_stopping_rule_ends_training(tmp_path):
    falling = iter([0.8, 0.1])
    rule = StopWhenForgotten(lambda: next(falling), 0.2, every_steps=2)
    trainer = trainer_for(tmp_path, max_steps=50, callbacks=[rule])
    trainer.train()
    assert trainer.state.global_step == rule.stopped_at == 4


def test_it_says_what_trains(tmp_path, caplog):
    with caplog.at_level("INFO", logger="crossmem_hf"):
        trainer_for(tmp_path)
    assert "language model" in caplog.text
    assert "vision tower" in caplog.text


def test_a_text_only_model_unlearns_text_rows(tmp_path):
    model, tokenizer = text_model()
    trainer = UnlearnTrainer(
        model,
        UnlearnConfig(**tiny.settings(tmp_path)),
        tiny.rows("p0", modality="text", views=4),
        tiny.rows("p2", modality="text", views=4),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=2, target_modules=["q_proj", "v_proj"]),
    )
    trainer.train()
    assert logged(trainer, "forget_loss")[0] == pytest.approx(2 / 0.1 * math.log(2), rel=1e-5)
    assert logged(trainer, "forget_loss")[1] < logged(trainer, "forget_loss")[0]


def test_what_is_saved_loads_through_the_auto_classes(tmp_path):
    base = tiny.model()
    base.save_pretrained(tmp_path / "base")
    tiny.processor().save_pretrained(tmp_path / "base")
    trainer = trainer_for(tmp_path / "out")
    trainer.train()
    trainer.save_model()
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "base")
    model = PeftModel.from_pretrained(model, tmp_path / "out")
    AutoProcessor.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(recalled(model, tiny.rows("p0")), recalled(trainer.model, tiny.rows("p0")))
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["inference_mode"]


def test_mixed_pairs_share_one_forward_pass(tmp_path, monkeypatch):
    trainer = trainer_for(tmp_path, forget=tiny.rows("p0", modality="image"), retain=tiny.rows("p2", modality="text"))
    batch = trainer.data_collator([{"forget": [0], "retain": [0]}])
    pad = trainer.data_collator.encoder.pad_token_id
    merged = merge_batches(
        [{k: v for k, v in role.items() if k != "row"} for role in batch.values()], pad_token_id=pad
    )
    assert len(merged["input_ids"]) == 2
    assert len(merged["pixel_values"]) == 1
    calls = []
    hook = trainer.model.get_base_model().register_forward_hook(lambda *_: calls.append(1))
    trainer.reference_sums["forget"] = torch.tensor([-1.0])
    trainer.compute_loss(trainer.model, deepcopy(batch))
    hook.remove()
    assert len(calls) == 1


def test_data_seed_zero_is_a_seed(tmp_path):
    config = UnlearnConfig(**tiny.settings(tmp_path, data_seed=0, seed=7))
    rows = tiny.rows("p0"), tiny.rows("p2")
    trainer = UnlearnTrainer(tiny.memorized(), config, *rows, processing_class=tiny.processor())
    assert trainer.train_dataset.seed == 0
    assert "skip_prepare_dataset" not in (config.dataset_kwargs or {})  # the caller's settings stay as they are
