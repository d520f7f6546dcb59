# SPDX-License-Identifier: Apache-2.0
"""`run_trace`, from settings to a record, predictions, arrays and heat maps."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from crossmem_hf.analysis.tracing_run import ARRAYS, TraceSettings, run_trace
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import asking
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Record


@pytest.fixture(scope="module")
def settings(tiny_model):
    return TraceSettings(
        num_personas=5, max_rows=4, model=str(tiny_model), sites=("mlp",), tokens=("subject", "last"), window=1
    )


@pytest.fixture(scope="module")
def traced(tmp_path_factory, settings):
    """The folder of a run, its record, and what it printed."""
    folder, said = tmp_path_factory.mktemp("trace"), io.StringIO()
    return folder, run_trace(settings, folder, console=Console(file=said, width=100)), said.getvalue()


def test_a_run_leaves_record_predictions_arrays_and_heat_maps(traced):
    folder, record, said = traced
    assert Record.read(folder) == record
    assert record.study == "trace"
    assert [m.metric for m in record.measurements[:2]] == ["total_effect", "total_effect_logprob"]
    found = Predictions.read(folder)
    assert len(found) == 4 * (1 + 2)  # the tiny model has one layer
    assert Predictions(found.where(site="mlp")).measure(["indirect_effect"], by=("tokens",))
    arrays = json.loads((folder / ARRAYS).read_text())
    assert [(one["metric"], one["tokens"], one["layers"]) for one in arrays] == [
        ("indirect_effect", ["subject", "last"], [0]),
        ("indirect_effect_logprob", ["subject", "last"], [0]),
    ]
    measured = record.one("indirect_effect", corruption="subject", site="mlp", layer=0, tokens="last")
    assert arrays[0]["values"][0][1] == measured.value
    for name in ("indirect_effect", "indirect_effect_logprob"):
        assert (folder / f"{name}.svg").read_text().lstrip().startswith("<?xml")
    assert "total_effect" in said
    assert "In the place of subjects:" in said


def test_a_second_run_in_the_folder_traces_nothing_again(traced, settings, monkeypatch):
    folder, record, _ = traced
    monkeypatch.setattr("crossmem_hf.analysis.causal_tracing.traced", lambda *_: pytest.fail("traced again"))
    again = run_trace(settings, folder, console=Console(file=io.StringIO()))
    assert again.measurements == record.measurements


def test_a_folder_of_other_rows_is_refused(traced, settings):
    folder, *_ = traced
    with pytest.raises(CrossmemError, match=r"holds|another run"):
        run_trace(replace(settings, max_rows=3), folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"corruption": "letters"}, "Unknown corruption 'letters'"),
        ({"window": 0}, "window=0"),
        ({"sites": ("neuron",)}, "Unknown site"),
        ({"max_rows": 0}, "max_rows=0"),
        ({"num_personas": 0}, "num_personas"),
    ],
)
def test_settings_are_checked_at_once(changes, said):
    with pytest.raises(CrossmemError, match=said):
        TraceSettings(**changes)


def test_a_subject_that_is_not_there_is_said_before_any_pass(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("crossmem_hf.analysis.causal_tracing.shares_cache", lambda *_: pytest.fail("a pass"))
    with pytest.raises(CrossmemError, match="'this dog' is not in it"):
        run_trace(replace(settings, subject="this dog"), tmp_path)


def test_only_the_main_process_writes(settings, tmp_path, monkeypatch):
    class Other:
        is_main_process, process_index, device = False, 0, "cpu"

    monkeypatch.setattr(asking, "joined_state", Other)
    assert run_trace(settings, tmp_path) is None
    assert {path.name for path in tmp_path.iterdir()} == {"jobs"}
