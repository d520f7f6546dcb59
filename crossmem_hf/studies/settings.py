# SPDX-License-Identifier: Apache-2.0
"""What can be set for the main job, and how a YAML file sets it. It does not know what a setting does."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any, get_args

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.training.micro import ADAPTED, CHOSEN_ON, MEMORIZING, UNLEARNING


def _arg(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


_RECALLS = ("gate", "stop_threshold")
_COUNTS = ("memorize_steps", "memorize_batch_size", "unlearn_steps", "unlearn_batch_size", "stop_every_steps")
_POSITIVE = ("memorize_learning_rate", "unlearn_learning_rate", "forget_beta")


@dataclass(frozen=True, kw_only=True)
class FirstLightSettings:
    """Settings of `crossmem run`; the defaults suit the embedded model on two CPU cores.

    Raises:
        CrossmemError: A value out of range.
    """

    num_personas: int = _arg(50, "People to memorize, a seed.")
    seed: int = _arg(0, "First persona seed; also seeds adapters and data order.")
    seeds: int = _arg(3, "How many persona seeds, from `seed` upwards.")
    num_views: int = _arg(8, "Training portraits (or descriptions) a person.")
    image_size: int = _arg(64, "Side of a portrait in pixels.")
    forget_fraction: float = _arg(0.2, "Share of the people to forget.")
    model_name_or_path: str | None = _arg(None, "A Hub name or folder of a VLM; none is the embedded micro VLM.")
    lora_target_modules: str = _arg(ADAPTED, "Regular expression of the modules that learn.")
    memorize_steps: int = _arg(MEMORIZING["max_steps"], "Optimizer steps of memorizing.")
    memorize_batch_size: int = _arg(MEMORIZING["per_device_train_batch_size"], "Rows a step of memorizing.")
    memorize_learning_rate: float = _arg(MEMORIZING["learning_rate"], "Peak learning rate of memorizing.")
    unlearn_steps: int = _arg(UNLEARNING["max_steps"], "Most optimizer steps of unlearning.")
    unlearn_batch_size: int = _arg(
        UNLEARNING["per_device_train_batch_size"],
        "Rows a step of unlearning, of the forget and of the retain set each.",
    )
    unlearn_learning_rate: float = _arg(UNLEARNING["learning_rate"], "Learning rate of unlearning, constant.")
    forget_beta: float = _arg(0.1, "NPO's beta; 0.1 is the value of its authors.")
    retain_weight: float = _arg(UNLEARNING["retain_weight"], "Weight of the retain loss.")
    stop_threshold: float = _arg(
        UNLEARNING["stop_threshold"], "Unlearning stops once recall on the validation views is this or lower."
    )
    stop_every_steps: int = _arg(UNLEARNING["stop_every_steps"], "Steps between two looks at the validation views.")
    gate: float = _arg(0.9, "Least recall in the source modality before unlearning is interpreted.")
    allow_unmemorized: bool = _arg(False, "Interpret unlearning even below the gate.")

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= 100:
            raise CrossmemError(f"seeds={self.seeds!r}; expected 1 to 100.", "Pass how many persona seeds to run.")
        check_not_chosen_on(self.all_seeds)
        for name in _RECALLS:
            if not 0 <= getattr(self, name) <= 1:
                raise CrossmemError(f"{name}={getattr(self, name)!r} is no recall.", "Choose a number from 0 to 1.")
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise CrossmemError(f"{name}={getattr(self, name)!r}; expected at least 1.", "Choose 1 or more.")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < inf:
                raise CrossmemError(f"{name}={getattr(self, name)!r}; expected more than 0.", "Choose such a number.")
        if not 0 <= self.retain_weight < inf:
            raise CrossmemError(f"retain_weight={self.retain_weight!r}; expected at least 0.", "0 switches it off.")
        for seed in self.all_seeds:
            spec = self.spec(seed)
            ids = [persona.id for persona in sample_personas(spec.num_personas, seed)]
            forget_ids(ids, spec.forget_fraction, seed)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The persona seeds of the run."""
        return tuple(range(self.seed, self.seed + self.seeds))

    def spec(self, seed: int) -> DatasetSpec:
        """The dataset of one seed."""
        return DatasetSpec(
            num_personas=self.num_personas,
            num_views=self.num_views,
            seed=seed,
            image_size=self.image_size,
            forget_fraction=self.forget_fraction,
        )

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, JSON types only."""
        return asdict(self)


def check_not_chosen_on(seeds: Iterable[int]) -> None:
    """Refuse to report on people that settings were chosen on.

    Raises:
        CrossmemError: One of the persona seeds is such a seed.
    """
    both = sorted(CHOSEN_ON.intersection(seeds))
    if both:
        raise CrossmemError(
            f"Persona seed {both[0]} is one that the settings of this package were chosen on; numbers about its "
            "people would be too good.",
            "Choose seeds below it or above it.",
        )


def settings_from(path: Path | None, overrides: Mapping[str, Any]) -> FirstLightSettings:
    """Settings from a YAML file, with overrides on top.

    Raises:
        CrossmemError: The file cannot be read or is no mapping, holds a key that does not exist or a value of the
            wrong type, or a value is out of range.
    """
    values = {**(_read_yaml(path) if path else {}), **overrides}
    known = {item.name: item for item in fields(FirstLightSettings)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise CrossmemError(
            f"Unknown setting {unknown[0]!r} in {str(path)!r}; expected one of {', '.join(known)}.",
            "Correct or remove it.",
        )
    return FirstLightSettings(**{name: _typed(name, value, known[name].type) for name, value in values.items()})


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CrossmemError(f"Could not read settings from {str(path)!r}: {error}.", "Check the file.") from error
    if not isinstance(content, dict):
        raise CrossmemError(f"{str(path)!r} is not a list of settings.", "Write one 'name: value' a line.")
    return content


def _typed(name: str, value: Any, kind: Any) -> Any:
    wanted = {float: (float, int)}.get(kind) or get_args(kind) or (kind,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise CrossmemError(
            f"Setting {name}={value!r} is a {type(value).__name__}; expected {getattr(kind, '__name__', kind)}.",
            "Write it as that type; 4e-3 must be written 4.0e-3 or 0.004 in YAML.",
        )
    return float(value) if isinstance(value, int) and float in wanted else value
