# SPDX-License-Identifier: Apache-2.0
"""Scoring a model from settings to record: the engine's numbers, done once, shared, and resumed."""

import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from peft import LoraConfig, get_peft_model
from rich.console import Console

from crossmem_hf.data.digest import rows_digest
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import passes
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.rows import load_questions
from crossmem_hf.evaluation.run import run_score, score_measurements
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.models.loading import load_model
from crossmem_hf.report.record import Record
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates

SETTINGS = ScoreSettings(num_personas=5, max_rows=12, source="image")
WORDS = ("--num-personas", "5", "--max-rows", "12", "--source", "image")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """(folder, record, what was printed) of one run on the embedded model."""
    folder, console = tmp_path_factory.mktemp("scored"), Console(file=io.StringIO(), width=120)
    record = run_score(SETTINGS, folder, console=console)
    return folder, record, console.file.getvalue()


@pytest.fixture(scope="module")
def embedded():
    """The embedded model, its processor, and the rows that are scored."""
    return *load_model(), load_questions(SETTINGS)


def test_exposure_and_truth_ratio_are_those_of_the_engine(scored, embedded):
    _, record, _ = scored
    model, processor, questions = embedded
    exposures, among_untaught, logs, chances = [], [], [], []
    for row in list(questions.rows):
        values = questions.by_attribute[row["attribute"]]
        scores = score_candidates(model, processor, [row], values, batch_size=1)
        nlls = dict(zip(values, scores.nll_nats[0] / scores.num_tokens[0], strict=True))
        truth = nlls.pop(row["answer"])
        rank = 1 + sum(nll < truth for nll in nlls.values())
        others = questions.untaught.get(row["attribute"], ())
        unlike = score_candidates(model, processor, [row], [row["answer"], *others], batch_size=1).nll_per_token[0]
        ahead = int((unlike < unlike[0]).sum()) if others else rank - 1
        among_untaught.append(100 * (1 - math.log(1 + ahead) / math.log(len(values))))
        exposures.append(100 * (1 - math.log(rank) / math.log(len(values))))
        places = np.arange(1, len(values) + 1)
        chances.append(100 * (1 - np.log(places).mean() / np.log(len(values))))
        logs.append(truth - np.mean(list(nlls.values())))
    assert record.one("exposure").value == pytest.approx(np.mean(among_untaught))
    assert record.one("exposure_taught").value == pytest.approx(np.mean(exposures))
    assert record.one("exposure").chance == pytest.approx(np.mean(chances))
    assert record.one("exposure").n == 12
    assert record.one("truth_ratio").value == pytest.approx(np.mean(np.exp(-np.abs(logs))), rel=1e-4)


def test_truth_ratio_by_the_mean_that_was_asked_for(scored, tmp_path):
    """From the likelihoods that the first score left on disk, by hand; nothing is asked again."""
    shutil.copytree(scored[0], tmp_path, dirs_exist_ok=True)
    by_hand = []
    for one in Predictions.read(tmp_path):
        chances = [
            math.exp(-nll / count)
            for nll, count in zip(one["candidate_nll_nats"], one["candidate_num_tokens"], strict=True)
        ]
        false = [chances[place] for place in one["false_indices"]]
        ratio = sum(false) / len(false) / chances[one["reference_index"]]
        by_hand.append(min(ratio, 1 / ratio))
    settings = replace(SETTINGS, metrics=("truth_ratio",), truth_ratio_mean="arithmetic")
    record = run_score(settings, tmp_path, console=Console(file=io.StringIO()))
    assert record.one("truth_ratio").value == pytest.approx(np.mean(by_hand))
    assert record.one("truth_ratio").value != pytest.approx(scored[1].one("truth_ratio").value, rel=1e-3)
    assert any("by the arithmetic mean" in note for note in record.notes)


def test_likelihoods_of_the_right_answer_are_those_of_the_engine(scored, embedded):
    _, record, _ = scored
    model, processor, questions = embedded
    lowest, inverse, extracted = [], [], []
    for row in list(questions.rows):
        (tokens,) = score_answers(model, processor, [row], batch_size=1)
        own = np.sort(tokens.logprobs[: len(tokens.logprobs) - tokens.num_end])
        lowest.append(100 * math.exp(own[: max(1, int(0.2 * len(own)))].mean()))
        inverse.append(100 * math.exp(own.mean()))
        extracted.append(1 - (1 - math.exp(own.sum())) ** 100)
    assert record.one("min_k_prob").value == pytest.approx(np.mean(lowest), rel=1e-4)
    assert record.one("inverse_perplexity").value == pytest.approx(np.mean(inverse), rel=1e-4)
    assert record.one("extraction_probability").value == pytest.approx(np.mean(extracted), rel=1e-3)
    assert record.one("discoverable").value == np.mean(np.asarray(extracted) >= 0.5)


def test_measurements_follow_from_the_predictions_on_disk(scored):
    folder, record, _ = scored
    predictions = Predictions.read(folder)
    about = load_questions(SETTINGS).about
    assert [one["persona_id"] for one in predictions] == [row["persona_id"] for row in about]
    assert tuple(score_measurements(predictions, SETTINGS.metrics)) == record.measurements
    assert {"question", "truth", "answer", "exposure", "min_k", "outcome", "rouge_l"} <= set(predictions[0])
    parts = {tuple(one.where) for one in record.measurements}
    assert parts == {(), ("target",), ("hops",), ("attribute",)}


def test_the_record_survives_the_disk_and_says_how_it_came_about(scored):
    folder, record, _ = scored
    assert Record.read(folder / "record.json") == record
    assert record.fingerprints["data"] == rows_digest(load_questions(SETTINGS).rows)
    assert (record.study, record.seeds) == ("score", (0,))
    assert record.config["num_personas"] == 5
    assert any("the values in config 'candidates'" in note for note in record.notes)
    assert any("against the other candidates of the attribute" in note for note in record.notes)


