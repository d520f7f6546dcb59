# SPDX-License-Identifier: Apache-2.0
"""Jobs in worker processes: results in order, errors whole, output in the log."""

import os
from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.pool import run_jobs


@dataclass(frozen=True)
class Division:
    """Work that fails where one divides by zero."""

    by: int

    @property
    def name(self):
        return f"1/{self.by}"

    def run(self, report):
        report("dividing", 0.5)
        return {"result": 1 / self.by}


def test_the_others_go_on_where_errors_are_results(tmp_path):
    log = tmp_path / "log.txt"
    jobs = [Division(4), Division(0), Division(2)]

    def failed(job, error):
        return {"result": f"{job.name}: {type(error).__name__}"}

    results = run_jobs(jobs, workers=1, log=log, console=Console(file=StringIO()), failed=failed)
    assert [result["result"] for result in results] == [0.25, "1/0: ZeroDivisionError", 0.5]
    assert "in run" in log.read_text(), "the traceback can be read"


def test_two_processes_show_and_give_what_one_gives(tmp_path):
    shown = StringIO()
    console = Console(file=shown, force_terminal=True)
    jobs = [Division(4), Division(2)]
    results = run_jobs(jobs, workers=2, log=tmp_path / "log.txt", console=console, torch_threads=False)
    assert results == [{"result": 0.25}, {"result": 0.5}]
    assert "1/4" in shown.getvalue()


@dataclass(frozen=True)
class Refusal:
    """Work that fails with an error that a user can read."""

    name: str = "refusal"

    def run(self, report):
        raise CrossmemError("Could not load a model.", "Name another.")


@dataclass(frozen=True)
class Death:
    """Work that ends its process."""

    name: str = "death"

    def run(self, report):
        os._exit(1)


def test_a_workers_error_arrives_whole(tmp_path):
    quiet = {"console": Console(file=StringIO()), "torch_threads": False}
    with pytest.raises(CrossmemError) as caught:
        run_jobs([Refusal()], workers=1, log=tmp_path / "log.txt", **quiet)
    assert (caught.value.fault, caught.value.remedy) == ("Could not load a model.", "Name another.")


def test_a_worker_that_dies_is_an_error_that_names_the_log(tmp_path):
    quiet = {"console": Console(file=StringIO()), "torch_threads": False}
    with pytest.raises(CrossmemError, match=r"A worker process died.*log\.txt"):
        run_jobs([Death()], workers=1, log=tmp_path / "log.txt", **quiet)
