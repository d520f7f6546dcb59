# SPDX-License-Identifier: Apache-2.0
"""Cells that run in this process."""

import pytest


def run_here(patch, *, pages=False):
    """Cells run in this process, one after the other; gives the names of those that were started.

    Args:
        pages: Draw the record, which takes longer than cells that train nothing.
    """
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
    if not pages:
        patch.setattr(run, "write_pages", lambda record, folder: None)
    return started


@pytest.fixture
def in_process(monkeypatch):
    """See `run_here`."""
    return run_here(monkeypatch)
