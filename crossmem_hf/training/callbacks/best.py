# SPDX-License-Identifier: Apache-2.0
"""The best checkpoint of a run, in one folder that is always whole. It does not know what makes one the best."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.distributed import together
from crossmem_hf.storage import write_atomic

RECORD = "best.json"


class BestCheckpoint:
    """``<output_dir>/best``: a saved model, and in ``best.json`` the step and the numbers it was chosen for.

    A new one is written beside it, record last, and then takes its place; a run that is killed leaves the earlier one
    or the new one, and `mended` puts right what a kill between two renamings left.
    """

    def __init__(self, output_dir: str | os.PathLike[str]) -> None:
        self.folder = Path(output_dir) / "best"
        self._beside = Path(output_dir) / ".saving-best"

    def keep(self, save: Callable[[str], None], record: Mapping[str, float], *, writes: bool) -> None:
        """Put the model that `save` writes in the place of the earlier one; every process must call.

        Args:
            save: Gets a folder; called in every process.
            writes: Whether this process writes.

        Raises:
            CrossmemError: Something could not be written; the earlier one is as it was.
        """

        def write() -> None:
            new = self._beside / self.folder.name  # the same name, since model cards tell it
            try:
                if writes:
                    shutil.rmtree(self._beside, ignore_errors=True)
                    new.mkdir(parents=True)
                save(str(new))
                if writes:
                    write_atomic(new / RECORD, json.dumps(dict(record), indent=2) + "\n")
                    self._swap()
            except OSError as error:
                raise CrossmemError(
                    f"Could not save {str(self.folder)!r}: {error}; an earlier best checkpoint is unchanged.",
                    "Free some space or choose another output_dir.",
                ) from error

        together(write)

    def _swap(self) -> None:
        if self.folder.exists():
            self.folder.replace(self._beside / "earlier")
        (self._beside / self.folder.name).replace(self.folder)
        shutil.rmtree(self._beside, ignore_errors=True)

    def mended(self, *, writes: bool) -> dict[str, float]:
        """The record of the checkpoint that is there, after finishing a swap that was cut short; empty without one."""

        def mend() -> dict[str, float]:
            if writes:
                if not self.folder.exists() and (self._beside / "earlier").exists():
                    (self._beside / self.folder.name).replace(self.folder)
                shutil.rmtree(self._beside, ignore_errors=True)
            try:
                record = json.loads((self.folder / RECORD).read_text())
            except (OSError, ValueError):
                return {}
            return dict(record) if isinstance(record, dict) and "step" in record else {}

        return together(mend)[0]
