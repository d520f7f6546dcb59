# SPDX-License-Identifier: Apache-2.0
"""Lines of a results log are whole or not there; that of something else is refused. More is in test_distributed."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.results_log import ResultsLog, append_line


def test_a_log_gives_back_what_was_written(tmp_path):
    log = ResultsLog(tmp_path / "log", "aaaa")
    assert log.read() == {}
    log.write(3, [1.5, float("inf"), {"a": None}])
    log.write(5, ["x"], process=1)
    assert log.read() == {3: [1.5, float("inf"), {"a": None}], 5: ["x"]}
    assert log.read(0, 2) == {3: [1.5, float("inf"), {"a": None}]}
    with pytest.raises(CrossmemError, match="made from something else"):
        ResultsLog(tmp_path / "log", "bbbb").read()


def test_a_log_without_a_folder_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ResultsLog(None, "aaaa").write(0, [1])
    assert ResultsLog(None, "aaaa").read() == {}
    assert list(tmp_path.iterdir()) == []


def test_append_line_leaves_a_torn_line_alone(tmp_path):
    path = tmp_path / "made" / "lines.jsonl"
    append_line(path, b"one")
    append_line(path, b"two")
    path.write_bytes(path.read_bytes()[:-2])
    append_line(path, b"three")
    assert path.read_bytes() == b"one\ntw\nthree\n"
