# SPDX-License-Identifier: Apache-2.0
"""The command line: it parses, calls, prints, and turns mistakes into one clear line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli import app as cli
from crossmem_hf.errors import CrossmemError


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


def test_run_passes_what_was_said(invoke, monkeypatch):
    from crossmem_hf.studies import first_light

    seen = {}

    def fake(settings, folder, **rest):
        seen.update(settings=settings, folder=folder, **rest)
        raise CrossmemError("Enough.", "Stop here.")

    monkeypatch.setattr(first_light, "run_first_light", fake)
    Path("run.yaml").write_text("num_personas: 20\nretain_weight: 2.0\n")
    done = invoke(
        "run", "--config", "run.yaml", "--seed", "4", "--seeds", "2", "--workers", "1", "--output-dir", "out"
    )
    assert done.exit_code == 2
    assert "Enough." in done.output
    assert "Stop here." in done.output
    settings = seen["settings"]
    assert (settings.num_personas, settings.retain_weight, settings.all_seeds) == (20, 2.0, (4, 5))
    assert (seen["folder"], seen["workers"], seen["overwrite"]) == (Path("out"), 1, False)


def test_unset_options_leave_the_yaml_alone(invoke, monkeypatch):
    from crossmem_hf.studies import first_light

    seen = {}
    monkeypatch.setattr(
        first_light,
        "run_first_light",
        lambda settings, folder, **_: seen.update(s=settings) or (_ for _ in ()).throw(KeyboardInterrupt),
    )
    Path("run.yaml").write_text("allow_unmemorized: true\nseed: 9\n")
    done = invoke("run", "--config", "run.yaml")
    assert done.exit_code == 130
    assert "goes on from there" in done.output
    assert (seen["s"].allow_unmemorized, seen["s"].seed) == (True, 9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--num-personas", "99999"], "99999"),
        (["run", "--config", "none.yaml"], "Could not read settings"),
        (["materialize", "--forget-fraction", "7"], "forget fraction 7"),
        (["materialize", "--image-size", "8"], "image_size=8"),
        (["materialize", "--preset", "tofu"], "Unknown preset 'tofu'"),
    ],
)
def test_mistakes_are_one_clear_line_before_any_work(invoke, words, said, tmp_path):
    done = invoke(*words)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_materialize_takes_a_preset_and_what_replaces_it(invoke, monkeypatch):
    from crossmem_hf.data.spec import DatasetSpec
    from crossmem_hf.publishing import materialize

    asked = []
    monkeypatch.setattr(materialize, "materialize", lambda folder, spec, **_: asked.append(spec) or folder)
    assert invoke("materialize").exit_code == 0
    assert invoke("materialize", "--preset", "remem", "--num-views", "2").exit_code == 0
    assert invoke("materialize", "--single-hop-share", "0.5").exit_code == 0
    assert asked == [DatasetSpec(), DatasetSpec.remem(num_views=2), DatasetSpec(single_hop_share=0.5)]


def test_materialize_writes_into_the_folder(invoke):
    done = invoke("materialize", "here", "--num-personas", "5", "--num-views", "1", "--qa-per-persona", "2")
    assert done.exit_code == 0, done.output
    assert Path("here/crossmem/personas/README.md").exists()
    assert Path("here/crossmem/exposure/exposure.py").exists()
    again = invoke("materialize", "here", "--num-personas", "6")
    assert again.exit_code == 2


def test_score_passes_what_was_said(invoke, monkeypatch):
    from crossmem_hf.evaluation import run as score

    seen = {}
    monkeypatch.setattr(score, "run_score", lambda settings, folder, **rest: seen.update(s=settings, f=folder, **rest))
    words = ["--model", "m", "--adapter", "a", "--metrics", "min_k, rouge", "--batch-size", "4", "--k", "0.1"]
    done = invoke("score", *words, "--source", "text", "--output-dir", "out", "--num-personas", "7", "--overwrite")
    assert done.exit_code == 0, done.output
    settings = seen["s"]
    assert (settings.model, settings.adapter, settings.metrics) == ("m", "a", ("min_k_prob", "rouge"))
    assert (settings.batch_size, settings.k, settings.source, settings.num_personas) == (4, 0.1, "text", 7)
    assert (seen["f"], seen["overwrite"]) == (Path("out"), True)


def test_every_setting_of_score_is_an_option_and_every_metric_is_named(invoke):
    from crossmem_hf.evaluation.settings import METRICS, ScoreSettings

    shown = invoke("score", "--help").output.replace("\n", " ")
    missing = [name for name in ScoreSettings.__dataclass_fields__ if f"--{name.replace('_', '-')}" not in shown]
    assert not missing
    assert [name for name in METRICS if name not in shown] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metrics", "bleu"], "Unknown metric 'bleu'. Choose from exposure"),
        (["--batch-size", "lots"], "batch_size='lots'"),
        (["--metrics", "priv_leak"], "priv_leak needs --holdout-split"),
        (["--config", "quiz"], "Unknown config 'quiz'"),
        (["--model", "no/such-model", "--num-personas", "5"], "Could not load a model from 'no/such-model'"),
    ],
)
def test_mistakes_in_scoring_are_one_clear_line_before_any_work(invoke, words, said, tmp_path):
    done = invoke("score", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_score_prints_a_table_and_writes_a_record(invoke):
    done = invoke("score", "--num-personas", "5", "--max-rows", "2", "--metrics", "exposure", "--output-dir", "out")
    assert done.exit_code == 0, done.output
    assert "exposure" in done.output
    assert "memorized" in done.output
    assert Path("out/record.json").exists()


def comparison(errors=()):
    """What a comparison leaves, made by hand."""
    from tests.report.test_compare_table import record

    from crossmem_hf.studies.compare import Comparison

    return Comparison(record=record(notes=("One note.",)), folder=Path("out"), errors=errors)


@pytest.mark.parametrize(("errors", "code"), [((), 0), (("gd text, seed 0: OSError: full",), 3)])
def test_compare_passes_what_was_said_and_shows_the_table(invoke, monkeypatch, errors, code):
    from crossmem_hf.studies import compare

    seen = {}

    def fake(settings, folder, **rest):
        seen.update(s=settings, f=folder, workers=rest["workers"])
        return comparison(errors)

    monkeypatch.setattr(compare, "run_compare", fake)
    words = ["--methods", "npo, ga", "--forget-modality", "both", "--seeds", "2", "--seed", "5", "--workers", "1"]
    words += ["--num-personas", "9", "--dataset-config", "qa", "--memorize-steps", "7", "--model-name-or-path", "m"]
    done = invoke("compare", *words, "--allow-unmemorized", "--output-dir", "out")
    assert done.exit_code == code, done.output
    settings = seen["s"]
    assert (settings.methods, settings.forget_modality, settings.all_seeds) == (("npo", "ga"), ("both",), (5, 6))
    assert (settings.num_personas, settings.dataset_config, settings.memorize_steps) == (9, "qa", 7)
    assert (settings.model_name_or_path, settings.allow_unmemorized) == ("m", True)
    assert (seen["f"], seen["workers"]) == (Path("out"), 1)
    assert "npo" in done.output
    assert "One note." in done.output
    assert "compare.md" in done.output


def test_compare_alone_is_eight_methods_three_modalities_three_seeds(invoke, monkeypatch):
    from crossmem_hf.studies.compare_settings import CompareSettings

    from crossmem_hf.studies import compare

    seen = {}
    monkeypatch.setattr(compare, "run_compare", lambda settings, *_, **__: seen.update(s=settings) or comparison())
    assert invoke("compare").exit_code == 0
    assert seen["s"] == CompareSettings()
    assert (len(seen["s"].methods), len(seen["s"].forget_modality), seen["s"].seeds) == (8, 3, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--methods", "npo,npa"], "expected different ones of ga, gd"),
        (["--forget-modality", "sound"], "forget_modality='sound'"),
        (["--dataset-config", "captions"], "dataset_config='captions'"),
        (["--seeds", "0"], "seeds=0"),
    ],
)
def test_mistakes_in_comparing_are_one_clear_line_before_any_work(invoke, words, said, tmp_path):
    done = invoke("compare", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []
