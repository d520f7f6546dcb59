# SPDX-License-Identifier: Apache-2.0
"""Every setting of the installed transformers and trl works, or is refused where it would change nothing."""

import math
from dataclasses import fields

import pytest
import torch
from transformers import TrainerCallback

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.config import UnlearnConfig, VisionDPOConfig, VisionSFTConfig
from crossmem_hf.training.memorize import memorize
from crossmem_hf.training.reference import as_reference
from crossmem_hf.training.settings import PREFERRING, SFT, UNLEARNING, check_settings, check_steps
from crossmem_hf.training.trainer import UnlearnTrainer
from crossmem_hf.training.unlearn import unlearn
from tests.training import tiny

# Read by `transformers.Trainer` or by accelerate whatever the loss and the batches are (trainer.py and
# training_args.py of the installed version); those with a test elsewhere or below are marked.
BY_THE_TRAINER = {
    *("output_dir", "per_device_train_batch_size", "num_train_epochs", "max_steps", "learning_rate"),  # tested
    *("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "optim", "optim_args", "optim_target_modules"),
    *("weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm"),
    "gradient_accumulation_steps",  # tested in test_trainer
    *("bf16", "fp16", "bf16_full_eval", "fp16_full_eval", "tf32"),  # bf16 below
    *("activation_checkpointing", "activation_checkpointing_kwargs"),  # tested in test_checkpointing
    *("gradient_checkpointing", "gradient_checkpointing_kwargs"),
    *("torch_compile", "torch_compile_backend", "torch_compile_mode"),
    *("use_liger_kernel", "liger_kernel_config"),  # layers only: trl leaves its loss out
    "neftune_noise_alpha",  # below
    *("torch_empty_cache_steps", "auto_find_batch_size", "activation_offloading"),
    *("logging_strategy", "logging_steps", "logging_first_step", "log_on_each_node", "logging_nan_inf_filter"),
    *("log_level", "log_level_replica", "disable_tqdm", "report_to", "run_name", "project"),
    *("trackio_space_id", "trackio_bucket_id", "trackio_static_space_id", "skip_memory_metrics", "debug"),
    # refused where there is nothing to evaluate on; otherwise read by its evaluation loop
    *("eval_strategy", "eval_on_start", "do_eval", "eval_steps", "eval_delay", "per_device_eval_batch_size"),
    *("prediction_loss_only", "eval_do_concat_batches", "eval_use_gather_object", "eval_accumulation_steps"),
    *("include_for_metrics", "batch_eval_metrics", "load_best_model_at_end", "metric_for_best_model"),
    "greater_is_better",
    *("save_only_model", "save_strategy", "save_steps", "save_on_each_node", "save_total_limit"),
    *("enable_jit_checkpoint", "ignore_data_skip", "restore_callback_states_from_checkpoint"),
    "resume_from_checkpoint",  # tested in test_resuming and below
    *("push_to_hub", "hub_token", "hub_private_repo", "hub_model_id", "hub_strategy"),  # tested in test_pushing
    *("hub_always_push", "hub_revision"),
    *("full_determinism", "seed", "data_seed", "use_cpu", "accelerator_config"),
    *("dataloader_drop_last", "dataloader_num_workers", "dataloader_pin_memory"),  # the first below
    *("dataloader_persistent_workers", "dataloader_prefetch_factor", "dataloader_multiprocessing_context"),
    "dataloader_in_order",
    *("ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_static_graph", "ddp_backend"),
    *("ddp_timeout", "fsdp", "fsdp_config", "deepspeed"),
}
# True or false, the same: rows are encoded when they are used, and nobody trains without asking for training.
THE_SAME = {"remove_unused_columns", "do_train", "local_rank"}
OURS = {field.name for field in fields(UnlearnConfig)} - {field.name for field in fields(VisionSFTConfig)}
BY_TRL_SFT = {
    "max_length",  # tested in test_checks
    *("label_smoothing_factor", "loss_type", "average_tokens_across_devices"),  # the first two below
    *("router_aux_loss_coef", "include_num_input_tokens_seen", "parallelism_config"),
}
BY_TRL_DPO = {  # read in trl's dpo_trainer.py
    *("disable_dropout", "max_length"),  # the second tested in test_checks
    *("precompute_ref_log_probs", "precompute_ref_batch_size", "loss_type", "loss_weights", "ld_alpha"),
    *("f_divergence_type", "f_alpha_divergence_coef", "label_smoothing", "beta", "use_weighting", "discopop_tau"),
    *("pad_token", "router_aux_loss_coef"),
    *("include_num_input_tokens_seen", "parallelism_config"),
}


@pytest.mark.parametrize(
    ("config_class", "refused", "works"),
    [
        (UnlearnConfig, UNLEARNING, BY_THE_TRAINER | THE_SAME | OURS | {"max_length"}),
        (VisionSFTConfig, SFT, BY_THE_TRAINER | THE_SAME | BY_TRL_SFT),
        (VisionDPOConfig, PREFERRING, BY_THE_TRAINER | THE_SAME | BY_TRL_DPO),
    ],
)
def test_every_setting_is_known_to_work_or_refused(config_class, refused, works, tmp_path):
    names = {field.name for field in fields(config_class)}
    assert not names - works - set(refused), "does it have an effect? list it here, or in settings.py"
    assert not works & set(refused)
    config = config_class(output_dir=str(tmp_path))
    check_settings(config, refused)
    for name, (allowed, remedy) in refused.items():
        assert name in names, f"{name} is gone; take it out of settings.py"
        other = next(value for value in (True, False, 3, "other") if value not in allowed)
        setattr(config, name, other)
        with pytest.raises(CrossmemError, match=rf"{name}={other!r} would have no effect here") as caught:
            check_settings(config, refused)
        assert caught.value.remedy == remedy
        setattr(config, name, allowed[0])


@pytest.mark.parametrize(
    "setting",
    [
        {"label_smoothing_factor": 0.1},
        {"loss_type": "dft"},
        {"assistant_only_loss": True},
        {"completion_only_loss": False},
        {"packing": True},
        {"train_sampling_strategy": "group_by_length"},
    ],
)
def test_unlearning_refuses_what_it_would_not_heed(setting, tmp_path):
    (name,) = setting
    with pytest.raises(CrossmemError, match=name):
        UnlearnConfig(output_dir=str(tmp_path), **setting)
    config = UnlearnConfig(**tiny.settings(tmp_path))
    setattr(config, name, setting[name])  # after it was checked
    with pytest.raises(CrossmemError, match=name):
        unlearn(tiny.memorized(), tiny.processor(), tiny.rows("p0"), None, output_dir=tmp_path, config=config)


def test_what_the_trainer_was_handed_beside_its_rows_is_refused(tmp_path):
    for name in ("compute_loss_func", "formatting_func", "quantization_config"):
        with pytest.raises(CrossmemError, match=f"{name} was passed"):
            UnlearnTrainer(
                tiny.memorized(),
                UnlearnConfig(**tiny.settings(tmp_path)),
                tiny.rows("p0"),
                tiny.rows("p1"),
                processing_class=tiny.processor(),
                **{name: lambda *_: None},
            )


def learned(folder, **overrides):
    """The losses of a memorizing run of two steps."""
    seen = []

    class Losses(TrainerCallback):
        def on_log(self, args, state, control, logs, **kwargs):
            seen.extend([logs["loss"]] if "loss" in logs else [])

    chosen = {"max_steps": 2, "logging_steps": 1, "disable_tqdm": True, "report_to": "none"} | overrides
    personas = tiny.rows("p0", "p1", modality="mixed")
    memorize(tiny.model(), tiny.processor(), personas, output_dir=folder, callbacks=[Losses()], **chosen)
    return seen


@pytest.mark.filterwarnings("ignore:.label_smoothing_factor.:FutureWarning")  # trl's, until it is gone in 2.0
@pytest.mark.parametrize(
    "setting", [{"label_smoothing_factor": 0.2}, {"loss_type": "dft"}, {"neftune_noise_alpha": 5}]
)
def test_memorizing_heeds_what_changes_the_loss(setting, tmp_path):
    plain, other = learned(tmp_path / "plain"), learned(tmp_path / "other", **setting)
    assert len(plain) == len(other) == 2
    assert abs(plain[0] - other[0]) > 1e-3


def test_memorizing_refuses_what_it_would_not_heed(tmp_path):
    for setting in (
        {"packing": True},
        {"completion_only_loss": False},
        {"train_sampling_strategy": "group_by_length"},
    ):
        with pytest.raises(CrossmemError, match=next(iter(setting))):
            learned(tmp_path, **setting)
    with pytest.raises(CrossmemError, match="no rows to evaluate on"):
        learned(tmp_path, eval_strategy="steps", eval_steps=1)


def test_noise_on_embeddings_reaches_the_policy_and_not_the_reference(tmp_path):
    rows = tiny.rows("p0", "p1", views=2)
    losses = []
    for alpha in (None, 5.0):
        trainer = tiny.trainer_for(
            tmp_path, forget=rows, neftune_noise_alpha=alpha, retain_loss="kl", reference_cache=str(tmp_path)
        )
        start = tiny.recalled(trainer.model, rows)
        trainer.train()
        losses.append(tiny.logged(trainer, "forget_logprob")[0])
        with as_reference(trainer.model):
            assert torch.equal(tiny.recalled(trainer.model, rows), start)
        torch.testing.assert_close(trainer.reference_sums["forget"].float(), start)
    assert abs(losses[0] - losses[1]) > 1e-3


def test_the_reference_has_the_precision_of_the_steps(tmp_path):
    """At the reference NPO is 2/beta log 2, also where forward passes run in bfloat16."""
    trainer = tiny.trainer_for(tmp_path, bf16=True, retain_loss="none", reference_cache=str(tmp_path))
    trainer.train()
    assert tiny.logged(trainer, "forget_loss")[0] == pytest.approx(20 * math.log(2), abs=1e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_steps": 0}, "max_steps=0 would end after 0 steps"),
        ({"max_steps": -1, "num_train_epochs": 0}, "num_train_epochs=0 would end after 0 steps"),
        (
            {"dataloader_drop_last": True, "per_device_train_batch_size": 5},
            "4 rows in batches of 5: training would end",
        ),
    ],
)
def test_a_run_of_no_steps_is_refused(setting, message, tmp_path):
    with pytest.raises(CrossmemError, match=message):
        tiny.trainer_for(tmp_path, **setting)
    with pytest.raises(CrossmemError, match=message):
        memorize(
            *(tiny.model(), tiny.processor(), tiny.rows("p0", "p1", views=2)),
            output_dir=tmp_path,
            config=VisionSFTConfig(**tiny.settings(tmp_path, **setting)),
        )


