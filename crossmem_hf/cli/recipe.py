# SPDX-License-Identifier: Apache-2.0
"""The recipes that ship with the package, handed over to `accelerate launch`. It does not know what a recipe does."""

import ast
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from crossmem_hf.cli.completion import one_of
from crossmem_hf.cli.console import clear_errors
from crossmem_hf.errors import CrossmemError, unknown

FOLDER = Path(__file__).parent.parent / "recipes"  # in a checkout, a link to the top-level folder


def shipped(pattern: str) -> dict[str, Path]:
    """Name -> file of what ships below recipes/, such as ``*.py``."""
    return {path.stem: path.resolve() for path in sorted(FOLDER.glob(pattern))}


_SCRIPTS, _SETTINGS, _LAUNCHERS = (
    one_of(partial(shipped, pattern)) for pattern in ("*.py", "*.yaml", "accelerate/*.yaml")
)


def recipe(
    name: Annotated[str | None, typer.Argument(help="Which recipe.", autocompletion=_SCRIPTS)] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="After --: options of the recipe.")] = None,
    launcher: Annotated[
        str | None,
        typer.Option(
            "--accelerate",
            help="Processes and devices: cpu, single_gpu, ddp, fsdp2, zero3, or a YAML of your own.",
            autocompletion=_LAUNCHERS,
        ),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(
            help="Settings that ship, such as sft_llava_7b (default: the recipe's own, for the embedded model).",
            autocompletion=_SETTINGS,
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show what ships.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command, and do not run it.")] = False,
) -> None:
    """Print the `accelerate launch` line of a recipe and run it: crossmem recipe unlearn_npo -- --max_steps 20."""
    with clear_errors():
        if listed:
            typer.echo(_catalog())
            return
        words = launch_words(name, arguments or (), launcher=launcher, settings=settings)
        typer.echo(shlex.join(["accelerate", "launch", *words]))
        if not dry_run:
            sys.stdout.flush()
            # The launcher takes this process's place, so that signals and the exit status are its own.
            os.execv(sys.executable, [sys.executable, "-m", "accelerate.commands.launch", *words])


def launch_words(
    name: str | None, arguments: Sequence[str], *, launcher: str | None = None, settings: str | None = None
) -> list[str]:
    """What follows `accelerate launch` for this recipe.

    Args:
        name: A recipe of `shipped("*.py")`.
        arguments: The recipe's own options.
        launcher: A file of recipes/accelerate by its name, or the path of another one.
        settings: A YAML beside the recipes by its name.

    Raises:
        CrossmemError: Nothing of that name ships.
    """
    script = _chosen("recipe", name, shipped("*.py"))
    words = ["--quiet"]  # a recipe says its own mistakes; the launcher would add a traceback
    if launcher is not None:
        own = Path(launcher)
        known = shipped("accelerate/*.yaml")
        words += ["--config_file", str(own if own.is_file() else _chosen("accelerate config", launcher, known))]
    words.append(str(script))
    if settings is not None:
        words += ["--config", str(_chosen("settings file", settings, shipped("*.yaml")))]
    return [*words, *arguments]


def _chosen(what: str, name: str | None, known: Mapping[str, Path]) -> Path:
    remedy = f"Choose from {', '.join(known)}; crossmem recipe --list describes them."
    if name is None:
        raise CrossmemError(f"No {what} was named.", remedy)
    if name not in known:
        raise unknown(what, [name], known, remedy)
    return known[name]


def _catalog() -> str:
    """All that ships: recipes by the first sentence of their docstrings, settings, launchers and their folder."""
    scripts = shipped("*.py")
    width = max(map(len, scripts))
    lines = [f"{name:{width}}  {_purpose(path)}" for name, path in scripts.items()]
    lines += ["", f"--settings    {', '.join(_SETTINGS(''))}", f"--accelerate  {', '.join(_LAUNCHERS(''))}"]
    return "\n".join([*lines, f"folder        {FOLDER.resolve()}"])


def _purpose(script: Path) -> str:
    said = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return said.split("\n\n")[0].replace("\n", " ")
