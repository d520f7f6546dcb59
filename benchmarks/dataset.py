# SPDX-License-Identifier: Apache-2.0
"""How long the dataset takes to write, and how much memory: every config, quality report and card.

    python benchmarks/dataset.py --output dataset.json                # 10,000 people, 128 px, all cores
    python benchmarks/dataset.py --num_personas 1000 --num_proc 1 --twice

Wall time depends on what else the machine does; processor time, of all processes together, does so far less. Memory
is the peak of the parent and of its largest worker. `--twice` builds again with one process and demands equal files.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crossmem_hf.data.release.writing import write_dataset
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.storage import file_digest, write_atomic

TARGET_SECONDS = 180  # for 10,000 portraits and their rows on two cores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_personas", type=int, default=10_000)
    parser.add_argument("--num_views", type=int, default=1)
    parser.add_argument("--image_size", type=int, default=128)
    parser.add_argument("--num_proc", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--twice", action="store_true", help="build again with one process; the files must be equal")
    parser.add_argument("--output", type=Path, help="also write the numbers as JSON")
    arguments = parser.parse_args()
    spec = DatasetSpec(
        num_personas=arguments.num_personas, num_views=arguments.num_views, image_size=arguments.image_size
    )
    with TemporaryDirectory() as scratch:
        result = measured(Path(scratch) / "first", spec, arguments.num_proc)
        if arguments.twice:
            write_dataset(Path(scratch) / "second", spec)
            first, second = (digests(Path(scratch) / name) for name in ("first", "second"))
            if first != second:
                sys.exit(f"These differ: {sorted(name for name, _ in first.items() ^ second.items())}")
            result["equal_files"] = len(first)
    for name, value in result.items():
        print(f"{name:32s} {value:,.1f}" if isinstance(value, float) else f"{name:32s} {value}")
    if arguments.output:
        where = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
        versions = {name: version(name) for name in ("pillow", "pyarrow", "datasets")}
        content = {"settings": spec.as_dict(), "machine": where, "versions": versions, "result": result}
        write_atomic(arguments.output, json.dumps(content, indent=2) + "\n")


def measured(folder: Path, spec: DatasetSpec, num_proc: int) -> dict[str, Any]:
    """One build: seconds, rows and portraits a second, and peaks of memory."""
    start, processor = time.perf_counter(), processor_seconds()
    report = write_dataset(folder, spec, num_proc=num_proc, progress=sys.stderr.isatty())
    seconds, processor = time.perf_counter() - start, processor_seconds() - processor
    rows = sum(split["rows"] for splits in report.splits.values() for split in splits.values())
    portraits = report.portraits["drawn"]
    return {
        "num_runs": 1,
        "num_proc": num_proc,
        "personas": spec.num_personas,
        "portraits": portraits,
        "rows": rows,
        "wall_seconds": seconds,
        "processor_seconds": processor,
        "rows_per_second": rows / seconds,
        "seconds_for_10000_portraits": seconds * 10_000 / portraits,
        "target_seconds": TARGET_SECONDS,
        "parquet_megabytes": sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6,
        "peak_megabytes_parent": peak_megabytes(resource.RUSAGE_SELF),
        "peak_megabytes_worker": peak_megabytes(resource.RUSAGE_CHILDREN),
    }


def processor_seconds() -> float:
    """Of this process and of all that it started and that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_megabytes(whose: int) -> float:
    """Largest resident set so far; of children, that of the largest one."""
    return resource.getrusage(whose).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def digests(folder: Path) -> dict[str, str]:
    """File -> SHA-256."""
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    main()
