# SPDX-License-Identifier: Apache-2.0
"""Small random models of the kinds that norms stand in differently: Post- and Pre-LN, LayerNorm and RMSNorm, encoders,
decoders and both, from configuration; each with inputs for it."""

from collections.abc import Callable
from typing import Any

import torch
import transformers as hf

SIZES = {"hidden_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 16}
WORDS = {"vocab_size": 30, "max_position_embeddings": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TOKENS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
GPT2 = {"n_embd": 12, "n_layer": 3, "n_head": 2, "n_positions": 16, "vocab_size": 30, "eos_token_id": 2}
T5 = {"d_model": 12, "d_kv": 6, "d_ff": 16, "num_layers": 3, "num_heads": 2, "vocab_size": 30}
DISTILBERT = {"dim": 12, "n_layers": 3, "n_heads": 2, "hidden_dim": 16, "vocab_size": 30}

MODELS: dict[str, Callable[[], Any]] = {
    "bert": lambda: hf.BertForSequenceClassification(hf.BertConfig(**SIZES, **WORDS)),
    "distilbert": lambda: hf.DistilBertForSequenceClassification(hf.DistilBertConfig(**DISTILBERT)),
    "deberta": lambda: hf.DebertaForSequenceClassification(hf.DebertaConfig(**SIZES, **WORDS)),
    "roberta_prelayernorm": lambda: hf.RobertaPreLayerNormForSequenceClassification(
        hf.RobertaPreLayerNormConfig(**SIZES, **WORDS)
    ),
    "vit": lambda: hf.ViTForImageClassification(hf.ViTConfig(**SIZES, image_size=8, patch_size=4)),
    "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2)),
    "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**SIZES, **WORDS)),
    "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**SIZES, **WORDS, num_key_value_heads=2, head_dim=6)),
    "gemma": lambda: hf.GemmaForCausalLM(hf.GemmaConfig(**SIZES, **WORDS, num_key_value_heads=2, head_dim=6)),
    "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5)),
}
"""Name -> what makes the model."""

OUTSIDE = {
    "bert": ["bert.embeddings.LayerNorm"],
    "distilbert": ["distilbert.embeddings.LayerNorm"],
    "deberta": ["deberta.embeddings.LayerNorm"],
    "roberta_prelayernorm": ["roberta_prelayernorm.embeddings.LayerNorm", "roberta_prelayernorm.LayerNorm"],
    "vit": ["vit.layernorm"],
    "gpt2": ["transformer.ln_f"],
    "llama": ["model.norm"],
    "qwen3": ["model.norm"],
    "gemma": ["model.norm"],
    "t5": ["encoder.final_layer_norm", "decoder.final_layer_norm"],
}
"""Name -> its norms outside of all layers."""

IN_A_LAYER = dict.fromkeys(MODELS, 2) | {"qwen3": 4, "t5": 5}
"""Name -> how many norms a layer has; of T5, one of the encoder and one of the decoder together."""


def built(name: str, *, random_norms: bool = True) -> Any:
    """A model in evaluation mode; its norms have random weights, unless they are to be as they were made."""
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    for own, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0.0, 0.4)
        elif random_norms and "norm" in own.lower().replace("ln_", "norm"):
            torch.nn.init.normal_(parameter, 0.7, 0.3)
    return model


def inputs_of(name: str) -> dict[str, torch.Tensor]:
    """Two rows."""
    if name == "vit":
        return {"pixel_values": torch.linspace(-1, 1, 384).sin().view(2, 3, 8, 8)}
    return {"input_ids": TOKENS} | ({"decoder_input_ids": TOKENS[:, :3]} if name == "t5" else {})


def logits_of(model: Any, name: str) -> torch.Tensor:
    """What it makes of them."""
    with torch.no_grad():
        return model(**inputs_of(name)).logits
