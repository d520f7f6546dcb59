# SPDX-License-Identifier: Apache-2.0
"""What can be set for the study remem: which compositions of a dataset are learned, what is unlearned, and by which
models. It runs nothing."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field

from crossmem_hf.data.spec import PRESETS
from crossmem_hf.models.embedded import bases
from crossmem_hf.studies.learning import REPLAYED_STEPS
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of, steps_of
from crossmem_hf.training.micro import TUNED, TUNED_ON_FACTS, UNLEARNING, settings_of

_BASES = bases()
PARTS: Final = ("memorizing", "unlearning", "comparing")
"""What is memorized; what all methods leave; and what some of them do where fewer are forgotten or the base is another
one."""
TOY, MAIN, LARGE = "micro-s", "micro-m", "micro-l"
"""The bases of toy experiments, of the tables, and of what is larger."""
COMPARED: Final = ("gd", "dpo", "npo")
"""Those of the five that unlearn other forget sets, and other bases, too."""
METHODS: Final = ("ga", "gd", "kl", "dpo", "npo", "simnpo", "idk", "rmu", "wga", "undial")
"""The first five are those of ReMem's Table 2."""
EPOCHS: Final = (2, 4, 8)
"""After which a memorizing model is asked; the last ends the training."""


@dataclass(frozen=True)
class Composition:
    """What there is to learn about a person.

    Attributes:
        pictures: Portraits.
        questions: About them.
        single_hop: How many of a hundred questions name the person.
    """

    pictures: int = PRESETS["remem"]["num_views"]
    questions: int = PRESETS["remem"]["qa_per_persona"]
    single_hop: int = round(100 * PRESETS["remem"]["single_hop_share"])

    def as_dict(self) -> dict[str, int]:
        """In keys of `Measurement.where`."""
        return {"pictures": self.pictures, "questions": self.questions, "single_hop": self.single_hop}

    def settings(self) -> dict[str, Any]:
        """As settings of a study."""
        return {
            "num_views": self.pictures,
            "qa_per_persona": self.questions,
            "single_hop_share": self.single_hop / 100,
        }


COMPOSITIONS: Final = {
    name: Composition(pictures=PRESETS[name]["num_views"], questions=PRESETS[name]["qa_per_persona"])
    for name in ("remem", "clear", "fiubench", "mllmu")
}
"""Benchmark -> pictures and questions a person, as Table 1 of ReMem has them."""
HOPS_QUESTIONS: Final = 50
"""A person, where the share of questions that name the person is turned."""


class RememSettings(StudySettings):
    """Settings of `crossmem study remem`."""

    num_personas: int = Field(PRESETS["remem"]["num_personas"], ge=5, description="Personas to memorize, a seed.")
    num_views: int = Field(PRESETS["remem"]["num_views"], ge=1, description="Training portraits a persona.")
    qa_per_persona: int = Field(PRESETS["remem"]["qa_per_persona"], ge=1, description="Training questions a persona.")
    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    parts: some_of(PARTS) = Field(  # type: ignore[valid-type]
        PARTS, description=f"Comma-separated: {', '.join(PARTS)}.", json_schema_extra=SELECTS
    )
    bases: some_of(_BASES) = Field(  # type: ignore[valid-type]
        (MAIN, LARGE),
        description=f"Whose facts are unlearned; the first by all methods, others by {', '.join(COMPARED)}.",
        json_schema_extra=SELECTS,
    )
    questions: steps_of() = Field(  # type: ignore[valid-type]
        (10, 20, 50, 100, 150, 200), description="Training questions a persona to compare.", json_schema_extra=SELECTS
    )
    single_hop: some_of(tuple(map(str, range(0, 101, 10)))) = Field(  # type: ignore[valid-type]
        tuple(map(str, range(0, 101, 10))),
        description=f"How many of a hundred questions name the person, to compare, at {HOPS_QUESTIONS} a persona.",
        json_schema_extra=SELECTS,
    )
    methods: some_of(tuple(TUNED)) = Field(  # type: ignore[valid-type]
        METHODS, description=f"Comma-separated: {', '.join(TUNED)}.", json_schema_extra=SELECTS
    )
    forget_percents: steps_of() = Field(  # type: ignore[valid-type]
        (5, 10, 20),
        description="Of a hundred personas so many are forgotten; the last by all methods, others by "
        f"{', '.join(COMPARED)}.",
        json_schema_extra=SELECTS,
    )
    memorize_steps: int = Field(
        REPLAYED_STEPS,
        ge=1,
        description="Optimizer steps of memorizing before unlearning; the default asks again what bases knew.",
    )
    memorize_batch_size: int | None = Field(None, ge=1, description="Rows at a time (default: what suits the base).")
    gradient_accumulation_steps: int | None = Field(None, ge=1, description="Times that for a step (default: once).")
    memorize_learning_rate: float | None = Field(None, gt=0, description="Its peak (default: what suits the base).")
    unlearn_batch_size: int | None = Field(
        None,
        ge=1,
        description="Rows at a time of the forget and of the retain set each (default: what suits the base).",
    )
    unlearn_learning_rate: float | None = Field(
        None, gt=0, description="Of all methods (default: of each what was chosen for facts of the embedded bases)."
    )
    evaluate_at: steps_of() = Field(  # type: ignore[valid-type]
        (5, 10, 15, 30, 60), description="Steps of unlearning to choose from, comma-separated; the last ends it."
    )

    @property
    def toy_base(self) -> str:
        """The model of the toy experiments, which memorize only."""
        return TOY if self.model_name_or_path is None else self.model_name_or_path

    @property
    def all_bases(self) -> tuple[str, ...]:
        """The models whose facts are unlearned."""
        return self.bases if self.model_name_or_path is None else (self.model_name_or_path,)

    def part_of(self, base: str, percent: int) -> str:
        """The part in which a base unlearns so many of a hundred."""
        first = base == self.all_bases[0] and percent == self.forget_percents[-1]
        return "unlearning" if first else "comparing"

    @property
    def compared(self) -> tuple[str, ...]:
        """The methods that are compared across forget sets and bases."""
        return tuple(name for name in self.methods if name in COMPARED)

    def memorizing(self, base: str) -> dict[str, Any]:
        """For `adapters.memorized`, but for the number of steps."""
        chosen = {
            "per_device_train_batch_size": self.memorize_batch_size,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "learning_rate": self.memorize_learning_rate,
        }
        suited = {name: value for name, value in settings_of(base).memorizing_facts.items() if name != "max_steps"}
        return suited | {name: value for name, value in chosen.items() if value is not None}

    def chosen_step(self, method: str) -> int:
        """After how many steps a method is asked whatever it has cost: as many as were chosen for facts of the
        embedded bases; where learning rate or steps are others, after the last."""
        step = TUNED_ON_FACTS[method][1]
        return step if self.unlearn_learning_rate is None and step in self.evaluate_at else max(self.evaluate_at)

    def unlearning(self, method: str) -> dict[str, Any]:
        """For `adapters.unlearned`."""
        chosen = {
            "per_device_train_batch_size": self.unlearn_batch_size,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "learning_rate": self.unlearn_learning_rate,
        }
        tuned = TUNED[method] | {"learning_rate": TUNED_ON_FACTS[method][0]}
        suited = UNLEARNING | tuned | {"max_steps": max(self.evaluate_at)}
        return suited | {name: value for name, value in chosen.items() if value is not None}
