# SPDX-License-Identifier: Apache-2.0
"""A model and its processor from wherever they live. It does not know what they are for.

No name means the embedded micro VLM, which ships as safetensors beside this file.
"""

import hashlib
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError

EMBEDDED = Path(__file__).parent / "micro_base"
_DTYPES = ("auto", "float32", "bfloat16", "float16")


def load_model_and_processor(
    name_or_path: str | None = None, *, adapter: str | None = None, dtype: str = "float32", device: str | None = None
) -> tuple[Any, Any]:
    """(model, processor), in evaluation mode; nothing is downloaded for the embedded default.

    Args:
        name_or_path: A Hub name or a folder; None is the embedded micro VLM. A model without an image tower comes
            with its tokenizer as the processor.
        adapter: A PEFT adapter (Hub name or folder) to put on top.
        dtype: ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        device: Where to put the model, e.g. ``"cuda"``; None leaves it where it was loaded.

    Raises:
        CrossmemError: Unknown dtype, or a model or adapter that cannot be loaded.

    Example:
        >>> model, processor = load_model_and_processor()
        >>> type(model).__name__
        'LlavaForConditionalGeneration'
    """
    import torch
    from safetensors import SafetensorError
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoProcessor,
        AutoTokenizer,
    )

    if dtype not in _DTYPES:
        raise CrossmemError(f"Unknown dtype {dtype!r}; expected one of {_DTYPES}.", "Pick one of them.")
    name = str(EMBEDDED) if name_or_path is None else name_or_path
    try:
        sees = hasattr(AutoConfig.from_pretrained(name), "vision_config")
        loader = AutoModelForImageTextToText if sees else AutoModelForCausalLM
        model: Any = loader.from_pretrained(name, dtype=dtype)
        processor = (AutoProcessor if sees else AutoTokenizer).from_pretrained(name)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CrossmemError(
            f"Could not load a model from {name!r}: {_first_line(error)}",
            "Check the name, your access to it, and that the folder holds a saved model with its processor.",
        ) from error
    if adapter is not None:
        model = _with_adapter(model, adapter)
    if device is not None:
        model.to(torch.device(device))
    return model.eval(), processor


def _with_adapter(model: Any, adapter: str) -> Any:
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        with warnings.catch_warnings():
            # An adapter made for other layers is only warned of, and would change nothing.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            return PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, RuntimeError, UserWarning, SafetensorError) as error:
        raise CrossmemError(
            f"Could not put the adapter {adapter!r} on {type(model).__name__}: {_first_line(error)}",
            "Check that it is a PEFT adapter made for this base model.",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@lru_cache(maxsize=1)
def embedded_fingerprint() -> str:
    """Sixteen hex digits of the embedded model's files: what a result made with it depends on."""
    digest = hashlib.sha256()
    for path in sorted(EMBEDDED.iterdir()):
        if path.suffix in (".safetensors", ".json", ".jinja"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
