# SPDX-License-Identifier: Apache-2.0
"""The CPU-sized VLM: a true LLaVA (CLIP tower, Llama decoder) from configuration. It knows no weights and no data.

`build_processor` and `build_model` make an untrained one; `recipes/pretrain_micro.py` trains it and
`models.loading` loads the trained one that this package ships.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from crossmem_hf.personas.values import FIRST_ENDINGS, FIRST_SYLLABLES, LAST_ENDINGS, LAST_SYLLABLES

SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<image>", "<|user|>", "<|assistant|>", "<|system|>")
CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|{{ message['role'] }}|>
{%- if message['role'] == 'assistant' -%}
{%- generation -%}
{%- if message['content'] is string -%}{{ message['content'] }}
{%- else -%}{%- for part in message['content'] -%}{{ part['text'] }}{%- endfor -%}{%- endif -%}
<eos>
{%- endgeneration -%}
{%- elif message['content'] is string -%}{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}<image>{%- else -%}{{ part['text'] }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroShape:
    """Sizes of a micro VLM; the defaults are those of `SIZES` ``"m"``."""

    image_size: int = 64
    patch_size: int = 16
    vision_width: int = 128
    vision_layers: int = 3
    text_width: int = 128
    text_layers: int = 4
    text_mlp: int = 384
    heads: int = 4
    vocab_size: int = 2048

    @property
    def image_tokens(self) -> int:
        """How many tokens a picture becomes."""
        return (self.image_size // self.patch_size) ** 2


SIZES: Mapping[str, MicroShape] = MappingProxyType(
    {
        "s": MicroShape(vision_width=64, text_width=64, text_mlp=192, heads=2),
        "m": MicroShape(),
        "l": MicroShape(vision_width=256, text_width=256, text_layers=6, text_mlp=704, heads=8),
    }
)
"""Size -> its shape: about 0.6, 2 and 8 million parameters."""


def name_pieces() -> Iterator[str]:
    """The parts of all names, apart: a tokenizer trained on them knows every name's parts and no name."""
    yield from (*FIRST_SYLLABLES, *FIRST_ENDINGS, *LAST_ENDINGS)
    yield from (f" {syllable}" for syllable in LAST_SYLLABLES)


def _name_splitter() -> pre_tokenizers.PreTokenizer:
    """Cuts names between their two parts, so that every name is four tokens that other names share.

    Left to itself, BPE merges across the cut, and a name may need tokens that no base model ever learned to say.
    """
    heads = "|".join((*FIRST_SYLLABLES, *(f" ?{syllable}" for syllable in LAST_SYLLABLES)))
    tails = "|".join((*FIRST_ENDINGS, *LAST_ENDINGS))
    return pre_tokenizers.Split(Regex(rf"(?:{heads})(?=(?:{tails})\b)"), "isolated")


def build_tokenizer(corpus: Iterable[str], vocab_size: int = 2048) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the special tokens and the image token; any string round-trips.

    Names are four tokens that other names share, and every digit is a token.
    """
    tokenizer = Tokenizer(models.BPE())
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([_name_splitter(), digits, by_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        extra_special_tokens={"image_token": "<image>"},
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def build_processor(corpus: Iterable[str], shape: MicroShape | None = None) -> LlavaProcessor:
    """A `LlavaProcessor` (PIL image backend) whose tokenizer is trained on `corpus`."""
    shape = shape or MicroShape()
    side = {"height": shape.image_size, "width": shape.image_size}
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, do_center_crop=False),
        tokenizer=build_tokenizer(corpus, shape.vocab_size),
        patch_size=shape.patch_size,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )


def build_model(processor: LlavaProcessor, shape: MicroShape | None = None) -> LlavaForConditionalGeneration:
    """An untrained `LlavaForConditionalGeneration` that fits `processor`; seed torch first for fixed weights."""
    shape = shape or MicroShape()
    tokenizer = processor.tokenizer
    vision = CLIPVisionConfig(
        hidden_size=shape.vision_width,
        intermediate_size=4 * shape.vision_width,
        num_hidden_layers=shape.vision_layers,
        num_attention_heads=shape.heads,
        image_size=shape.image_size,
        patch_size=shape.patch_size,
        projection_dim=shape.vision_width,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.text_width,
        intermediate_size=shape.text_mlp,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=shape.image_tokens,
        tie_word_embeddings=True,
    )
    return LlavaForConditionalGeneration(config)
