# SPDX-License-Identifier: Apache-2.0
"""What the recipes can be told about rows and models, and what it selects. It trains nothing."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import LoraConfig

from crossmem_hf.data.loading import load_rows
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.loading import load_model_and_processor
from crossmem_hf.training.config import arg
from crossmem_hf.training.memorise import LANGUAGE_LINEARS, memorise
from crossmem_hf.training.people import of_people, personas_of


@dataclass
class RowArguments:
    """Which rows are trained on. Of the last five, a published dataset heeds only the seed and the fraction."""

    dataset_name: str | None = arg(None, "A Hub name or a folder; null builds the embedded people.")
    dataset_config: str = arg("recall_image", "recall_image, recall_text or qa.")
    dataset_split: str = arg("train", "Rows to train on; 'forget+retain' for qa.")
    num_personas: int = arg(50, "Embedded people.")
    num_views: int = arg(8, "Training portraits (or descriptions) an embedded person.")
    image_size: int = arg(64, "Side of an embedded portrait in pixels, 48 to 512.")
    persona_seed: int = arg(0, "Which embedded people, and the order in which people are forgotten.")
    forget_fraction: float = arg(0.2, "Share of the people to forget, above 0 and below 1.")

    def rows(self, split: str | None = None) -> Dataset:
        """The rows of `split`, by default of `dataset_split`."""
        return load_rows(
            self.dataset_name,
            self.dataset_config,
            split or self.dataset_split,
            num_personas=self.num_personas,
            num_views=self.num_views,
            seed=self.persona_seed,
            image_size=self.image_size,
            forget_fraction=self.forget_fraction,
        )

    def forget_and_retain(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        """`rows` of the people to forget, and of all others."""
        people = set(personas_of(rows))
        forgotten = forget_ids(sorted(people), self.forget_fraction, self.persona_seed)
        return of_people(rows, forgotten), of_people(rows, people - forgotten)

    def stopping_rows(self, forget: Dataset) -> Dataset:
        """Rows of the split "validation" about the people of `forget`: seen by the stopping rule, never reported.

        Raises:
            CrossmemError: There are none.
        """
        rows = self.rows("validation")
        forgotten = set(personas_of(forget))
        chosen = of_people(rows, forgotten)
        if not len(chosen):
            raise CrossmemError(
                f"None of the {len(rows)} validation rows is about one of the {len(forgotten)} people to forget, "
                "so nothing can say when to stop.",
                "Use a dataset whose validation split has them, or set stop_threshold to null.",
            )
        return chosen


@dataclass
class ModelArguments:
    """Which model is trained, and how its adapter looks."""

    model_name_or_path: str | None = arg(None, "A Hub name or a folder; null is the embedded micro VLM.")
    dtype: str = arg("float32", "float32, bfloat16, float16 or auto.")
    lora_r: int = arg(16, "Rank of the adapter.")
    lora_alpha: int = arg(32, "Scale of the adapter.")
    lora_dropout: float = arg(0.0, "Dropout of the adapter, 0 to 1.")
    lora_target_modules: str = arg(LANGUAGE_LINEARS, "Regular expression of the modules to adapt.")

    def load(self, adapter: str | None = None) -> tuple[Any, Any]:
        """(model, processor)."""
        return load_model_and_processor(self.model_name_or_path, adapter=adapter, dtype=self.dtype)

    def lora(self) -> LoraConfig:
        """The adapter's shape."""
        return LoraConfig(
            r=self.lora_r,
            lora_alpha=self.lora_alpha,
            lora_dropout=self.lora_dropout,
            target_modules=self.lora_target_modules,
        )


@dataclass
class UnlearnArguments:
    """Where unlearning starts."""

    adapter_name_or_path: str | None = arg(
        None, "The memorised adapter (recipes/sft.py makes one); null memorises first, with the embedded model only."
    )

    def memorised(self, choice: ModelArguments, rows: Dataset, config: Any) -> tuple[Any, Any]:
        """(model with its memorised adapter, processor); without an adapter, the embedded model learns `rows` first.

        Args:
            config: Gives the seed, and `output_dir`: an adapter made here is kept in its folder ``memorised``.

        Raises:
            CrossmemError: No adapter was given for a model that is not the embedded one.
        """
        if self.adapter_name_or_path is not None:
            return choice.load(self.adapter_name_or_path)
        if choice.model_name_or_path is not None:
            raise CrossmemError(
                f"There is no memorised adapter for {choice.model_name_or_path!r}; unlearning starts from one.",
                "Train one with recipes/sft.py and pass it as --adapter_name_or_path.",
            )
        model, processor = choice.load()
        shown = {"seed": config.seed, "disable_tqdm": config.disable_tqdm, "logging_steps": 20}
        folder = Path(config.output_dir) / "memorised"
        return memorise(model, processor, rows, output_dir=folder, lora=choice.lora(), **shown), processor


def with_default_config(script: str, arguments: Sequence[str] | None = None) -> list[str]:
    """The command line, with the YAML beside `script` as its config if it names neither a config nor a model."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(word.split("=")[0] in ("--config", "--model_name_or_path", "-h", "--help") for word in given):
        return given
    return ["--config", str(Path(script).resolve().with_suffix(".yaml")), *given]


def run_recipe(main: Callable[[], None]) -> None:
    """Run a recipe as a command: our progress on the terminal, and a user's mistake as one line, not a traceback."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("crossmem_hf").setLevel(logging.INFO)
    try:
        main()
    except CrossmemError as error:
        sys.exit(f"error: {error}")
