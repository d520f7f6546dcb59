# SPDX-License-Identifier: Apache-2.0
"""Families that read pictures unlike the others: by cross-attention (Mllama), with a prompt that sees itself in both
directions (PaliGemma), with positions in two dimensions (Qwen-VL)."""

from typing import Any

from transformers import (
    GemmaConfig,
    MllamaConfig,
    PaliGemmaConfig,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen3VLConfig,
    SiglipVisionConfig,
)
from transformers.models.mllama.configuration_mllama import MllamaTextConfig
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil
from transformers.models.mllama.processing_mllama import MllamaProcessor
from transformers.models.paligemma.processing_paligemma import PaliGemmaProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.scoring.families_tiled import Still
from tests.scoring.family import CHATML, GEMMA, PLAIN, TOWER, Family, text_config, tokenizer


class StillQwen(Still, Qwen2VLProcessor):
    """Reads pictures only."""


def mllama() -> Family:
    """Mllama: two of its layers look at the tiles, and no token stands for them."""
    eyes = MllamaImageProcessorPil(size={"height": 16, "width": 16}, max_image_tiles=3)
    words = tokenizer("<start_of_turn>", "<end_of_turn>", "<|python_tag|>", image_token="<|image|>")
    processor = MllamaProcessor(eyes, words, chat_template=GEMMA.shown_as("<|image|>").template(parts=True))

    def config(words: Any) -> MllamaConfig:
        tower = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "attention_heads": 4}
        sizes = {"num_global_layers": 1, "vision_output_dim": 64, "image_size": 16, "patch_size": 8}
        ratios = [[1, 1], [1, 2], [1, 3], [2, 1], [3, 1]]
        tiles = {"max_num_tiles": 3, "supported_aspect_ratios": ratios, "intermediate_layers_indices": [0]}
        return MllamaConfig(
            vision_config={**tower, **sizes, **tiles},
            text_config=text_config(MllamaTextConfig, words, num_hidden_layers=4, cross_attention_layers=[1, 3]),
            image_token_index=words.image_token_id,
        )

    return Family(name="mllama", processor=processor, manner=GEMMA, config=config, tower="model.vision_model")


def paligemma() -> Family:
    """PaliGemma: a prompt sees itself in both directions, its answer does not; no template and no text without a
    picture."""
    eyes = SiglipImageProcessorPil(size={"height": 24, "width": 24})
    eyes.image_seq_length = 9
    processor = PaliGemmaProcessor(eyes, tokenizer(image_token="<image>"), chat_template=PLAIN.template(parts=True))

    def config(words: Any) -> PaliGemmaConfig:
        return PaliGemmaConfig(
            vision_config=SiglipVisionConfig(**TOWER, image_size=24, patch_size=8, vision_use_head=False),
            text_config=text_config(GemmaConfig, words, head_dim=12),
            image_token_index=words.image_token_id,
            projection_dim=48,
            hidden_size=48,
        )

    made: dict[str, Any] = {"tower": "model.vision_tower", "answer_type": 1, "text_rows": False}
    return Family(name="paligemma", processor=processor, manner=PLAIN, config=config, **made)


def qwen_vl(name: str) -> Family:
    """Qwen2-VL, Qwen2.5-VL or Qwen3-VL, whose pictures have fewer positions than tokens."""
    patch = 14
    eyes = Qwen2VLImageProcessorPil(min_pixels=(2 * patch) ** 2, max_pixels=(6 * patch) ** 2, patch_size=patch)
    marks = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    words = tokenizer("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", **marks)
    written = CHATML.shown_as("<|vision_start|><|image_pad|><|vision_end|>")
    processor = StillQwen(eyes, words, None, chat_template=written.template(parts=True))
    small = {"depth": 2, "num_heads": 2, "patch_size": patch}
    tower = {**small, "hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 48}
    kind, sees = {
        "qwen2_vl": (Qwen2VLConfig, {**small, "embed_dim": 32, "hidden_size": 48, "mlp_ratio": 2}),
        "qwen2_5_vl": (Qwen2_5_VLConfig, {**tower, "window_size": 56, "fullatt_block_indexes": [1]}),
        "qwen3_vl": (Qwen3VLConfig, {**tower, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}),
    }[name]

    def config(words: Any) -> Any:
        places = {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e4}
        sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        ends = {name: getattr(words, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
        few = {"vocab_size": len(words), "num_key_value_heads": 2, "head_dim": 12, "max_position_embeddings": 512}
        start, end = words.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"])
        return kind(
            text_config={**sizes, **ends, **few, "rope_parameters": places},
            vision_config=sees,
            image_token_id=words.image_token_id,
            video_token_id=words.video_token_id,
            vision_start_token_id=start,
            vision_end_token_id=end,
        )

    return Family(name=name, processor=processor, manner=CHATML, config=config, tower="model.visual")
