# SPDX-License-Identifier: Apache-2.0
"""Work on rows, shared between processes and kept on disk. It does not know what is worked out.

Rows are cut into units that depend on nothing but the rows, so that every batch, and hence every number, is the same
for any number of processes. Processes take units from one queue; each writes what it has finished into a results
log of its own before it takes the next.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from crossmem_hf import storage
from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.keys import picture_keys
from crossmem_hf.runs.progress import on_terminal, progress_bar
from crossmem_hf.runs.results_log import JSON, Results, ResultsLog
from crossmem_hf.runs.stages import Done, begin_stage, finish_stage, finished_stage, run_stage

T = TypeVar("T")
Row = Mapping[str, Any]
"""Of which only ``images`` is read here."""


def in_shards(
    rows: Sequence[Row],
    work: Callable[[list[Row]], Sequence[JSON]],
    *,
    results_log: Path | None,
    fingerprint: str,
    unit_rows: int | None = None,
    label: str,
    progress: bool = True,
) -> list[JSON]:
    """What `work` makes of every row, in the order of the rows, in every process of accelerate's state.

    Bitwise the same for any number of processes (on one kind of device, with one number of threads each), as long as
    `work` depends on nothing but the rows it gets. Killed and started again, with any number of processes, it does
    only the units that no results log holds.

    If `work` fails in one process, the others stop at their next unit and fail too; of a process that is killed, the
    launcher ends the others. Units come to processes as these are free, so `work` must not wait for other processes:
    it needs a whole model in each (a bare one under DDP; FSDP and ZeRO-3 must gather theirs first).

    Args:
        rows: Anything with a length and an index; a `datasets.Dataset` is decoded unit by unit.
        work: Gets a unit's rows and returns one result a row, JSON types only; NaN and infinities survive.
        results_log: Folder of this work alone, seen by all; None keeps nothing.
        fingerprint: Of everything the results depend on.
        unit_rows: Rows a unit, more only where more show the same picture. None: a 16th of the rows, 32 to 64.
        label: What is going on, for the progress bar.
        progress: Show a bar, if this is the main process on a terminal.

    Raises:
        CrossmemError: The log is of something else or cannot be written, a result is missing, or a process failed.

    Example:
        >>> rows = [{"images": [], "answer": name} for name in ("Ada", "Bo")]
        >>> lengths = lambda part: [len(row["answer"]) for row in part]
        >>> in_shards(rows, lengths, results_log=None, fingerprint="1", label="counting")
        [3, 2]
    """
    units = work_units(rows, min(64, max(32, -(-len(rows) // 16))) if unit_rows is None else unit_rows)
    state, log = joined_state(), ResultsLog(results_log, log_fingerprint(fingerprint, units))
    known: Results = {}
    for part in together(lambda: log.read(state.process_index, state.num_processes)):
        known |= {number: done for number, done in part.items() if _is_of(number, done, units)}
    queue = _Queue([number for number in range(len(units)) if number not in known])

    def mine() -> Results:
        done: Results = {}
        kept = sum(len(units[number]) for number in known)
        shown = progress and state.is_main_process and on_terminal()
        with progress_bar(label, len(rows), done=kept, shown=shown) as bar, queue.failing():
            for number in queue:
                unit = units[number]
                done[number] = _checked(work([rows[index] for index in unit]), len(unit), label)
                log.write(number, done[number], state.process_index)
                bar.to(kept + queue.finished(len(unit)))
        return done

    for part in together(mine):
        known |= part
    return _in_order(units, known)


def log_fingerprint(fingerprint: str, units: Sequence[Sequence[int]]) -> str:
    """The fingerprint of results logs that hold these units of work."""
    return storage.fingerprint([fingerprint, units])


def _is_of(number: int, results: Sequence[JSON], units: Sequence[Sequence[int]]) -> bool:
    """Whether what a results log holds has a result for each row of a unit; a damaged line has not."""
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
                "What it printed says more; finished work is kept where there is a results log.",
            )
    return [outcome for outcome, _ in said]


def run_stage_together(folder: Path, inputs: Mapping[str, Any], compute: Callable[[Path], Any]) -> Done:
    """`stages.run_stage` where all processes of accelerate's state compute the stage, such as a training.

    Args:
        compute: Called in every process with the same folder; what the main process returns is kept.

    Raises:
        CrossmemError: See `stages.run_stage`, in all processes.
    """
    state = joined_state()
    if state.num_processes == 1:
        return run_stage(folder, inputs, compute)
    main = state.is_main_process
    done = together(lambda: finished_stage(folder, inputs) if main else None)[0]
    if done is not None:
        return done
    part = together(lambda: begin_stage(folder) if main else None)[0]
    assert part is not None, "the main process has made it"
    result = compute(part)
    finished = together(lambda: finish_stage(folder, inputs, result) if main else None)[0]
    assert finished is not None, "the main process has written it"
    return finished


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
    """The results as JSON gives them back, so that fresh ones equal those read from a results log."""
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
