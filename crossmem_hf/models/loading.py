# SPDX-License-Identifier: Apache-2.0
"""A model and its processor from wherever they live. It does not know what they are for.

No name means the default of the bases that ship as safetensors beside this file (`embedded`).
"""

import hashlib
import warnings
from pathlib import Path
from textwrap import shorten
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.reach import check_within_reach
from crossmem_hf.models.chat import is_tokenizer, sees_images
from crossmem_hf.models.embedded import base_named, located
from crossmem_hf.models.families import check_family

_DTYPES = ("auto", "float32", "bfloat16", "float16")


def load_model(
    name_or_path: str | None = None, *, adapter: str | None = None, dtype: str = "float32", device: str | None = None
) -> tuple[Any, Any]:
    """(model, processor), in evaluation mode; nothing is downloaded for a base that ships with this package.

    Args:
        name_or_path: One of `embedded.BASES` such as ``"micro-s"``, a Hub name or a folder (``"./micro-s"`` if it is
            called like a base). None is the base that `adapter` was trained on if it ships, else the default one. A
            model without an image tower comes with its tokenizer as the processor.
        adapter: A PEFT adapter (Hub name or folder) to put on top; ``"owner/name/folder"`` is below a repository.
        dtype: ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        device: Where to put the model, e.g. ``"cuda"``; None leaves it where it was loaded.

    Raises:
        CrossmemError: Unknown dtype, no such device, a model or adapter that cannot be loaded, an adapter of another
            base, a library that its processor needs, a tokenizer in the place of a processor, or a family that is
            refused (see `families`).

    Example:
        >>> model, processor = load_model()
        >>> type(model).__name__
        'LlavaForConditionalGeneration'
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

    if dtype not in _DTYPES:
        raise CrossmemError(f"Unknown dtype {dtype!r}; expected one of {_DTYPES}.", "Pick one of them.")
    place = _device(device)
    name = _base(name_or_path, adapter)
    config = _config(name)
    check_family(config)
    sees = sees_images(config)
    try:
        loader = AutoModelForImageTextToText if sees else AutoModelForCausalLM
        model: Any = loader.from_pretrained(name, dtype=dtype)
        processor = (AutoProcessor if sees else AutoTokenizer).from_pretrained(name)
    except (ImportError, OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _not_loaded(name, error) from error
    if sees:
        check_processor(model, processor)
    keep_present_layers(model)
    if adapter is not None:
        model = _with_adapter(model, adapter)
    if place is not None:
        model.to(place)
    return model.eval(), processor


def load_processor(name_or_path: str | None = None) -> Any:
    """The processor alone, or the tokenizer of a model without an image tower; no weights are read.

    Args:
        name_or_path: As for `load_model`.

    Raises:
        CrossmemError: It cannot be loaded.
    """
    from transformers import AutoProcessor, AutoTokenizer

    name = located(name_or_path)
    sees = sees_images(_config(name))
    try:
        return (AutoProcessor if sees else AutoTokenizer).from_pretrained(name)
    except (ImportError, OSError, ValueError) as error:
        raise _not_loaded(name, error) from error


def model_without_weights(name_or_path: str | None = None, *, dtype: str = "float32") -> Any:
    """The model of a configuration on the device "meta": its shapes, and nothing in them.

    Args:
        name_or_path: As for `load_model`; only its configuration is read.
        dtype: As for `load_model`; ``"auto"`` takes the configuration's.

    Raises:
        CrossmemError: There is none.

    Example:
        >>> sum(parameter.numel() for parameter in model_without_weights("micro-s").parameters()) > 500_000
        True
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    config = _config(located(name_or_path))
    own = config.dtype or torch.float32
    with torch.device("meta"):
        maker: Any = AutoModelForImageTextToText if sees_images(config) else AutoModelForCausalLM
        return maker.from_config(config, dtype=own if dtype == "auto" else getattr(torch, dtype))


def _base(name_or_path: str | None, adapter: str | None) -> str:
    """Name or path of the base model: what was named, or else what the adapter goes with.

    Raises:
        CrossmemError: No such base, no such adapter, or an adapter of another base of ours, whose weights might fit.
    """
    trained_on = None if adapter is None else _trained_on(adapter)
    name = located(trained_on if name_or_path is None else name_or_path)
    if trained_on is not None and base_named(name) not in (None, trained_on):
        raise CrossmemError(
            f"The adapter {adapter!r} was trained on {trained_on}, not on {base_named(name)}.",
            "Name the base that it was trained on, or none.",
        )
    return name


