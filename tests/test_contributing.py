# SPDX-License-Identifier: Apache-2.0
"""The diffs of CONTRIBUTING.md apply to this tree, and are as short as it says."""

import re
import subprocess
from pathlib import Path

import pytest

from tests import sources

MAX_LINES = 60


def test_diffs_apply_and_are_short():
    diffs = re.findall(r"```diff\n(.*?)```", sources.text(Path("CONTRIBUTING.md")), flags=re.DOTALL)
    assert len(diffs) == 6
    if not (sources.ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    for diff in diffs:
        assert diff.count("\n") <= MAX_LINES, diff.splitlines()[0]
        check = ["git", "apply", "--check", "--unidiff-zero", "-"]
        done = subprocess.run(check, input=diff, cwd=sources.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
