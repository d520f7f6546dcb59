# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.training.trainable import count_trainable, describe_trainable
from tests.training import tiny


def test_only_the_language_models_adapter_trains():
    model = tiny.memorized()
    counts = count_trainable(model)
    assert counts["language model"] == sum(p.numel() for n, p in model.named_parameters() if "lora_" in n) > 0
    assert counts["vision tower"] == counts["projector"] == 0
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all("language_model" in name and "lora_" in name for name in names)


def test_full_fine_tuning_counts_every_parameter_once():
    model = tiny.model()
    counts = count_trainable(model)
    assert sum(counts.values()) == sum(parameter.numel() for parameter in model.parameters())
    assert min(counts.values()) > 0


def test_the_text_says_parts_modules_and_counts():
    text = describe_trainable(tiny.memorized())
    assert "Trains" in text.splitlines()[0]
    language = next(line for line in text.splitlines() if "language model" in line)
    assert "q_proj" in language
    assert "down_proj" in language
    assert "frozen" in next(line for line in text.splitlines() if "vision tower" in line)
