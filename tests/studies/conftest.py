# SPDX-License-Identifier: Apache-2.0
"""A model small enough to run the whole job in seconds; it learns nothing in two steps, and need not."""

import pytest

from crossmem_hf.studies.settings import FirstLightSettings


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The folder of an untrained LLaVA."""
    import torch

    from crossmem_hf.models.micro.model import MicroShape, build_model, build_processor
    from crossmem_hf.models.micro.pretraining import tokenizer_corpus
    from crossmem_hf.personas.sampling import sample_personas

    torch.manual_seed(0)
    shape = MicroShape(vision_width=16, vision_layers=1, text_width=16, text_layers=1, text_mlp=16, heads=2)
    processor = build_processor(tokenizer_corpus(list(sample_personas(5, 0, "background"))), shape)
    folder = tmp_path_factory.mktemp("tiny")
    build_model(processor, shape).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_settings(tiny_model):
    """Settings for it."""
    return FirstLightSettings(
        num_personas=5,
        num_views=2,
        seeds=1,
        model_name_or_path=str(tiny_model),
        memorize_steps=2,
        memorize_batch_size=4,
        unlearn_steps=2,
        unlearn_batch_size=2,
        stop_every_steps=1,
        stop_threshold=0.0,
    )
