# SPDX-License-Identifier: Apache-2.0
"""Run a page from top to bottom in the folder where it is started: python -m tests.docs.run_page docs/data.md

Python blocks share one namespace; each piece of shell is one script. What stands below a block in a `text` block must
be printed by it, number for number in their places, whatever the numbers are; a line `...` stands for anything.
"""

import contextlib
import io
import re
import subprocess
import sys
import traceback
from pathlib import Path

from tests.docs.blocks import Block, blocks

_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


def run(page: Path) -> None:
    """Stop at the first block that fails."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language in ("python", "bash") and not block.reason:
            print(f"{block.place}\n{block.code}", flush=True)
            printed = _python(block, namespace) if block.language == "python" else _shell(block)
            print(printed, flush=True)
            if block.shown is not None:
                _check(block, printed)


def _python(block: Block, namespace: dict[str, object]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.code, block.place, "exec"), namespace)
    return printed.getvalue()


def _shell(block: Block) -> str:
    script = ["bash", "-euo", "pipefail", "-c", block.code]
    done = subprocess.run(script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout)
        raise SystemExit(f"{block.place} ends with {done.returncode}")
    return done.stdout


def _check(block: Block, printed: str) -> None:
    found, start = _masked(printed), 0
    for part in re.split(r"^\.\.\.$", block.shown or "", flags=re.MULTILINE):
        wanted = _masked(part)
        at = found.find(wanted, start)
        if at < 0:
            raise SystemExit(f"{block.place} does not print what stands below it:\n{part}\nbut\n{printed}")
        start = at + len(wanted)


def _masked(text: str) -> str:
    return " ".join(_NUMBER.sub("#", text).split())


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]))
    except Exception:
        traceback.print_exc()
        sys.exit(1)
