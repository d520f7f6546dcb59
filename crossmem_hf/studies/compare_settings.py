# SPDX-License-Identifier: Apache-2.0
"""What `crossmem compare` can be told. It runs nothing."""

from dataclasses import asdict, dataclass, field
from typing import Any

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.studies.settings import check_not_chosen_on
from crossmem_hf.training.micro import ADAPTED, MEMORIZING, MEMORIZING_BOTH, TUNED, UNLEARNING

THROUGH = ("image", "text", "both")
DATASETS = ("recall", "qa")
DEFAULT_METHODS = ("ga", "gd", "kl", "npo", "simnpo", "dpo", "idk", "rmu")


def _arg(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Settings of a comparison; the defaults suit the embedded model on two CPU cores.

    Raises:
        CrossmemError: A name that does not exist, a name given twice, or a number out of range.
    """

    methods: tuple[str, ...] = _arg(DEFAULT_METHODS, "Names of `training.methods.METHODS`.")
    forget_modality: tuple[str, ...] = _arg(THROUGH, "Modalities to forget through.")
    seed: int = _arg(0, "First persona seed; also seeds adapters and data order.")
    seeds: int = _arg(3, "How many persona seeds, from `seed` upwards.")
    num_personas: int = _arg(50, "People to memorize, a seed.")
    dataset_config: str = _arg("recall", "recall (names) or qa (private facts, one and two hops).")
    forget_fraction: float = _arg(0.2, "Share of the people to forget.")
    model_name_or_path: str | None = _arg(None, "A Hub name or folder of a VLM; none is the embedded micro VLM.")
    lora_target_modules: str = _arg(ADAPTED, "Regular expression of the modules that learn.")
    memorize_steps: int = _arg(
        MEMORIZING_BOTH["max_steps"], "Optimizer steps of memorizing, both modalities together."
    )
    gate: float = _arg(0.9, "Least recall through each modality before unlearning starts.")
    allow_unmemorized: bool = _arg(False, "Compare even below the gate.")
    choosing: bool = _arg(False, "Compare to choose settings, on any seed; such numbers are not to be reported.")

    def __post_init__(self) -> None:
        for name, known in (("methods", tuple(TUNED)), ("forget_modality", THROUGH)):
            chosen = getattr(self, name)
            unknown = [value for value in chosen if value not in known]
            if unknown or not chosen or len(set(chosen)) < len(chosen):
                raise CrossmemError(
                    f"{name}={','.join(chosen)!r}; expected different ones of {', '.join(known)}.",
                    "Separate them by commas.",
                )
        if self.dataset_config not in DATASETS:
            raise CrossmemError(f"dataset_config={self.dataset_config!r} does not exist.", "Choose recall or qa.")
        if not 1 <= self.seeds <= 100:
            raise CrossmemError(f"seeds={self.seeds!r}; expected 1 to 100.", "Pass how many persona seeds to run.")
        if not self.choosing:
            check_not_chosen_on(self.all_seeds)
        if self.memorize_steps < 1:
            raise CrossmemError(f"memorize_steps={self.memorize_steps!r}; expected at least 1.", "Choose 1 or more.")
        if not 0 <= self.gate <= 1:
            raise CrossmemError(f"gate={self.gate!r} is no recall.", "Choose a number from 0 to 1.")
        spec = self.spec(self.seed)
        ids = [persona.id for persona in sample_personas(spec.num_personas, self.seed)]
        forget_ids(ids, spec.forget_fraction, self.seed)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The persona seeds of the run."""
        return tuple(range(self.seed, self.seed + self.seeds))

    def spec(self, seed: int) -> DatasetSpec:
        """The dataset of one seed."""
        return DatasetSpec(num_personas=self.num_personas, seed=seed, forget_fraction=self.forget_fraction)

    def memorizing(self, seed: int) -> dict[str, Any]:
        """For `training.memorize.memorize`."""
        return MEMORIZING | {"max_steps": self.memorize_steps, "seed": seed}

    def unlearning(self, method: str, forget_modality: str, seed: int) -> dict[str, Any]:
        """For `training.unlearn.unlearn`."""
        return UNLEARNING | TUNED[method] | {"forget_modality": forget_modality, "seed": seed}

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, JSON types only."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def names_in(words: str) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(word.strip() for word in words.split(",") if word.strip())
