# SPDX-License-Identifier: Apache-2.0
"""Small random models of every family that is measured, with their real processors; and the oracle that each is held
to: one row, one answer, one full forward pass, without padding, batch, cache or anything shared."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3Processor,
    Gemma3TextConfig,
    Idefics3Config,
    Idefics3Processor,
    JambaConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.scoring.world import NAMES, image_row, peaked

WINDOW = 8  # shorter than every prompt, every picture and the longest candidate
CANDIDATES = ["Ann", "Ann Lee Kim", *NAMES[:2], "x", "Nobody at all that I have seen.", "été ☃"]
QUESTIONS = ("Who?", "What is the name of this person?", "Is it Kim, Lee or Ann?")
DESCRIPTIONS = ("A red hat. Who?", "Ann has a red hat, a scarf and a dog. Who has a hat?")


# how conversations are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a family writes a question and an answer, after the template of a published checkpoint."""

    start: str = ""
    user: str
    asked: str
    assistant: str
    lead: str = ""
    tail: str
    image: str = "<image>"

    def template(self, *, parts: bool) -> str:
        """As a chat template; contents are lists of parts, or strings for a model without eyes."""
        part = f"{{% if part['type'] == 'image' %}}{_say(self.image)}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
        each = f"{{% for part in message['content'] %}}{part}{{% endfor %}}"
        content = each if parts else "{{ message['content'] }}"
        turn = f"{{% if message['role'] == 'user' %}}{_say(self.user)}{content}{_say(self.asked)}{{% else %}}"
        turn += f"{_say(self.assistant + self.lead)}{content}{_say(self.tail)}{{% endif %}}"
        ready = f"{{% if add_generation_prompt %}}{_say(self.assistant)}{{% endif %}}"
        return f"{_say(self.start)}{{% for message in messages %}}{turn}{{% endfor %}}{ready}"


def _say(text: str) -> str:  # an expression, because templates trim the white space of plain text
    return f"{{{{ {text!r} }}}}"


VICUNA = Manner(user="USER: ", asked=" ", assistant="ASSISTANT:", lead=" ", tail=" ", image="<image>\n")
INST = Manner(start="<bos>", user="[INST] ", asked=" [/INST]", assistant="", lead=" ", tail="<eos>")
_OVER = "<|im_end|>\n"
CHATML = Manner(user="<|im_start|>user\n", asked=_OVER, assistant="<|im_start|>assistant\n", tail=_OVER)
_SAID = "<end_of_utterance>\n"
UTTERANCE = Manner(start="<|im_start|>", user="User:", asked=_SAID, assistant="Assistant:", lead=" ", tail=_SAID)
_END = "<end_of_turn>\n"
_TURNS = {"user": "<start_of_turn>user\n", "asked": _END, "assistant": "<start_of_turn>model\n", "tail": _END}
GEMMA = Manner(start="<bos>", image="<start_of_image>", **_TURNS)


