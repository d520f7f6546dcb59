# SPDX-License-Identifier: Apache-2.0
"""Several jobs at once, one process each, with a live display. It knows jobs, not what they do."""

import os
import queue
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing import connection, get_context, parent_process
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.progress import Bars

Report = Callable[[str, float], None]
"""Called with the name of the step at hand and the share of the job that is done, 0 to 1."""
Display = Callable[[int, str, float], None]
"""Called with the number of a job and what it reports."""

MAX_BARS = 12  # of more jobs, only those at work are shown


class Work(Protocol):
    """What a worker can be given: it can be pickled, has a name to show, and gives JSON types."""

    @property
    def name(self) -> str:
        """What the display calls it."""

    def run(self, report: Report) -> Any:
        """Do it, reporting how far it is."""


WorkT = TypeVar("WorkT", bound=Work)


def run_jobs(
    jobs: Sequence[WorkT],
    *,
    workers: int,
    log: Path,
    console: Console,
    failed: Callable[[WorkT, Exception], Any] | None = None,
    display: Display | None = None,
    torch_threads: bool = True,
) -> list[Any]:
    """The jobs' results in their order.

    No worker outlives this process, however it ends.

    Args:
        workers: Processes at a time. They are spawned, so a script needs the usual ``if __name__ == "__main__":``.
        log: Gets whatever the libraries underneath print.
        failed: Makes a result of a job's error, and the others go on; None lets the first error end the run.
        display: Shows how far the jobs are; None shows a bar a job and one for all on the console.
        torch_threads: Give torch in each worker its share of the cores; off where no job uses torch.

    Raises:
        CrossmemError: A worker process died. Without `failed`, whatever a job raises.
    """
    context = get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(_watch_parent)
    shown = _displayed(jobs, console) if display is None else nullcontext(display)
    setup = (max(1, cores() // workers) if torch_threads else None, str(log))
    with manager, shown as showing:
        channel, stop = manager.Queue(), manager.Event()
        executor = ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=setup)
        with _forwarded(channel, showing), executor as pool:
            futures = [pool.submit(_worker, job, index, channel, stop) for index, job in enumerate(jobs)]
            try:
                return _results(futures) if failed is None else _all_results(futures, jobs, failed, log)
            except BrokenProcessPool as error:
                raise CrossmemError(
                    f"A worker process died, perhaps for want of memory; its last words are in {str(log)!r}.",
                    "Run again to go on from there, with fewer processes if memory is short.",
                ) from error
            finally:
                stop.set()  # the other workers give up at their next step


def _results(futures: Sequence[Future[Any]]) -> list[Any]:
    done, waiting = wait(futures, return_when="FIRST_EXCEPTION")
    for future in waiting:
        future.cancel()
    for future in done:
        future.result()
    return [future.result() for future in futures]


def _all_results(
    futures: Sequence[Future[Any]],
    jobs: Sequence[WorkT],
    failed: Callable[[WorkT, Exception], Any],
    log: Path,
) -> list[Any]:
    results = []
    for job, future in zip(jobs, futures, strict=True):
        try:
            results.append(future.result())
        except BrokenProcessPool:
            raise
        except Exception as error:
            with log.open("a", encoding="utf-8") as stream:
                traceback.print_exception(error, file=stream)
            results.append(failed(job, error))
    return results


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """One a core, at most four; one in all if there is a GPU."""
    import torch

    return 1 if torch.cuda.is_available() else min(4, cores())


class _StoppedError(Exception):
    """Another job has failed."""


def _prepare(threads: int | None, log: str) -> None:
    """Set a worker up: its share of the cores, its output into the log, and no life after its parent's death."""
    _watch_parent()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _watch_parent() -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _worker(job: Work, index: int, channel: Any, stop: Any) -> Any:
    def report(step: str, share: float) -> None:
        if stop.is_set():
            raise _StoppedError
        channel.put((index, step, share))

    return job.run(report)


class _JobBars:
    """How far the jobs are, on one bar a job and one for all."""

    def __init__(self, bars: Bars, jobs: Sequence[Work]) -> None:
        self.shares = [0.0] * len(jobs)
        self.all = bars.add("all", len(jobs), unit="jobs")
        self.fit = len(jobs) <= MAX_BARS
        self.bars = [bars.add(job.name, 1.0, visible=self.fit) for job in jobs]

    def __call__(self, index: int, step: str, share: float) -> None:
        self.bars[index].to(share, step, visible=self.fit or share < 1.0)
        self.shares[index] = share
        self.all.to(sum(self.shares), "")


@contextmanager
def _displayed(jobs: Sequence[Work], console: Console) -> Iterator[Display]:
    with Bars(console) as bars:
        yield _JobBars(bars, jobs)


@contextmanager
def _forwarded(channel: Any, display: Display) -> Iterator[None]:
    """Meanwhile, show what the workers report."""
    stop = threading.Event()

    def forward() -> None:
        while not stop.is_set():
            try:
                display(*channel.get(timeout=0.2))
            except queue.Empty:
                continue

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
