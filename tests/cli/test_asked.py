# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmem_hf.cli import asked
from crossmem_hf.cli.app import app


def test_settings_are_what_was_given_and_nothing_else():
    options = {"model": "m", "batch_size": "8", "output_dir": Path("out"), "overwrite": True, "knobs": {"views": 3}}
    given = asked.settings_given(options, {"views": 3, "preset": None})
    assert given == {"model": "m", "batch_size": 8, "views": 3}
    assert asked.settings_given({"batch_size": "auto"}, {}) == {"batch_size": "auto"}


@pytest.mark.parametrize("record", [None, object()])
def test_the_main_process_says_where_the_record_is(record, monkeypatch, capsys, tmp_path):
    left = []
    monkeypatch.setattr("crossmem_hf.runs.distributed.leave", lambda: left.append(True))
    seen = []
    asked.run_and_leave(lambda *given, **rest: seen.append((given, rest)) or record, "s", tmp_path, overwrite=True)
    assert seen == [(("s", tmp_path), {"overwrite": True})]
    assert left == [True]
    assert ("record.json" in capsys.readouterr().err) == (record is not None)


def test_commands_that_ask_share_their_options():
    shared = ("--model", "--adapter", "--dataset", "--config", "--split", "--max-rows", "--dtype", "--device")
    for command in ("score", "attack", "trace"):
        shown = CliRunner().invoke(app, [command, "--help"]).output
        assert [option for option in (*shared, "--overwrite") if option not in shown] == []
