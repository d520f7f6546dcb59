# SPDX-License-Identifier: Apache-2.0
"""`crossmem portraits`, from its options to a dataset of what it made."""

import json
import sys

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli.app import app
from crossmem_hf.cli.portraits import _settings
from crossmem_hf.data.albums.settings import PortraitSettings
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings
from tests.rendering.planted_faces import PlantedFaces, folder_of

SMALL = ["--face-model", "none", "--num-personas", "2", "--views", "2", "--populations", "target"]
QUICK = ["--image-size", "48", "--steps", "2"]


def called(*words, model="nobody/nothing", pipeline="img2img"):
    options = ["--pipeline", pipeline, "--model", str(model)]
    return CliRunner().invoke(app, ["portraits", *options, *map(str, words)])


@pytest.mark.parametrize("option", ["--embedder", "--face-model"])
def test_every_option_reaches_the_settings(monkeypatch, tmp_path, option):
    seen = []
    monkeypatch.setattr("crossmem_hf.cli.portraits._settings", lambda given: seen.append(_settings(given)) or seen[0])

    def run(settings, folder):
        return {"attempts": {"views": {"kept": 3, "refused": 0}}, "num_portraits": 3}

    monkeypatch.setattr("crossmem_hf.data.albums.making.run_portraits", run)
    words = "--revision r --variant fp16 --adapter a/b --adapter-revision q --adapter-subfolder s --adapter-weight "
    words += (
        "w.safetensors --safety-model c/d --num-personas 3 --views 4 --seed 5 --populations target --threshold .3 "
    )
    words += "--max-attempts 6 --batch-size 7 --dtype float16 --steps 9 --guidance 2 --strength .4 --image-size 64 "
    words += f"{option} arcface_mnet --negative-prompt ugly"
    done = called(*words.split(), "--output-dir", tmp_path, pipeline="ip-adapter")
    assert done.exit_code == 0, done.output
    assert "views: 3 kept\n" in done.output
    diffusion = DiffusionSettings(
        pipeline="ip-adapter", model="nobody/nothing", revision="r", variant="fp16", adapter="a/b",
        adapter_revision="q", adapter_subfolder="s", adapter_weight="w.safetensors", safety_model="c/d",
        dtype="float16", steps=9, guidance=2, strength=0.4, image_size=64, negative_prompt="ugly",
    )  # fmt: skip
    assert seen == [
        PortraitSettings(
            diffusion=diffusion, num_personas=3, num_views=4, seed=5, populations=("target",),
            face_model="arcface_mnet", threshold=0.3, max_attempts=6, batch_size=7,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "The face model 'arcface_resnet' needs a threshold"),
        ([*SMALL, "--batch-size", "99"], "batch_size=99"),
        ([*SMALL, "--adapter", "a/b"], "is for the pipeline 'ip-adapter', not 'img2img'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, words, said):
    done = called("--output-dir", tmp_path / "out", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """A folder of people, and a face model that reads their colors."""
    queried = []
    monkeypatch.setattr(
        "crossmem_hf.rendering.faces.recognition.load_face_model", lambda name: queried.append(name) or PlantedFaces()
    )
    return queried, folder_of(tmp_path / "in", {"Ann Lee": [0, 10], "Bob Ox": [90, 100]})


def calibrated(folder, *words):
    return CliRunner().invoke(app, ["portraits", "--calibrate", str(folder), *map(str, words)])


def test_calibrating_tells_and_writes_and_makes_nothing(planted, tmp_path):
    queried, folder = planted
    done = calibrated(folder, "--embedder", "dlib", "--threshold", 0.5, "--output", tmp_path / "found.json")
    assert (done.exit_code, queried) == (0, ["dlib"]), done.output
    assert "cosines of one person: 2 pairs" in done.stdout
    assert "threshold in use 0.5000" in done.stdout
    record = json.loads((tmp_path / "found.json").read_text())
    assert f"suggested threshold {record['suggested']['threshold']:.4f}" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json", "in"]


def test_calibrating_too_little_tells_what_there_is_and_refuses(planted, tmp_path):
    alone = folder_of(tmp_path / "alone", {"Ann Lee": [0, 10]})
    done = calibrated(alone, "--embedder", "dlib", "--output", tmp_path / "found.json")
    assert done.exit_code == 2
    assert "cosines of one person: 1 pairs" in done.stdout
    assert "No threshold can be suggested: there are faces of 1 people" in done.output
    assert json.loads((tmp_path / "found.json").read_text())["suggested"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--embedder", "none"], "--embedder 'none' compares no faces"),
        (["--embedder", "dlib", "--num-personas", "3"], "--num-personas says how to make portraits"),
        (["--embedder", "dlib", "--output-dir", "x"], "--output-dir says how to make portraits"),
    ],
)
def test_calibrating_takes_no_other_options(planted, words, said):
    done = calibrated(planted[1], *words)
    assert (done.exit_code, said in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "m", "--output-dir", "x"], "Missing option '--pipeline'"),
        (["--pipeline", "img2img", "--output-dir", "x"], "Missing option '--model'"),
        (["--pipeline", "img2img", "--model", "m"], "Missing option '--output-dir'"),
        (["--pipeline", "img2img", "--model", "m", "--output-dir", "x", "--output", "y"], "'y' is for --calibrate"),
    ],
)
def test_making_portraits_needs_what_it_needed(words, said):
    done = CliRunner().invoke(app, ["portraits", *words])
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_without_diffusers_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    done = called("--output-dir", tmp_path / "out", *SMALL)
    assert done.exit_code == 2
    assert "pip install -e '.[diffusion]'" in " ".join(done.output.split())


