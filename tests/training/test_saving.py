# SPDX-License-Identifier: Apache-2.0
"""An adapter on disk is whole and finite; whatever goes wrong, the earlier one is still there."""

import errno
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors import SafetensorError

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.saving import save_adapter
from tests.training import tiny

CARD = {"method": "SFT", "settings": {}}
FULL = OSError(errno.ENOSPC, "No space left on device")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_saved_loads_and_nothing_else_is_left(tmp_path):
    model = tiny.memorized()
    save_adapter(model, tiny.processor(), tmp_path / "ada", **CARD)
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "ada")
    for name, value in tiny.weights(model).items():
        assert torch.equal(loaded.get_parameter(name), value)
    assert (tmp_path / "ada" / "README.md").read_text().count("# ada") == 1
    assert not [path for path in (tmp_path / "ada").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("error", [FULL, SafetensorError("I/O error: No space left on device (os error 28)")])
@pytest.mark.parametrize("place", ["peft.PeftModel.save_pretrained", "transformers.ProcessorMixin.save_pretrained"])
def test_a_full_disk_leaves_the_earlier_adapter(tmp_path, monkeypatch, error, place):
    model = tiny.memorized()
    save_adapter(model, tiny.processor(), tmp_path, **CARD)
    before = contents(tmp_path)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)

    def full(self, folder, **kwargs):
        Path(folder, "adapter_model.safetensors").write_bytes(b"half")
        raise error

    monkeypatch.setattr(place, full)
    with pytest.raises(CrossmemError, match=r"No space left on device.*earlier files there are unchanged"):
        save_adapter(model, tiny.processor(), tmp_path, **CARD)
    assert contents(tmp_path) == before


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = tiny.memorized()
    with torch.no_grad():
        next(p for p in model.parameters() if p.requires_grad)[0, 0] = float("nan")
    with pytest.raises(CrossmemError, match="is NaN or infinite; it was not saved"):
        save_adapter(model, tiny.processor(), tmp_path / "ada", **CARD)
    assert not (tmp_path / "ada").exists()


def test_trainers_save_through_it(tmp_path, monkeypatch):
    trainer = tiny.trainer_for(tmp_path)
    monkeypatch.setattr("peft.PeftModel.save_pretrained", lambda *args, **kwargs: (_ for _ in ()).throw(FULL))
    with pytest.raises(CrossmemError, match="Could not save the adapter"):
        trainer.save_model(str(tmp_path / "out"))


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path, monkeypatch):
    """transformers calls `_save` in every process; two that write in one folder tear it from each other."""
    trainer = tiny.trainer_for(tmp_path)
    monkeypatch.setattr(type(trainer.args), "should_save", False)
    trainer.save_model(str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    trainer.save_model(str(tmp_path / "out"))
    assert (tmp_path / "out" / "adapter_model.safetensors").exists()
