# SPDX-License-Identifier: Apache-2.0
import importlib.util

import pytest

from crossmem_hf.errors import CrossmemError

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


def test_it_pushes_what_it_would_write(script, monkeypatch, capsys):
    pushed = {}

    def push(folder, repo_id, *, private, revision):
        pushed.update(repo_id=repo_id, card=(folder / "README.md").read_text(), private=private, revision=revision)
        return "https://hub.example/datasets/someone/people"

    monkeypatch.setattr(script, "push_dataset", push)
    script.main(["--push_to_hub", "someone/people", "--private", *SMALL])
    assert (pushed["repo_id"], pushed["private"], pushed["revision"]) == ("someone/people", True, None)
    assert 'load_dataset("someone/people"' in pushed["card"]
    assert "https://hub.example/datasets/someone/people" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--num_people", "5"], ["--num_personas", "many", "--output_dir", "x"]])
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
