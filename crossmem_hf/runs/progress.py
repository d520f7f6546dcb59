# SPDX-License-Identifier: Apache-2.0
"""The progress bars of everything that takes long. It does not know what is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bars:
    """Bars below each other on one console: label, bar, how much of how much, a note, time so far, time left.

    Args:
        console: None is standard error.
        shown: Off, nothing is written.
        transient: Whether they vanish in the end.
    """

    def __init__(self, console: Console | None = None, *, shown: bool = True, transient: bool = False) -> None:
        columns = (
            TextColumn("{task.description:<15}"),
            BarColumn(24),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
        )
        console = Console(stderr=True) if console is None else console
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=console, disable=not shown, transient=transient
        )

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def add(self, label: str, total: float | None, *, done: float = 0, unit: str = "", visible: bool = True) -> "Bar":
        """A bar more, below the others.

        Args:
            total: How much there is to do; None if that is not known.
            done: How much of it was done before.
            unit: What is counted, such as ``"rows"``; without one, the bar shows its share in percent.
        """
        task = self._progress.add_task(label, total=total, count="", note="", visible=visible)
        return Bar(self._progress, task, total, done, unit)


class Bar:
    """One bar.

    Attributes:
        done: How much is done.
    """

    def __init__(self, progress: Progress, task: TaskID, total: float | None, done: float, unit: str) -> None:
        self._progress, self._task, self._total, self._before, self._unit = progress, task, total, done, unit
        self.to(done)

    def to(self, done: float, note: str | None = None, *, visible: bool = True) -> None:
        """So much is done by now.

        Args:
            note: What is going on; None says how much a second, if something is counted.
        """
        self.done = done
        note = self._rate() if note is None else note
        self._progress.update(self._task, completed=done, visible=visible, count=self._count(), note=note)

    def advance(self, by: float = 1) -> None:
        """So much more is done."""
        self.to(self.done + by)

    def _count(self) -> str:
        if self._unit:
            of = "" if self._total is None else f"/{self._total:.0f}"
            return f"{int(self.done + 1e-9)}{of} {self._unit}"  # shares of jobs do not sum up to ones exactly
        return f"{self.done / self._total:.0%}" if self._total else ""

    def _rate(self) -> str:
        seconds = self._progress.tasks[self._progress.task_ids.index(self._task)].elapsed
        made = self.done - self._before
        return f"{made / seconds:,.1f} {self._unit}/s" if self._unit and seconds and made else ""


@contextmanager
def progress_bar(
    label: str, total: float | None, *, done: float = 0, unit: str = "rows", shown: bool = True
) -> Iterator[Bar]:
    """One bar on standard error; see `Bars`."""
    with Bars(shown=shown) as bars:
        yield bars.add(label, total, done=done, unit=unit)


def on_terminal() -> bool:
    """Whether standard error is a terminal, so that somebody may look at a bar."""
    return Console(stderr=True).is_terminal
