# SPDX-License-Identifier: Apache-2.0
# /// script
# dependencies = ["crossmem_hf"]
# ///
"""Make a model forget some of the people it memorised, with NPO and a retain loss; no second model is loaded.

On the embedded people and the embedded model (settings of recipes/unlearn_npo.yaml; memorises first, about a minute):

    accelerate launch recipes/unlearn_npo.py

From a memorised adapter, with another objective:

    accelerate launch recipes/unlearn_npo.py --adapter_name_or_path crossmem_runs/sft --retain_loss kl

A real VLM on GPUs:

    accelerate launch --config_file recipes/accelerate/ddp.yaml recipes/unlearn_npo.py \
        --config recipes/unlearn_npo_llava_7b.yaml

Writes the unlearned adapter, which `PeftModel.from_pretrained` loads on the same base, with a model card.
"""


def main(arguments: list[str] | None = None) -> None:
    from trl import TrlParser

    from crossmem_hf.studies.asking import recall
    from crossmem_hf.training.arguments import ModelArguments, RowArguments, UnlearnArguments, with_default_config
    from crossmem_hf.training.methods import NPOConfig, NPOTrainer
    from crossmem_hf.training.unlearn import unlearn

    parser = TrlParser((RowArguments, UnlearnArguments, NPOConfig, ModelArguments))
    data, start, config, choice = parser.parse_args_and_config(with_default_config(__file__, arguments))
    rows = data.rows()
    forget, retain = data.forget_and_retain(rows)
    stops = config.stop_threshold is not None
    stopping = list(data.stopping_rows(forget)) if stops else []
    model, processor = start.memorised(choice, rows, config)
    _, rule = unlearn(
        model,
        processor,
        forget,
        retain,
        output_dir=config.output_dir,
        recall=(lambda: recall(model, processor, stopping)) if stops else None,
        config=config,
        trainer_class=NPOTrainer,
    )
    if config.should_save:
        for step, value in rule.history if rule else []:
            print(f"step {step:>4}: recall {value:.2f} of the people to forget, on views kept for stopping")
        print(f"The unlearned adapter is in {config.output_dir}")


if __name__ == "__main__":
    from crossmem_hf.training.arguments import run_recipe

    run_recipe(main)
