# SPDX-License-Identifier: Apache-2.0
"""Several jobs at once, one process each, with a live display. It knows jobs, not what they do."""

import os
import queue
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from crossmem_hf.errors import CrossmemError

Tell = Callable[[str, float], None]
"""Called with the name of the step at hand and the share of the job that is done, 0 to 1."""


MOST_BARS = 12  # of more jobs, only those at work are shown


class Work(Protocol):
    """What a worker can be given: it can be pickled, has a name to show, and gives JSON types."""

    @property
    def name(self) -> str:
        """What the display calls it."""

    def run(self, tell: Tell) -> dict[str, Any]:
        """Do it, saying how far it is."""


WorkT = TypeVar("WorkT", bound=Work)


def run_jobs(
    jobs: Sequence[WorkT],
    *,
    workers: int,
    log: Path,
    console: Console,
    failed: Callable[[WorkT, Exception], dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """The jobs' results in their order.

    Args:
        workers: Processes at a time.
        log: Gets whatever the libraries underneath print.
        failed: Makes a result of a job's error, and the others go on; None lets the first error end the run.

    Raises:
        CrossmemError: A worker process died. Without `failed`, whatever a job raises.
    """
    context = get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(_watch_parent)
    with manager, _display(jobs, console) as told:
        channel, stop = manager.Queue(), manager.Event()
        executor = ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=(workers, str(log)))
        with _forwarded(channel, told), executor as pool:
            futures = [pool.submit(_worker, job, index, channel, stop) for index, job in enumerate(jobs)]
            try:
                return _results(futures) if failed is None else _all_results(futures, jobs, failed, log)
            except BrokenProcessPool as error:
                raise CrossmemError(
                    f"A worker process died, perhaps for want of memory; its last words are in {str(log)!r}.",
                    "Run again to go on from there, with fewer --workers if memory is short.",
                ) from error
            finally:
                stop.set()  # the other workers give up at their next step


def _results(futures: Sequence[Future[dict[str, Any]]]) -> list[dict[str, Any]]:
    done, waiting = wait(futures, return_when="FIRST_EXCEPTION")
    for future in waiting:
        future.cancel()
    for future in done:
        future.result()
    return [future.result() for future in futures]


def _all_results(
    futures: Sequence[Future[dict[str, Any]]],
    jobs: Sequence[WorkT],
    failed: Callable[[WorkT, Exception], dict[str, Any]],
    log: Path,
) -> list[dict[str, Any]]:
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


def _prepare(workers: int, log: str) -> None:
    """Set a worker up: its share of the cores, its output into the log, and no life after its parent's death."""
    _watch_parent()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    import torch

    torch.set_num_threads(max(1, cores() // workers))


def _watch_parent() -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _worker(job: Work, index: int, channel: Any, stop: Any) -> dict[str, Any]:
    def tell(step: str, share: float) -> None:
        if stop.is_set():
            raise _StoppedError
        channel.put((index, step, share))

    return job.run(tell)


class _Told:
    """What the jobs last said, on one bar a job and one for all."""

    def __init__(self, progress: Progress, jobs: Sequence[Work]) -> None:
        self.progress, self.jobs = progress, jobs
        self.shares = [0.0] * len(jobs)
        self.total = progress.add_task("all", total=float(len(jobs)), step="")
        self.fit = len(jobs) <= MOST_BARS
        self.tasks = [
            progress.add_task(job.name, total=1.0, step="waiting", start=False, visible=self.fit) for job in jobs
        ]

    def __call__(self, index: int, step: str, share: float) -> None:
        self.progress.start_task(self.tasks[index])
        self.progress.update(self.tasks[index], completed=share, step=step, visible=self.fit or share < 1.0)
        self.shares[index] = share
        self.progress.update(self.total, completed=sum(self.shares))


@contextmanager
def _display(jobs: Sequence[Work], console: Console) -> Iterator[_Told]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<15}"),
        BarColumn(24),
        TextColumn("{task.fields[step]:<26}"),
    )
    with Progress(
        *columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console
    ) as progress:
        yield _Told(progress, jobs)


@contextmanager
def _forwarded(channel: Any, told: _Told) -> Iterator[None]:
    """Meanwhile, show what the workers say."""
    stop = threading.Event()

    def forward() -> None:
        while not stop.is_set():
            try:
                told(*channel.get(timeout=0.2))
            except queue.Empty:
                continue

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
