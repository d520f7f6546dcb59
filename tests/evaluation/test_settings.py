# SPDX-License-Identifier: Apache-2.0
"""What can be asked for, and what is refused before anything is loaded."""

import json
from pathlib import Path

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.measures import METRICS
from crossmem_hf.evaluation.settings import DEFAULT_METRICS, ScoreSettings, metric_names


def test_default_metrics_need_no_option():
    assert set(METRICS) - set(DEFAULT_METRICS) == {
        "partial_recall",
        "name_shaped",
        "utility",
        "verbatim",
        "extracted",
        "residual",
        "unlearning_depth",
        "circuit_left",
        "indirect_effect",
        "total_effect",
        "priv_leak",
        "judge",
    }
    assert ScoreSettings().metrics == DEFAULT_METRICS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": ("exposure", "bleu")}, "Unknown metric 'bleu'. Choose from recall, gap, transfer, exposure"),
        ({"metrics": ()}, "There is no metric"),
        ({"metrics": ("extracted",)}, "which asking alone does not give"),
        ({"metrics": ("priv_leak",)}, "priv_leak needs --holdout-split"),
        ({"metrics": ("judge",)}, "judge needs --judge-model"),
        ({"max_rows": 0}, "max_rows=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": "many"}, "batch_size='many'"),
        ({"extraction_samples": 0}, "extraction_samples=0"),
        ({"extraction_samples": "auto"}, "extraction_samples='auto'"),
        ({"baseline": ("untaught=there",)}, "baseline 'untaught=there'; expected base=FOLDER and memorized=FOLDER"),
        ({"baseline": ("base",)}, "baseline 'base'; expected"),
        ({"baseline": ("base=",)}, "baseline 'base='; expected"),
        ({"baseline": ("base=a", "base=b")}, "baseline 'base=b'; expected"),
        ({"baseline": ("base=a",), "metrics": ("rouge",)}, "--baseline is for Exposure"),
        ({"source": "audio"}, "Unknown source 'audio'"),
        ({"truth_ratio_mean": "median"}, "Unknown truth_ratio_mean 'median'"),
        ({"k": 0.0}, "k=0.0"),
        ({"k": 1.5}, "k=1.5"),
        ({"k": float("nan")}, "k=nan"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
    ],
)
def test_refused(changes, said):
    with pytest.raises(CrossmemError, match=said.replace(".", r"\.")):
        ScoreSettings(**changes)


def test_as_dict_is_json_and_who_and_what_leaves_out_how():
    settings = ScoreSettings(retain_only=Path("there"), metrics=("rouge",), num_personas=7)
    assert json.loads(json.dumps(settings.as_dict()))["retain_only"] == "there"
    shared = settings.who_and_what()
    assert shared == ScoreSettings(metrics=("exposure",), k=0.5, batch_size=3, num_personas=7).who_and_what()
    assert shared != ScoreSettings(metrics=("rouge",), num_personas=8).who_and_what()


def test_baselines_are_folders_by_name():
    settings = ScoreSettings(baseline=("memorized=a=b/c", "base=d"))
    assert settings.baseline_folders == {"memorized": Path("a=b/c"), "base": Path("d")}
    assert json.loads(json.dumps(settings.as_dict()))["baseline"] == ["memorized=a=b/c", "base=d"]


def test_metric_names_take_blanks_and_repeats():
    assert metric_names(" min_k_prob ,exposure,,min_k_prob") == ("min_k_prob", "exposure")
    assert metric_names("") == ()