def test_the_table_shows_every_metric_with_its_chance_and_direction(scored):
    _, record, shown = scored
    rows = {line.split("  ")[0]: line for line in shown.splitlines()}
    for line in record.measurements:
        assert line.metric in rows, shown
    assert "memorized" in rows["exposure"]
    assert f"{record.one('exposure').chance:.3g}" in rows["exposure"]
    assert "  target=image" in shown
    assert "  attribute=" not in shown


def refuse(*_, **__):
    raise AssertionError("this pass was already done")


def test_a_finished_run_is_reused_also_by_other_metrics(scored, tmp_path, monkeypatch):
    done, record, _ = scored
    folder = shutil.copytree(done, tmp_path / "copy")
    for name in ("score_candidates", "score_answers", "generate_answers"):
        monkeypatch.setattr(passes, name, refuse)
    before = (folder / "record.json").read_bytes()
    assert run_score(SETTINGS, folder, console=Console(file=io.StringIO())) == record
    assert (folder / "record.json").read_bytes() == before
    other = ScoreSettings(num_personas=5, max_rows=12, metrics=("rouge", "min_k_prob"), k=0.5)
    again = run_score(other, folder, console=Console(file=io.StringIO()))
    assert again.one("rouge_l") == record.one("rouge_l")
    assert again.one("min_k_prob").value != record.one("min_k_prob").value


def test_another_run_does_not_get_the_folder(scored):
    folder, _, _ = scored
    before = (folder / "predictions.jsonl").read_bytes()
    with pytest.raises(CrossmemError, match="holds another run"):
        run_score(ScoreSettings(num_personas=5, max_rows=11), folder)
    assert (folder / "predictions.jsonl").read_bytes() == before


def test_overwrite_takes_it(tmp_path, tiny_model):
    first = ScoreSettings(num_personas=5, max_rows=2, metrics=("rouge",), model=str(tiny_model))
    run_score(first, tmp_path, console=Console(file=io.StringIO()))
    second = ScoreSettings(num_personas=5, max_rows=3, metrics=("rouge",), model=str(tiny_model))
    record = run_score(second, tmp_path, overwrite=True, console=Console(file=io.StringIO()))
    assert record.one("rouge_l").n == 3
    assert len(list((tmp_path / "jobs").iterdir())) == 1


def command(root, *words, launch=()):
    return subprocess.run(
        [sys.executable, *launch, "-m", "crossmem_hf", "score", *words],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow  # two launches; that two processes share work is tested in runs too
def test_two_processes_give_the_bytes_of_one(scored, tmp_path, root):
    folder, _, shown = scored
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    done = command(root, *WORDS, "--output-dir", str(tmp_path), launch=launch)
    assert done.returncode == 0, done.stderr
    for name in ("predictions.jsonl", "record.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    printed = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith("[Gloo]")]  # torch 2.8's own
    assert printed == [line.rstrip() for line in shown.splitlines()]
    writers = {path.name for path in (tmp_path / "jobs").glob("*/*.jsonl")}
    assert writers == {"0.jsonl", "1.jsonl"}


SLOWLY = """
import sys, time
from pathlib import Path
from crossmem_hf.evaluation import passes
from crossmem_hf.evaluation.run import run_score
from tests.evaluation.test_run import SETTINGS
real = passes.score_answers
def slow(*given, **named):
    found = real(*given, **named)
    time.sleep(1)
    return found
passes.score_answers = slow
run_score(SETTINGS, Path(sys.argv[1]))
"""


def test_an_adapter_is_put_on_top_and_is_another_model(tmp_path, tiny_model):
    settings = ScoreSettings(num_personas=5, max_rows=2, metrics=("min_k_prob",), model=str(tiny_model))
    plain = run_score(settings, tmp_path / "plain", console=Console(file=io.StringIO()))
    model, _ = load_model(str(tiny_model))
    model = get_peft_model(model, LoraConfig(target_modules=r".*language_model.*down_proj", init_lora_weights=False))
    model.save_pretrained(tmp_path / "adapter")
    adapted = replace(settings, adapter=str(tmp_path / "adapter"))
    changed = run_score(adapted, tmp_path / "adapted", console=Console(file=io.StringIO()))
    assert changed.one("min_k_prob").value != plain.one("min_k_prob").value
    assert changed.fingerprints["model"].startswith(f"{plain.fingerprints['model']}+")
    with pytest.raises(CrossmemError, match="holds another run"):
        run_score(adapted, tmp_path / "plain")


@pytest.mark.slow
def test_killed_in_the_middle_it_does_only_the_rest(scored, tmp_path, root, monkeypatch):
    folder, _, _ = scored
    victim = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(tmp_path)], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    logs = "jobs/answers-*/0.jsonl"
    while not any(log.read_bytes().endswith(b"\n") for log in tmp_path.glob(logs)):  # of its two units, one is done
        assert victim.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    (log,) = tmp_path.glob(logs)
    done = sum(len(json.loads(line)["results"]) for line in log.read_text().splitlines())
    queried = []

    def counting(model, processor, rows, **rest):
        queried.extend(rows)
        return score_answers(model, processor, rows, **rest)

    monkeypatch.setattr(passes, "score_candidates", refuse)
    monkeypatch.setattr(passes, "score_answers", counting)
    run_score(SETTINGS, tmp_path, console=Console(file=io.StringIO()))
    assert 0 < done < 12
    assert len(queried) == 12 - done
    assert (tmp_path / "predictions.jsonl").read_bytes() == (folder / "predictions.jsonl").read_bytes()
