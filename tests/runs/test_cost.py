# SPDX-License-Identifier: Apache-2.0
import time

import numpy as np
import pytest

from crossmem_hf.runs import cost
from crossmem_hf.runs.cost import measured


class Kernel:
    """A process's memory as Linux tells of it. How soon and how exactly a real one counts depends on the machine."""

    def __init__(self, held_kib):
        self.held_kib = self.max_kib = held_kib

    def take(self, kib):
        self.held_kib += kib
        self.max_kib = max(self.max_kib, self.held_kib)

    def path(self, name):
        return Reported(self, name)


class Reported:
    def __init__(self, kernel, name):
        self.kernel, self.name = kernel, name

    def write_text(self, text):
        assert (self.name, text) == ("/proc/self/clear_refs", "5")
        self.kernel.max_kib = self.kernel.held_kib

    def read_text(self):
        assert self.name == "/proc/self/status"
        return f"Name:\tpython\nVmHWM:\t{self.kernel.max_kib:8d} kB\nVmRSS:\t{self.kernel.held_kib:8d} kB\n"


def used_and_freed():
    held = np.ones(40 * 2**20 // 8)  # 40 MiB, touched
    return float(held.sum())


def test_time_of_the_work():
    with measured() as spent:
        assert used_and_freed() > 0
        time.sleep(0.05)
    assert spent.wall_s >= 0.05
    assert 0 <= spent.cpu_s < spent.wall_s * 64
    assert spent.peak_mib > 40
    assert set(spent.as_dict()) == {"wall_s", "cpu_s", "peak_mib"}


def test_time_of_the_work_alone(monkeypatch):
    clock = {"wall": 100.0, "busy": 10.0}
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock["wall"])
    monkeypatch.setattr(cost.time, "process_time", lambda: clock["busy"])
    spent = []
    for wall, busy in ((3.0, 1.0), (0.5, 0.25)):
        with measured() as work:
            clock["wall"] += wall
            clock["busy"] += busy
        clock["wall"] += 7.0  # between the two, nobody is charged
        spent.append((work.wall_s, work.cpu_s))
    assert spent == [(3.0, 1.0), (0.5, 0.25)]


def test_memory_of_the_work_alone(monkeypatch):
    kernel = Kernel(held_kib=300 * 1024)
    kernel.take(900 * 1024)  # before: not this work's
    kernel.take(-900 * 1024)
    monkeypatch.setattr(cost, "Path", kernel.path)
    with measured() as first:
        kernel.take(40 * 1024)
        kernel.take(-40 * 1024)
    with measured() as second:
        pass
    assert (first.peak_mib, second.peak_mib) == (340.0, 300.0), "the high-water mark starts anew"


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
