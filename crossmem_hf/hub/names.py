# SPDX-License-Identifier: Apache-2.0
"""What a name stands for: something on this disk, which comes first, or a repository of the Hub. It asks nobody."""

import re
from pathlib import Path
from typing import Final

from crossmem_hf.errors import CrossmemError

NAMESPACE: Final = "crossmem"
"""Whose names on the Hub are found in a folder that `crossmem materialize` filled."""
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def is_hub_name(name: str) -> bool:
    """Whether a repository of the Hub may have this name.

    Example:
        >>> is_hub_name("llava-hf/llava-1.5-7b-hf"), is_hub_name("./adapter"), is_hub_name("/data/model")
        (True, False, False)
    """
    return _HUB_NAME.fullmatch(name) is not None


def check_can_be_found(name: str, what: str) -> None:
    """Nothing, if there is something at this path or a repository of the Hub may have this name.

    Args:
        what: What is looked for, as an error names it, e.g. ``"model './nope'"``.

    Raises:
        CrossmemError: Neither.
    """
    if not Path(name).exists() and not is_hub_name(name):
        raise CrossmemError(
            f"There is no {what}: no such file or folder, seen from {str(Path.cwd())!r}.",
            "Check the path; a repository of the Hub is named NAMESPACE/NAME.",
        )


def without_the_hub(name: str) -> str:
    """What to do where nothing on this disk has this name and the Hub cannot be reached; a sentence or two."""
    if name.startswith(f"{NAMESPACE}/"):
        return "Run 'crossmem materialize .' here: in this folder that name works without the Hub then."
    return (
        f"If a folder is meant, check its path, seen from {str(Path.cwd())!r}; if a repository, connect to the Hub "
        "(and unset HF_HUB_OFFLINE)."
    )
