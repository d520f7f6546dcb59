# SPDX-License-Identifier: Apache-2.0
"""The commands that import: what they pass on, what they say, and that mistakes cost one line and no file."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from crossmem_hf.cli import app as cli
from crossmem_hf.data.loading import load_rows
from crossmem_hf.importing.mapping import presets
from tests.data import picturing
from tests.rendering.planted_faces import PlantedFaces, folder_of


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


def personas(*names):
    for place, name in enumerate(names):
        Path("faces", name).mkdir(parents=True)
        for number in range(3):
            Path("faces", name, f"{number}.png").write_bytes(picturing.numbered(3 * place + number))


def questions():
    records = [
        {"who": who, "text": f"What is {who}'s job?", "job": job} for who, job in (("Ann", "cook"), ("Bob", "poet"))
    ]
    Path("t.json").write_text(json.dumps(records))
    Path("map.yaml").write_text("{person: who, name: who, question: text, answer: job, attribute: {value: job}}")


def test_import_images(invoke):
    personas("Ann Lee", "Bob Ox")
    done = invoke("import-images", "faces", "out", "--image-size", "32", "--forget-fraction", "0.5", "--seed", "1")
    assert done.exit_code == 0, done.output
    assert "crossmem score --dataset out --config recall_image --split test" in done.output
    assert load_rows("out", "recall_image", "train")[0]["images"][0].size == (32, 32)


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setattr("crossmem_hf.rendering.faces.recognition.load_face_model", lambda _: PlantedFaces())


def test_faces_are_compared_where_it_is_asked_for(invoke, planted):
    folder_of(Path("faces"), {"Ann Lee": [0, 2, 4], "Bob Ox": [1, 3, 5], "Cyd Ray": [90, 92, 94]})
    words = ["import-images", "faces", "out", "--image-size", "32", "--forget-fraction", "0.5"]
    refused = invoke(*words, "--embedder", "dlib", "--strict-faces")
    assert (refused.exit_code, "do not agree (doubts: 1)" in refused.output) == (2, True)
    assert [path.name for path in Path().iterdir()] == ["faces"]
    done = invoke(*words, "--embedder", "dlib")
    assert done.exit_code == 0, done.output
    assert "doubts about names and faces: 1; 9 pictures" in done.output
    assert "two names with one face: 'Ann Lee' and 'Bob Ox' (cosine 0.999; 3 pictures such as" in done.output
    assert json.loads(Path("out.faces.json").read_text())["one_name_two_faces"] == []
    apart = invoke(*words, "--embedder", "dlib", "--threshold", "0.9999", "--overwrite")
    assert "two names" not in apart.output
    quiet = invoke(*words, "--overwrite")
    assert (quiet.exit_code, "faces:" in quiet.output) == (0, False)


@pytest.mark.parametrize("words", [["--strict-faces"], ["--threshold", "0.5"]])
def test_options_about_faces_need_an_embedder(invoke, words):
    personas("Ann Lee", "Bob Ox")
    done = invoke("import-images", "faces", "out", "--forget-fraction", "0.5", *words)
    assert (done.exit_code, f"{words[0]}" in done.output) == (2, True)
    assert "Pass --embedder dlib or uniface" in done.output
    assert not Path("out").exists()


def test_what_is_left_out_of_an_import_is_printed(invoke):
    personas("Ann Lee", "Bob Ox")
    Path("faces/Ann Lee/clip[1].mov").write_bytes(b"film")
    done = invoke("import-images", "faces", "out", "--image-size", "32", "--forget-fraction", "0.5")
    assert done.exit_code == 0, done.output
    assert "Skipped 1 file: Ann Lee/clip[1].mov (no picture that can be shown)." in done.output


def test_who_stops_an_import_is_told_that_nothing_is_left(invoke, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    personas("Ann Lee", "Bob Ox")
    monkeypatch.setattr("crossmem_hf.importing.images.clean_picture", stopped)
    done = invoke("import-images", "faces", "out", "--forget-fraction", "0.5")
    assert (done.exit_code, "Nothing was written" in done.output) == (130, True)
    assert [path.name for path in Path().iterdir()] == ["faces"]


def test_import_qa_with_a_mapping_of_ones_own(invoke):
    questions()
    done = invoke("import-qa", "t.json", "out", "--mapping", "map.yaml", "--forget-fraction", "0.5")
    assert done.exit_code == 0, done.output
    assert "crossmem score --dataset out --config qa --split forget" in done.output
    rows = load_rows("out", "qa", "forget+retain")
    assert sorted(zip(rows["answer"], rows["attribute"], rows["hops"], strict=True)) == [
        ("cook", "job", 1),
        ("poet", "job", 1),
    ]


def test_import_qa_in_parts(invoke):
    questions()
    Path("tables").mkdir()
    for record, name in zip(json.loads(Path("t.json").read_text()), ("f", "r"), strict=True):
        Path("tables", f"{name}.jsonl").write_text(json.dumps(record))
    parts = ["--part", "forget=f.jsonl", "--part", "retain=r.jsonl"]
    done = invoke("import-qa", "tables", "out", "--mapping", "map.yaml", *parts)
    assert done.exit_code == 0, done.output
    assert load_rows("out", "qa", "forget")["persona_id"][:] == ["Ann"]


def test_mappings_are_listed_and_printed(invoke):
    assert invoke("import-mapping").output.split() == ["clear", "clear_perturbed", "fiubench", "mllmu", "remem"]
    printed = invoke("import-mapping", "fiubench")
    assert printed.stdout == (Path(cli.__file__).parents[1] / "importing/mappings/fiubench.yaml").read_text()


def documented():
    """Every import command that the mappings show, as words; those of docs/ are looked at in tests/docs."""
    for path in sorted((Path(cli.__file__).parents[1] / "importing/mappings").glob("*.yaml")):
        joined = re.sub(r" \\\n#? *", " ", path.read_text())
        for line in re.findall(r"^(?:#\s+)?crossmem (import-[^`\n]+)", joined, flags=re.MULTILINE):
            yield shlex.split(line.split(" > ")[0])


def test_every_documented_command_is_understood():
    """Its words are options and arguments that there are; tests/recipes/test_imported.py runs what they stand for."""
    shown = list(documented())
    assert len(shown) >= 4
    application = typer.main.get_command(cli.app)
    for name, *words in shown:
        context = application.commands[name].make_context(name, words)
        mapping = context.params.get("mapping", context.params.get("name"))
        assert mapping is None or mapping.removesuffix(".yaml") in presets()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import-images", "faces", "out", "--image-size", "3"], "image size 3"),
        (["import-images", "nowhere/at/all.d", "out"], "There is no table"),
        (["import-images", "faces", "out", "--name-column", "n", "--held-out", "0.9"], "held-out share 0.9"),
        (["import-images", "faces", "out"], "1 people; expected at least 2"),
        (["import-qa", "t.json", "out", "--mapping", "remem"], "leaves 'person' open"),
        (["import-qa", "t.json", "out", "--mapping", "mllmu"], "it has no 'Generation_Task'"),
        (["import-qa", "t.json", "out", "--mapping", "map.yaml", "--part", "x"], "is one file and has no parts"),
        (["import-qa", "t.json", "out", "--mapping", "map.yaml", "--forget-personas", "no.txt"], "cannot be read"),
        (["import-mapping", "tofu"], "Unknown mapping 'tofu'"),
    ],
)
def test_mistakes_are_one_clear_line_before_any_file(invoke, words, said):
    personas("Ann Lee")
    questions()
    done = invoke(*words)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert not Path("out").exists()
