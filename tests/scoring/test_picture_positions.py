# SPDX-License-Identifier: Apache-2.0
"""Models that give a picture fewer positions than tokens (multimodal RoPE) score and answer as they would alone."""

import numpy as np
import pytest
import torch
from transformers import (
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

from crossmem_hf.scoring import continuations as module
from crossmem_hf.scoring import prefill, whole
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from tests.scoring.world import CANDIDATES, image_row, naive, peaked, processor, text_row

PATCH = 14


class StillPictures(Qwen2VLProcessor):
    """The processor without its video part, which needs torchvision."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None):
        self.image_token, self.video_token = "<image>", "<|system|>"
        self.image_token_id, self.video_token_id = tokenizer.convert_tokens_to_ids(
            [self.image_token, self.video_token]
        )
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def picture_processor():
    resized = Qwen2VLImageProcessorPil(min_pixels=(2 * PATCH) ** 2, max_pixels=(6 * PATCH) ** 2, patch_size=PATCH)
    return StillPictures(resized, processor().tokenizer, processor().chat_template)


def models():
    tokens = processor().tokenizer
    image, video = tokens.convert_tokens_to_ids(["<image>", "<|system|>"])
    marks = {"image_token_id": image, "video_token_id": video, "vision_start_token_id": 5, "vision_end_token_id": 6}
    text = {"vocab_size": len(tokens), "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12, "max_position_embeddings": 512,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e4},
            "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
    small = {"depth": 2, "num_heads": 2}
    tower = {**small, "hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 48}
    windows = {"window_size": 56, "fullatt_block_indexes": [1]}
    stack = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0], "patch_size": PATCH}
    old = {**small, "embed_dim": 32, "hidden_size": 48, "mlp_ratio": 2}
    return {
        "qwen2_vl": (Qwen2VLForConditionalGeneration, Qwen2VLConfig, text, old, marks),
        "qwen2_5_vl": (Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig, text, tower | windows, marks),
        "qwen3_vl": (Qwen3VLForConditionalGeneration, Qwen3VLConfig, text, tower | stack, marks),
    }


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def model(request):
    kind, config, text, tower, marks = models()[request.param]
    torch.manual_seed(0)
    return peaked(kind(config(text_config=dict(text), vision_config=tower, **marks)), by=3.0)


@pytest.fixture(scope="module")
def rows():
    """Pictures of two shapes, prompts of several lengths, both modalities."""
    wide = image_row(2)
    wide["images"] = [wide["images"][0].resize((90, 50))]
    short = {**image_row(4), "prompt": [{"role": "user", "content": "Who?"}]}
    return [image_row(0), text_row(1), wide, text_row(3), short]


@pytest.fixture(scope="module")
def expected(model, rows):
    return naive(model, picture_processor(), rows, CANDIDATES)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("packs", [True, False])
def test_scores_equal_the_oracle(model, rows, expected, batch_size, packs, monkeypatch):
    assert module.can_pack(model)
    monkeypatch.setattr(module, "can_pack", lambda model: packs)
    scores = score_candidates(model, picture_processor(), rows, CANDIDATES, batch_size=batch_size)
    assert np.abs(scores.nll_nats - expected).max() <= 1e-4


def test_positions_matter_here(model, rows, expected, monkeypatch):
    """The guard of the tests above: with one position a token, the pictures' scores would be wrong."""
    for place in (prefill, whole):
        monkeypatch.setattr(place, "own_positions", lambda model, inputs: None)
    wrong = np.abs(score_candidates(model, picture_processor(), rows, CANDIDATES).nll_nats - expected).max(1)
    assert min(wrong[0], wrong[2], wrong[4]) > 0.01
    assert max(wrong[1], wrong[3]) <= 1e-4


def test_answers_do_not_depend_on_neighbours(model, rows):
    alone = generate_answers(model, picture_processor(), rows, max_new_tokens=5, batch_size=1)
    assert generate_answers(model, picture_processor(), rows, max_new_tokens=5, batch_size=4) == alone
    assert len(set(alone)) == len(rows)
