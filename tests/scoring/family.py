# SPDX-License-Identifier: Apache-2.0
"""What a family of models is in these tests: how it writes, its tokenizer, and a small model with peaked answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    Gemma3TextConfig,
    JambaConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from tests.scoring.tiny import NAMES, peaked

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
    queried: str
    assistant: str
    lead: str = ""
    tail: str
    image: str = "<image>"

    def shown_as(self, image: str) -> "Manner":
        """The same with another placeholder for a picture."""
        return replace(self, image=image)

    def template(self, *, parts: bool) -> str:
        """As a chat template; contents are lists of parts, or strings for a model without eyes."""
        part = f"{{% if part['type'] == 'image' %}}{_say(self.image)}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
        each = f"{{% for part in message['content'] %}}{part}{{% endfor %}}"
        content = each if parts else "{{ message['content'] }}"
        turn = f"{{% if message['role'] == 'user' %}}{_say(self.user)}{content}{_say(self.queried)}{{% else %}}"
        turn += f"{_say(self.assistant + self.lead)}{content}{_say(self.tail)}{{% endif %}}"
        ready = f"{{% if add_generation_prompt %}}{_say(self.assistant)}{{% endif %}}"
        return f"{_say(self.start)}{{% for message in messages %}}{turn}{{% endfor %}}{ready}"


def _say(text: str) -> str:  # an expression, because templates trim the white space of plain text
    return f"{{{{ {text!r} }}}}"


VICUNA = Manner(user="USER: ", queried=" ", assistant="ASSISTANT:", lead=" ", tail=" ", image="<image>\n")
INST = Manner(start="<bos>", user="[INST] ", queried=" [/INST]", assistant="", lead=" ", tail="<eos>")
_OVER = "<|im_end|>\n"
CHATML = Manner(user="<|im_start|>user\n", queried=_OVER, assistant="<|im_start|>assistant\n", tail=_OVER)
_SAID = "<end_of_utterance>\n"
UTTERANCE = Manner(start="<|im_start|>", user="User:", queried=_SAID, assistant="Assistant:", lead=" ", tail=_SAID)
_END = "<end_of_turn>\n"
_TURNS = {"user": "<start_of_turn>user\n", "queried": _END, "assistant": "<start_of_turn>model\n", "tail": _END}
PLAIN = Manner(user="", queried="", assistant="", tail="<eos>")
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
    """One family. `config` makes a model's configuration for a tokenizer; `tower` names the module that sees;
    `answer_type` is the token type of an answer, where there are token types; `text_rows` says whether it can be asked
    without a picture."""

    name: str
    processor: Any
    manner: Manner
    config: Callable[[Any], Any]
    tower: str = ""
    answer_type: int = 0
    text_rows: bool = True

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
            # Untrained they are zero or all alike, and pictures would not matter.
            if name.endswith(("mm_input_projection_weight", "perceiver_resampler.latents")):
                torch.nn.init.normal_(parameter, std=0.1)
            if "gate" in name and parameter.numel() == 1:
                torch.nn.init.constant_(parameter, 0.5)
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


llama_text = partial(text_config, LlamaConfig)
qwen_text = partial(text_config, Qwen3Config, head_dim=12)
mistral_text = partial(text_config, MistralConfig, sliding_window=WINDOW)
_KINDS = ["sliding_attention", "full_attention", "sliding_attention"]
gemma_text = partial(text_config, Gemma3TextConfig, head_dim=12, sliding_window=WINDOW, layer_types=_KINDS)
_MIXTURE = {"num_experts": 2, "num_experts_per_tok": 1, "attn_layer_period": 3, "attn_layer_offset": 1}
jamba_text = partial(text_config, JambaConfig, mamba_d_state=4, mamba_expand=1, **_MIXTURE)
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
