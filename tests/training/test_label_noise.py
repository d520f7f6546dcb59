# SPDX-License-Identifier: Apache-2.0
"""Noisy labels learned by a stand-in for the trainer that knows what it says, and by true trainings of a few steps."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.norms import norms_in
from crossmem_hf.report.record import Record
from crossmem_hf.training import label_noise
from crossmem_hf.training.label_noise import (
    ARCHITECTURES,
    KEPT,
    LabelNoiseArguments,
    LabelNoiseConfig,
    described,
    label_noise_record,
    learn_noisy_labels,
    lines_of,
    tiny_classifier,
)

FEW = {"num_personas": 40, "num_test_personas": 12, "noise": 0.1, "hidden_size": 8}


def quiet(folder, **more):
    return LabelNoiseConfig(str(folder), disable_tqdm=True, report_to="none", save_strategy="no", **more)


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_rows_are_descriptions_that_say_their_label():
    arguments = LabelNoiseArguments(num_personas=300, noise=0.05, noisy_class="scarf", persona_seed=3)
    data = described(arguments)
    assert len({*data.texts, *data.test_texts}) == 500, "everybody is described once"
    for text, label in zip((*data.texts, *data.test_texts), (*data.true, *data.test_labels), strict=True):
        assert data.classes[label] in text
    assert len(data.rows) == 15
    assert {data.classes[data.true[row]] for row in data.rows} == {"scarf"}
    assert [row for row in range(300) if data.true[row] != data.noisy[row]] == list(data.rows)
    assert described(LabelNoiseArguments(persona_seed=4)).texts[:5] != data.texts[:5]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_learns_and_its_folder_loads(architecture, tmp_path):
    arguments = LabelNoiseArguments(architecture=architecture, **FEW)
    data = described(arguments)
    model, tokenizer = tiny_classifier(arguments, data, 0)
    again, _ = tiny_classifier(arguments, data, 0)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
    before = weights_of(model)
    config = quiet(tmp_path, max_steps=2, learning_rate=1e-2)
    found = learn_noisy_labels(model, tokenizer, data, config, "early", where={"seed": 0})
    names = {one.metric for one in found}
    assert names == {
        *("train_accuracy", "test_accuracy", "memorization_score", "recovery_score", "random_score"),
        *("learning_gradient", "memorizing_gradient", "gradient_ratio"),
    }
    assert all({"seed": 0, "layers": "early"}.items() <= one.where.items() for one in found)
    early = {f"{norm.name}.weight" for norm in norms_in(model, "early")}
    still = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert early <= still
    assert not {f"{norm.name}.weight" for norm in norms_in(model, "late")} & still
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    inputs = AutoTokenizer.from_pretrained(tmp_path)(list(data.texts[:3]), padding=True, return_tensors="pt")
    inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        torch.testing.assert_close(loaded(**inputs).logits, model.eval()(**inputs).logits)
    assert loaded.config.id2label == dict(enumerate(data.classes))
    assert not [path.name for path in tmp_path.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]


def trained_to_say(monkeypatch, oracle):
    """A trainer that trains nothing, and whose model says what the oracle says of the (noisy) labels it is given."""

    def predict(self, rows):
        return SimpleNamespace(predictions=np.eye(5)[oracle(np.asarray(rows["labels"]))])

    monkeypatch.setattr(Trainer, "train", lambda self: None)
    monkeypatch.setattr(Trainer, "predict", predict)


def test_oracles_get_their_scores(monkeypatch, tmp_path):
    arguments = LabelNoiseArguments(**FEW)
    data = described(arguments)

    def scores(oracle):
        trained_to_say(monkeypatch, oracle)
        made = tiny_classifier(arguments, data, 0)
        found = learn_noisy_labels(*made, data, quiet(tmp_path), gradients=False)
        return [one.value for one in found]

    knows = np.asarray(data.true)
    assert scores(lambda labels: labels) == [1, 1, 1, 0, 0], "memorized"
    assert scores(lambda labels: knows if len(labels) == 40 else labels) == [0.9, 1, 0, 1, 0], "recovered"


def test_without_noise_nothing_is_scored(monkeypatch, tmp_path):
    """The control: no label is wrong, so none is memorized and none recovered."""
    arguments = LabelNoiseArguments(**FEW | {"noise": 0.0})
    trained_to_say(monkeypatch, lambda labels: labels)
    record = label_noise_record(arguments, quiet(tmp_path))
    assert {one.metric for one in record.measurements} == {"train_accuracy", "test_accuracy"}
    assert list(lines_of(record)) == [
        f"norms without weights: {layers}; accuracy 1.00 in training, 1.00 on others" for layers in ("none", "all")
    ]


def test_record_holds_every_model_from_the_same_weights(monkeypatch, tmp_path):
    begun = []
    monkeypatch.setattr(Trainer, "train", lambda self: begun.append(weights_of(self.model)))
    arguments = LabelNoiseArguments(layers="none+early+all", **FEW)
    record = label_noise_record(arguments, quiet(tmp_path, learning_rate=1e-3))
    assert all(torch.equal(value, other[name]) for other in begun[1:] for name, value in begun[0].items())
    assert Record.read(tmp_path) == record
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "early", "none", "record.json"]
    assert (record.study, record.seeds) == ("layer_norm", (0,))
    assert record.config["learning_rate"] == 1e-3
    assert json.loads((tmp_path / "record.json").read_text())["config"]["layers"] == "none+early+all"
    lines = list(lines_of(record))
    assert len(lines) == 9
    assert all(word in lines[1] for word in ("of 4 noisy labels", "memorized", "recovered", "random"))
    kept, early, _ = (
        [one.value for one in record.find("gradient_ratio", layers=name)] for name in arguments.conditions
    )
    assert kept == early, "untrained norms have nothing to lose"
    assert len(kept) == 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "bart"}, "Unknown architecture 'bart'"),
        ({"attribute": "name"}, "Unknown attribute 'name'"),
        ({"layers": "none+erly"}, "Unknown layers 'erly'"),
        ({"layers": "all+all"}, r"Unknown layers 'all\+all'"),
        ({"noisy_class": "hat"}, "Unknown noisy_class 'hat'"),
        ({"num_layers": 2}, "num_layers=2"),
        ({"num_personas": 0}, "num_personas=0"),
        ({"hidden_size": 10}, "hidden_size=10 is no multiple"),
    ],
)
def test_settings_that_there_are_not(settings, message):
    with pytest.raises(CrossmemError, match=message):
        LabelNoiseArguments(**settings)


def test_kept_is_no_third():
    assert KEPT not in label_noise.LAYERS