def test_from_a_model_to_a_dataset(tmp_path):
    pytest.importorskip("diffusers", reason="diffusers is not installed (extra diffusion)")
    from datasets import load_dataset

    from tests.rendering.tiny_pipelines import save_pipeline

    album, model = tmp_path / "album", save_pipeline(tmp_path / "model")
    done = called("--output-dir", album, *SMALL, *QUICK, model=model)
    assert done.exit_code == 0, done.output
    assert "anchors: 2 kept" in done.output
    about = json.loads((album / "portraits.json").read_text())
    assert (about["complete"], about["num_portraits"]) == (True, 2 * (2 + 4 + 4))
    words = ["--num-personas", "2", "--num-views", "2", "--image-size", "48", "--forget-fraction", "0.5"]
    failed = CliRunner().invoke(app, ["materialize", str(tmp_path / "w"), *words, "--portraits", str(album)])
    assert failed.exit_code == 2, "captions need background people"
    assert "no portrait of 'b0-00000'" in " ".join(failed.output.split())
    both = [word if word != "target" else "target,background" for word in SMALL]
    assert called("--output-dir", tmp_path / "both", *both, *QUICK, model=model).exit_code == 0
    made = CliRunner().invoke(
        app,
        ["materialize", str(tmp_path / "w"), *words, "--portraits", str(tmp_path / "both"), "--qa-per-persona", "2"],
    )
    assert made.exit_code == 0, made.output
    rows = load_dataset(str(tmp_path / "w/crossmem/personas"), "recall_image", split="test")
    assert rows[0]["images"][0].size == (48, 48)
    card = (tmp_path / "w/crossmem/personas/README.md").read_text()
    assert str(tmp_path) not in card
    assert (
        f"by image models, which learned from photographs of real people: model ({about['made_by']['model_commit']})"
        in card
    )
    assert "license: other" in card
    assert "drawn by a" not in card
    reported = [path.read_text() for path in (tmp_path / "w/crossmem/personas").rglob("*.json")]
    assert reported
    assert not [text for text in reported if str(tmp_path) in text], "what is published names no folder"


def test_a_model_that_does_not_exist_is_one_line(tmp_path):
    pytest.importorskip("diffusers", reason="diffusers is not installed (extra diffusion)")
    done = called("--output-dir", tmp_path / "out", *SMALL)
    assert done.exit_code == 2
    assert "Could not load an image model from 'nobody/nothing'" in " ".join(done.output.split())
