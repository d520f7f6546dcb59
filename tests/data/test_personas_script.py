# SPDX-License-Identifier: Apache-2.0
import importlib.util

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.push import Pushed

SMALL = ["--num_personas", "5", "--num_views", "1", "--image_size", "48", "--qa_per_persona", "2"]


@pytest.fixture(scope="module")
def script(root):
    found = importlib.util.spec_from_file_location("personas_script", root / "dataset_scripts" / "personas.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_it_writes_the_dataset_to_a_folder_once(script, tmp_path, capsys):
    folder = tmp_path / "personas"
    script.main(["--output_dir", str(folder), *SMALL])
    assert (folder / "recall_image" / "train-00000-of-00001.parquet").is_file()
    assert str(folder) in capsys.readouterr().out
    with pytest.raises(CrossmemError, match="is not empty"):
        script.main(["--output_dir", str(folder), *SMALL])


@pytest.fixture
def published(script, monkeypatch):
    """What was asked of the Hub, in order; nothing leaves the machine."""
    queried = []

    def ready(repo_id, repo_type, **how):
        queried.append(("ready", repo_id, repo_type, how))
        return f"https://hub.example/datasets/{repo_id}"

    def push(folder, repo_id, **how):
        queried.append(("push", repo_id, (folder / "README.md").read_text(), how))
        return Pushed("abc", 28, "https://hub.example/pull/1" if how["create_pr"] else "")

    monkeypatch.setattr(script, "ready_repository", ready)
    monkeypatch.setattr(script, "push_dataset", push)
    return queried


def test_it_pushes_what_it_would_write(script, published, capsys):
    script.main(["--push_to_hub", "someone/people", "--private", "--tag", "v1.0", *SMALL])
    ready, (_, repo_id, card, how) = published
    assert ready == ("ready", "someone/people", "dataset", {"private": True, "create_pr": False})
    assert (repo_id, how) == ("someone/people", {"revision": None, "create_pr": False, "tag": "v1.0"})
    assert 'load_dataset("someone/people"' in card
    said = capsys.readouterr().out
    assert "Published https://hub.example/datasets/someone/people at abc; 28 file(s) changed" in said
    assert "Version v1.0" in said


def test_a_folder_written_before_is_pushed_as_it_is(script, published, tmp_path, capsys):
    script.main(["--output_dir", str(tmp_path / "personas"), *SMALL])
    script.main(["--input_dir", str(tmp_path / "personas"), "--push_to_hub", "someone/people", "--create_pr"])
    assert [each[0] for each in published] == ["ready", "push"]
    assert "Waiting to be merged: https://hub.example/pull/1" in capsys.readouterr().out


def test_a_missing_right_stops_it_before_anything_is_made(script, monkeypatch):
    def refused(*_, **__):
        raise CrossmemError("No right.", "Get one.")

    monkeypatch.setattr(script, "ready_repository", refused)
    monkeypatch.setattr(script, "write_dataset", lambda *_, **__: pytest.fail("something was made"))
    with pytest.raises(CrossmemError, match="No right"):
        script.main(["--push_to_hub", "someone/people", *SMALL])


BAD_ARGUMENTS = [
    [],
    ["--num_people", "5"],
    ["--num_personas", "many", "--output_dir", "x"],
    ["--input_dir", "x"],
    ["--input_dir", "x", "--output_dir", "y", "--push_to_hub", "a/b"],
    ["--push_to_hub", "a/b", "--create_pr", "--tag", "v1"],
    ["--push_to_hub", "a/b", "--create_pr", "--revision", "dev"],
]


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_bad_arguments_stop_it(script, arguments):
    with pytest.raises(SystemExit):
        script.main(arguments)


def test_a_knob_out_of_range_is_an_error(script, tmp_path):
    with pytest.raises(CrossmemError, match="num_personas=0"):
        script.main(["--output_dir", str(tmp_path / "out"), "--num_personas", "0"])


def test_a_preset_sets_what_no_option_does(script, tmp_path, monkeypatch):
    from crossmem_hf.data.spec import DatasetSpec

    written = []
    monkeypatch.setattr(script, "write_dataset", lambda folder, spec, **_: written.append(spec))
    script.main(["--output_dir", str(tmp_path / "a"), "--preset", "remem", "--num_views", "3"])
    script.main(["--output_dir", str(tmp_path / "b")])
    assert written == [DatasetSpec.remem(num_views=3), DatasetSpec()]


def test_a_version_that_cannot_be_stops_it_before_anything_is_made(script, published):
    with pytest.raises(CrossmemError, match="is no name for a version"):
        script.main(["--push_to_hub", "someone/people", "--tag", "v 1", *SMALL])
    assert not published
