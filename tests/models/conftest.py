# SPDX-License-Identifier: Apache-2.0
"""The micro VLM as the recipe builds it, untrained; and a tiny one that shares its processor's tokenizer."""

import pytest
import torch

from crossmem_hf.models.micro.model import MicroShape, build_model, build_processor
from crossmem_hf.models.micro.tasks import tokenizer_corpus
from crossmem_hf.personas import background as people


@pytest.fixture(scope="session")
def background():
    """Whom base models meet, with fewer of those who are only seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "NUM_SEEN", 1000)
        patch.setattr(people, "NUM_UNSEEN", 40)
        return people.Background()


@pytest.fixture(scope="session")
def corpus(background):
    """The text that the tokenizer learns from."""
    return list(tokenizer_corpus(background))


@pytest.fixture(scope="session")
def processor(corpus):
    """The processor of the shipped shape; tests do not change it."""
    return build_processor(corpus)


@pytest.fixture
def untrained(processor):
    """A model of the shipped shape."""
    torch.manual_seed(0)
    return build_model(processor).eval()


@pytest.fixture
def tiny(processor):
    """The same kind of model with few parameters; sees the same pictures in fewer, larger patches."""
    torch.manual_seed(0)
    small = {"vision_width": 16, "vision_layers": 1, "text_width": 32, "text_layers": 1, "text_mlp": 32, "heads": 2}
    return build_model(processor, MicroShape(**small)).eval()
