# SPDX-License-Identifier: Apache-2.0
"""Answers made by vLLM instead of transformers. It does not know what is asked, nor how an answer is read.

Tested against a fake of the Python interface of vLLM 0.30.0 only, written after its source; not yet run with vLLM
itself. vLLM encodes a picture once for all questions about it, because its prefix cache is left on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import sees_images, tokenizer_of
from crossmem_hf.models.modules import is_beside_the_text
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.pictures.reading import as_seen

COLDEST, HOTTEST = 0.01, 2.0  # vLLM draws no colder, whatever it is asked, and refuses what is hotter
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of which vLLM reserves room for one
_PASSED_OVER = ("rank_pattern", "alpha_pattern", "lora_bias", "layer_replication")  # settings that it does not read
_PLAIN = {
    "n": 1,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "min_tokens": 0,
    "detokenize": False,
}
_adapters: "WeakKeyDictionary[Any, Any]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Described:
    """What asking needs to know of a model, named as in transformers."""

    config: Any
    generation_config: Any


def is_vllm(model: Any) -> bool:
    """Whether this is a `vllm.LLM`; vLLM is not imported to find out.

    Example:
        >>> is_vllm("llava-hf/llava-1.5-7b-hf")
        False
    """
    return any(kind.__module__.split(".")[0] == "vllm" for kind in type(model).__mro__)


def described(llm: Any) -> Described:
    """The hub model's configuration, and its settings for generation, of which only ends of turn will be used."""
    from transformers import GenerationConfig

    known = llm.llm_engine.model_config
    ends = known.try_get_generation_config().get("eos_token_id")
    return Described(known.hf_config, GenerationConfig(eos_token_id=ends))


def load_vllm(
    name_or_path: str,
    *,
    adapter: str | None = None,
    dtype: str = "auto",
    max_model_len: int | None = None,
    gpu_memory_utilization: float = 0.9,
    **more: Any,
) -> tuple[Any, Any]:
    """(llm, processor) for `generate_answers`: a model held by vLLM, and what writes its prompts.

    Args:
        name_or_path: A Hub name or a folder.
        adapter: A LoRA adapter saved by PEFT (Hub name or folder) that every answer is made with.
        dtype: As vLLM names it; "auto" is the checkpoint's, or float16 for a checkpoint in float32.
        max_model_len: Most tokens of a prompt and its answer, pictures included; None is the model's own limit.
        gpu_memory_utilization: Share of the device's memory that vLLM takes, in (0, 1].
        **more: Further arguments of `vllm.LLM`, such as `tensor_parallel_size`.

    Raises:
        CrossmemError: vLLM is not installed or cannot load the model; or an adapter cannot be read, or changes what
            vLLM would silently leave as it was.
    """
    from transformers import AutoProcessor, AutoTokenizer

    try:
        from vllm import LLM
        from vllm.lora.request import LoRARequest
    except ImportError as error:
        raise CrossmemError(
            f"vLLM cannot be imported ({error}).", 'In a clone of this repository, run: pip install -e ".[vllm]"'
        ) from error
    request = None
    if adapter is not None:
        folder, rank = _adapter(adapter, towers=bool(more.get("enable_tower_connector_lora")))
        request = LoRARequest("adapter", 1, str(folder))
        more = {"enable_lora": True, "max_lora_rank": rank, **more}
    sizes = {"max_model_len": max_model_len, "gpu_memory_utilization": gpu_memory_utilization}
    try:
        llm = LLM(model=name_or_path, dtype=dtype, generation_config="vllm", **sizes, **more)
        loader = AutoProcessor if sees_images(described(llm).config) else AutoTokenizer
        processor = loader.from_pretrained(name_or_path)
    except (OSError, ValueError, RuntimeError) as error:
        raise CrossmemError(
            f"vLLM could not load {name_or_path!r}: {error}",
            "Check the name, your access to it, and that vLLM knows this kind of model and finds a device.",
        ) from error
    if request is not None:
        _adapters[llm] = request
    return llm, processor


def _adapter(adapter: str, *, towers: bool) -> tuple[Path, int]:
    """The adapter's folder, and the room that its rank needs.

    Args:
        towers: Whether vLLM was told to adapt image towers too.

    Raises:
        CrossmemError: It cannot be read, or vLLM would silently leave a part of it out.
    """
    from huggingface_hub import snapshot_download
    from safetensors import SafetensorError, safe_open

    weights = "adapter_model.safetensors"
    try:
        folder = Path(adapter)
        if not folder.is_dir():
            folder = Path(snapshot_download(adapter, allow_patterns=["adapter_config.json", weights]))
        settings = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        rank = int(settings["r"])
        with safe_open(folder / weights, framework="numpy") as tensors:
            names = list(tensors.keys())
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CrossmemError(
            f"Could not read the adapter {adapter!r}: {error}",
            "Check that it is a LoRA adapter that PEFT saved as safetensors.",
        ) from error
    ignored = [name for name in _PASSED_OVER if settings.get(name)]
    ignored += [name for name in names if not towers and is_beside_the_text(name)]
    if ignored:
        raise CrossmemError(
            f"The adapter {adapter!r} has {ignored[0]!r}, which vLLM would silently leave out.",
            "Merge it into the model (PEFT's merge_and_unload), save that, and load it without an adapter.",
        )
    return folder, next((room for room in RANKS if room >= rank), rank)


def tokens_from_vllm(
    llm: Any,
    processor: Any,
    rows: Sequence[Row],
    *,
    max_new_tokens: int,
    ends: Sequence[int],
    temperature: float,
    seeds: Sequence[int],
) -> list[list[int]]:
    """Token ids of the answer to each row, up to its end of turn; what `generate_answers` is for other models.

    Raises:
        CrossmemError: A temperature at which vLLM would not draw, a picture that is no PIL image, or an answer for
            which `max_model_len` left too little room.
    """
    from vllm import SamplingParams

    if temperature and not COLDEST <= temperature <= HOTTEST:
        raise CrossmemError(
            f"temperature={temperature!r}; vLLM draws at temperatures from {COLDEST} to {HOTTEST}.",
            "Pass one of these, or 0 for the likeliest tokens.",
        )
    limits = {"max_tokens": max_new_tokens, "stop_token_ids": list(ends), "temperature": temperature}
    wanted = [SamplingParams(**_PLAIN, **limits, seed=seed if temperature else None) for seed in seeds]
    prompts = [_prompt(processor, row) for row in rows]
    outputs = llm.generate(prompts, wanted, use_tqdm=False, lora_request=_adapters.get(llm))
    made = [output.outputs[0] for output in outputs]
    for number, one in enumerate(made):
        if one.finish_reason == "length" and len(one.token_ids) < max_new_tokens:
            raise CrossmemError(
                f"The answer to row {number} was cut after {len(one.token_ids)} of {max_new_tokens} tokens.",
                "Load the model with a larger max_model_len.",
            )
    return [list(one.token_ids) for one in made]


def _prompt(processor: Any, row: Row) -> dict[str, Any]:
    """The prompt as tokens, one for each picture. Before a text, vLLM would put another beginning-of-text."""
    tokenizer = tokenizer_of(processor)
    ids = tokenizer(prompt_text(processor, row), add_special_tokens=False)["input_ids"]
    pictures = {"multi_modal_data": {"image": [as_seen(image) for image in row["images"]]}} if row["images"] else {}
    return {"prompt_token_ids": ids, **pictures}
