# SPDX-License-Identifier: Apache-2.0
"""Work on rows, shared between processes and kept on disk. It does not know what is worked out.

Rows are cut into units that depend on nothing but the rows, so that every batch, and hence every number, is the same
for any number of processes. Processes take units from one queue; each writes what it has finished into a ledger of its
own before it takes the next.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.keys import picture_keys
from crossmem_hf.runs.results_log import JSON, Ledger, Results
from crossmem_hf.storage import fingerprint

T = TypeVar("T")
Row = Mapping[str, Any]
"""Of which only ``images`` is read here."""


def in_shards(
    rows: Sequence[Row],
    work: Callable[[list[Row]], Sequence[JSON]],
    *,
    ledger: Path | None,
    mark: str,
    unit_rows: int | None = None,
    label: str,
    progress: bool = True,
) -> list[JSON]:
    """What `work` makes of every row, in the order of the rows, in every process of accelerate's state.

    Bitwise the same for any number of processes (on one kind of device, with one number of threads each), as long as
    `work` depends on nothing but the rows it gets. Killed and started again, with any number of processes, it does
    only the units that no ledger holds.

    If `work` fails in one process, the others stop at their next unit and fail too. A process that is killed says
    nothing: `torchrun` and `accelerate launch` then end the others; without them, they wait for the time-out of
    their process group. Units come to processes as these are free, so `work` must not wait for other processes: it
    needs a whole model in each (a bare one under DDP; FSDP and ZeRO-3 must gather theirs first).

    Args:
        rows: Anything with a length and an index; a `datasets.Dataset` is decoded unit by unit.
        work: Gets a unit's rows and returns one result a row, JSON types only; NaN and infinities survive.
        ledger: Folder of this work alone, seen by all; None keeps nothing.
        mark: Fingerprint of everything the results depend on.
        unit_rows: Rows a unit, more only where more show the same picture. None: a 16th of the rows, 8 to 64.
        label: What is going on, for the progress bar.
        progress: Show a bar, if this is the main process on a terminal.

    Raises:
        CrossmemError: The ledger holds results made from something else or cannot be written, a result is missing or
            is no JSON, or another process failed.

    Example:
        >>> rows = [{"images": [], "answer": name} for name in ("Ada", "Bo")]
        >>> in_shards(rows, lambda part: [len(row["answer"]) for row in part], ledger=None, mark="1", label="counting")
        [3, 2]
    """
    units = work_units(rows, min(64, max(8, -(-len(rows) // 16))) if unit_rows is None else unit_rows)
    state, book = joined_state(), Ledger(ledger, ledger_mark(mark, units))
    known: Results = {}
    for part in together(lambda: book.read(state.process_index, state.num_processes)):
        known |= {number: done for number, done in part.items() if _is_of(number, done, units)}
    queue = _Queue([number for number in range(len(units)) if number not in known])

    def mine() -> Results:
        done: Results = {}
        kept = sum(len(units[number]) for number in known)
        with _bar(label, len(rows), kept, progress) as tell, queue.failing():
            for number in queue:
                unit = units[number]
                done[number] = _checked(work([rows[index] for index in unit]), len(unit), label)
                book.write(number, done[number], state.process_index)
                tell(queue.finished(len(unit)))
        return done

    for part in together(mine):
        known |= part
    return _in_order(units, known)


def ledger_mark(mark: str, units: Sequence[Sequence[int]]) -> str:
    """The mark of ledgers that hold these units of work with this mark."""
    return fingerprint([mark, units])


def _is_of(number: int, results: Sequence[JSON], units: Sequence[Sequence[int]]) -> bool:
    """Whether what a ledger holds has a result for each row of a unit; a damaged line has not."""
    return 0 <= number < len(units) and len(results) == len(units[number])


def _in_order(units: Sequence[Sequence[int]], results: Results) -> list[JSON]:
    """The results of all units in the order of their rows."""
    placed = {
        index: result for number, unit in enumerate(units) for index, result in zip(unit, results[number], strict=True)
    }
    return [placed[index] for index in range(len(placed))]


def together(action: Callable[[], T]) -> list[T]:
    """What `action` returned in each process, in all of them; where it failed in one, it fails in all.

    Raises:
        CrossmemError: It failed in another process, with that process's error if that was a CrossmemError.
    """
    from accelerate.utils import gather_object

    joined_state()
    outcome: T | None = None
    error: Exception | None = None
    try:
        outcome = action()
    except Exception as failure:
        error = failure
    kept = error if error is None or isinstance(error, CrossmemError) else f"{type(error).__name__}: {error}"
    said: list[tuple[Any, CrossmemError | str | None]] = gather_object([(outcome, kept)])
    if error is not None:
        raise error
    for process, (_, fault) in enumerate(said):
        if isinstance(fault, CrossmemError):
            raise fault
        if fault is not None:
            raise CrossmemError(
                f"Process {process} of {len(said)} failed: {fault}.",
                "What it printed says more; finished work is kept where there is a ledger.",
            )
    return [outcome for outcome, _ in said]


def joined_state() -> Any:
    """Accelerate's state of this process; the first call joins the processes that a launcher started, if any.

    Left to itself, accelerate sees one process where a launcher has started several on CPUs.
    """
    import torch
    from accelerate import PartialState

    return PartialState(cpu="LOCAL_RANK" in os.environ and not torch.accelerator.is_available())


def leave() -> None:
    """Part from the other processes; each must call, as the last thing it does.

    A process that just ends may be aborted while it is taken down, and its launcher then reports a failure.
    """
    state = joined_state()
    state.wait_for_everyone()
    state.destroy_process_group()


def work_units(rows: Sequence[Row], unit_rows: int = 64) -> list[list[int]]:
    """Places of the rows of each unit; all rows that show the same pictures are in one unit, and text rows apart.

    Raises:
        CrossmemError: `unit_rows` is below one.

    Example:
        >>> work_units([{"images": []}] * 3, unit_rows=2)
        [[0, 1], [2]]
    """
    if unit_rows < 1:
        raise CrossmemError(f"unit_rows={unit_rows!r}; expected at least 1.", "Pass a positive number.")
    pictured: dict[str, list[int]] = {}
    worded: list[list[int]] = []
    for index, key in enumerate(picture_keys(rows)):
        if key is None:
            worded.append([index])
        else:
            pictured.setdefault(key, []).append(index)
    return [*_packed(pictured.values(), unit_rows), *_packed(worded, unit_rows)]


def _packed(groups: Iterable[list[int]], room: int) -> Iterator[list[int]]:
    unit: list[int] = []
    for group in groups:
        if unit and len(unit) + len(group) > room:
            yield unit
            unit = []
        unit = unit + group
    if unit:
        yield unit


def _checked(results: Sequence[JSON], num_rows: int, label: str) -> list[JSON]:
    """The results as JSON gives them back, so that fresh ones equal those read from a ledger."""
    if len(results) != num_rows:
        raise CrossmemError(
            f"{label} gave {len(results)} results for {num_rows} rows; expected one a row.", "Return one for each row."
        )
    try:
        plain: list[JSON] = json.loads(json.dumps(list(results)))
    except (TypeError, ValueError) as error:
        raise CrossmemError(
            f"{label} gave a result that JSON cannot say: {error}.", "Return plain numbers, strings, lists and dicts."
        ) from error
    return plain


class _Queue:
    """Units to do, each given to one process; and how many rows all processes have done.

    Several processes count in the store through which their group was formed.
    """

    def __init__(self, units: Sequence[int]) -> None:
        from torch.distributed import distributed_c10d as group

        self.units, self.counts, self.store = units, Counter[str](), None
        # A name of its own a queue; numbers would run apart if one process ever made one queue more.
        name = together(lambda: os.urandom(8).hex())[0]
        if joined_state().num_processes > 1:
            self.store = group.PrefixStore(name, group._get_default_store())

    def _count(self, what: str, by: int = 1) -> int:
        if self.store is not None:
            return int(self.store.add(what, by))
        self.counts[what] += by
        return self.counts[what]

    def __iter__(self) -> Iterator[int]:
        while not self._count("failed", 0) and (place := self._count("taken")) <= len(self.units):
            yield self.units[place - 1]

    def finished(self, rows: int) -> int:
        """Say that so many rows are done; how many all processes have done by now."""
        return self._count("rows", rows)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """An error inside stops the other processes at their next unit."""
        try:
            yield
        except Exception:
            self._count("failed")
            raise


@contextmanager
def _bar(label: str, total: int, known: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A function to be told how many rows have been done since the start; `known` were done before."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left

    console = Console(stderr=True)
    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(label), BarColumn(24), MofNCompleteColumn(), rate, TimeElapsedColumn(), TextColumn("left"))
    shown = wanted and console.is_terminal and joined_state().is_main_process
    with Progress(*columns, Left(), console=console, disable=not shown) as bar:
        task = bar.add_task(label, total=total, completed=known, rate="")

        def tell(rows: int) -> None:
            bar.update(task, completed=known + rows, rate=f"{rows / (bar.tasks[task].elapsed or 1):.1f} rows/s")

        yield tell
