# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["crossmem_hf==0.1.0"]
# ///
"""Make a model forget some of the people it memorized, with NPO and a retain loss; no second model is loaded.

On the embedded people and the embedded model (settings of recipes/unlearn_npo.yaml; memorizes first, about a minute):

    accelerate launch recipes/unlearn_npo.py

From a memorized adapter, with another retain loss; recipes/unlearn.py takes any forget loss too:

    accelerate launch recipes/unlearn_npo.py --adapter_name_or_path crossmem_runs/sft --retain_loss kl

Checkpoints: --save_strategy steps --save_steps 20. Killed, it goes on with --resume_from_checkpoint last as well.
A real VLM on GPUs:

    accelerate launch --config_file recipes/accelerate/ddp.yaml recipes/unlearn_npo.py \
        --config recipes/unlearn_npo_llava_7b.yaml

Writes the unlearned adapter, which `PeftModel.from_pretrained` loads on the same base, with a model card.
"""


def main(arguments: list[str] | None = None) -> None:
    from crossmem_hf.training.npo import NPOConfig
    from crossmem_hf.training.recipe import unlearn_recipe

    for line in unlearn_recipe(__file__, NPOConfig, arguments):
        print(line)


if __name__ == "__main__":
    from crossmem_hf.training.command_line import run_recipe

    run_recipe(main)
