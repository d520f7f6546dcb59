# SPDX-License-Identifier: Apache-2.0
"""Pictures by an image model: anchors from words, views from words and an anchor. It does not know whose they are.

A picture depends on its prompt, its seed, its anchor and the settings, and on nothing else that is asked for with it:
noise comes from a generator of its own on the CPU. Batches of other sizes change it by rounding only.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.diffusion.models import (
    editor,
    fetched,
    fetched_adapter,
    identity_of,
    image_to_image,
    imported,
    safety_checker,
    text_to_image,
    with_adapter,
)
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One picture wanted.

    Attributes:
        prompt: What it shows.
        seed: Where its noise starts, below 2**63.
        anchor: The picture that it is made from; None makes it from the prompt alone.
    """

    prompt: str
    seed: int
    anchor: "Image.Image | None" = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture made.

    Attributes:
        image: In RGB; black where it was refused.
        refused: Whether the safety checker refused it.
    """

    image: "Image.Image"
    refused: bool


class DiffusionRenderer:
    """Makes pictures with the models of the settings, which are loaded when they are first needed.

    Args:
        device: Where the models run; None is a GPU if there is one.

    Raises:
        CrossmemError: diffusers is not installed, or a model cannot be found.
    """

    def __init__(self, settings: DiffusionSettings, device: Any = None) -> None:
        import torch

        self.settings = settings
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        plain = torch.float32 if self.device.type == "cpu" else torch.float16
        self.dtype = plain if settings.dtype == "auto" else getattr(torch, settings.dtype)
        self._folder = fetched(settings.model, settings.revision, settings.variant)
        self._anchor_folder = (
            self._folder if settings.anchor_model is None else fetched(settings.anchor_model, settings.anchor_revision)
        )
        self._adapter_folder = fetched_adapter(settings) if settings.adapter else None
        self._adapted = False

    @cached_property
    def provenance(self) -> dict[str, str]:
        """What made the pictures: libraries with their versions, commits or fingerprints of the models, the dtype."""
        import torch

        made_by = {
            "diffusers": imported().__version__,
            "torch": torch.__version__,
            "dtype": str(self.dtype).removeprefix("torch."),
            "model_commit": identity_of(self._folder),
        }
        if self.settings.anchor_model:
            made_by["anchor_model_commit"] = identity_of(self._anchor_folder)
        if self._adapter_folder is not None:
            made_by["adapter_commit"] = identity_of(self._adapter_folder)
        return made_by

    def pictures(self, requests: Sequence[Request], batch_size: int) -> list[Picture]:
        """One picture a request, in their order; all with an anchor, or none.

        Memory that runs out halves the batch. An IP-Adapter makes batches of neighbors that share an anchor.

        Raises:
            CrossmemError: A prompt is longer than the model reads, or there is not even memory for one picture.
        """
        groups = [list(requests)]
        if self.settings.pipeline == "ip-adapter":
            # diffusers lets every prompt of a batch attend to every anchor of it, without a word
            groups = [list(group) for _, group in groupby(requests, key=lambda request: id(request.anchor))]
        made: list[Picture] = []
        for group in groups:
            for start in range(0, len(group), batch_size):
                made += self._batch(group[start : start + batch_size])
        return made

    def _batch(self, requests: Sequence[Request]) -> list[Picture]:
        import torch

        try:
            return self._made(requests)
        except torch.OutOfMemoryError as error:
            if len(requests) == 1:
                raise CrossmemError(
                    f"There is no memory for a picture of {self.settings.image_size} pixels: {error}.",
                    "Lower --image-size, choose a smaller model, or --dtype float16.",
                ) from error
        torch.cuda.empty_cache()
        half = len(requests) // 2
        return [*self._batch(requests[:half]), *self._batch(requests[half:])]

    def _made(self, requests: Sequence[Request]) -> list[Picture]:
        import torch

        pipeline, given = self._from_words() if requests[0].anchor is None else self._from_anchors(requests)
        prompts = [request.prompt for request in requests]
        _check_lengths(pipeline, prompts)
        wanted = {
            "prompt": prompts,
            "negative_prompt": [self.settings.negative_prompt] * len(prompts),
            "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in requests],
            "num_inference_steps": self.settings.steps,
            "guidance_scale": self.settings.guidance,
            "height": self.settings.image_size,
            "width": self.settings.image_size,
        }
        known = inspect.signature(pipeline.__call__).parameters  # image-to-image pipelines have no height
        with torch.no_grad():
            output = pipeline(**{name: value for name, value in wanted.items() if name in known}, **given)
        flags = getattr(output, "nsfw_content_detected", None)
        if flags is None:
            flags = self._checked(output.images)
        return [_picture(image, bool(flag)) for image, flag in zip(output.images, flags, strict=True)]

    @cached_property
    def _text_to_image(self) -> Any:
        return text_to_image(self._anchor_folder, self.settings, self.dtype, self.device)

    @cached_property
    def _image_to_image(self) -> Any:
        return image_to_image(self._text_to_image)

    @cached_property
    def _editor(self) -> Any:
        return editor(self._folder, self.settings, self.dtype, self.device)

    def _from_words(self) -> tuple[Any, dict[str, Any]]:
        if self._adapted:
            self._text_to_image.unload_ip_adapter()
            self._adapted = False
        return self._text_to_image, {}

    def _from_anchors(self, requests: Sequence[Request]) -> tuple[Any, dict[str, Any]]:
        size = (self.settings.image_size, self.settings.image_size)
        anchors = [request.anchor.resize(size) for request in requests if request.anchor is not None]
        if self.settings.pipeline == "img2img":
            # diffusers rounds the number of steps down, and none at all is an error inside it
            strength = max(self.settings.strength, 1 / self.settings.steps)
            return self._image_to_image, {"image": anchors, "strength": strength}
        if self.settings.pipeline == "edit":
            return self._editor, {"image": anchors}
        if not self._adapted and self._adapter_folder is not None:
            with_adapter(self._text_to_image, self._adapter_folder, self.settings)
            self._adapted = True
        return self._text_to_image, {"ip_adapter_image": [anchors[0]]}

    @cached_property
    def _safety(self) -> "Callable[[list[Image.Image]], list[bool]]":
        import numpy
        import torch

        checker, processor = safety_checker(str(self.settings.safety_model), self.device)

        def refused(images: "list[Image.Image]") -> list[bool]:
            pixels = processor(images, return_tensors="pt").pixel_values.to(self.device)
            with torch.no_grad():
                _, flags = checker(images=[numpy.asarray(image) for image in images], clip_input=pixels)
            return [bool(flag) for flag in flags]

        return refused

    def _checked(self, images: "list[Image.Image]") -> list[bool]:
        if self.settings.safety_model is None:
            raise CrossmemError(
                f"The pipeline {self.settings.pipeline!r} of {self.settings.model!r} did not check its pictures.",
                "Pass --safety-model, such as CompVis/stable-diffusion-safety-checker.",
            )
        return self._safety(images)


def _picture(image: "Image.Image", refused: bool) -> Picture:
    from PIL import Image

    return Picture(Image.new("RGB", image.size) if refused else image.convert("RGB"), refused)


def _check_lengths(pipeline: Any, prompts: Sequence[str]) -> None:
    """Accept prompts that at least one of the pipeline's text encoders reads to the end; the rest would be cut off."""
    names = ("tokenizer", "tokenizer_2", "tokenizer_3")
    tokenizers = [found for name in names if (found := getattr(pipeline, name, None)) is not None]
    for prompt in prompts if tokenizers else ():
        lengths = [(len(tokenizer(prompt).input_ids), tokenizer.model_max_length) for tokenizer in tokenizers]
        if all(length > max_tokens for length, max_tokens in lengths):
            length, max_tokens = lengths[-1]
            raise CrossmemError(
                f"A prompt has {length} tokens and {type(pipeline).__name__} reads {max_tokens}: {prompt!r}.",
                "Choose a model that reads longer prompts.",
            )
