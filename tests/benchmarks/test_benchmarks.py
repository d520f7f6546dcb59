# SPDX-License-Identifier: Apache-2.0
"""Each benchmark runs, small, and writes what it measured."""

import importlib.util
import json
import sys

import pytest


@pytest.fixture
def benchmark(root, monkeypatch, tmp_path):
    """Runs a benchmark with arguments and returns what it wrote."""

    def run(name, *arguments):
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", root / "benchmarks" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [name, *arguments, "--output", str(tmp_path / "numbers.json")])
        module.main()
        return json.loads((tmp_path / "numbers.json").read_text())

    return run


def test_portraits(benchmark, capsys):
    written = benchmark("portraits", "--size", "48", "96", "--num_portraits", "5", "--repeats", "2")
    assert [result["size"] for result in written["results"]] == [48, 96]
    assert all(
        result["slowest"] <= result["portraits_per_second"] <= result["fastest"] for result in written["results"]
    )
    assert "times the target of 150" in capsys.readouterr().out


def test_score_candidates(benchmark, capsys):
    small = ("--random", "--num_rows", "2", "--num_candidates", "3", "--repeats", "1", "--batch_size", "2")
    written = benchmark("score_candidates", *small)
    assert [(result["modality"], result["candidates"]) for result in written["results"]] == [("image", 3), ("text", 3)]
    for result in written["results"]:
        assert result["ratio"] == pytest.approx(result["opponent_seconds"] / result["ours_seconds"])
        assert result["difference"] < 1e-4
    assert written["parameters"] > 1_000_000
    assert capsys.readouterr().out.count("times faster") == 2
