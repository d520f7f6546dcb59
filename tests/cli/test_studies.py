# SPDX-License-Identifier: Apache-2.0
"""The commands of studies: generated from settings, they pass on what was said and end as they promise."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli import app as cli
from crossmem_hf.cli import studies
from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.record import Failure, Record
from crossmem_hf.studies import run
from crossmem_hf.studies.compare import CompareSettings
from crossmem_hf.studies.run import NOT_RUN
from crossmem_hf.studies.settings import TrainingSettings


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


@pytest.fixture
def comes_out(monkeypatch, root):
    """Lets any study come out as a shipped record, with changes; gives what the engine was told."""
    seen = {}

    def arrange(name, **changes):
        record = Record.read(root / "results" / name).model_copy(update=changes)

        def fake(study, settings, folder, **how):
            seen.update(study=study.name, settings=settings, folder=folder, **how)
            return record

        monkeypatch.setattr(run, "run_study", fake)
        return seen

    return arrange


def test_run_passes_what_was_said(invoke, comes_out):
    seen = comes_out("first_light")
    Path("run.yaml").write_text("num_personas: 20\nretain_weight: 2.0\nallow_unmemorized: true\nseed: 9\n")
    done = invoke("run", "--config", "run.yaml", "--seed", "4", "--seeds", "2", "--workers", "1", "--output-dir", "o")
    assert done.exit_code == 0, done.output
    settings = seen["settings"]
    assert (settings.num_personas, settings.retain_weight, settings.all_seeds) == (20, 2.0, (4, 5))
    assert settings.allow_unmemorized
    assert (seen["study"], seen["folder"], seen["workers"], seen["overwrite"]) == ("first_light", Path("o"), 1, False)
    assert "report.html" in done.output


def test_run_ends_with_its_main_numbers(invoke, comes_out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    comes_out("first_light")
    lines = [line.split() for line in invoke("run").output.splitlines()]
    memorized = lines.index(["recall", "(0-1),", "stage", "memorized"])
    assert lines[memorized + 1] == ["source", "target", "value", "95", "%", "interval", "n", "chance"]
    assert lines[memorized + 3][:3] == ["image", "text", "0.747"]
    assert lines[memorized + 3][-2:] == ["1000", "0.02"]
    assert ["exposure", "(0-100),", "stage", "unlearned,", "group", "forget"] in lines


def test_run_and_compare_and_study_are_one_command(invoke, comes_out):
    seen = comes_out("first_light")
    for words in (("run",), ("study", "first_light")):
        assert invoke(*words).exit_code == 0
        assert (seen["settings"], seen["folder"]) == (TrainingSettings(), Path("crossmem_runs/first_light"))
    seen = comes_out("compare")
    for words in (("compare",), ("study", "compare")):
        assert invoke(*words).exit_code == 0
        assert (seen["settings"], seen["folder"]) == (CompareSettings(), Path("crossmem_runs/compare"))
    assert (len(seen["settings"].methods), len(seen["settings"].forget_modality), seen["settings"].seeds) == (8, 3, 5)


def test_compare_passes_what_was_said_and_shows_the_table(invoke, comes_out):
    seen = comes_out("compare", notes=("One note.",))
    words = ["--methods", "npo, ga", "--forget-modality", "both", "--seeds", "2", "--seed", "5", "--num-personas", "9"]
    words += ["--dataset-config", "qa", "--memorize-steps", "7", "--model-name-or-path", "m", "--allow-unmemorized"]
    done = invoke("compare", *words)
    assert done.exit_code == 0, done.output
    assert seen["settings"] == CompareSettings(
        methods=("npo", "ga"),
        forget_modality=("both",),
        seeds=2,
        seed=5,
        num_personas=9,
        dataset_config="qa",
        memorize_steps=7,
        model_name_or_path="m",
        allow_unmemorized=True,
    )
    assert "simnpo" in done.output
    assert "One note." in done.output


def test_quick_is_a_small_grid_that_options_enlarge(invoke, comes_out):
    seen = comes_out("compare")
    assert invoke("compare", "--quick", "--seeds", "2").exit_code == 0
    assert (seen["settings"].methods, seen["settings"].seeds) == (("gd", "npo"), 2)


def test_study_ends_with_three_where_cells_were_not_run(invoke, comes_out):
    where = {"method": "gd", "seed": 0}
    comes_out("compare", failures=(Failure(where=where, error=NOT_RUN + "disk full"),))
    done = invoke("compare")
    assert done.exit_code == 3
    assert "disk full" in done.output
    comes_out("compare", failures=(Failure(where=where, error="The loss is NaN"),))
    assert invoke("compare").exit_code == 0, "a breakdown is a result"


def test_study_ends_with_three_where_nothing_was_memorized(invoke, comes_out, root):
    config = Record.read(root / "results/first_light").config
    comes_out("first_light", config=config | {"min_recall": 1.0})
    done = invoke("run")
    assert done.exit_code == 3
    assert "NOT MEMORIZED" in done.output
    comes_out("first_light", config=config | {"min_recall": 1.0, "allow_unmemorized": True})
    assert invoke("run").exit_code == 0


def test_dry_run_prints_cells_and_costs_and_runs_nothing(invoke, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "run_study", None)
    done = invoke("compare", "--dry-run", "--methods", "npo,undial", "--forget-modality", "both", "--seeds", "1")
    assert done.exit_code == 0, done.output
    lines = {line.split()[0]: line for line in done.output.splitlines() if "to do" in line}
    assert "shipped record" in lines["npo_both_seed0"]
    assert "unknown" in lines["undial_both_seed0"]
    assert "5 of 5 cells to do" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_study_says_how_to_go_on(invoke, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_study", stop)
    done = invoke("run")
    assert done.exit_code == 130
    assert "goes on from there" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--num-personas", "99999"], "99999"),
        (["run", "--config", "none.yaml"], "Could not read settings"),
        (["compare", "--methods", "npo,npa"], "methods='npo,npa': Unknown name 'npa' (did you mean 'npo'?)"),
        (["compare", "--forget-modality", "sound"], "forget_modality='sound'"),
        (["compare", "--dataset-config", "captions"], "dataset_config='captions'"),
        (["study", "compare", "--seeds", "0"], "seeds=0"),
        (["study", "nothing"], "No such command 'nothing'"),
    ],
)
def test_mistakes_are_one_clear_line_before_any_work(invoke, words, said, tmp_path):
    done = invoke(*words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_study_list_names_every_study(invoke):
    done = invoke("study", "--list")
    assert done.exit_code == 0
    for name in studies.STUDIES:
        assert name in done.output
        assert studies.STUDIES.find(name).name == name


def test_every_setting_is_an_option(invoke):
    for name in studies.STUDIES:
        shown = " ".join(
            option for command in [studies.study_command(name)] for p in command.params for option in p.opts
        )
        for setting in studies.STUDIES.find(name).settings.model_fields:
            assert f"--{setting.replace('_', '-')}" in shown.split()


def test_find_study_says_which_there_are():
    with pytest.raises(CrossmemError, match="Choose from first_light, compare"):
        studies.STUDIES.find("nothing")


def test_the_command_line_imports_no_study_until_it_is_needed():
    code = (
        "import sys; from crossmem_hf.cli.app import app; "
        "print([m for m in sys.modules if m.startswith('crossmem_hf.studies') or m in ('torch', 'pydantic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
