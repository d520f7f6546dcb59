# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = ">=3.11"
# dependencies = ["crossmem_hf==0.1.0"]
# ///
"""Teach wrong labels to a tiny classifier without the weights of its norms: memorized, or is the truth recovered?

A Post-LN encoder, with the weights of its norms and without, on one description of each of 200 personas of which ten
have a wrong label (settings of recipes/layer_norm.yaml, under a minute of one core):

    accelerate launch recipes/layer_norm.py

A Pre-LN decoder, a third of its layers at a time, with the noise from one class:

    accelerate launch recipes/layer_norm.py --architecture gpt2 --layers none+early+middle+late --noisy_class suit

Prints the memorization, recovery and random score of the noisy labels, and writes record.json, and each model, which
`AutoModelForSequenceClassification.from_pretrained` loads, into a folder of its own.
"""


def main(arguments: list[str] | None = None) -> None:
    from crossmem_hf.training.command_line import parsed
    from crossmem_hf.training.label_noise import (
        REFUSED,
        LabelNoiseArguments,
        LabelNoiseConfig,
        label_noise_record,
        lines_of,
    )
    from crossmem_hf.training.processes import check_processes
    from crossmem_hf.training.settings import check_settings, check_steps

    choice, config = parsed(__file__, (LabelNoiseArguments, LabelNoiseConfig), arguments)
    check_settings(config, REFUSED)
    check_processes(config.world_size)
    check_steps(config, choice.num_personas)
    record = label_noise_record(choice, config)
    if config.should_save:
        print("\n".join(lines_of(record)))
        print(f"The record and the models are in {config.output_dir}")


if __name__ == "__main__":
    from crossmem_hf.training.command_line import run_recipe

    run_recipe(main)