def tokenizer(*special: str, **named: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that knows the special and the named tokens, and pieces of the names."""
    ends = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    spelled = Tokenizer(models.BPE())
    spelled.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelled.decoder = decoders.ByteLevel()
    known = [*ends.values(), *named.values(), *special]
    learn = trainers.BpeTrainer(vocab_size=300, special_tokens=known, show_progress=False)
    letters = map(chr, (10, *range(32, 127)))
    spelled.train_from_iterator([*[*NAMES, *QUESTIONS, "Ann Lee Kim"] * 3, *CANDIDATES, *letters], learn)
    return PreTrainedTokenizerFast(tokenizer_object=spelled, extra_special_tokens=named, **ends)


# families


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family. `config` makes a model's configuration for a tokenizer; `tower` names the module that sees."""

    name: str
    processor: Any
    manner: Manner
    config: Callable[[Any], Any]
    tower: str = ""

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer, or the processor if it is one."""
        return getattr(self.processor, "tokenizer", self.processor)

    @property
    def special(self) -> set[int]:
        """The tokens that are no text."""
        return {index for index, token in self.tokenizer.added_tokens_decoder.items() if token.special}

    @property
    def stops(self) -> set[int]:
        """The tokens that end a turn."""
        tail = self.tokenizer(self.manner.tail, add_special_tokens=False)["input_ids"]
        return {self.tokenizer.eos_token_id} | set(tail) & self.special

    def model(self, attention: str = "sdpa") -> Any:
        """A fresh model, with the same weights each time."""
        torch.manual_seed(0)
        kind = AutoModelForImageTextToText if self.tower else AutoModelForCausalLM
        model = kind.from_config(self.config(self.tokenizer), attn_implementation=attention)
        for name, parameter in model.named_parameters():
            if name.endswith("mm_input_projection_weight"):  # untrained it is zero, and pictures would not matter
                torch.nn.init.normal_(parameter, std=0.1)
        model = peaked(model, by=3.0)
        # No answer holds a picture's token, which a full pass could not read, or others that decoding would drop.
        model.get_output_embeddings().weight.data[sorted(self.special - self.stops)] = 0
        model.generation_config.eos_token_id = sorted(self.stops)
        return model


def text_config(kind: Any, words: Any, **changes: Any) -> Any:
    """A small configuration of a text model."""
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    ends = {"pad_token_id": words.pad_token_id, "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    few = {"num_key_value_heads": 2, "max_position_embeddings": 512}
    return kind(vocab_size=len(words), **(sizes | ends | few | changes))


_llama = partial(text_config, LlamaConfig)
_qwen = partial(text_config, Qwen3Config, head_dim=12)
_mistral = partial(text_config, MistralConfig, sliding_window=WINDOW)
_KINDS = ["sliding_attention", "full_attention", "sliding_attention"]
_gemma_text = partial(text_config, Gemma3TextConfig, head_dim=12, sliding_window=WINDOW, layer_types=_KINDS)
_MIXTURE = {"num_experts": 2, "num_experts_per_tok": 1, "attn_layer_period": 3, "attn_layer_offset": 1}
_jamba = partial(text_config, JambaConfig, mamba_d_state=4, mamba_expand=1, **_MIXTURE)
_TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def llava(name: str, manner: Manner, text: Callable[[Any], Any], *, clip: bool) -> Family:
    """A LLaVA: CLIP gives one token more than patches, which is dropped again; SigLIP does not."""
    side, chosen = {"height": 24, "width": 24}, "default" if clip else "full"
    eyes = CLIPImageProcessorPil(size=side, do_center_crop=False) if clip else SiglipImageProcessorPil(size=side)
    processor = LlavaProcessor(
        eyes,
        tokenizer("<|im_start|>", "<|im_end|>", image_token="<image>"),
        patch_size=8,
        vision_feature_select_strategy=chosen,
        chat_template=manner.template(parts=True),
        num_additional_image_tokens=int(clip),
    )

    def config(words: Any) -> LlavaConfig:
        own = (CLIPVisionConfig, {"projection_dim": 32}) if clip else (SiglipVisionConfig, {"vision_use_head": False})
        return LlavaConfig(
            vision_config=own[0](**_TOWER, **own[1], image_size=24, patch_size=8),
            text_config=text(words),
            image_token_index=words.image_token_id,
            vision_feature_layer=-2 if clip else -1,
            vision_feature_select_strategy=chosen,
        )

    return Family(name=name, processor=processor, manner=manner, config=config, tower="model.vision_tower")


def idefics() -> Family:
    """Idefics3: a picture is cut into tiles, of which rows have different numbers; two tokens end a turn."""
    tags = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    marks = ("<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<global-img>", *tags)
    eyes = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    words = tokenizer(*marks, image_token="<image>")
    processor = Idefics3Processor(eyes, words, image_seq_len=4, chat_template=UTTERANCE.template(parts=True))

    def config(words: Any) -> Idefics3Config:
        tower, image = {**_TOWER, "image_size": 32, "patch_size": 8}, words.image_token_id
        return Idefics3Config(vision_config=tower, text_config=_llama(words), image_token_id=image, scale_factor=2)

    return Family(name="idefics3", processor=processor, manner=UTTERANCE, config=config, tower="model.vision_model")


def gemma() -> Family:
    """Gemma 3: picture tokens see each other in both directions, layers with and without a window."""
    marks = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = tokenizer("<start_of_turn>", "<end_of_turn>", **marks)
    eyes = Gemma3ImageProcessorPil(size={"height": 24, "width": 24})
    processor = Gemma3Processor(eyes, words, chat_template=GEMMA.template(parts=True), image_seq_length=9)

    def config(words: Any) -> Gemma3Config:
        return Gemma3Config(
            text_config=_gemma_text(words),
            vision_config=SiglipVisionConfig(**_TOWER, image_size=24, patch_size=4, vision_use_head=False),
            mm_tokens_per_image=9,
            image_token_index=words.image_token_id,
        )

    return Family(name="gemma3", processor=processor, manner=GEMMA, config=config, tower="model.vision_tower")


def text_only(name: str, manner: Manner, config: Callable[[Any], Any]) -> Family:
    """A model without eyes and its tokenizer, whose template knows strings only."""
    words = tokenizer("<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>")
    words.chat_template = manner.template(parts=False)
    return Family(name=name, processor=words, manner=manner, config=config)


SEEING = ("llava_clip", "llava_siglip", "llava_window", "idefics3", "gemma3")
BLIND = ("llama", "qwen3", "mistral_window", "gemma3_text", "jamba")


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """Every family by name; tests do not change them."""
    every = [
        llava("llava_clip", VICUNA, _llama, clip=True),
        llava("llava_siglip", CHATML, _qwen, clip=False),
        llava("llava_window", INST, _mistral, clip=True),
        idefics(),
        gemma(),
        text_only("llama", INST, _llama),
        text_only("qwen3", CHATML, _qwen),
        text_only("mistral_window", INST, _mistral),
        text_only("gemma3_text", GEMMA, _gemma_text),
        text_only("jamba", CHATML, _jamba),
    ]
    return {family.name: family for family in every}


@lru_cache
def model_of(name: str, attention: str = "sdpa") -> Any:
    """A family's model; tests do not change it."""
    return families()[name].model(attention)


# rows


def asked(question: str, *images: Any, answer: str = "Ann") -> dict[str, Any]:
    """A row; its pictures are copies, as a dataset decodes them anew each time."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    said = {"prompt": turns[:1], "completion": turns[1:], "answer": answer}
    return said | {"images": [image.copy() for image in images]}


def rows(family: Family) -> list[dict[str, Any]]:
    """Eleven rows: three questions about each of two pictures, a wide picture, two pictures in one row, texts, and one
    question twice. A family without eyes is asked six times about texts. Prompts differ in length."""
    first, second, wide = (image_row(number)["images"][0] for number in (0, 5, 7))
    short, middle, long = QUESTIONS
    if family.tower:
        shown = [(short, first), DESCRIPTIONS[:1], (middle, first), (short, second), DESCRIPTIONS[1:], (long, first)]
        shown += [(short, wide.resize((90, 30))), (short, first, second), (middle, second), (middle, first)]
        shown += [(long, second)]
    else:
        shown = [(text,) for text in (*QUESTIONS, *DESCRIPTIONS, middle)]
    return [asked(*row, answer=CANDIDATES[number % len(CANDIDATES)]) for number, row in enumerate(shown)]


# the oracle


def prompt_inputs(family: Family, row: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What the family's processor makes of one row's prompt."""
    content: Any = row["prompt"][0]["content"]
    if family.tower and isinstance(content, str):
        content = [*[{"type": "image"}] * len(row["images"]), {"type": "text", "text": content}]
    turns = [{"role": "user", "content": content}]
    text = family.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    given = {"images": row["images"]} if row["images"] else {}
    inputs = dict(family.processor(text=text, **given, return_tensors="pt", add_special_tokens=False))
    dropped = ("attention_mask",) if family.tower else ("attention_mask", "token_type_ids")
    return {name: value for name, value in inputs.items() if name not in dropped}


def followed(inputs: dict[str, torch.Tensor], tokens: list[int]) -> dict[str, torch.Tensor]:
    """The same inputs with an answer behind them, which is no picture."""
    answer = torch.tensor([tokens], dtype=torch.long)
    behind = {"input_ids": answer, "token_type_ids": torch.zeros_like(answer)}
    return {name: torch.cat([value, behind[name]], 1) if name in behind else value for name, value in inputs.items()}


def answer_tokens(family: Family, answer: str) -> list[int]:
    """The tokens of an answer as the family writes it, with what ends the turn."""
    ended = family.stops & set(family.tokenizer(family.manner.tail, add_special_tokens=False)["input_ids"])
    whole = f"{family.manner.lead}{answer}{family.manner.tail.rstrip()}{'' if ended else '<eos>'}"
    return family.tokenizer(whole, add_special_tokens=False)["input_ids"]


def logprobs(model: Any, family: Family, row: dict[str, Any], answer: str) -> tuple[np.ndarray, list[int]]:
    """(tokens, vocabulary) log-probabilities in float64 where the answer's tokens are predicted, and those tokens."""
    tokens = answer_tokens(family, answer)
    with torch.no_grad():
        logits = model(**followed(prompt_inputs(family, row), tokens), use_cache=False).logits
    return torch.log_softmax(logits[0, -len(tokens) - 1 : -1].double(), -1).numpy(), tokens


def nll(model: Any, family: Family, rows: list[dict[str, Any]], candidates: list[str]) -> np.ndarray:
    """(rows, candidates) summed negative log-likelihoods in nats."""
    told = [[logprobs(model, family, row, candidate) for candidate in candidates] for row in rows]
    return np.array([[-sum(float(one[i, t]) for i, t in enumerate(ids)) for one, ids in line] for line in told])


def greedy(model: Any, family: Family, row: dict[str, Any], steps: int) -> tuple[list[int], float]:
    """The likeliest tokens one after the other up to an end of turn, and the smallest lead in logits that one had."""
    inputs, made, lead = prompt_inputs(family, row), list[int](), float("inf")
    while len(made) < steps and not (made and made[-1] in model.generation_config.eos_token_id):
        with torch.no_grad():
            best = model(**followed(inputs, made), use_cache=False).logits[0, -1].double().topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        made.append(int(best.indices[0]))
    return made, lead


def pictures_seen(family: Family, model: Any, work: Callable[[], Any]) -> int:
    """How many pictures, or tiles of pictures, go through the tower during some work."""
    seen = []

    def count(module: Any, given: Any, named: Any) -> None:
        seen.append(len(given[0] if given else named["pixel_values"]))

    handle = model.get_submodule(family.tower).register_forward_pre_hook(count, with_kwargs=True)
    work()
    handle.remove()
    return sum(seen)


def pictures_in(family: Family, asked: list[dict[str, Any]]) -> int:
    """How many pictures, or tiles, the different sets of pictures in some rows hold."""
    pixels = [prompt_inputs(family, row)["pixel_values"] for row in asked]
    different = {one.numpy().tobytes(): one.flatten(0, one.dim() - 4) for one in pixels}
    return sum(map(len, different.values()))
