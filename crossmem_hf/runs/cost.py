# SPDX-License-Identifier: Apache-2.0
"""What a piece of work costs: time and peak memory. It does not know the work."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Cost:
    """Filled in when the work is done.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: Seconds of processor time, of all threads of this process.
        peak_mib: Most memory held meanwhile, in MiB: of the GPU if there is one, else resident memory of the process.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


@contextmanager
def measured() -> Iterator[Cost]:
    """Meanwhile, time and memory are watched.

    Resident memory starts anew where Linux allows that; elsewhere its peak is that of the process so far.
    """
    import torch

    cost, start, busy = Cost(), time.perf_counter(), time.process_time()
    _forget_peak()
    yield cost
    cost.wall_s, cost.cpu_s = time.perf_counter() - start, time.process_time() - busy
    cost.peak_mib = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else _peak_resident()


def _forget_peak() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_resident() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
