# SPDX-License-Identifier: Apache-2.0
"""Diffusion pipelines of a few thousand random weights, saved to disk as real ones are."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

SIZE = 32
LONGEST = 512


def save_pipeline(folder: Path, *, refusing=False, checked=True, editing=False, longest=LONGEST) -> Path:
    """The folder, once it holds a pipeline, whose safety checker (if any) refuses everything or nothing."""
    torch.manual_seed(0)
    parts = {
        "vae": vae(),
        "text_encoder": text_encoder(longest),
        "tokenizer": tokenizer(longest),
        "unet": unet(8 if editing else 4),
        "scheduler": DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": checker(refusing) if checked else None,
        "feature_extractor": CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30}),
    }
    kind = StableDiffusionInstructPix2PixPipeline if editing else StableDiffusionPipeline
    kind(**parts, requires_safety_checker=checked).save_pretrained(folder, safe_serialization=True)
    return folder


def vae():
    return AutoencoderKL(
        block_out_channels=[8, 8],
        norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=4,
        sample_size=SIZE,
    )


def unet(channels):
    return UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
    )


def text_encoder(longest):
    config = CLIPTextConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=LETTERS,
        max_position_embeddings=longest,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config)


LETTERS = 2 + 2 * 256


def tokenizer(longest):
    """One token a letter: nothing is learned, so no vocabulary is needed."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(
        vocab={token: place for place, token in enumerate(tokens)}, merges=[], model_max_length=longest
    )


def tower():
    return CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=30,
        patch_size=10,
        projection_dim=16,
    )


def checker(refusing):
    made = StableDiffusionSafetyChecker(CLIPConfig(vision_config=tower().to_dict(), projection_dim=16))
    made.concept_embeds_weights.data.fill_(-1.0 if refusing else 1.0)  # a picture is refused above this cosine
    return made


def save_adapter(folder: Path) -> Path:
    """The folder, once it holds an IP-Adapter for the pipeline above, laid out as the published ones are."""
    torch.manual_seed(1)
    encoder = CLIPVisionModelWithProjection(tower())
    encoder.save_pretrained(folder / "models" / "image_encoder")
    weights = {
        "image_proj.proj.weight": torch.randn(4 * 16, 16) * 0.1,
        "image_proj.proj.bias": torch.zeros(4 * 16),
        "image_proj.norm.weight": torch.ones(16),
        "image_proj.norm.bias": torch.zeros(16),
    }
    attentions = [module for name, module in unet(4).named_modules() if name.endswith("attn2")]
    for number, module in enumerate(attentions):
        for part in ("to_k_ip", "to_v_ip"):  # numbered as the processors are, of which every other is attn1's
            weights[f"ip_adapter.{2 * number + 1}.{part}.weight"] = torch.randn(module.to_k.weight.shape)
    save_file(weights, folder / "models" / "tiny.safetensors")
    return folder
