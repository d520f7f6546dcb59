# SPDX-License-Identifier: Apache-2.0
"""What a run leaves, without running it: the shipped record with small adapters beside it."""

import json
import shutil
from pathlib import Path

import pytest

from crossmem_hf.models.embedded import BASES, DEFAULT_BASE
from crossmem_hf.report.record import Measurement, Record
from tests.data.conftest import materialized, spec  # noqa: F401


def lay_adapter(folder: Path, base: str | None = str(BASES[DEFAULT_BASE]), **where) -> Path:
    """Files as a trainer leaves them, those that are not to be shared included."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base, "r": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(b"weights of " + folder.name.encode())
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("the trainer's own card")
    (folder / "done.json").write_text(json.dumps({"result": {"where": where, "steps": 30}}))
    (folder / "training_args.bin").write_bytes(b"pickled")
    (folder / "optimizer.pt").write_bytes(b"pickled")
    return folder


@pytest.fixture
def run_folder(root, tmp_path):
    """A run of three seeds, of which two adapters are left."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(root / "results/first_light/record.json", folder)
    (folder / "predictions.jsonl").write_text('{"answer": "Ada"}\n')
    (folder / "report.html").write_text("<p>page</p>")
    (folder / "figures").mkdir()
    (folder / "figures/matrix.png").write_bytes(b"png")
    (folder / "log.txt").write_text("whatever libraries print")
    for stage in ("memorized", "unlearned"):
        lay_adapter(folder / f"stages/{stage}_image_seed1", stage=stage, source="image", seed=1)
    (folder / "stages/image_predictions_seed1").mkdir()
    (folder / "stages/image_predictions_seed1/done.json").write_text('{"result": {"where": {"seed": 1}}}')
    return folder


def measured(metric, where=None, **numbers):
    """A measurement of 0.5 unless another is given."""
    known = {"value": 0.5, "ci": (0.4, 0.6), "n": 8, "chance": 0.1, "unit": "proportion", "greater_means": "more"}
    return Measurement(metric=metric, where=where or {}, **{**known, **numbers})


def record_of(study, measurements, **fields):
    known = {"config": {}, "versions": {"torch": "2"}, "fingerprints": {"data": "dd", "model": "mm"}}
    return Record(study=study, measurements=tuple(measurements), **{**known, **fields})
