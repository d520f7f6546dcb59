# SPDX-License-Identifier: Apache-2.0
"""Settings out of records, among them records that somebody else wrote."""

from dataclasses import replace
from pathlib import Path

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.report.compare_record import CompareRecord
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreRecord
from crossmem_hf.studies.compare_settings import CompareSettings
from crossmem_hf.studies.reproduce_settings import (
    Part,
    compare_settings,
    lines_named,
    missing_settings,
    run_settings,
    score_settings,
)
from crossmem_hf.studies.settings import FirstLightSettings


@pytest.fixture(scope="module")
def run(root):
    return RunRecord.read(root / "results/first_light/record.json")


def score(**config):
    settings = ScoreSettings(metrics=("exposure", "rouge"), num_personas=5).as_dict()
    prints = {"model_fingerprint": "m", "data_fingerprint": "d"}
    return ScoreRecord(config=settings | config, versions={}, seeds={}, lines=(), **prints)


def comparison(**config):
    settings = CompareSettings(methods=("npo", "idk", "rmu"), seeds=2, num_personas=5)
    derived = {"unlearning": {"npo": settings.unlearning("npo", "both", 0)}, "memorizing": settings.memorizing(0)}
    return CompareRecord(
        config=settings.as_dict() | derived | config,
        versions={},
        seeds=(0, 1),
        data_fingerprint="d",
        lines=(),
        arms=(),
    )


def test_a_run_is_told_what_it_was_told(run):
    assert run_settings(run, Part()) == FirstLightSettings()
    assert run_settings(run, Part(seeds=1)) == FirstLightSettings(seeds=1)
    assert run_settings(run, Part(model="here")).model_name_or_path == "here"


def test_a_comparison_is_told_what_it_was_told():
    same = compare_settings(comparison(), Part())
    assert same == CompareSettings(methods=("npo", "idk", "rmu"), seeds=2, num_personas=5)
    assert compare_settings(comparison(), Part(only=("rmu", "npo"), seeds=1)) == replace(
        same, methods=("npo", "rmu"), seeds=1
    )


def test_a_score_is_told_what_it_was_told_but_for_device_and_judge(tmp_path):
    assert score_settings(score(device="cuda:3"), Part(), tmp_path) == ScoreSettings(
        metrics=("exposure", "rouge"), num_personas=5
    )
    judged = score(metrics=["rouge", "judge"], judge_model="j", judge_url="https://collector.example/v1")
    settings = score_settings(judged, Part(), tmp_path)
    assert (settings.metrics, settings.judge_model, settings.judge_url) == (("rouge",), None, None)
    assert score_settings(score(), Part(only=("rouge",), model="m"), tmp_path).metrics == ("rouge",)
    with pytest.raises(CrossmemError, match="no metric but a judge's"):
        score_settings(score(metrics=["judge"]), Part(), tmp_path)


def test_what_lies_beside_a_score_is_taken_from_there(tmp_path):
    (tmp_path / "adapter_config.json").touch()
    (tmp_path / "retain_only").mkdir()
    settings = score_settings(score(adapter=".", retain_only="retain_only"), Part(), tmp_path)
    assert settings.adapter == str(tmp_path.resolve())
    assert settings.retain_only == tmp_path.resolve() / "retain_only"
    (tmp_path / "baseline_base").mkdir()
    against = score(baseline=["base=baseline_base", "memorized=elsewhere"])
    assert score_settings(against, Part(), tmp_path).baseline == (
        f"base={tmp_path.resolve() / 'baseline_base'}",
        "memorized=elsewhere",
    )
    assert score_settings(against, Part(only=("rouge",)), tmp_path).baseline == ()
    outside = score_settings(score(adapter="../elsewhere", retain_only="you/other"), Part(), tmp_path)
    assert (outside.adapter, outside.retain_only) == ("../elsewhere", Path("you/other"))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Part(seeds=4), "4 seeds; the record has 3"),
        (Part(seeds=0), "0 seeds"),
        (Part(only=("npo",)), "A run has no npo"),
    ],
)
def test_a_part_that_a_run_has_not(run, part, said):
    with pytest.raises(CrossmemError, match=said):
        run_settings(run, part)


def test_a_part_that_others_have_not(tmp_path):
    with pytest.raises(CrossmemError, match="no 'ga'; it has npo, idk, rmu"):
        compare_settings(comparison(), Part(only=("ga",)))
    with pytest.raises(CrossmemError, match="no 'bleu'; it has exposure, rouge"):
        score_settings(score(), Part(only=("bleu",)), tmp_path)
    with pytest.raises(CrossmemError, match="no persona seeds"):
        score_settings(score(), Part(seeds=1), tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"learning_rate": 1.0}, "the setting 'learning_rate', which this crossmem_hf does not know"),
        ({"num_personas": "lots"}, "num_personas='lots', which is no such setting"),
        ({"gate": True}, "gate=True"),
        ({"num_personas": 10**9}, "num_personas"),
        ({"model_name_or_path": ["a"]}, "model_name_or_path"),
    ],
)
def test_a_record_with_strange_settings_is_refused(run, changed, said):
    with pytest.raises(CrossmemError, match=said):
        run_settings(replace(run, config=dict(run.config) | changed), Part())


def test_settings_that_an_older_record_lacks_are_named(run):
    older = replace(run, config={name: value for name, value in run.config.items() if name != "forget_beta"})
    assert missing_settings(older, run_settings(older, Part())) == ("forget_beta",)
    assert missing_settings(run, run_settings(run, Part())) == ()


def test_metrics_know_their_lines():
    assert lines_named(("rouge", "forget_diagnosis")) >= {"rouge_l", "rouge_l_recall", "still_known_unsaid"}
    assert "exposure" not in lines_named(("rouge",))
