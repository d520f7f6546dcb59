# SPDX-License-Identifier: Apache-2.0
"""Asking a model about rows, from settings to record. It knows the order of things, not what is asked.

Every process of a launch calls `asked_together` with the same settings; they share the work, and the main one writes.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from crossmem_hf.evaluation.loaded import Loaded, loaded, own
from crossmem_hf.evaluation.settings import AskedSettings
from crossmem_hf.report.record import Record
from crossmem_hf.runs.distributed import joined_state, together
from crossmem_hf.runs.stages import own_folder
from crossmem_hf.storage import fingerprint


class Prepared(Protocol):
    """What is known before a model is loaded."""

    @property
    def rows(self) -> Any:
        """A Dataset of what is asked."""

    @property
    def data(self) -> str:
        """A fingerprint of the rows."""

    @property
    def model(self) -> str:
        """What `model_key` says of the model."""


P = TypeVar("P", bound=Prepared)
T = TypeVar("T")


def asked_together(
    settings: AskedSettings,
    folder: Path,
    *,
    what: str | None = None,
    overwrite: bool,
    prepare: Callable[[], P],
    code: Callable[..., Any],
    ask: Callable[[P, Loaded], T],
    finish: Callable[[P, T], Record],
) -> Record | None:
    """The record of a model asked about rows, or what is missing of it where an earlier run into `folder` stopped.

    Args:
        folder: Belongs to this run from when the model is loaded.
        what: Is done; another thing done to the same model and rows does not go on in this folder.
        overwrite: Replace what a run with another model or other rows left in `folder`.
        prepare: Checks and reads everything that needs no model.
        code: What is run, which results depend on.
        ask: What all processes share.
        finish: Measures and writes, in the main process.

    Returns:
        None in all processes but the main one.

    Raises:
        CrossmemError: What `prepare`, loading, `ask` or `finish` refuses in any process, or a folder of another run.
    """
    state = joined_state()
    ready: list[Any] = []
    together(lambda: ready.append(prepare()))
    prepared: P = ready.pop()
    with ExitStack() as held:
        done = {} if what is None else {"what": what}
        made_from = fingerprint({**settings.who_and_what(), "model": prepared.model} | done)
        told = {**settings.who_and_what(), "weights": prepared.model} | done
        owned = partial(own_folder, folder, made_from, overwrite=overwrite, settings=told)
        together(lambda: own(held, folder, owned) if state.is_main_process else None)
        together(lambda: ready.append(loaded(settings, prepared.model, prepared.rows, str(state.device), code)))
        model: Loaded = ready.pop()
        # Only now, so that a name mistyped at the first try does not own a new folder.
        together(lambda: owned() if state.is_main_process else None)
        found = ask(prepared, model)
        # No process leaves, and takes its connections along, before the last.
        records = together(lambda: finish(prepared, found) if state.is_main_process else None)
        return records[int(state.process_index)]
