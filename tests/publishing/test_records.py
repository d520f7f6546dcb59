# SPDX-License-Identifier: Apache-2.0
"""Where a record is looked for."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.publishing.records import located_record


def test_a_file_and_its_folder(run_folder):
    for name in (run_folder, run_folder / "record.json"):
        found = located_record(str(name))
        assert found.folder == run_folder
        assert found.source == str(name)
        assert found.record.seeds == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("name", ["nothing", "../x/y/z", "a/b/c", "https://huggingface.co/you/x", "you/x?y", ""])
def test_what_is_neither_here_nor_a_name_on_the_hub(name, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(CrossmemError, match=r"no name of a repository|Could not read"):
        located_record(name)


def test_the_hub_is_out_of_reach(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(CrossmemError, match="Could not fetch the record of 'you/first-light'"):
        located_record("you/first-light")
