# SPDX-License-Identifier: Apache-2.0
"""The order of things: what is wrong is said before a model is loaded, and a folder belongs to one run."""

from dataclasses import dataclass
from typing import Any

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.asking import asked_together
from crossmem_hf.evaluation.loaded import model_key
from crossmem_hf.evaluation.rows import rows_of
from crossmem_hf.evaluation.settings import AskedSettings
from crossmem_hf.report.record import Record


@dataclass(frozen=True)
class Prepared:
    rows: Any
    data: str
    model: str


@pytest.fixture(scope="module")
def settings(tiny_model):
    return AskedSettings(model=str(tiny_model), num_personas=5, max_rows=2)


def run(settings, folder, *, asked=lambda: None, prepared=lambda: None, **options):
    """The order of what was done."""
    done = []

    def prepare():
        prepared()
        done.append("prepared")
        return Prepared(rows_of(settings, settings.split), "data", model_key(settings))

    def ask(_, model):
        done.append(f"asked {type(model.model).__name__}")
        asked()
        return 7

    def finish(_, found):
        done.append(f"finished {found}")
        return Record(study="x", config={}, versions={}, seeds=(), fingerprints={}, measurements=())

    options = {"overwrite": False, "prepare": prepare, "code": run, "ask": ask, "finish": finish} | options
    record = asked_together(settings, folder, **options)
    return done, record


def refuse():
    raise CrossmemError("No.", "Stop.")


def test_prepared_then_asked_then_finished(settings, tmp_path):
    done, record = run(settings, tmp_path / "out")
    assert done == ["prepared", "asked LlavaForConditionalGeneration", "finished 7"]
    assert record.study == "x"


def test_what_is_refused_first_leaves_no_folder(settings, tmp_path):
    with pytest.raises(CrossmemError, match="No"):
        run(settings, tmp_path / "out", prepared=refuse)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_of_what_was_done(settings, tmp_path):
    with pytest.raises(CrossmemError, match="No"):
        run(settings, tmp_path, what="attack", asked=refuse)
    with pytest.raises(CrossmemError, match="holds another run"):
        run(settings, tmp_path, what="trace")
    assert len(run(settings, tmp_path, what="attack")[0]) == 3  # goes on
    assert len(run(settings, tmp_path, what="trace", overwrite=True)[0]) == 3
