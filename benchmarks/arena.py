# SPDX-License-Identifier: Apache-2.0
"""What both sides of a benchmark are given: a model, its processor, and rows. It does not know what is measured."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, CLIPVisionConfig, LlamaConfig, LlavaConfig

from crossmem_hf.models.loading import keep_present_layers, load_model
from crossmem_hf.models.micro.model import MicroShape, build_processor, name_pieces
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.questions import NAME_QUESTIONS, SINGLE_HOP_QUESTIONS, fact_question
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for
from crossmem_hf.seeding import seed_everything

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a LLaVA with random weights; a picture is `side` × `side` tokens."""

    side: int
    patch: int
    vision: tuple[int, int, int]  # width, layers, heads
    text: tuple[int, int, int]
    mlp: int
    vocabulary: int
    vision_layer: int = -1
    dtype: torch.dtype = torch.float32


SHAPES = {
    "large": Shape(side=24, patch=14, vision=(512, 8, 8), text=(768, 10, 8), mlp=2048, vocabulary=1024),
    "micro": Shape(side=4, patch=16, vision=(128, 3, 4), text=(128, 4, 4), mlp=384, vocabulary=2048),
    # LLaVA-1.5-7B: CLIP-L/336, and Vicuna with its 64 added tokens.
    "llava7b": Shape(
        side=24,
        patch=14,
        vision=(1024, 24, 16),
        text=(4096, 32, 32),
        mlp=11008,
        vocabulary=32064,
        vision_layer=-2,
        dtype=torch.bfloat16,
    ),
}
QUICK = {"side": 6, "patch": 8, "vision": (32, 3, 2), "text": (32, 2, 2), "mlp": 64}


def random_llava(shape: Shape, processor: Any, device: str) -> Any:
    """A LLaVA of this shape, made on the device and in its precision, for a 7B one has no room elsewhere."""
    width, layers, heads = shape.vision
    vision = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=shape.side * shape.patch,
        patch_size=shape.patch,
    )
    width, layers, heads = shape.text
    text = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=width,
        intermediate_size=shape.mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        pad_token_id=processor.tokenizer.pad_token_id,
        bos_token_id=processor.tokenizer.bos_token_id,
        eos_token_id=processor.tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=shape.vision_layer,
        image_seq_length=shape.side**2,
        tie_word_embeddings=False,
    )
    seed_everything(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=shape.dtype).eval()
    keep_present_layers(model)
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """What both sides are given."""

    settings: argparse.Namespace
    model: Any
    processor: Any
    shape: Shape

    @property
    def pixels(self) -> int:
        """Side of a picture that the model takes as it is."""
        return self.shape.side * self.shape.patch


def arena_of(shape: Shape, settings: argparse.Namespace) -> Arena:
    """The shipped micro VLM where it has this shape, else a random model."""
    if settings.model == "micro" and shape == SHAPES["micro"]:
        model, processor = load_model(device=settings.device)
    else:
        pixels = {"image_size": shape.side * shape.patch, "patch_size": shape.patch}
        processor = build_processor(_texts(), MicroShape(**pixels, vocab_size=min(1024, shape.vocabulary)))
        processor.tokenizer.model_max_length = 4096  # as the model's
        model = random_llava(shape, processor, settings.device)
    return Arena(settings=settings, model=model, processor=processor, shape=shape)


def _texts() -> Iterator[str]:
    """What the tokenizer of a random model learns from."""
    for persona in sample_personas(50, 0, "background"):
        yield from (
            describe(persona, split, view).text for split in ("train", "validation", "test") for view in range(3)
        )
    for piece in name_pieces():
        yield from [piece] * 1000


def names(count: int) -> list[str]:
    """So many people's names, all different."""
    return [person.full_name for person in sample_personas(count)]


def name_row(size: int) -> Row:
    """The question for the name of one person in a picture."""
    (person,) = sample_personas(1)
    return _row(person, 0, size, NAME_QUESTIONS["image"], person.full_name)


def fact_rows(num_personas: int, questions: int, size: int, *, one_picture: bool) -> list[Row]:
    """So many different questions about each of so many people, all on one picture of theirs or each on its own.

    Equal pictures come as objects of their own, as rows of a dataset do.
    """
    kinds = [(fact, words) for words in SINGLE_HOP_QUESTIONS["train"] for fact in FACT_ATTRIBUTES]
    personas, rows = list(sample_personas(num_personas + questions // len(kinds))), []
    for place, person in enumerate(personas[:num_personas]):
        for number in range(questions):
            named = personas[place + number // len(kinds)]  # once everything is asked about one, about the next
            fact, words = kinds[number % len(kinds)]
            queried = fact_question(words, "image", fact, name=named.full_name, description="")
            rows.append(_row(person, 0 if one_picture else number, size, queried, named.facts[fact]))
    return rows


def _row(person: Persona, view: int, size: int, question: str, answer: str) -> Row:
    drawn = min(512, max(48, size))  # as far as portraits go; the processor resizes
    return {
        "images": [render_portrait(person, view_for(person, "test", view), drawn)],
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "answer": answer,
    }
