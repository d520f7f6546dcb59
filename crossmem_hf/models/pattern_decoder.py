# SPDX-License-Identifier: Apache-2.0
"""Tiny text decoders for rows of single characters, from configuration, and the tokens they read. It knows no weights,
and no rules that the rows follow."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from datasets import Dataset
from tokenizers import Tokenizer, decoders, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from crossmem_hf.data.patterns import ALPHABET
from crossmem_hf.errors import unknown
from crossmem_hf.logprobs import NOT_AN_ANSWER

Size = Literal["s", "m", "l"]

SHAPES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType({"s": (2, 144), "m": (3, 234), "l": (4, 408)})
"""Size -> layers and width: 0.5, 2 and 8 million parameters without embeddings."""
MAX_CHARS: Final = 512


def pattern_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each character of `patterns.ALPHABET`, and one that pads.

    Example:
        >>> tokenizer = pattern_tokenizer()
        >>> tokenizer.decode(tokenizer("12C")["input_ids"])
        '12C'
    """
    vocabulary = {token: number for number, token in enumerate(["<pad>", *ALPHABET])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        model_max_length=MAX_CHARS,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def pattern_decoder(size: Size = "s") -> LlamaForCausalLM:
    """An untrained Llama decoder with one attention head that reads `pattern_tokenizer`; seed torch first for fixed
    weights.

    Sizes are among those of Panwar et al., Transformers Seek Patterns, whose models are GPT-2's: with Llama's gated
    feed-forward layer of 8/3 the width they have as many parameters a layer. (A width of 234 is 235 there: rotary
    positions need an even one.)

    Args:
        size: "s", "m" or "l"; see `SHAPES`.

    Raises:
        CrossmemError: An unknown size.

    Example:
        >>> model = pattern_decoder("s")
        >>> round(sum(weight.numel() for weight in model.model.layers.parameters()) / 1e6, 1)
        0.5
    """
    if size not in SHAPES:
        raise unknown("size", [size], SHAPES)
    layers, width = SHAPES[size]
    config = LlamaConfig(
        vocab_size=len(ALPHABET) + 1,
        hidden_size=width,
        intermediate_size=width * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=MAX_CHARS,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config)


def encoded_patterns(rows: Dataset, *, learn: Literal["all", "answer"] = "all") -> Dataset:
    """The rows with input_ids, attention_mask and labels; `transformers.DataCollatorForSeq2Seq` pads them.

    Args:
        rows: With the columns prompt and answer, of characters of the alphabet; other columns are kept.
        learn: Labels on "all" tokens, as the paper trains, or on the "answer", as it measures.

    Example:
        >>> rows = Dataset.from_dict({"prompt": ["12"], "answer": ["3"], "kind": ["monotone"]})
        >>> encoded_patterns(rows, learn="answer")[0]["labels"]
        [-100, -100, 4]
    """
    tokenizer = pattern_tokenizer()

    def encoded(row: Mapping[str, str]) -> dict[str, list[int]]:
        ids = tokenizer(row["prompt"] + row["answer"])["input_ids"]
        silent = len(row["prompt"]) if learn == "answer" else 0
        labels = [NOT_AN_ANSWER] * silent + ids[silent:]
        return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}

    return rows.map(encoded, load_from_cache_file=False)
