# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun: shards rows of numbers, and says what each process got and did."""

import json
import os
import sys
import time
from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.distributed import in_shards, joined_state, leave, run_stage_together


def main(folder: Path, log: str, failing: str) -> None:
    state = joined_state()
    assert state.num_processes == 2, "torchrun started two"
    calls: list[int] = []

    def work(rows):
        calls.extend(row["number"] for row in rows)
        if failing and state.process_index == 1:
            raise RuntimeError("out of luck") if failing == "other" else CrossmemError("Out of luck.", "Try again.")
        time.sleep(0.2)
        return [row["number"] ** 2 / 7 for row in rows]

    rows = [{"images": [], "number": number} for number in range(20)]
    said: dict = {"world": state.num_processes}
    try:
        place = folder / "log" if log else None
        said["results"] = in_shards(rows, work, results_log=place, fingerprint="m", unit_rows=2, label="squaring")
    except (CrossmemError, RuntimeError) as error:
        said["error"] = f"{type(error).__name__}: {error}"
    said["calls"] = calls

    def train(part):
        if state.is_main_process:
            (part / "weights").write_text("w")
        said["trained"] = said.get("trained", 0) + 1
        return [part.name, state.process_index]

    for _ in range(2):
        said["stage"] = run_stage_together(folder / "stage", {"a": 1}, train).result
    (folder / f"said{os.environ['RANK']}.json").write_text(json.dumps(said))
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
