# SPDX-License-Identifier: Apache-2.0
"""A stand-in for vLLM: the part of its Python interface that answers are made through, with the names, defaults and
checks of vLLM 0.30.0 (`entrypoints/llm.py`, `sampling_params.py`, `inputs/llm.py`, `lora/request.py`, `outputs.py`,
`config/lora.py`, `v1/core/sched/utils.py`). It refuses what vLLM refuses, and also what vLLM would pass over in
silence. Which token follows is up to a brain that a test brings along."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import trl.data_utils  # noqa: F401  looks for vLLM when it is first imported, and would find this one
from PIL import Image
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

VERSION = "0.30.0"
DTYPES = ("auto", "half", "float16", "bfloat16", "float", "float32")
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
TOKENS_PROMPT = {
    *("prompt_token_ids", "prompt", "token_type_ids", "prompt_token_offsets", "multi_modal_data", "media_io_kwargs"),
    *("mm_processor_kwargs", "multi_modal_uuids", "cache_salt"),
}
ENGINE_ARGS = {  # of `vllm.EngineArgs`, beside what `LLM` names itself
    *("max_model_len", "generation_config", "override_generation_config", "enable_prefix_caching", "max_num_seqs"),
    *("enable_lora", "max_loras", "max_lora_rank", "lora_dtype", "enable_tower_connector_lora", "disable_log_stats"),
    *("limit_mm_per_prompt", "pipeline_parallel_size", "max_num_batched_tokens", "load_format", "download_dir"),
}

Brain = Callable[[list[int], list[Image.Image], "SamplingParams"], Iterator[int]]
"""(prompt as given, its pictures, parameters) -> tokens, for as long as somebody asks."""


class VLLMValidationError(Exception):
    """No `ValueError` in vLLM either."""


def refuse_unless(holds: bool, message: str) -> None:
    if not holds:
        raise VLLMValidationError(message)


@dataclass
class SamplingParams:
    """The public fields, in order, with their defaults."""

    n: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    watermarking: bool = True
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    include_stop_str_in_output: bool = False

    def __post_init__(self) -> None:
        if 0 < self.temperature < 1e-2:
            self.temperature = 1e-2
        self.seed = None if self.seed == -1 else self.seed
        self.stop_token_ids = list(dict.fromkeys(self.stop_token_ids or []))
        for name in ("presence_penalty", "frequency_penalty"):
            refuse_unless(-2 <= getattr(self, name) <= 2, f"{name} must be in [-2, 2]")
        refuse_unless(math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0, "repetition_penalty")
        refuse_unless(math.isfinite(self.temperature), "temperature must be a finite number")
        refuse_unless(0 <= self.temperature <= 2, f"temperature must be in [0, 2], got {self.temperature}.")
        refuse_unless(0 < self.top_p <= 1, "top_p must be in (0, 1]")
        refuse_unless(isinstance(self.top_k, int) and self.top_k >= -1, "top_k must be 0 (disable), or at least 1")
        refuse_unless(0 <= self.min_p <= 1, "min_p must be in [0, 1]")
        refuse_unless(self.max_tokens is None or self.max_tokens >= 1, "max_tokens must be at least 1")
        refuse_unless(0 <= self.min_tokens <= (self.max_tokens or math.inf), "min_tokens")
        refuse_unless(all(isinstance(one, int) for one in self.stop_token_ids), "stop_token_ids must be integers")
        refuse_unless(self.seed is None or -(2**63) <= self.seed < 2**63, "seeds are kept as 64-bit integers")
        refuse_unless(self.temperature >= 1e-5 or self.n == 1, "n must be 1 when using greedy sampling")


@dataclass(frozen=True)
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str = ""
    base_model_name: str | None = None
    tensorizer_config_dict: dict[str, Any] | None = None
    load_inplace: bool = False
    is_3d_lora_weight: bool = False

    def __post_init__(self) -> None:
        if self.lora_int_id < 1:
            raise ValueError(f"id must be > 0, got {self.lora_int_id}")
        assert self.lora_path, "lora_path cannot be empty"


@dataclass(frozen=True)
class ModelConfig:
    """What an engine knows about its model."""

    model: str
    generation_config: str
    hf_config: Any
    max_model_len: int

    def try_get_generation_config(self) -> dict[str, Any]:
        try:
            return GenerationConfig.from_pretrained(self.model).to_diff_dict()
        except OSError:
            return GenerationConfig.from_model_config(self.hf_config).to_diff_dict()


@dataclass
class Call:
    """What `LLM.generate` was given."""

    prompts: list[dict[str, Any]]
    params: list[SamplingParams]
    lora_request: LoRARequest | None
    use_tqdm: bool = field(default=True)


class LLM:
    """Stops where vLLM stops; everything else is the brain's."""

    brain: Brain

    def __init__(
        self,
        model: str,
        *,
        tokenizer: str | None = None,
        skip_tokenizer_init: bool = False,
        trust_remote_code: bool = False,
        tensor_parallel_size: int = 1,
        dtype: str = "auto",
        revision: str | None = None,
        seed: int = 0,
        gpu_memory_utilization: float = 0.92,
        enforce_eager: bool = False,
        mm_processor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        unknown = sorted(set(kwargs) - ENGINE_ARGS)
        if unknown:
            raise TypeError(f"EngineArgs.__init__() got an unexpected keyword argument {unknown[0]!r}")
        if dtype not in DTYPES or not 0 < gpu_memory_utilization <= 1 or kwargs.get("max_lora_rank", 16) not in RANKS:
            raise ValueError("1 validation error for VllmConfig")
        if kwargs.get("generation_config", "auto") not in ("auto", "vllm"):
            raise ValueError("no such folder")
        config = AutoConfig.from_pretrained(model)
        length = kwargs.get("max_model_len") or config.get_text_config().max_position_embeddings
        known = ModelConfig(model, kwargs.get("generation_config", "auto"), config, length)
        self.llm_engine = SimpleNamespace(model_config=known)
        self.tokenizer = AutoTokenizer.from_pretrained(tokenizer or model)
        self.options = {**kwargs, "dtype": dtype, "gpu_memory_utilization": gpu_memory_utilization}
        self.calls: list[Call] = []

    def generate(
        self,
        prompts: Sequence[dict[str, Any]],
        sampling_params: SamplingParams | Sequence[SamplingParams] | None = None,
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
        priority: Sequence[int] | None = None,
        tokenization_kwargs: dict[str, Any] | None = None,
        mm_processor_kwargs: dict[str, Any] | None = None,
    ) -> list[Any]:
        assert sampling_params is not None, "without any, the hub model's own settings apply"
        params = list(sampling_params) if isinstance(sampling_params, Sequence) else [sampling_params] * len(prompts)
        refuse_unless(len(params) == len(prompts), "The lengths of prompts and params must be the same.")
        if lora_request is not None:
            self._check_adapter(lora_request)
        self.calls.append(Call(list(prompts), params, lora_request, use_tqdm))
        return [self._answered(prompt, one) for prompt, one in zip(prompts, params, strict=True)]

    def _check_adapter(self, request: LoRARequest) -> None:
        refuse_unless(self.options.get("enable_lora", False), "Got lora_request but LoRA is not enabled!")
        settings = json.loads(Path(request.lora_path, "adapter_config.json").read_text())
        passed_over = [name for name in ("rank_pattern", "alpha_pattern") if settings[name]]
        assert not passed_over, f"vLLM reads no {passed_over}"
        if settings["r"] > self.options.get("max_lora_rank", 16):
            raise ValueError(f"LoRA rank {settings['r']} is greater than max_lora_rank")
        if settings["modules_to_save"] or settings["use_dora"]:
            raise ValueError("vLLM only supports modules_to_save being None; vLLM does not yet support DoRA.")

    def _answered(self, prompt: dict[str, Any], params: SamplingParams) -> Any:
        """A `RequestOutput` with its `CompletionOutput`."""
        known = self.llm_engine.model_config
        ids, images = self._parsed(prompt)
        refuse_unless(len(ids) < known.max_model_len, "The decoder prompt is longer than the maximum model length")
        own = known.try_get_generation_config().get("eos_token_id")
        stops = {*params.stop_token_ids, self.tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])}
        made, reason = [], None
        for token in type(self).brain(ids, images, params):
            made.append(token)
            if token in stops:  # the stop is among the tokens, and not in the text
                reason = "stop"
            elif len(ids) + len(made) >= known.max_model_len or len(made) >= params.max_tokens:
                reason = "length"
            if reason:
                break
        text = self.tokenizer.decode(made, skip_special_tokens=params.skip_special_tokens) if params.detokenize else ""
        done = SimpleNamespace(index=0, text=text, token_ids=made, finish_reason=reason, stop_reason=None)
        return SimpleNamespace(outputs=[done], prompt_token_ids=ids, finished=True)

    def _parsed(self, prompt: dict[str, Any]) -> tuple[list[int], list[Image.Image]]:
        config = self.llm_engine.model_config.hf_config
        if not isinstance(prompt, dict) or "prompt_token_ids" not in prompt:
            raise TypeError("Prompt dictionary must contain text, tokens, or embeddings")
        assert prompt.keys() <= TOKENS_PROMPT, f"no keys of a TokensPrompt: {sorted(prompt.keys() - TOKENS_PROMPT)}"
        ids, data = prompt["prompt_token_ids"], prompt.get("multi_modal_data") or {}
        assert {type(ids), *map(type, ids)} <= {list, int}, "prompt_token_ids is a list of int"
        refuse_unless(bool(ids), "The decoder prompt cannot be empty")
        assert max(ids) < config.get_text_config().vocab_size, f"Token id {max(ids)} is out of vocabulary"
        assert data.keys() <= {"image"}, f"no modality of this model: {sorted(data)}"
        images = data.get("image", [])
        if images and not hasattr(config, "vision_config"):
            raise ValueError("The model is not multimodal.")
        assert all(isinstance(image, Image.Image) for image in images), "pictures are PIL images"
        mark = getattr(config, "image_token_index", getattr(config, "image_token_id", None))
        places = ids.count(mark)
        if places != len(images):
            raise RuntimeError(f"Expected there to be {len(images)} prompt placeholders, but instead found {places}")
        return list(ids), list(images)


LLM.__module__ = "vllm.entrypoints.llm"


def install(monkeypatch: Any, brain: Brain) -> type[LLM]:
    """Make `import vllm` find this until the test is over."""
    package, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    package.__dict__.update(LLM=LLM, SamplingParams=SamplingParams, lora=lora, __version__=VERSION, __path__=[])
    lora.__dict__.update(request=request, __path__=[])
    request.__dict__.update(LoRARequest=LoRARequest)
    for module in (package, lora, request):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(LLM, "brain", staticmethod(brain), raising=False)
    return LLM
