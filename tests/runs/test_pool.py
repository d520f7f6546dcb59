# SPDX-License-Identifier: Apache-2.0
"""Jobs in worker processes: results in order, errors whole, output in the log."""

from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.pool import run_jobs
from crossmem_hf.studies.job import Job


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


@pytest.mark.slow
def test_two_processes_give_what_two_jobs_gave(tiny_settings, tmp_path):
    jobs = [
        Job(settings=tiny_settings, seed=0, source=source, folder=tmp_path / source) for source in ("image", "text")
    ]
    shown = StringIO()
    console = Console(file=shown, force_terminal=True)
    results = run_jobs(jobs, workers=2, log=tmp_path / "log.txt", console=console)
    assert [{item["source"] for item in result["asked"]} for result in results] == [{"image"}, {"text"}]
    assert "seed 0, image" in shown.getvalue()
    assert run_jobs(jobs, workers=1, log=tmp_path / "log.txt", console=console) == results


def test_a_workers_error_arrives_whole(tiny_settings, tmp_path):
    missing = Job(
        settings=type(tiny_settings)(model_name_or_path=str(tmp_path / "none"), num_personas=5),
        seed=0,
        source="text",
        folder=tmp_path / "job",
    )
    with pytest.raises(CrossmemError) as caught:
        run_jobs([missing], workers=1, log=tmp_path / "log.txt", console=Console(file=StringIO()))
    assert "Could not load a model" in caught.value.fault
    assert caught.value.remedy
