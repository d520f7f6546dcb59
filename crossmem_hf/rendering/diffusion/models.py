# SPDX-License-Identifier: Apache-2.0
"""Image models from wherever they live: pipelines, adapters, safety checkers. It does not know what they are asked.

Weights are read from safetensors only, and no code from a repository is run.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings


def fetched(model: str, revision: str | None = None, variant: str | None = None) -> Path:
    """The folder of a diffusers pipeline: itself, or the one in the Hub's cache, downloaded if need be.

    Raises:
        CrossmemError: diffusers is not installed, or there is no such pipeline, revision or variant.
    """
    diffusers = imported()
    if Path(model).is_dir():
        if not (Path(model) / "model_index.json").is_file():
            raise CrossmemError(
                f"The folder {model!r} holds no model_index.json.",
                "Name a folder that a diffusers pipeline was saved to.",
            )
        return Path(model)
    with _loading(model):
        found = diffusers.DiffusionPipeline.download(model, revision=revision, variant=variant, use_safetensors=True)
    return Path(found)


def fetched_adapter(settings: DiffusionSettings) -> Path:
    """The folder of the settings' IP-Adapter and its image encoder: itself, or the one in the Hub's cache.

    Raises:
        CrossmemError: There is no such adapter, revision or file.
    """
    from huggingface_hub import snapshot_download

    name, inside = str(settings.adapter), settings.adapter_subfolder
    wanted = f"{inside}/{settings.adapter_weight}"
    folder = Path(name)
    if not folder.is_dir():
        files = [wanted, f"{inside}/image_encoder/*.json", f"{inside}/image_encoder/*.safetensors"]
        with _loading(name):
            folder = Path(snapshot_download(name, revision=settings.adapter_revision, allow_patterns=files))
    if not (folder / wanted).is_file():
        raise CrossmemError(
            f"The IP-Adapter {name!r} holds no file {wanted!r}.", "Check --adapter-subfolder and --adapter-weight."
        )
    return folder


def identity_of(folder: Path) -> str:
    """What a model's pictures depend on: a snapshot's commit, or sixteen hex digits of a folder's files.

    Example:
        >>> identity_of(Path("models--a--b/snapshots/0123abcd"))
        '0123abcd'
    """
    if folder.parent.name == "snapshots":
        return folder.name
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors", ".txt")):
        with path.open("rb") as stream:
            digest.update(
                path.relative_to(folder).as_posix().encode() + hashlib.file_digest(stream, "sha256").digest()
            )
    return digest.hexdigest()[:16]


def text_to_image(folder: Path, settings: DiffusionSettings, dtype: Any, device: Any) -> Any:
    """The pipeline that makes a picture from words alone.

    Raises:
        CrossmemError: The folder holds none, or it has no safety checker and the settings name none.
    """
    diffusers = imported()
    variant = settings.variant if settings.anchor_model is None else None
    with _loading(str(folder)):
        pipeline = diffusers.AutoPipelineForText2Image.from_pretrained(
            folder, dtype=dtype, variant=variant, use_safetensors=True
        )
    return _ready(pipeline, settings, device)


def image_to_image(pipeline: Any) -> Any:
    """The pipeline that makes a picture from a picture, with the weights of one that makes it from words.

    Raises:
        CrossmemError: There is none of that family.
    """
    with _loading(type(pipeline).__name__):
        found = imported().AutoPipelineForImage2Image.from_pipe(pipeline)
    found.set_progress_bar_config(disable=True)
    return found


def editor(folder: Path, settings: DiffusionSettings, dtype: Any, device: Any) -> Any:
    """The pipeline that changes a picture as told.

    Raises:
        CrossmemError: The folder holds none, or it has no safety checker and the settings name none.
    """
    with _loading(str(folder)):
        pipeline = imported().DiffusionPipeline.from_pretrained(
            folder, dtype=dtype, variant=settings.variant, use_safetensors=True
        )
    return _ready(pipeline, settings, device)


def with_adapter(pipeline: Any, folder: Path, settings: DiffusionSettings) -> Any:
    """The same pipeline with the settings' IP-Adapter, from its folder, on it.

    Raises:
        CrossmemError: It takes none, or the adapter cannot be loaded or was made for another family.
    """
    if not hasattr(pipeline, "load_ip_adapter"):
        raise CrossmemError(
            f"{type(pipeline).__name__} takes no IP-Adapter.",
            "Choose a Stable Diffusion model, or --pipeline img2img.",
        )
    with _loading(f"{settings.adapter}/{settings.adapter_subfolder}/{settings.adapter_weight}"):
        pipeline.load_ip_adapter(
            str(folder), subfolder=settings.adapter_subfolder, weight_name=settings.adapter_weight
        )
    pipeline.set_ip_adapter_scale(settings.strength)
    return pipeline


def safety_checker(name: str, device: Any) -> tuple[Any, Any]:
    """(checker, its image processor), in float32.

    Raises:
        CrossmemError: There is no such checker.
    """
    imported()
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import AutoImageProcessor

    with _loading(name):
        checker = StableDiffusionSafetyChecker.from_pretrained(name, use_safetensors=True)
        return checker.to(device).eval(), AutoImageProcessor.from_pretrained(name)


def imported() -> Any:
    """The diffusers library.

    Raises:
        CrossmemError: It is not installed.
    """
    try:
        import diffusers
    except ImportError as error:
        raise CrossmemError(
            f"Portraits by image models need diffusers, which cannot be imported: {error}.",
            "In a clone of this repository, run: pip install -e '.[diffusion]'",
        ) from error
    return diffusers


def _ready(pipeline: Any, settings: DiffusionSettings, device: Any) -> Any:
    if getattr(pipeline, "safety_checker", None) is None and settings.safety_model is None:
        raise CrossmemError(
            f"{type(pipeline).__name__} from {settings.model!r} comes without a safety checker.",
            "Pass --safety-model, such as CompVis/stable-diffusion-safety-checker; pictures are not made unchecked.",
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


@contextmanager
def _loading(what: str) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
        raise CrossmemError(
            f"Could not load an image model from {what!r}: {reason}",
            "Check the name, the revision, your access to it, and that its weights are in safetensors.",
        ) from error
