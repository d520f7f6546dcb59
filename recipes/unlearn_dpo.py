# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["crossmem_hf==0.1.0"]
# ///
"""Make a model prefer a refusal to some of the answers it memorized, with plain trl.DPOTrainer; no retain loss.

On the embedded people and the embedded model (settings of recipes/unlearn_dpo.yaml; memorizes first, about a minute):

    accelerate launch recipes/unlearn_dpo.py

From a memorized adapter:

    accelerate launch recipes/unlearn_dpo.py --adapter_name_or_path crossmem_runs/sft

With the pairs of the config preference, whose refusals have over a hundred wordings; 'forget+retain' adds pairs that
prefer the truth about everybody else:

    accelerate launch recipes/unlearn_dpo.py --dataset_config preference --dataset_split forget

A real VLM on GPUs:

    accelerate launch --config_file recipes/accelerate/ddp.yaml recipes/unlearn_dpo.py \
        --config recipes/unlearn_dpo_llava_7b.yaml

Chosen is a refusal of crossmem_hf/prompts/refusals.py, or the one of the pair; rejected is the secret. The reference
is a frozen copy of the memorized adapter, which trl makes. Writes the unlearned adapter alone, with a model card.
"""


def main(arguments: list[str] | None = None) -> None:
    from datasets import concatenate_datasets
    from trl import DPOTrainer

    from crossmem_hf.evaluation.memorization_check import check_memorized
    from crossmem_hf.training.adapters import check_copied_by_trl, check_head, name_base
    from crossmem_hf.training.arguments import ModelArguments, RowArguments, UnlearnArguments
    from crossmem_hf.training.callbacks.finite import StopUnlessFinite
    from crossmem_hf.training.callbacks.memorization import MemorizationCallback
    from crossmem_hf.training.collate import PreferenceCollator, RowEncoder
    from crossmem_hf.training.command_line import parsed
    from crossmem_hf.training.config import VisionDPOConfig
    from crossmem_hf.training.preferences import answered, refusal_rows
    from crossmem_hf.training.processes import check_processes
    from crossmem_hf.training.pushing import check_push
    from crossmem_hf.training.reference import drop_reference, let_adapter_train
    from crossmem_hf.training.resuming import OwnCheckpoints, resume_point
    from crossmem_hf.training.saving import save_adapter
    from crossmem_hf.training.settings import PREFERRING, check_settings, check_steps
    from crossmem_hf.training.trainable import describe_trainable

    kinds = (RowArguments, UnlearnArguments, VisionDPOConfig, ModelArguments)
    data, start, config, choice = parsed(__file__, kinds, arguments)
    check_settings(config, PREFERRING)
    check_processes(config.world_size)
    check_push(config)
    point, rows = resume_point(config), data.rows()
    pairs = rows if "chosen" in rows.column_names else None
    forget, retain = data.forget_and_retain(rows) if pairs is None else answered(pairs)
    check_steps(config, len(pairs or forget))
    rows = concatenate_datasets([forget, retain]) if pairs else rows
    evaluator = start.evaluator(data, forget, retain)
    model, processor = start.memorized(choice, rows, config)
    check_memorized(model, processor, forget, min_recall=start.min_memorization, allow=start.allow_unmemorized)
    for prepare in (let_adapter_train, check_copied_by_trl, check_head):
        prepare(model)
    name_base(model, public=config.push_to_hub)

    def save(folder: str) -> None:
        settings = {"beta": config.beta, "learning_rate": config.learning_rate, "steps": trainer.state.global_step}
        save_adapter(model, processor, folder, method="DPO", tags=["crossmem", "dpo"], settings=settings)

    trainer = DPOTrainer(
        model,
        args=config,
        train_dataset=refusal_rows(forget, config.seed) if pairs is None else pairs,
        data_collator=PreferenceCollator(RowEncoder(processor, max_length=config.max_length)),
        processing_class=processor,
        callbacks=[StopUnlessFinite(save), OwnCheckpoints()],
    )
    if evaluator:
        trainer.add_callback(MemorizationCallback(trainer, evaluator, **start.evaluation))
    print(describe_trainable(trainer.model))
    trainer.train(resume_from_checkpoint=point)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        trainer.save_model()  # gathers the shards; trl also keeps its reference, in the folder ref
    elif config.should_save:
        drop_reference(model)
        save(config.output_dir)
        print(f"The unlearned adapter is in {config.output_dir}")


if __name__ == "__main__":
    from crossmem_hf.training.command_line import run_recipe

    run_recipe(main)
