# SPDX-License-Identifier: Apache-2.0
"""Rows in units, units over processes, results on disk."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pictures

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.distributed import in_shards, run_stage_together, work_units


def numbered(count):
    return [{"images": [], "number": number} for number in range(count)]


def picture(shade):
    return Pictures.new("RGB", (4, 4), (shade, 0, 0))


class Counting:
    """Work that squares, and remembers what it was asked."""

    def __init__(self, stop_after=None):
        self.calls, self.stop_after = [], stop_after

    def __call__(self, rows):
        if self.stop_after is not None and len(self.calls) == self.stop_after:
            raise KeyboardInterrupt
        self.calls.append([row["number"] for row in rows])
        return [row["number"] ** 2 / 7 for row in rows]


SQUARES = [number**2 / 7 for number in range(20)]


def shard(work, results_log, fingerprint="m", rows=None, **rest):
    return in_shards(
        rows or numbered(20),
        work,
        results_log=results_log,
        fingerprint=fingerprint,
        unit_rows=3,
        label="squaring",
        **rest,
    )


def test_units_keep_pictures_together_and_cover_every_row_once():
    shades = [None, 1, 2, 1, None, 3, 1, 2, 4, None]
    rows = [{"images": [] if shade is None else [picture(shade)]} for shade in shades]
    units = work_units(rows, unit_rows=4)
    assert sorted(index for unit in units for index in unit) == list(range(10))
    # shade 1 (three rows), then 2 (two) do not fit into four together, then 2, 3, 4 do; text rows last, in order
    assert units == [[1, 3, 6], [2, 7, 5, 8], [0, 4, 9]]
    assert work_units(rows, unit_rows=1) == [[1, 3, 6], [2, 7], [5], [8], [0], [4], [9]]


def test_no_rows_are_no_units():
    assert work_units([]) == []
    assert in_shards([], Counting(), results_log=None, fingerprint="m", label="nothing") == []


def test_a_unit_without_rows_is_refused():
    with pytest.raises(CrossmemError, match="unit_rows=0"):
        work_units(numbered(2), unit_rows=0)


def test_a_dataset_is_grouped_by_its_stored_bytes():
    rows = [{"images": [picture(shade)] if shade else [], "number": 0} for shade in (1, 0, 2, 1)]
    data = Dataset.from_list(rows, features=Features({"images": List(Image()), "number": Value("int64")}))
    assert work_units(data, 1) == work_units(rows, 1)


@pytest.mark.parametrize("stored", [False, True])
def test_results_come_in_the_order_of_the_rows(tmp_path, stored):
    rows = [
        {"images": [picture(number % 3)] if number % 2 else [], "number": number, "text": "x" * number}
        for number in range(20)
    ]
    assert shard(Counting(), tmp_path if stored else None, rows=rows) == SQUARES


def test_what_is_on_disk_is_not_worked_out_again(tmp_path):
    first, second = Counting(stop_after=4), Counting()
    with pytest.raises(KeyboardInterrupt):
        shard(first, tmp_path)
    assert shard(second, tmp_path) == SQUARES
    assert len(first.calls) == 4
    assert sorted(first.calls + second.calls) == [list(range(s, min(s + 3, 20))) for s in range(0, 20, 3)]
    third = Counting()
    assert shard(third, tmp_path) == SQUARES
    assert third.calls == []


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_line_is_done_again_and_the_next_one_is_whole(tmp_path, cut):
    with pytest.raises(KeyboardInterrupt):
        shard(Counting(stop_after=3), tmp_path)
    path = tmp_path / "0.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    # cut by one, only the end of the line is gone, and the unit is whole
    again, left = Counting(), 4 if cut == 1 else 5
    assert shard(again, tmp_path) == SQUARES
    assert len(again.calls) == left
    assert shard(Counting(stop_after=0), tmp_path) == SQUARES


def test_a_foreign_results_log_is_refused_and_left_alone(tmp_path):
    shard(Counting(), tmp_path, fingerprint="one")
    before = (tmp_path / "0.jsonl").read_bytes()
    for rows, fingerprint in ((numbered(20), "two"), (numbered(19), "one")):
        with pytest.raises(CrossmemError, match="made from something else"):
            shard(Counting(), tmp_path, fingerprint=fingerprint, rows=rows)
    assert (tmp_path / "0.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "line", ["5", "[]", '{"fingerprint": "m"}', '{"fingerprint": "m", "unit": 99, "results": []}']
)
def test_lines_that_no_results_log_has_are_a_clear_error(tmp_path, line):
    (tmp_path / "0.jsonl").write_text(line + "\n")
    with pytest.raises(CrossmemError, match="made from something else"):
        shard(Counting(), tmp_path)


@pytest.mark.parametrize("damage", ['"results"', '"unit"', "[0]"])
def test_a_damaged_unit_is_done_again(tmp_path, damage):
    """A line of this results log, but without a result for each row of a unit."""
    shard(Counting(), tmp_path)
    path = tmp_path / "0.jsonl"
    entry = json.loads(path.read_text().splitlines()[0])
    if damage == "[0]":
        entry["results"] = entry["results"][:-1]
    else:
        del entry[json.loads(damage)]
    path.write_text("".join([json.dumps(entry) + "\n", *path.read_text().splitlines(keepends=True)[1:]]))
    again = Counting()
    assert shard(again, tmp_path) == SQUARES
    assert len(again.calls) == 1


def test_numbers_survive_the_disk(tmp_path):
    values = [math.nan, math.inf, -math.inf, 0.1 + 0.2, 5e-324, -0.0]
    fresh = shard(lambda rows: [values] * len(rows), tmp_path)
    stored = shard(Counting(stop_after=0), tmp_path)
    np.testing.assert_array_equal(fresh[0], values)
    np.testing.assert_array_equal(stored, fresh)
    assert math.copysign(1, stored[0][-1]) == -1


def test_fresh_results_look_like_stored_ones():
    assert shard(lambda rows: [(1, {2: (3,)})] * len(rows), None)[0] == [1, {"2": [3]}]


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda rows: [1], "gave 1 results for 3 rows"),
        (lambda rows: [{1, 2}] * len(rows), "JSON cannot say"),
        (lambda rows: list(np.ones(len(rows), dtype=np.float32)), "JSON cannot say"),
    ],
)
def test_results_that_are_none(tmp_path, work, said):
    with pytest.raises(CrossmemError, match=said):
        shard(work, tmp_path)


def test_a_results_log_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CrossmemError, match="Could not write the results log"):
        shard(Counting(), tmp_path / "file" / "log")


def test_the_bar_counts_rows_and_says_what_is_left(tmp_path, monkeypatch, capsys):
    with pytest.raises(KeyboardInterrupt):
        shard(Counting(stop_after=2), tmp_path)
    capsys.readouterr()
    shard(Counting(stop_after=9), tmp_path)
    assert capsys.readouterr().err == ""  # no terminal, no bar
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "160"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR")
    rows = [*numbered(20), *numbered(20)]
    shard(Counting(), tmp_path / "other", rows=rows)
    shown = capsys.readouterr().err
    assert "squaring" in shown
    assert "40/40" in shown
    assert "rows/s" in shown
    assert "left" in shown
    shard(Counting(), tmp_path / "third", rows=rows, progress=False)
    assert "squaring" not in capsys.readouterr().err


def torchrun(root, *words):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", *words]
    return subprocess.run(
        launch, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=600
    )


def test_two_processes_share_the_work_of_a_killed_one(tmp_path, root):
    with pytest.raises(KeyboardInterrupt):
        in_shards(
            numbered(20),
            Counting(stop_after=2),
            results_log=tmp_path / "log",
            fingerprint="m",
            unit_rows=2,
            label="squaring",
        )
    done = torchrun(root, "tests.scoring.two_processes_counting", str(tmp_path), "log", "")
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads((tmp_path / f"said{rank}.json").read_text()) for rank in (0, 1)]
    assert [one["results"] for one in said] == [SQUARES, SQUARES]
    assert sorted(said[0]["calls"] + said[1]["calls"]) == list(range(4, 20))
    assert min(len(one["calls"]) for one in said) >= 4
    assert [(one["stage"], one["trained"]) for one in said] == [(["stage", 0], 1)] * 2
    assert (tmp_path / "stage" / "weights").read_text() == "w"
    assert run_stage_together(tmp_path / "stage", {"a": 1}, Counting()).result == ["stage", 0]
    last = Counting()
    assert (
        in_shards(numbered(20), last, results_log=tmp_path / "log", fingerprint="m", unit_rows=2, label="x") == SQUARES
    )
    assert last.calls == []


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "seen"), [("ours", "CrossmemError: Out of luck."), ("other", "out of luck")])
def test_one_process_failing_fails_all_at_their_next_unit(tmp_path, root, failing, seen):
    done = torchrun(root, "tests.scoring.two_processes_counting", str(tmp_path), "", failing)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads((tmp_path / f"said{rank}.json").read_text()) for rank in (0, 1)]
    assert all(seen in one["error"] for one in said)
    assert len(said[0]["calls"]) <= 4  # of twenty
    assert "Process 1 of 2" in said[0]["error"] or failing == "ours"


KILLED = """
import os, sys, time
from pathlib import Path
from crossmem_hf.runs.distributed import in_shards
def work(rows):
    print([row["number"] for row in rows], flush=True)
    if rows[0]["number"] >= 9:
        time.sleep(600)  # until the kill
    return [row["number"] ** 2 / 7 for row in rows]
rows = [{"images": [], "number": number} for number in range(20)]
in_shards(rows, work, results_log=Path(sys.argv[1]), fingerprint="m", unit_rows=3, label="squaring")
"""


def test_killed_without_warning_it_does_only_the_rest(tmp_path, root):
    victim = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    path = tmp_path / "log" / "0.jsonl"
    while not path.exists() or path.read_bytes().count(b"\n") < 3:
        assert victim.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    finished = {json.loads(line)["unit"] for line in path.read_text().splitlines() if line.endswith("}")}
    rest = Counting()
    assert shard(rest, tmp_path / "log") == SQUARES
    assert len(finished) == 3
    assert len(rest.calls) == 7 - 3
