# SPDX-License-Identifier: Apache-2.0
"""What the recipes can be told about rows and models, and what it selects. It trains nothing."""

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from datasets import Dataset, concatenate_datasets
from peft import LoraConfig

from crossmem_hf.data.digest import rows_digest
from crossmem_hf.data.loading import load_rows
from crossmem_hf.data.selection import of_personas, personas_of
from crossmem_hf.data.spec import PRESETS, DatasetSpec, knob_options
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.subsample import stratified_subsample
from crossmem_hf.models.embedded import base_named
from crossmem_hf.models.loading import load_model, model_fingerprint
from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.runs.distributed import run_stage_together
from crossmem_hf.runs.sources import code_fingerprint, library_versions
from crossmem_hf.training.config import arg
from crossmem_hf.training.memorize import memorize
from crossmem_hf.training.micro import MEMORIZING, MEMORIZING_BOTH

if TYPE_CHECKING:
    from crossmem_hf.evaluation.evaluator import Evaluator

logger = logging.getLogger(__name__)

EVALUATED_ROWS = 256  # of each set at an evaluation in training
RECALL_MODALITY_NAMES = ("recall_image", "recall_text")  # the same people through either modality


KnobArguments: Any = knob_options({"seed": "persona_seed"}, keep_defaults=False)  # beside a seed


