# SPDX-License-Identifier: Apache-2.0
"""Families whose pictures differ in tiles, sizes or patches. torchvision is not needed: their processors have no video
part here."""

import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from transformers import (
    AyaVisionConfig,
    CLIPVisionConfig,
    Cohere2Config,
    Idefics2Config,
    InternVLConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaOnevisionConfig,
    PixtralVisionConfig,
    SiglipVisionConfig,
    SmolVLMConfig,
)
from transformers.models.aya_vision.processing_aya_vision import AyaVisionProcessor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil
from transformers.models.idefics2.processing_idefics2 import Idefics2Processor
from transformers.models.internvl.processing_internvl import InternVLProcessor
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.pixtral import image_processing_pil_pixtral
from transformers.models.smolvlm import processing_smolvlm
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor

from tests.scoring.family import (
    CHATML,
    GEMMA,
    INST,
    TOWER,
    UTTERANCE,
    VICUNA,
    Family,
    llama_text,
    mistral_text,
    qwen_text,
    text_config,
    tokenizer,
)

GRID = [[24, 48], [48, 24], [48, 48]]


class Still:
    """A processor without its video part."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        """What the processor is made of."""
        return ["image_processor", "tokenizer"]


class StillOnevision(Still, LlavaOnevisionProcessor):
    """Reads pictures only."""


class StillSmol(Still, SmolVLMProcessor):
    """Reads pictures only; templates ask how long a video would be."""

    video_processor = SimpleNamespace(num_frames=1, fps=1)


class StillInternVL(Still, InternVLProcessor):
    """Reads pictures only."""


def llava_next() -> Family:
    """LLaVA-NeXT: a picture is shown whole and in tiles, as many as its shape asks for."""
    side = {"height": 24, "width": 24}
    eyes = LlavaNextImageProcessorPil(size={"shortest_edge": 24}, crop_size=side, image_grid_pinpoints=GRID)
    words = tokenizer(image_token="<image>")
    sizes: dict[str, Any] = {"patch_size": 8, "vision_feature_select_strategy": "default"}
    template = VICUNA.template(parts=True)
    processor = LlavaNextProcessor(eyes, words, **sizes, num_additional_image_tokens=1, chat_template=template)

    def config(words: Any) -> LlavaNextConfig:
        return LlavaNextConfig(
            vision_config=CLIPVisionConfig(**TOWER, projection_dim=32, image_size=24, patch_size=8),
            text_config=llama_text(words),
            image_token_index=words.image_token_id,
            image_grid_pinpoints=GRID,
            vision_feature_layer=-2,
        )

    return Family(name="llava_next", processor=processor, manner=VICUNA, config=config, tower="model.vision_tower")


def llava_onevision() -> Family:
    """LLaVA-OneVision: tiles as LLaVA-NeXT, but only of a picture that is alone in its row."""
    eyes = LlavaOnevisionImageProcessorPil(size={"height": 24, "width": 24}, image_grid_pinpoints=[[24, 24], *GRID])
    words = tokenizer("<|im_start|>", "<|im_end|>", image_token="<image>", video_token="<video>")
    sizes: dict[str, Any] = {"num_image_tokens": 9, "vision_feature_select_strategy": "full"}
    processor = StillOnevision(eyes, words, None, **sizes, chat_template=CHATML.template(parts=True))

    def config(words: Any) -> LlavaOnevisionConfig:
        return LlavaOnevisionConfig(
            vision_config=SiglipVisionConfig(**TOWER, image_size=24, patch_size=8, vision_use_head=False),
            text_config=qwen_text(words),
            image_token_index=words.image_token_id,
            video_token_index=words.video_token_id,
            image_grid_pinpoints=[[24, 24], *GRID],
        )

    return Family(
        name="llava_onevision", processor=processor, manner=CHATML, config=config, tower="model.vision_tower"
    )


def idefics2() -> Family:
    """Idefics2: pictures keep their shapes and are padded, and become as many tokens whatever their size."""
    eyes = Idefics2ImageProcessorPil(size={"shortest_edge": 16, "longest_edge": 32})
    marks = {"image_token": "<image>", "image_boundary_token": "<fake_token_around_image>"}
    words = tokenizer("<|im_start|>", "<end_of_utterance>", **marks)
    processor = Idefics2Processor(eyes, words, image_seq_len=4, chat_template=UTTERANCE.template(parts=True))
    sampled = {"resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 2, "resampler_head_dim": 12}

    def config(words: Any) -> Idefics2Config:
        return Idefics2Config(
            vision_config={**TOWER, "image_size": 32, "patch_size": 8},
            perceiver_config={**sampled, "num_key_value_heads": 1, "hidden_size": 48},
            text_config=mistral_text(words, sliding_window=None),
            image_token_id=words.image_token_id,
        )

    return Family(name="idefics2", processor=processor, manner=UTTERANCE, config=config, tower="model.vision_model")


def smolvlm() -> Family:
    """SmolVLM: Idefics3 with tiles of its own."""
    processing_smolvlm.num2words = processing_smolvlm.num2words or str  # counts the frames of videos only
    tags = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    marks = ("<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<global-img>", *tags)
    eyes = SmolVLMImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    words = tokenizer(*marks, image_token="<image>")
    processor = StillSmol(eyes, words, None, image_seq_len=4, chat_template=UTTERANCE.template(parts=True))

    def config(words: Any) -> SmolVLMConfig:
        tower, image = {**TOWER, "image_size": 32, "patch_size": 8}, words.image_token_id
        return SmolVLMConfig(vision_config=tower, text_config=llama_text(words), image_token_id=image, scale_factor=2)

    return Family(name="smolvlm", processor=processor, manner=UTTERANCE, config=config, tower="model.vision_model")


def pixtral() -> Family:
    """Pixtral: pictures of any shape, as many tokens as patches, with breaks between lines."""
    # Its module takes one function from the torchvision image processor; the other one has it too.
    torchvision_part = "transformers.models.pixtral.image_processing_pixtral"
    with patch.dict(sys.modules, {torchvision_part: image_processing_pil_pixtral}):
        from transformers.models.pixtral.processing_pixtral import PixtralProcessor
    make = image_processing_pil_pixtral.PixtralImageProcessorPil
    eyes = make(size={"longest_edge": 32}, patch_size={"height": 8, "width": 8})
    words = tokenizer("[IMG_BREAK]", "[IMG_END]", image_token="[IMG]")
    processor = PixtralProcessor(eyes, words, patch_size=8, chat_template=INST.shown_as("[IMG]").template(parts=True))

    def config(words: Any) -> LlavaConfig:
        return LlavaConfig(
            vision_config=PixtralVisionConfig(**TOWER, image_size=32, patch_size=8),
            text_config=mistral_text(words),
            image_token_index=words.image_token_id,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
        )

    return Family(name="pixtral", processor=processor, manner=INST, config=config, tower="model.vision_tower")


def internvl() -> Family:
    """InternVL: the patches of all pictures in one row of patches, and a processor that counts them itself."""
    eyes = GotOcr2ImageProcessorPil(size={"height": 16, "width": 16}, crop_to_patches=True, max_patches=3)
    marks = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    words = tokenizer("<|im_start|>", "<|im_end|>", **marks, video_token="<video>")
    written = CHATML.shown_as("<IMG_CONTEXT>").template(parts=True)
    processor = StillInternVL(eyes, words, None, image_seq_length=4, chat_template=written)

    def config(words: Any) -> InternVLConfig:
        return InternVLConfig(
            vision_config={**TOWER, "image_size": [16, 16], "patch_size": [4, 4]},
            text_config=qwen_text(words),
            image_token_id=words.context_image_token_id,
            image_seq_length=4,
        )

    return Family(name="internvl", processor=processor, manner=CHATML, config=config, tower="model.vision_tower")


def aya_vision() -> Family:
    """Aya Vision: tiles with a name each, before a text model of which some layers look through a window."""
    eyes = GotOcr2ImageProcessorPil(size={"height": 16, "width": 16}, crop_to_patches=True, max_patches=3)
    marks = ("<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_LINE_BREAK|>", "<start_of_turn>", "<end_of_turn>")
    words = tokenizer(
        *marks, "TILE_GLOBAL", "TILE_1", "TILE_2", "TILE_3", "TILE", "<|IMG_PATCH|>", image_token="<image>"
    )
    sizes = {"patch_size": 4, "img_size": 16, "downsample_factor": 2}
    written = GEMMA.shown_as("<image>")
    processor = AyaVisionProcessor(eyes, words, **sizes, chat_template=written.template(parts=True))

    def config(words: Any) -> AyaVisionConfig:
        kinds = ["sliding_attention", "full_attention", "sliding_attention"]
        return AyaVisionConfig(
            vision_config=SiglipVisionConfig(**TOWER, image_size=16, patch_size=4, vision_use_head=False),
            text_config=text_config(Cohere2Config, words, sliding_window=8, layer_types=kinds, logit_scale=0.5),
            image_token_index=words.convert_tokens_to_ids("<|IMG_PATCH|>"),
        )

    return Family(name="aya_vision", processor=processor, manner=GEMMA, config=config, tower="model.vision_tower")