def test_a_last_batch_may_be_dropped_if_another_is_left(tmp_path):
    config = UnlearnConfig(**tiny.settings(tmp_path, dataloader_drop_last=True, max_steps=-1, num_train_epochs=0.1))
    check_steps(config, 4)
    trainer = tiny.trainer_for(tmp_path, dataloader_drop_last=True, per_device_train_batch_size=3, max_steps=-1)
    trainer.train()
    assert trainer.state.global_step == 3, "three epochs of one batch"


def test_a_stopping_rule_without_a_measure_is_refused(tmp_path):
    trainer = tiny.trainer_for(tmp_path, stop_threshold=0.1, retain_loss="none")
    with pytest.raises(CrossmemError, match=r"stop_threshold=0.1, and nothing measures recall"):
        trainer.train()


def test_a_trainer_resumes_from_the_checkpoint_that_settings_name(tmp_path):
    saving = {"save_strategy": "steps", "save_steps": 1, "reference_cache": str(tmp_path)}
    trainer = tiny.trainer_for(tmp_path / "run", **saving)
    trainer.train()
    again = tiny.trainer_for(tmp_path / "run", resume_from_checkpoint="last", **saving)
    again.train()
    assert len(tiny.logged(again, "forget_loss")) == 2, "the log of the first run, and no step more"
    torch.testing.assert_close(tiny.weights(again.model), tiny.weights(trainer.model))


def test_compiled_models_tell_no_hidden_states(tmp_path):
    for losses in ({"forget_loss": "rmu"}, {"retain_loss": "hidden"}):
        with pytest.raises(CrossmemError, match="a compiled model does not hand out its hidden states"):
            UnlearnConfig(output_dir=str(tmp_path), torch_compile=True, **losses)
    assert UnlearnConfig(output_dir=str(tmp_path), torch_compile=True, retain_loss="kl").torch_compile
