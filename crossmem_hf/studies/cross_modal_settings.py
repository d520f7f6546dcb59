# SPDX-License-Identifier: Apache-2.0
"""What can be set for the study cross_modal: which models learn, in which ways, and at which settings. It runs
nothing."""

from pathlib import Path
from typing import Any

from pydantic import Field

from crossmem_hf.models.embedded import bases
from crossmem_hf.studies.cross_modal_arms import ARMS, ARMS_ON, CLOSE_BASES, MAIN_BASES, USUAL
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.training.micro import settings_of

_BASES = bases()


class CrossModalSettings(StudySettings):
    """Settings of `crossmem study cross_modal`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    bases: some_of(_BASES) = Field(  # type: ignore[valid-type]
        _BASES, description=f"Comma-separated: {', '.join(_BASES)}.", json_schema_extra=SELECTS
    )
    arms: some_of(tuple(ARMS)) = Field(  # type: ignore[valid-type]
        tuple(ARMS), description=f"Ways to learn, comma-separated: {', '.join(ARMS)}.", json_schema_extra=SELECTS
    )
    arms_on: some_of(_BASES) = Field(  # type: ignore[valid-type]
        tuple(base for base in _BASES if base == ARMS_ON) or MAIN_BASES[:1],
        description="Bases that all arms are run on, as far as they are among --bases, else the first of these.",
        json_schema_extra=SELECTS,
    )
    checkpoints: str | None = Field(
        None,
        description="Folder with points of a base's pre-training (step-*), which learn in the usual way, too.",
        json_schema_extra=SELECTS,
    )
    model_name_or_path: str | None = Field(
        None, description="A Hub name or a folder, in the place of --bases; then name steps and learning rate, too."
    )
    memorize_steps: int | None = Field(
        None, ge=1, description="Optimizer steps of memorizing 50 personas (default: what suits the base)."
    )
    memorize_batch_size: int | None = Field(None, ge=1, description="Rows at a time (default: the same).")
    gradient_accumulation_steps: int | None = Field(None, ge=1, description="Times that for a step (default: once).")
    memorize_learning_rate: float | None = Field(None, gt=0, description="Its peak (default: what suits the base).")
    lora_rank: int | None = Field(None, ge=1, description="Of arms that leave it alone; alpha is twice as much.")

    @property
    def all_bases(self) -> tuple[str, ...]:
        """The models that learn in the usual way."""
        return self.bases if self.model_name_or_path is None else (self.model_name_or_path,)

    @property
    def points(self) -> tuple[Path, ...]:
        """Folders of the points of a pre-training, the first one first."""
        kept = sorted(Path(self.checkpoints).glob("step-*/config.json")) if self.checkpoints else []
        return tuple(file.parent for file in kept)

    @property
    def main_bases(self) -> tuple[str, ...]:
        """The models that the main claims are about, as records call them."""
        if self.model_name_or_path is not None:
            return (Path(self.model_name_or_path).name,)
        return tuple(base for base in MAIN_BASES if base in self.bases) or self.bases[:1]

    @property
    def compared_on(self) -> tuple[str, ...]:
        """The models that all arms are run on, as records call them."""
        if self.model_name_or_path is not None:
            return self.main_bases
        return tuple(base for base in self.arms_on if base in self.bases) or self.bases[:1]

    def closely(self, base: str) -> bool:
        """Whether a model is asked most: the first main base, that of the arms, and one that was named by itself.
        Which other bases are selected does not matter, as cells are kept when others are."""
        return self.model_name_or_path is not None or base in CLOSE_BASES

    @property
    def close_bases(self) -> tuple[str, ...]:
        """Those of all bases that are, as records call them."""
        names = dict.fromkeys(Path(base).name for base in (*self.main_bases, *self.all_bases))
        return tuple(name for name in names if self.closely(name))

    def memorizing(self, base: str, arm: str = USUAL) -> dict[str, Any]:
        """For `adapters.memorized`, of 50 personas."""
        chosen = {
            "max_steps": self.memorize_steps,
            "per_device_train_batch_size": self.memorize_batch_size,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "learning_rate": self.memorize_learning_rate,
        }
        suited = settings_of(base).memorizing | {name: value for name, value in chosen.items() if value is not None}
        return suited | {"learning_rate": suited["learning_rate"] * ARMS[arm].pace}

    def lora(self, arm: str) -> dict[str, Any]:
        """For `adapters.memorized`."""
        own = {} if self.lora_rank is None else {"r": self.lora_rank, "alpha": 2 * self.lora_rank}
        return own | dict(ARMS[arm].lora)
