# SPDX-License-Identifier: Apache-2.0
"""The fenced blocks of the pages that a reader may copy. It does not know what is in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import sources

LANGUAGES = ("python", "bash", "pycon", "text", "yaml", "json", "diff")
REASONS = {
    "setup": "installs, or changes the clone",
    "gpu": "needs a GPU",
    "hub": "needs an account, or models from the Hub",
    "extra": "needs an extra that is not installed with the package",
    "files": "needs files that are not in this repository",
    "long": "takes more than a minute",
}
"""What may stand behind the language of a block that is not run: ```bash gpu."""

_FENCE = re.compile(r"^```(.*)\n((?:(?!```).*\n)*)```$(?:\n\n^```text\n((?:(?!```).*\n)*)```$)?", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: Of its fence, from 1.
        reason: Why it is not run; empty where it is.
        shown: The `text` block directly below it, which is what it prints.
    """

    page: Path
    line: int
    language: str
    reason: str
    code: str
    shown: str | None = None

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """The pages whose blocks are run: README.md and docs/."""
    found = [path for path in sources.files() if path.suffix == ".md" and path.parts[0] == "docs"]
    return [Path("README.md"), *found]


def documents() -> list[Path]:
    """All pages of the repository, the cards of metrics and Spaces and the recipes' page too."""
    return [path for path in sources.files() if path.suffix == ".md" and path.parts[0] != "tests"]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, from top to bottom; a `text` block below another one belongs to it."""
    text = sources.text(page)
    for found in _FENCE.finditer(text):
        language, _, reason = found[1].partition(" ")
        yield Block(page, text.count("\n", 0, found.start()) + 1, language, reason.strip(), found[2], found[3])


def commands(code: str) -> Iterator[list[str]]:
    """The simple commands of a piece of shell, each as its words; settings before a command are left out."""
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(re.sub(r"(^|\s)#.*", "", line), posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split, lexer.commenters = True, ""
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|<>"):
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words = words[1:]
                if words:
                    yield words
                words = []
            else:
                words.append(word)