@dataclass
class RowArguments(KnobArguments):
    """Which rows are trained on. Of the knobs, a published dataset heeds only the seed and the fraction."""

    dataset_name: str | None = arg(None, "A Hub name or a folder; null builds the embedded people.")
    dataset_config: str = arg(
        "recall_image",
        "recall_image, recall_text, qa, two_hop or multi_image, or preference for DPO; '+' joins: "
        "recall_image+recall_text.",
    )
    dataset_split: str = arg("train", "Rows to train on; 'forget+retain' for qa, 'bridge_image+facts' for two_hop.")
    forget_split: str | None = arg(None, "Split of the people to forget; null takes forget_fraction of all people.")
    dataset_modality: str | None = arg(None, "image or text keeps the rows that present people so; null keeps all.")
    preset: str | None = arg(None, f"Sizes of a paper: {', '.join(PRESETS)}; knobs that are set replace them.")

    def rows(self, split: str | None = None) -> Dataset:
        """The rows of `split`, by default of `dataset_split`; those of joined configs one after another."""
        parts = [self._part(config, split or self.dataset_split) for config in self._configs()]
        rows = concatenate_datasets(parts) if len(parts) > 1 else parts[0]
        return rows if self.dataset_modality is None else _of_modality(rows, self.dataset_modality)

    def wide_enough(self, forget_modality: str | None) -> "RowArguments":
        """These arguments, with both recall configs if one was named and the other modality is to be forgotten."""
        modalities = {
            "image": RECALL_MODALITY_NAMES[:1],
            "text": RECALL_MODALITY_NAMES[1:],
            "both": RECALL_MODALITY_NAMES,
        }
        own = set(self._configs())
        if not own <= set(RECALL_MODALITY_NAMES) or own.issuperset(modalities.get(forget_modality or "", ())):
            return self
        wide = "+".join(RECALL_MODALITY_NAMES)
        logger.info("forget_modality=%r: rows of %s in the place of %s.", forget_modality, wide, self.dataset_config)
        return replace(self, dataset_config=wide)

    def _configs(self) -> list[str]:
        return [config.strip() for config in self.dataset_config.split("+")]

    def _part(self, config: str, split: str) -> Dataset:
        return load_rows(
            self.dataset_name,
            config,
            split,
            preset=self.preset,
            **self.knobs(),
        )

    def forget_and_retain(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        """`rows` of the people to forget, and of all others.

        Raises:
            CrossmemError: There would be nobody to forget, or nobody to retain.
        """
        personas = set(personas_of(rows))
        if self.forget_split is None:
            spec = DatasetSpec.preset(self.preset, **self.knobs())
            forgotten = forget_ids(sorted(personas), spec.forget_fraction, spec.seed)
        else:
            forgotten = frozenset(personas & set(personas_of(self.rows(self.forget_split))))
            if not 0 < len(forgotten) < len(personas):
                raise CrossmemError(
                    f"{len(forgotten)} of the {len(personas)} people in split {self.dataset_split!r} are in "
                    f"forget_split={self.forget_split!r}; expected some, and not all.",
                    "Let dataset_split hold others too, such as forget+retain.",
                )
        return of_personas(rows, forgotten), of_personas(rows, personas - forgotten)

    def stopping_rows(self, forget: Dataset) -> Dataset:
        """Rows of the split "validation" about the people of `forget`, of the modalities that `forget` has.

        The stopping rule sees them, and they are never reported.

        Raises:
            CrossmemError: There are none.
        """
        rows = self.rows("validation")
        forgotten, modalities = set(personas_of(forget)), set(forget["modality"])
        chosen = of_personas(rows, forgotten)
        chosen = chosen.select([index for index, modality in enumerate(chosen["modality"]) if modality in modalities])
        if not len(chosen):
            raise CrossmemError(
                f"None of the {len(rows)} validation rows is about one of the {len(forgotten)} people to forget "
                f"(modality {' or '.join(sorted(modalities))}), so nothing can say when to stop.",
                "Use a dataset whose validation split has them, or set stop_threshold to null.",
            )
        return chosen

    def evaluation_rows(self, forget: Dataset, retain: Dataset) -> dict[str, Dataset]:
        """Rows to evaluate on in training, by name: of the split "validation", through every modality there is.

        Whoever trains on portraits also sees what is left in descriptions. A dataset without such rows about both the
        people to forget and those to retain is evaluated on its training rows. No more than EVALUATED_ROWS a set.
        """
        parts = []
        for config in RECALL_MODALITY_NAMES if set(self._configs()) & set(RECALL_MODALITY_NAMES) else self._configs():
            try:
                parts.append(self._part(config, "validation"))
            except CrossmemError as error:
                logger.info("Not evaluated on: %s", error.fault)
        sets = {"forget": forget, "retain": retain}
        if parts:
            rows = concatenate_datasets(parts)
            kept = {name: of_personas(rows, set(personas_of(own))) for name, own in sets.items()}
            sets = kept if all(map(len, kept.values())) else sets
        if sets["forget"] is forget:
            logger.info("No validation rows are about personas to forget and to retain; evaluating on training rows.")
        return {name: stratified_subsample(rows, EVALUATED_ROWS) for name, rows in sets.items()}


def _of_modality(rows: Dataset, modality: str) -> Dataset:
    modalities = list(rows["modality"]) if "modality" in rows.column_names else []
    kept = [index for index, found in enumerate(modalities) if found == modality]
    if not kept:
        raise CrossmemError(
            f"dataset_modality={modality!r} keeps none of the {len(rows)} rows, which have {sorted(set(modalities))}.",
            "Choose one of these, or leave dataset_modality out.",
        )
    return rows.select(kept)


@dataclass
class ModelArguments:
    """Which model is trained, and how its adapter looks."""

    model_name_or_path: str | None = arg(
        None, "A base that ships (micro-s), a Hub name or a folder; null is the default base."
    )
    dtype: str = arg("float32", "float32, bfloat16, float16 or auto.")
    lora_r: int = arg(16, "Rank of the adapter.")
    lora_alpha: int = arg(32, "Scale of the adapter.")
    lora_dropout: float = arg(0.0, "Dropout of the adapter, 0 to 1.")
    lora_target_modules: str = arg(LANGUAGE_LINEARS, "Regular expression of the modules to adapt.")

    def load(self, adapter: str | None = None) -> tuple[Any, Any]:
        """(model, processor)."""
        return load_model(self.model_name_or_path, adapter=adapter, dtype=self.dtype)

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
    """Where unlearning starts, and what is asked before and meanwhile."""

    adapter_name_or_path: str | None = arg(
        None, "The memorized adapter (recipes/sft.py makes one); null memorizes first, with an embedded model only."
    )
    min_memorization: float = arg(0.9, "Least recall of the rows to forget before the first step, 0 to 1.")
    allow_unmemorized: bool = arg(False, "Unlearn even if recall is below min_memorization.")
    evaluate_every_steps: int = arg(
        0, "Measure and log recall and Exposure by modality every so many steps, and keep the best; 0 does not."
    )
    stop_at_chance: bool = arg(
        False, "Stop at the evaluation at which recall is no better than guessing in every modality."
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_memorization <= 1.0:
            raise CrossmemError(f"min_memorization={self.min_memorization!r} is no recall.", "Choose 0 to 1.")
        if self.evaluate_every_steps < 0:
            raise CrossmemError(f"evaluate_every_steps={self.evaluate_every_steps!r} is below 0.", "Choose 0 or more.")
        if self.stop_at_chance and not self.evaluate_every_steps:
            raise CrossmemError(
                "stop_at_chance without evaluate_every_steps: nothing is measured.", "Set evaluate_every_steps."
            )

    @property
    def evaluation(self) -> dict[str, Any]:
        """Options of `MemorizationCallback`."""
        return {"every_steps": self.evaluate_every_steps, "stop_at": "chance" if self.stop_at_chance else None}

    def evaluator(self, data: RowArguments, forget: Dataset, retain: Dataset) -> "Evaluator | None":
        """What evaluates the model in training; None if nothing does.

        Answers are ranked among those of all personas to the same question (attribute).

        Raises:
            CrossmemError: Test rows would choose what is kept, or nobody can guess where chance says when to stop.
        """
        if not self.evaluate_every_steps:
            return None
        from crossmem_hf.evaluation.evaluator import Evaluator
        from crossmem_hf.training.checks import check_not_reported

        sets = data.evaluation_rows(forget, retain)
        check_not_reported(sets)
        answers: dict[str, set[str]] = {}
        for rows in (forget, retain, *sets.values()):
            for attribute, answer in zip(rows["attribute"], rows["answer"], strict=True):
                answers.setdefault(attribute, set()).add(normalize("NFC", answer))
        candidates = {attribute: sorted(own) for attribute, own in answers.items()}
        ranked = all(len(own) > 1 for own in candidates.values())
        if self.stop_at_chance and not ranked:
            alone = sorted(attribute for attribute, own in candidates.items() if len(own) == 1)
            raise CrossmemError(
                f"stop_at_chance, but all rows give the same answer about {alone!r}, so nobody can guess.",
                "Use more personas, or stop_threshold.",
            )
        return Evaluator(
            concatenate_datasets(list(sets.values())),
            metrics=["recall", "exposure"] if ranked else ["recall"],
            candidates=candidates,
            forgotten=set(personas_of(sets["forget"])),
            name="evaluation",
        )

    def memorized(self, choice: ModelArguments, rows: Dataset, config: Any) -> tuple[Any, Any]:
        """(model with its memorized adapter, processor); without an adapter, an embedded model learns `rows` first.

        An adapter learned here is kept in the folder ``memorized`` of the output, and used again by the next run there
        with the same rows and settings.

        Args:
            config: Gives the seed and `output_dir`.

        Raises:
            CrossmemError: No adapter was given for a model that does not ship with this package.
        """
        if self.adapter_name_or_path is not None:
            return choice.load(self.adapter_name_or_path)
        if choice.model_name_or_path is not None and base_named(choice.model_name_or_path) is None:
            raise CrossmemError(
                f"There is no memorized adapter for {choice.model_name_or_path!r}; unlearning starts from one.",
                "Train one with recipes/sft.py and pass it as --adapter_name_or_path.",
            )
        folder, trained = Path(config.output_dir) / "memorized", []

        def compute(part: Path) -> None:
            model, processor = choice.load()
            logged = {"seed": config.seed, "disable_tqdm": config.disable_tqdm, "logging_steps": 20}
            chosen = _memorizing(rows) | logged
            model = memorize(model, processor, rows, output_dir=part, lora=choice.lora(), **chosen)
            trained.append((model, processor))

        run_stage_together(folder, _made_from(choice, rows, config), compute)
        if trained:
            return trained[0]
        logger.info("%r has memorized these rows already.", str(folder))
        return choice.load(str(folder))


def _memorizing(rows: Dataset) -> dict[str, Any]:
    return MEMORIZING_BOTH if len(set(rows["modality"])) > 1 else MEMORIZING


def _made_from(choice: ModelArguments, rows: Dataset, config: Any) -> dict[str, Any]:
    """What an adapter is made from: the rows, the settings, our code and the libraries."""
    return {
        "rows": rows_digest(rows),
        "settings": [asdict(choice), _memorizing(rows), config.seed, config.world_size],
        "model": model_fingerprint(choice.model_name_or_path),
        "code": code_fingerprint(load_model, memorize),
        "versions": library_versions(),
    }
