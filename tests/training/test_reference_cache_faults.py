# SPDX-License-Identifier: Apache-2.0
"""What the reference cache does with files, disks, rows and processes that are not as they should be."""

import json
import logging
import os
import subprocess
import sys

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training import reference_cache
from tests.training.caching import Forwards, encoded, files, kept, referenced


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(reference_cache, "UNIT_ROWS", 3)


@pytest.fixture
def forwards(monkeypatch):
    return Forwards(monkeypatch)


def torn(lines):
    return [*lines[:-1], lines[-1][: len(lines[-1]) // 2]]


def without_some_rows(lines):
    entry = json.loads(lines[0])
    return [json.dumps(entry | {"results": entry["results"][:-1]}), *lines[1:]]


def with_another_value(lines, value=-0.125):
    entry = json.loads(lines[0])
    entry["results"][0][1] = value
    return [json.dumps(entry), *lines[1:]]


def with_units_exchanged(lines):
    one, two = json.loads(lines[0]), json.loads(lines[1])
    return [json.dumps(one | {"unit": two["unit"]}), json.dumps(two | {"unit": one["unit"]}), *lines[2:]]


FAULTS = {
    "torn": (torn, 3),  # only what is missing
    "empty": (lambda lines: [], 9),
    "noise": (lambda lines: ["\x00\xff{", *lines[1:]], 3),
    "no entry": (lambda lines: ["[1, 2]", *lines], 9),
    "fewer rows": (without_some_rows, 9),
    "a value": (with_another_value, 9),
    "a text": (lambda lines: with_another_value(lines, "-1.0"), 9),
    "NaN": (lambda lines: with_another_value(lines, float("nan")), 9),
    "units": (with_units_exchanged, 9),
    "no such unit": (lambda lines: [lines[0].replace('"unit": 0', '"unit": 17'), *lines[1:]], 9),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_never_believed(tmp_path, forwards, caplog, fault):
    damage, anew = FAULTS[fault]
    first = kept(tmp_path)
    (path,) = files(tmp_path)
    path.write_text("\n".join(damage(path.read_text().splitlines())), encoding="latin-1")
    with caplog.at_level(logging.WARNING, logger="crossmem_hf"):
        again, passed = forwards.during(lambda: kept(tmp_path))
    assert passed == anew
    assert torch.equal(first, again)
    assert len(caplog.records) == (1 if anew == 9 and fault != "empty" else 0)
    assert forwards.during(lambda: kept(tmp_path))[1] == 0


def test_a_file_of_something_else_is_never_believed(tmp_path, forwards, caplog):
    other = kept(tmp_path / "other", referenced(seed=1))
    own = kept(tmp_path / "own")
    assert not torch.isclose(own, other).any()
    (strange,), (path,) = files(tmp_path / "other"), files(tmp_path / "own")
    for place in (path, path.with_name("7.jsonl")):  # in its stead, and beside it
        place.write_bytes(strange.read_bytes())
        again, passed = forwards.during(lambda: kept(tmp_path / "own"))
        assert passed == 9
        assert torch.equal(own, again)
    assert [record.message.count("something else") for record in caplog.records] == [1, 1]


def test_what_a_killed_run_finished_is_used(tmp_path, forwards, monkeypatch):
    whole, original = kept(tmp_path / "whole"), reference_cache._sums

    def dying(model, rows, numbers, *rest):
        if forwards.rows >= 6:
            raise KeyboardInterrupt
        return original(model, rows, numbers, *rest)

    monkeypatch.setattr(reference_cache, "_sums", dying)
    forwards.rows = 0
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "killed")
    monkeypatch.setattr(reference_cache, "_sums", original)
    values, passed = forwards.during(lambda: kept(tmp_path / "killed"))
    assert passed == 3
    assert torch.equal(values, whole)


def test_two_runs_at_once_do_no_harm(tmp_path, forwards, monkeypatch):
    alone, original, inside = kept(tmp_path / "alone"), reference_cache._sums, []

    def interrupted(*args):
        if not inside:
            inside.append(True)
            inside.append(kept(tmp_path / "shared"))  # another run does it all, meanwhile
        return original(*args)

    monkeypatch.setattr(reference_cache, "_sums", interrupted)
    assert torch.equal(kept(tmp_path / "shared"), alone)
    assert torch.equal(inside[1], alone)
    values, passed = forwards.during(lambda: kept(tmp_path / "shared"))
    assert passed == 0
    assert torch.equal(values, alone)


@pytest.mark.parametrize("where", ["a file", "in a file", "a folder in its place"])
def test_where_nothing_can_be_written_it_goes_on_in_memory(tmp_path, caplog, where):
    """Permissions would not stop a root user; a path that cannot be a folder stops anybody."""
    folder = tmp_path / "cache"
    if where == "a folder in its place":
        kept(folder)
        (path,) = files(folder)
        path.unlink()
        path.mkdir()
    else:
        folder.write_text("no folder")
        folder = folder / "deeper" if where == "in a file" else folder
    values = kept(folder)
    assert torch.equal(values, kept(tmp_path / "good"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "in memory alone" in caplog.text


def test_a_full_disk_is_no_reason_to_stop(tmp_path, monkeypatch, caplog):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    whole = kept(tmp_path / "whole")
    monkeypatch.setattr(os, "fsync", full)
    assert torch.equal(kept(tmp_path / "full"), whole)
    assert caplog.text.count("in memory alone") == 1


def test_a_reference_without_a_value_names_the_row(tmp_path):
    rows = encoded()
    row = next(number for number in range(len(rows)) if "pixel_values" in rows[number])
    rows[row]["pixel_values"].fill_(torch.nan)
    named = rf"row {row} of the forget set \(persona 'p\d'\) the log-probability nan"
    with pytest.raises(CrossmemError, match=named):
        kept(tmp_path, rows=rows)


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path, monkeypatch):
    def broken(*args, **named):
        raise OSError("the model's own")

    monkeypatch.setattr(reference_cache, "answer_scores", broken)
    with pytest.raises(OSError, match="the model's own"):
        kept(tmp_path)


ON_TWO = """
import sys, json, pathlib
from crossmem_hf.runs.distributed import joined_state, leave, together
from crossmem_hf.training import reference_cache
from crossmem_hf.errors import CrossmemError
from tests.training import caching as here
reference_cache.UNIT_ROWS = 1
counted = []
original = reference_cache.answer_scores
def scores(*args, **named):
    counted.append(len(args[1]["labels"]))
    return original(*args, **named)
reference_cache.answer_scores = scores
folder = pathlib.Path(sys.argv[1])
first = here.kept(folder / "shared").tolist()
done = together(lambda: sum(counted))
again = here.kept(folder / "shared").tolist()
rows = here.encoded()
rows[2]["pixel_values"].fill_(float("nan"))
try:
    here.kept(folder / "nan", rows=rows)
    said = "nothing"
except CrossmemError as error:
    said = str(error)
(folder / "cache").write_text("no folder")
rest = here.kept(folder / "cache").tolist()
state = joined_state()
told = {"processes": state.num_processes, "first": first, "again": again, "done": done, "said": said, "rest": rest,
        "passes": together(lambda: sum(counted))}
(folder / f"said_{state.process_index}.json").write_text(json.dumps(told))
leave()
"""


@pytest.mark.slow
def test_two_processes_share_the_work_and_its_faults(tmp_path, root, monkeypatch):
    script = tmp_path / "on_two.py"
    script.write_text(ON_TWO)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    monkeypatch.setattr(reference_cache, "UNIT_ROWS", 1)
    alone = kept(tmp_path / "alone").tolist()
    for process in (0, 1):
        reported = json.loads((tmp_path / f"said_{process}.json").read_text())
        assert reported["processes"] == 2
        assert reported["first"] == reported["again"] == reported["rest"] == alone
        assert sum(reported["done"]) == 9, "each row by one process"
        assert "row 2 of the forget set (persona 'p2') the log-probability nan" in reported["said"]
    assert len(files(tmp_path / "shared")) == 2, "each wrote a part"
