# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["crossmem_hf==0.1.0"]
# ///
"""Make a model forget some of the personas it memorized, by any method, or with any forget and retain loss.

On the embedded people and the embedded model (settings of recipes/unlearn.yaml; memorizes first, about a minute):

    accelerate launch recipes/unlearn.py --method kl
    accelerate launch recipes/unlearn.py --forget_loss ga --retain_loss hidden

Through portraits (image), through descriptions (text), or through both, of people learned through both:

    accelerate launch recipes/unlearn.py --forget_loss npo --forget_modality both

Checkpoints: --save_strategy steps --save_steps 20. Killed, it goes on with --resume_from_checkpoint last as well.
A real VLM on GPUs, with the settings of the NPO recipe where they are not replaced:

    accelerate launch --config_file recipes/accelerate/ddp.yaml recipes/unlearn.py \
        --config recipes/unlearn_npo_llava_7b.yaml --forget_loss simnpo --forget_beta 4.5 --forget_weight 0.125

Methods: ga, gd, kl, npo, simnpo, idk, dpo, wga, undial, rmu. Forget losses: npo, ga, simnpo, idk, dpo, wga, undial,
rmu. Retain losses: nll, kl, hidden, none.
Writes the unlearned adapter, which `PeftModel.from_pretrained` loads on the same base, with a model card.
"""


def main(arguments: list[str] | None = None) -> None:
    from crossmem_hf.training.recipe import unlearn_recipe

    for line in unlearn_recipe(__file__, None, arguments):
        print(line)


if __name__ == "__main__":
    from crossmem_hf.training.command_line import run_recipe

    run_recipe(main)