def _trained_on(adapter: str) -> str | None:
    """Which base of ours an adapter names; what is wrong with the adapter is said when it is put on top."""
    from peft import PeftConfig

    check_adapter_within_reach(adapter)
    repo_id, subfolder = adapter_place(adapter)
    try:
        return base_named(PeftConfig.from_pretrained(repo_id, subfolder=subfolder).base_model_name_or_path)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep_present_layers(model: Any) -> None:
    """Let the model list only layer classes that it has: a LLaVA lists CLIP's of text, and FSDP would refuse it."""
    present = {type(module).__name__ for module in model.modules()}
    model._no_split_modules = present.intersection(model._no_split_modules or ())


def _device(name: str | None) -> Any:
    import torch

    try:
        return None if name is None else torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise CrossmemError(
            f"There is no device {name!r} here: {_in_short(error)}", "Name another, such as cpu or cuda:0."
        ) from error


def _config(name: str) -> Any:
    from transformers import AutoConfig

    check_within_reach(name, "config.json", f"model {name!r}")
    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise _not_loaded(name, error) from error


def _not_loaded(name: str, error: Exception) -> CrossmemError:
    remedy = "Check the name, your access to it, and that the folder holds a saved model with its processor."
    if isinstance(error, ImportError):
        remedy = "Install what it names, in the version that goes with your torch: such as pip install torchvision."
    elif (Path(name) / "adapter_config.json").is_file():
        remedy = "It holds an adapter: name its base model, and give this folder as the adapter."
    absent = "" if Path(name).exists() else "there is no such folder, and as a name on the Hub: "
    return CrossmemError(f"Could not load a model from {name!r}: {absent}{_in_short(error)}", remedy)


def check_processor(model: Any, processor: Any) -> None:
    """Nothing, unless a model that sees pictures comes with a plain tokenizer, which would leave them out.

    Raises:
        CrossmemError: Names both.
    """
    if sees_images(model.config) and is_tokenizer(processor):
        raise CrossmemError(
            f"{type(model).__name__} sees pictures, but its processor is a plain tokenizer "
            f"({type(processor).__name__}), which takes none.",
            "Save its own processor beside it (processor.save_pretrained(FOLDER)); AutoProcessor takes the tokenizer "
            "where processor_config.json is missing or names a class that transformers does not know.",
        )


def _with_adapter(model: Any, adapter: str) -> Any:
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        with warnings.catch_warnings():
            # An adapter made for other layers is only warned of, and would change nothing.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            repo_id, subfolder = adapter_place(adapter)
            below: dict[str, Any] = {} if subfolder is None else {"subfolder": subfolder}
            return PeftModel.from_pretrained(model, repo_id, **below)
    except (OSError, ValueError, RuntimeError, UserWarning, SafetensorError) as error:
        raise CrossmemError(
            f"Could not put the adapter {adapter!r} on {type(model).__name__}: {_in_short(error)}",
            "Check that it is a PEFT adapter made for this base model.",
        ) from error


def check_adapter_within_reach(adapter: str) -> None:
    """Nothing, unless `hub.reach.check_within_reach` finds that nobody can find it.

    Raises:
        CrossmemError: As there.
    """
    repo_id, subfolder = adapter_place(adapter)
    file = "/".join(filter(None, (subfolder, "adapter_config.json")))
    check_within_reach(repo_id, file, f"adapter {adapter!r}")


def adapter_place(adapter: str) -> tuple[str, str | None]:
    """(folder or Hub name, folder within the repository): one repository may hold many adapters.

    Example:
        >>> adapter_place("you/first-light/adapters/seed0_image/unlearned")
        ('you/first-light', 'adapters/seed0_image/unlearned')
        >>> adapter_place("you/npo")
        ('you/npo', None)
    """
    parts = adapter.split("/")
    if Path(adapter).exists() or Path(adapter).is_absolute() or len(parts) < 3 or "." in parts or ".." in parts:
        return adapter, None
    return "/".join(parts[:2]), "/".join(parts[2:])


def _in_short(error: Exception) -> str:
    """What an error says, on one line; lists of weights and advice on installing go on for pages."""
    return shorten(str(error), 300, placeholder=" ...") or type(error).__name__


def model_fingerprint(name_or_path: str | None = None, *, adapter: str | None = None) -> str:
    """What a result made with a model depends on: sixteen hex digits of a folder's files, or a Hub model's commit.

    Args:
        name_or_path: As for `load_model`.
        adapter: As for `load_model`; it says which base is meant, and its own files do not count.

    Raises:
        CrossmemError: There is no such model or adapter, or an adapter of another base.
    """
    name = _base(name_or_path, adapter)
    return folder_fingerprint(Path(name)) if Path(name).is_dir() else str(_config(name)._commit_hash)


def folder_fingerprint(folder: Path) -> str:
    """Sixteen hex digits of a model's or an adapter's files: weights, settings, template; not of its card or place."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".json", ".jinja"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
