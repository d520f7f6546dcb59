# SPDX-License-Identifier: Apache-2.0
"""Which image models make portraits, and how: checked choices. It loads nothing."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from crossmem_hf.errors import CrossmemError
from crossmem_hf.prompts.portraits import NEGATIVE_PROMPT

Pipeline = Literal["img2img", "ip-adapter", "edit"]
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionSettings:
    """Everything that a portrait's pixels depend on besides its prompt, its seed and the machine.

    Attributes:
        pipeline: How a view is made from the anchor. ``"img2img"`` starts from the anchor with noise on it;
            ``"ip-adapter"`` starts from noise and attends to the anchor; ``"edit"`` hands the anchor to a model that
            edits pictures as told (InstructPix2Pix and the like).
        model: Hub name or folder of a diffusers pipeline; with ``"edit"`` the one that edits.
        revision: Commit, tag or branch of the model; None is the newest.
        variant: Which weights of the model, such as ``"fp16"``; None is the plain ones.
        anchor_model: Text-to-image pipeline for the anchors of ``"edit"``, whose model cannot start from nothing.
        anchor_revision: Commit, tag or branch of that.
        adapter: Hub name or folder of the IP-Adapter.
        adapter_revision: Commit, tag or branch of that.
        adapter_subfolder: Where in it the weights are, such as ``"models"``.
        adapter_weight: Their file, in safetensors.
        safety_model: Hub name or folder of a Stable Diffusion safety checker, for pipelines that come without one.
        dtype: ``"auto"`` is float16 on a GPU and float32 elsewhere.
        steps: Denoising steps.
        guidance: How much the prompt counts, from 0; 1 or less leaves the negative prompt out.
        strength: With ``"img2img"`` the share of noise, above 0 (the anchor again) to 1 (the anchor forgotten);
            with ``"ip-adapter"`` how much the anchor counts, above 0 to 1.
        image_size: Side of a picture in pixels, a multiple of 8.
        negative_prompt: What is not wanted; empty for none.

    Raises:
        CrossmemError: An unknown choice, a number out of range, or no name of a model that the pipeline needs.
    """

    pipeline: Pipeline
    model: str
    revision: str | None = None
    variant: str | None = None
    anchor_model: str | None = None
    anchor_revision: str | None = None
    adapter: str | None = None
    adapter_revision: str | None = None
    adapter_subfolder: str = "models"
    adapter_weight: str | None = None
    safety_model: str | None = None
    dtype: str = "auto"
    steps: int = 30
    guidance: float = 7.5
    strength: float = 0.6
    image_size: int = 512
    negative_prompt: str = NEGATIVE_PROMPT

    def __post_init__(self) -> None:
        _one_of("pipeline", self.pipeline, get_args(Pipeline))
        _one_of("dtype", self.dtype, DTYPES)
        _within("steps", self.steps, 1, 1000)
        _within("guidance", self.guidance, 0, 100)
        _within("image_size", self.image_size, 8, 4096)
        if self.image_size % 8:
            raise CrossmemError(f"image_size={self.image_size!r}; expected a multiple of 8.", "Pick one, such as 512.")
        if not 0 < self.strength <= 1:
            raise CrossmemError(f"strength={self.strength!r}; expected above 0 to 1.", "Pass a number in that range.")
        self._check_models()

    def _check_models(self) -> None:
        needed = {"edit": ("anchor_model",), "ip-adapter": ("adapter", "adapter_weight")}
        for name in needed.get(self.pipeline, ()):
            if not getattr(self, name):
                raise CrossmemError(
                    f"The pipeline {self.pipeline!r} needs {name}, which is {getattr(self, name)!r}.",
                    f"Pass --{name.replace('_', '-')}.",
                )
        for pipeline, names in needed.items():
            for name in names:
                if pipeline != self.pipeline and getattr(self, name):
                    raise CrossmemError(
                        f"{name}={getattr(self, name)!r} is for the pipeline {pipeline!r}, not {self.pipeline!r}.",
                        "Leave it out, or choose that pipeline.",
                    )
        if self.adapter_weight and not self.adapter_weight.endswith(".safetensors"):
            raise CrossmemError(
                f"adapter_weight={self.adapter_weight!r} is not in safetensors.",
                "Name a file that ends in .safetensors; pickles are not loaded.",
            )

    def as_dict(self) -> dict[str, Any]:
        """The choices by name."""
        return asdict(self)


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise CrossmemError(f"Unknown {name} {value!r}; expected one of {', '.join(known)}.", "Pick one of them.")


def _within(name: str, value: float, smallest: int, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not smallest <= value <= largest:
        raise CrossmemError(
            f"{name}={value!r}; expected a number from {smallest} to {largest}.", f"Pass a {name} in that range."
        )
