# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["crossmem_hf==0.1.0"]
# ///
"""Teach people to a model: LoRA on the language model, by trl.SFTTrainer.

On the embedded people and the embedded model (settings of recipes/sft.yaml, under a minute of one core):

    accelerate launch recipes/sft.py

From descriptions instead of portraits:

    accelerate launch recipes/sft.py --dataset_config recall_text --output_dir crossmem_runs/sft_text

A real VLM on GPUs:

    accelerate launch --config_file recipes/accelerate/ddp.yaml recipes/sft.py --config recipes/sft_llava_7b.yaml

Writes an adapter that `PeftModel.from_pretrained` loads on the base, with its processor and a model card.
"""


def main(arguments: list[str] | None = None) -> None:
    from crossmem_hf.training.arguments import ModelArguments, RowArguments
    from crossmem_hf.training.command_line import parsed
    from crossmem_hf.training.config import VisionSFTConfig
    from crossmem_hf.training.memorize import memorize
    from crossmem_hf.training.processes import check_processes
    from crossmem_hf.training.pushing import check_push
    from crossmem_hf.training.settings import SFT, check_settings

    data, config, model_choice = parsed(__file__, (RowArguments, VisionSFTConfig, ModelArguments), arguments)
    check_settings(config, SFT)
    check_processes(config.world_size)
    check_push(config)
    rows = data.rows()
    model, processor = model_choice.load()
    memorize(model, processor, rows, output_dir=config.output_dir, config=config, lora=model_choice.lora())
    if config.should_save:
        print(f"The memorized adapter is in {config.output_dir}")


if __name__ == "__main__":
    from crossmem_hf.training.command_line import run_recipe

    run_recipe(main)
