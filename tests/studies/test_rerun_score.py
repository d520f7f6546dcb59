# SPDX-License-Identifier: Apache-2.0
"""Settings of a score out of a record that anybody may have written, and a score made again."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.run import run_score
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.studies.reproduce import Part, reproduce
from crossmem_hf.studies.rerun_score import rerun_score, score_settings


def record(**config):
    one = Measurement(metric="recall", value=0.5, n=2, unit="proportion")
    return Record(
        study="score",
        config=ScoreSettings(metrics=("exposure", "rouge")).as_dict() | config,
        versions={},
        fingerprints={"data": "d", "model": "m"},
        measurements=(one,),
    )


def test_score_settings_are_those_of_the_record(tmp_path):
    assert score_settings(record(), tmp_path) == ScoreSettings(metrics=("exposure", "rouge"))
    assert score_settings(record(), tmp_path, ("rouge",), "elsewhere").metrics == ("rouge",)
    assert score_settings(record(), tmp_path, (), "elsewhere").model == "elsewhere"


def test_score_settings_ask_no_judge(tmp_path):
    judged = record(metrics=["rouge", "judge"], judge_model="gpt", judge_url="https://example.org")
    found = score_settings(judged, tmp_path)
    assert (found.metrics, found.judge_model, found.judge_url) == (("rouge",), None, None)
    with pytest.raises(CrossmemError, match="no metric but a judge's"):
        score_settings(record(metrics=["judge"]), tmp_path)


def test_score_settings_take_what_lies_beside_the_record_and_nothing_above_it(tmp_path):
    for name in ("adapter_1", "retain_only", "baseline_base"):
        (tmp_path / "here" / name).mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    named = record(adapter="adapter_1", retain_only="retain_only", baseline=["base=baseline_base"])
    found = score_settings(named, tmp_path / "here")
    assert found.adapter == str(tmp_path / "here/adapter_1")
    assert found.retain_only == tmp_path / "here/retain_only"
    assert found.baseline == (f"base={tmp_path / 'here/baseline_base'}",)
    assert score_settings(record(adapter="../secret"), tmp_path / "here").adapter == "../secret"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"knobs": 1}, "the setting 'knobs', which this crossmem_hf does not know"),
        ({"k": "many"}, "k='many', which is no such setting"),
        ({"max_rows": -1}, "max_rows=-1"),
        ({"metrics": ["fame"]}, "Unknown metric 'fame'"),
    ],
)
def test_score_settings_refuse_what_is_no_setting(tmp_path, config, said):
    with pytest.raises(CrossmemError) as caught:
        score_settings(record(**config), tmp_path)
    assert said in str(caught.value)


def test_rerun_score_refuses_parts_that_a_score_has_not(tmp_path):
    console = Console(file=StringIO())
    with pytest.raises(CrossmemError, match="no persona seeds"):
        rerun_score(record(), tmp_path, tmp_path, (), 1, None, console)
    with pytest.raises(CrossmemError, match="The record has no 'fame'; it has exposure, rouge"):
        rerun_score(record(), tmp_path, tmp_path, ("fame",), None, None, console)


@pytest.mark.slow
def test_a_score_is_reproduced_and_a_part_of_it(tmp_path):
    def again(folder, part=None):
        console = Console(file=StringIO())
        return reproduce(then, tmp_path / "then", folder, find=None, source="here", part=part, console=console)

    settings = ScoreSettings(num_personas=5, max_rows=8, metrics=("exposure", "rouge"))
    then = run_score(settings, tmp_path / "then", console=Console(file=StringIO()))
    found = again(tmp_path / "now")
    assert found.holds(exact=True)
    assert found.fingerprints_then == found.fingerprints_now
    part = again(tmp_path / "part", Part(only=("rouge",)))
    assert {line.metric for line in part.lines} == {"rouge_l", "rouge_l_recall"}
    assert part.holds(exact=True)
