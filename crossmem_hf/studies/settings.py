# SPDX-License-Identifier: Apache-2.0
"""What can be set for a study, checked in one place for the command line, YAML and records. It runs nothing."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.training.micro import ADAPTED, CHOSEN_ON, MEMORIZING, NPO_THROUGH_ONE, UNLEARNING

SELECTS: dict[str, Any] = {"selects": True}
"""Marks a setting that chooses among cells or judges them: it changes the numbers of none."""

T = TypeVar("T", bound="StudySettings")


@dataclass(frozen=True, slots=True)
class Names:
    """Which names a setting may have, for those who offer them."""

    known: tuple[str, ...]


def _names(value: Any) -> Any:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def some_of(known: tuple[str, ...]) -> Any:
    """The type of a setting that names different ones of some names: a list, or one text with commas."""

    def check(names: tuple[str, ...]) -> tuple[str, ...]:
        others = [name for name in names if name not in known]
        if others:
            found = unknown("name", others, known)
            raise CrossmemError(f"{','.join(names)!r}: {found.fault}", found.remedy)
        if not names or len(set(names)) < len(names):
            raise CrossmemError(
                f"{','.join(names)!r}; expected different ones of {', '.join(known)}.",
                "Name at least one, and each once, with commas between them.",
            )
        return names

    return Annotated[tuple[str, ...], BeforeValidator(_names), AfterValidator(check), Names(known)]


def steps_of() -> Any:
    """The type of a setting that lists optimizer steps, rising: a list, one number, or one text with commas."""

    def numbers(value: Any) -> Any:
        parts = [value] if isinstance(value, int) else _names(value)
        return [int(part) if isinstance(part, str) and part.isdecimal() else part for part in parts]

    def check(steps: tuple[int, ...]) -> tuple[int, ...]:
        if not steps or steps[0] < 1 or list(steps) != sorted(set(steps)):
            raise CrossmemError(f"{','.join(map(str, steps))!r}; expected rising steps from 1.", "Pass e.g. 15,30,60.")
        return steps

    return Annotated[tuple[int, ...], BeforeValidator(numbers), AfterValidator(check)]


def _expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise CrossmemError(
            f"{pattern!r} is no regular expression: {error}.", "Name modules as PEFT does, such as '.*q_proj'."
        ) from error
    return pattern


class StudySettings(BaseModel):
    """The settings that every study on our personas has; a study adds its own.

    A field's description is the help text of its option. Numbers may be written as texts, as YAML has ``4e-3``.

    Raises:
        CrossmemError: A setting that does not exist, of the wrong type or out of range.

    Example:
        >>> StudySettings(seeds=2, seed=7).all_seeds
        (7, 8)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    num_personas: int = Field(50, ge=1, description="Personas to memorize, a seed.")
    seed: int = Field(
        0, ge=0, description="First persona seed; also seeds adapters and data order.", json_schema_extra=SELECTS
    )
    seeds: int = Field(
        3, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    num_views: int = Field(8, ge=1, description="Training portraits (or descriptions) a persona.")
    qa_per_persona: int = Field(20, ge=1, description="Training questions a persona and modality, of the config qa.")
    single_hop_share: float = Field(0.7, ge=0, le=1, description="Share of them that name the persona.")
    image_size: int = Field(64, description="Side of a portrait in pixels.")
    forget_fraction: float = Field(0.2, gt=0, lt=1, description="Share of the personas to forget.")
    model_name_or_path: str | None = Field(
        None, description="A base that ships (micro-s), a Hub name or a folder; none is the default base."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32", description="Precision of the model's weights."
    )
    lora_target_modules: Annotated[str, AfterValidator(_expression)] = Field(
        ADAPTED, description="Regular expression of the modules that learn."
    )
    min_recall: float = Field(
        0.9, ge=0, le=1, description="Least recall before unlearning is interpreted.", json_schema_extra=SELECTS
    )
    allow_unmemorized: bool = Field(
        False, description="Interpret unlearning even below --min-recall.", json_schema_extra=SELECTS
    )
    choosing: bool = Field(
        False,
        description="Run to choose settings, on any seed; such numbers are not to be reported.",
        json_schema_extra=SELECTS,
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _settings_error(type(self), error) from error

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name, value in values.items():
            if isinstance(value, bool) and name in cls.model_fields and cls.model_fields[name].annotation is not bool:
                raise CrossmemError(f"Setting {name}={value!r} should not be true or false.", _about(cls, name))
        return values

    @model_validator(mode="after")
    def _personas_exist(self) -> Self:
        if not self.choosing:
            check_not_chosen_on(self.all_seeds)
        for seed in self.all_seeds:
            spec = self.spec(seed)
            ids = [persona.id for persona in sample_personas(spec.num_personas, seed)]
            forget_ids(ids, spec.forget_fraction, seed)
        return self

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The persona seeds."""
        return tuple(range(self.seed, self.seed + self.seeds))

    def spec(self, seed: int) -> DatasetSpec:
        """The dataset of one seed."""
        return DatasetSpec(
            num_personas=self.num_personas,
            num_views=self.num_views,
            seed=seed,
            qa_per_persona=self.qa_per_persona,
            single_hop_share=self.single_hop_share,
            image_size=self.image_size,
            forget_fraction=self.forget_fraction,
        )

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, JSON types only."""
        return self.model_dump(mode="json")

    def replaced(self, **values: Any) -> Self:
        """The same with some other values, checked again."""
        return type(self)(**{**self.as_dict(), **values})

    def of_cells(self) -> dict[str, Any]:
        """The settings that cells depend on: all but those marked `SELECTS`."""
        return {name: value for name, value in self.as_dict().items() if not selects(type(self), name)}


class TrainingSettings(StudySettings):
    """And how personas are memorized and unlearned through one modality; the defaults suit the embedded model."""

    seeds: int = Field(
        2, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    memorize_steps: int = Field(MEMORIZING["max_steps"], ge=1, description="Optimizer steps of memorizing.")
    memorize_batch_size: int = Field(
        MEMORIZING["per_device_train_batch_size"], ge=1, description="Rows a step of memorizing."
    )
    memorize_learning_rate: float = Field(
        MEMORIZING["learning_rate"], gt=0, description="Peak learning rate of memorizing."
    )
    evaluate_at: steps_of() = Field(  # type: ignore[valid-type]
        (60,), description="Steps of unlearning after which all are queried, comma-separated; the last ends it."
    )
    unlearn_batch_size: int = Field(
        UNLEARNING["per_device_train_batch_size"],
        ge=1,
        description="Rows a step of unlearning, of the forget and of the retain set each.",
    )
    unlearn_learning_rate: float = Field(
        NPO_THROUGH_ONE["learning_rate"], gt=0, description="Learning rate of unlearning, constant."
    )
    forget_beta: float = Field(0.1, gt=0, description="NPO's beta; 0.1 is the value of its authors.")
    retain_weight: float = Field(NPO_THROUGH_ONE["retain_weight"], ge=0, description="Weight of the retain loss.")

    def memorizing(self) -> dict[str, Any]:
        """For `adapters.memorized`."""
        return {
            "max_steps": self.memorize_steps,
            "per_device_train_batch_size": self.memorize_batch_size,
            "learning_rate": self.memorize_learning_rate,
        }

    def unlearning(self) -> dict[str, Any]:
        """For `adapters.unlearned`, with NPO."""
        return {
            "max_steps": max(self.evaluate_at),
            "per_device_train_batch_size": self.unlearn_batch_size,
            "learning_rate": self.unlearn_learning_rate,
            "forget_beta": self.forget_beta,
            "retain_weight": self.retain_weight,
        }


def selects(kind: type[StudySettings], name: str) -> bool:
    """Whether a setting only chooses among cells, or judges them."""
    extra = kind.model_fields[name].json_schema_extra
    return isinstance(extra, Mapping) and bool(extra.get("selects"))


def check_not_chosen_on(seeds: Iterable[int]) -> None:
    """Refuse to report on personas that settings were chosen on.

    Raises:
        CrossmemError: One of the persona seeds is such a seed.
    """
    both = sorted(CHOSEN_ON.intersection(seeds))
    if both:
        raise CrossmemError(
            f"Persona seed {both[0]} is one that the settings of this package were chosen on; numbers about its "
            "personas would be too good.",
            "Choose seeds below it or above it.",
        )


def settings_from(
    kind: type[T], path: Path | None, overrides: Mapping[str, Any], *, quick: Mapping[str, Any] | None = None
) -> T:
    """Settings from a YAML file, with overrides on top.

    Args:
        quick: Of a small grid; the file replaces them.

    Raises:
        CrossmemError: The file cannot be read or is no mapping, or anything `StudySettings` refuses.
    """
    return kind(**{**(quick or {}), **(_read_yaml(path) if path else {}), **overrides})


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CrossmemError(f"Could not read settings from {str(path)!r}: {error}.", "Check the file.") from error
    if not isinstance(content, dict):
        raise CrossmemError(f"{str(path)!r} is not a list of settings.", "Write one 'name: value' a line.")
    return {str(name): value for name, value in content.items()}


def _settings_error(kind: type[StudySettings], error: ValidationError) -> CrossmemError:
    """Settings that do not exist, all of them; else the first thing that is wrong; in one line."""
    errors = error.errors(include_url=False)
    others = [one["loc"][0] for one in errors if one["type"] == "extra_forbidden"]
    if others:
        return unknown("setting", others, kind.model_fields)
    first = errors[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    raised = first.get("ctx", {}).get("error")
    if isinstance(raised, CrossmemError):
        return CrossmemError(f"{name}={raised.fault}", raised.remedy) if name else raised
    said = first["msg"].removeprefix("Input ")
    return CrossmemError(f"Setting {name}={first['input']!r:.80} {said}.", _about(kind, name))


def _about(kind: type[StudySettings], name: str) -> str:
    return f"It is: {kind.model_fields[name].description}"
