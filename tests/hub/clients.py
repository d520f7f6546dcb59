# SPDX-License-Identifier: Apache-2.0
"""Real clients in processes of their own: the libraries read where the Hub is when they are imported."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hub.accounts import WRITE_TOKEN
from tests.hub.server import Hub
from tests.sources import ROOT


@dataclass
class Clients:
    """Runs programs against a Hub, each from `folder` with the Hugging Face home `home`.

    Args:
        home: The libraries' caches; a fresh one forgets everything that was downloaded.
        folder: Where programs start; a folder ``crossmem`` in it would hide the Hub's names.
    """

    hub: Hub
    home: Path
    folder: Path

    def run(
        self, *command: str, token: str | None = WRITE_TOKEN, timeout: float = 600, **variables: str
    ) -> subprocess.CompletedProcess:
        """A finished command; its output is text, and no token is in it."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(token) | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert "hf_" + "Write" not in done.stdout + done.stderr, "a token was told"
        return done

    def environment(self, token: str | None = WRITE_TOKEN) -> dict[str, str]:
        """All variables of a client; what the tests' own process needs to stay offline is undone."""
        quiet = {
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": str(ROOT),
        }
        inherited = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
        return {**inherited, **quiet, **self.hub.environment(self.home, token)}

    def python(self, code: str, **how: Any) -> Any:
        """What a piece of Python prints as its last line, read as JSON; it must end well."""
        done = self.run(sys.executable, "-c", code, **how)
        assert done.returncode == 0, done.stderr
        return self.read(done.stdout)

    def read(self, output: str) -> Any:
        """The last line that a program printed, as JSON."""
        return json.loads(output.strip().splitlines()[-1])

    def script(self, path: str, *arguments: str, **how: Any) -> subprocess.CompletedProcess:
        """One of the repository's scripts, finished."""
        return self.run(sys.executable, str(ROOT / path), *arguments, **how)

    def afresh(self, name: str) -> "Clients":
        """The same, with an empty cache."""
        return Clients(self.hub, self.home.parent / name, self.folder)
