# SPDX-License-Identifier: Apache-2.0
"""Cells that run in this process."""

import pytest


def run_here(patch):
    """Cells run in this process, one after the other; gives the names of those that were started."""
    from crossmem_hf.studies import run

    started = []

    def run_jobs(jobs, *, failed, **_):
        for job in jobs:
            started.append(job.name)
            try:
                job.run(lambda *_: None)
            except Exception as error:
                failed(job, error)
        return []

    patch.setattr(run, "run_jobs", run_jobs)
    return started


@pytest.fixture
def in_process(monkeypatch):
    """See `run_here`."""
    return run_here(monkeypatch)
