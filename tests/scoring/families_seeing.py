# SPDX-License-Identifier: Apache-2.0
"""Families that the tests of sharing and packing try in every way: LLaVA, Idefics3 and Gemma 3."""

from collections.abc import Callable
from typing import Any

from transformers import (
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3Processor,
    Idefics3Config,
    Idefics3Processor,
    LlavaConfig,
    LlavaProcessor,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.scoring.family import GEMMA, TOWER, UTTERANCE, Family, Manner, gemma_text, llama_text, tokenizer


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
            vision_config=own[0](**TOWER, **own[1], image_size=24, patch_size=8),
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
        tower, image = {**TOWER, "image_size": 32, "patch_size": 8}, words.image_token_id
        return Idefics3Config(vision_config=tower, text_config=llama_text(words), image_token_id=image, scale_factor=2)

    return Family(name="idefics3", processor=processor, manner=UTTERANCE, config=config, tower="model.vision_model")


def gemma() -> Family:
    """Gemma 3: picture tokens see each other in both directions, layers with and without a window."""
    marks = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = tokenizer("<start_of_turn>", "<end_of_turn>", **marks)
    eyes = Gemma3ImageProcessorPil(size={"height": 24, "width": 24})
    processor = Gemma3Processor(eyes, words, chat_template=GEMMA.template(parts=True), image_seq_length=9)

    def config(words: Any) -> Gemma3Config:
        return Gemma3Config(
            text_config=gemma_text(words),
            vision_config=SiglipVisionConfig(**TOWER, image_size=24, patch_size=4, vision_use_head=False),
            mm_tokens_per_image=9,
            image_token_index=words.image_token_id,
        )

    return Family(name="gemma3", processor=processor, manner=GEMMA, config=config, tower="model.vision_tower")
