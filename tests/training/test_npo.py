# SPDX-License-Identifier: Apache-2.0
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.npo import NPOConfig, NPOTrainer
from tests.training.tiny import memorized, processor, rows, settings


def test_npo_classes_are_the_method_by_the_names_of_trl(tmp_path):
    config = NPOConfig(**settings(tmp_path))
    assert (config.method, config.forget_loss) == ("npo", "npo")
    trainer = NPOTrainer(memorized(), config, rows("p0"), rows("p2"), processing_class=processor())
    assert trainer._card()["method"] == "NPO"
    with pytest.raises(CrossmemError, match="method='npo' got forget_loss='ga'"):
        NPOConfig(**settings(tmp_path), forget_loss="ga")
