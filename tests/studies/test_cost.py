# SPDX-License-Identifier: Apache-2.0
import time
from pathlib import Path

import numpy as np
import pytest

from crossmem_hf.studies import cost
from crossmem_hf.studies.cost import measured


def peaks_start_anew():
    """Whether a process may lower its high-water mark; some containers take the request and do nothing."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        kib = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines())
    except OSError:
        return False
    return int(kib["VmHWM"].split()[0]) - int(kib["VmRSS"].split()[0]) < 8 * 1024


def used_and_freed():
    held = np.ones(40 * 2**20 // 8)  # 40 MiB, touched
    return float(held.sum())


def test_time_of_the_work_alone():
    with measured() as first:
        assert used_and_freed() > 0
        time.sleep(0.05)
    with measured() as second:
        pass
    assert first.wall_s >= 0.05 > second.wall_s
    assert 0 <= first.cpu_s < first.wall_s + 0.1
    assert first.peak_mib >= second.peak_mib > 0
    assert set(first.as_dict()) == {"wall_s", "cpu_s", "peak_mib"}


def test_memory_of_the_work_alone():
    used_and_freed()
    if not peaks_start_anew():
        pytest.skip("this system keeps the high-water mark of a process")
    with measured() as first:
        used_and_freed()
    with measured() as second:
        pass
    assert first.peak_mib - second.peak_mib > 20, "the high-water mark starts anew"


def test_without_proc_the_peak_is_the_process_peak(monkeypatch):
    class Nowhere:
        def __init__(self, path):
            pass

        def read_text(self):
            raise FileNotFoundError

        def write_text(self, text):
            raise FileNotFoundError

    with measured() as known:
        pass
    monkeypatch.setattr(cost, "Path", Nowhere)
    with measured() as unknown:
        pass
    assert unknown.peak_mib >= known.peak_mib * 0.9


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_errors_pass(error):
    with pytest.raises(error), measured():
        raise error
