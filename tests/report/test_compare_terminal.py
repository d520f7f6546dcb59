# SPDX-License-Identifier: Apache-2.0
import io

from rich.console import Console

from crossmem_hf.report.compare_terminal import terminal
from tests.report.test_compare_table import record


def test_it_fits_a_terminal_and_holds_every_arm():
    console = Console(file=io.StringIO(), width=110)
    console.print(terminal(record()))
    shown = console.file.getvalue()
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 110
    (line,) = [line for line in shown.splitlines() if line.startswith("npo")]
    assert line.split()[:4] == ["npo", "both", "10", "20"]
    (guessing,) = [line for line in shown.splitlines() if line.startswith("guessing")]
    assert guessing.split()[:8] == ["guessing", "–", "2", "2", "24", "24", "2", "2"]
