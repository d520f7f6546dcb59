# SPDX-License-Identifier: Apache-2.0
"""`make gpu` at toy size: it says what it needs, refuses early, and keeps what each part measured."""

import contextlib
import json
import sys
import time

import pytest
import torch

TOY = ("--device", "cpu", "--toy")


@pytest.fixture
def gpu(load):
    return load("gpu")


@pytest.fixture
def ends(gpu, monkeypatch, tmp_path):
    """Runs it, and returns its exit status or message and what it wrote, None for nothing."""

    def runs(*arguments):
        path = tmp_path / "gpu.json"
        monkeypatch.setattr(sys, "argv", ["gpu", *arguments, "--output", str(path)])
        with pytest.raises(SystemExit) as end:
            gpu.main()
        return end.value.code, json.loads(path.read_text()) if path.exists() else None

    return runs


def test_memory_part_at_toy_size(ends, capsys):
    status, record = ends(*TOY, "--parts", "memory")
    assert status == 0
    assert (record["toy"], record["dtype"]) == (True, "bfloat16")
    assert record["parameters"] > 1_000_000
    part = record["parts"]["memory"]
    (result,) = part["results"]
    assert (part["status"], result["case"]) == ("done", "memory of weights")
    said = capsys.readouterr().out
    assert said.startswith("A toy of 1 parts on cpu")
    assert "peak not measured without a GPU" in said
    assert "| memory of weights | NPO with two models |" in said.split("its ratios mean nothing")[1]


def planted(gpu, monkeypatch, **works):
    parts = {name: gpu.Part(name=name, seconds=20, work=work) for name, work in works.items()}
    monkeypatch.setattr(gpu, "PARTS", parts)


def test_parts_that_end_early_leave_the_others_numbers(gpu, ends, monkeypatch, capsys):
    def good(bench):
        yield {"config": "a", "sharded": True, "seconds_a_step": 0.5, "rows_a_step": 8, "peak_bytes": 31e9}

    def bad(bench):
        yield from good(bench)
        raise SystemExit("Both sides differ by 7.")

    def absent(bench):
        raise gpu.SkippedError("no such library")
        yield

    def long(bench):
        yield from good(bench)
        raise gpu.OutOfTimeError  # as the alarm does

    planted(gpu, monkeypatch, long=long, bad=bad, absent=absent, good=good)
    status, record = ends(*TOY)
    assert status == 1
    assert {name: part["status"] for name, part in record["parts"].items()} == {
        "long": "out of time",
        "bad": "failed",
        "absent": "skipped",
        "good": "done",
    }
    assert [len(part["results"]) for part in record["parts"].values()] == [1, 1, 0, 1]
    said = capsys.readouterr().out
    assert said.count("- `a.yaml`, one process, one run: 0.5 s a step of 8 rows, at most 31.0 GB") == 3
    assert "- bad: failed (SystemExit: Both sides differ by 7.)" in said


def test_record_is_written_after_each_result(gpu, ends, monkeypatch, tmp_path):
    held = []

    def two(bench):
        for number in range(2):
            yield {"number": number}
            held.append(json.loads((tmp_path / "gpu.json").read_text())["parts"]["two"])

    planted(gpu, monkeypatch, two=two)
    ends(*TOY)
    assert [(part["status"], len(part["results"])) for part in held] == [("running", 1), ("running", 2)]


def test_alarm_breaks_off_whatever_runs(gpu):
    def stubborn():
        while True:
            with contextlib.suppress(Exception):
                time.sleep(60)

    with pytest.raises(gpu.OutOfTimeError), gpu.limited(0.05):
        stubborn()
    with pytest.raises(gpu.OutOfTimeError), gpu.limited(0):
        pytest.fail("there was no time left")


def test_seven_billion_parameters_are_refused_where_they_do_not_fit(gpu, ends, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "finds no GPU" in ends()[0]
    assert "Needs one GPU with 44 GB of memory (7.1 G random parameters" in capsys.readouterr().out
    assert "not on 'cpu'" in ends("--device", "cpu")[0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (23e9, 24e9))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A small GPU")
    message, record = ends()
    assert "A small GPU has 23 of 24 GB free, expected 44 GB" in message
    assert record is None


def test_whole_run_takes_at_most_eight_minutes(gpu):
    assert gpu.STARTING + sum(part.seconds for part in gpu.PARTS.values()) <= 8 * 60 - 20  # and imports


@pytest.mark.slow
def test_launched_part_runs_through_accelerate(ends, capsys):
    status, record = ends(*TOY, "--parts", "fsdp2")
    assert status == 0
    (result,) = record["parts"]["fsdp2"]["results"]
    assert (result["sharded"], result["steps"], len(result["losses"])) == (False, 2, 2)
    assert "launched with cpu.yaml in its place" in capsys.readouterr().out
