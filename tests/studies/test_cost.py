# SPDX-License-Identifier: Apache-2.0
import time

import numpy as np
import pytest

from crossmem_hf.studies import cost
from crossmem_hf.studies.cost import measured


def test_time_and_memory_of_the_work_alone():
    with measured() as first:
        held = np.ones(40 * 2**20 // 8)  # 40 MiB, touched
        total = float(held.sum())
        time.sleep(0.05)
    del held
    with measured() as second:
        pass
    assert total > 0
    assert first.wall_s >= 0.05 > second.wall_s
    assert 0 <= first.cpu_s < first.wall_s + 0.1
    assert first.peak_mib - second.peak_mib > 20, "the high-water mark starts anew"
    assert set(first.as_dict()) == {"wall_s", "cpu_s", "peak_mib"}


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
