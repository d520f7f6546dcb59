# SPDX-License-Identifier: Apache-2.0
"""The recipes that ship with the package, handed over to `accelerate launch`. It does not know what a recipe does."""

import ast
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from crossmem_hf.cli.console import clear_errors
from crossmem_hf.errors import CrossmemError

FOLDER = Path(__file__).parent.parent / "recipes"  # in a checkout, a link to the top-level folder


def shipped(pattern: str) -> dict[str, Path]:
    """Name -> file of what ships below recipes/, such as ``*.py``."""
    return {path.stem: path.resolve() for path in sorted(FOLDER.glob(pattern))}


def _scripts() -> list[str]:
    return list(shipped("*.py"))


def _settings() -> list[str]:
    return list(shipped("*.yaml"))


def _launchers() -> list[str]:
    return list(shipped("accelerate/*.yaml"))


def recipe(
    name: Annotated[str | None, typer.Argument(help="Which recipe.", autocompletion=_scripts)] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="After --: options of the recipe.")] = None,
    launcher: Annotated[
        str | None,
        typer.Option(
            "--accelerate",
            help="Processes and devices: cpu, single_gpu, ddp, fsdp2, zero3, or a YAML of your own.",
            autocompletion=_launchers,
        ),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(
            help="Settings that ship, such as sft_llava_7b (default: the recipe's own, for the embedded model).",
            autocompletion=_settings,
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
    words = []
    if launcher is not None:
        own = Path(launcher)
        known = shipped("accelerate/*.yaml")
        words += ["--config_file", str(own if own.is_file() else _chosen("accelerate config", launcher, known))]
    words.append(str(script))
    if settings is not None:
        words += ["--config", str(_chosen("settings file", settings, shipped("*.yaml")))]
    return [*words, *arguments]


def _chosen(what: str, name: str | None, known: Mapping[str, Path]) -> Path:
    if name is None or name not in known:
        fault = f"No {what} is called {name!r}." if name else f"No {what} was named."
        raise CrossmemError(fault, f"Choose from {', '.join(known)}; crossmem recipe --list describes them.")
    return known[name]


def _catalog() -> str:
    """All that ships: recipes by the first sentence of their docstrings, settings, launchers and their folder."""
    scripts = shipped("*.py")
    width = max(map(len, scripts))
    lines = [f"{name:{width}}  {_purpose(path)}" for name, path in scripts.items()]
    lines += ["", f"--settings    {', '.join(_settings())}", f"--accelerate  {', '.join(_launchers())}"]
    return "\n".join([*lines, f"folder        {FOLDER.resolve()}"])


def _purpose(script: Path) -> str:
    said = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return said.split("\n\n")[0].replace("\n", " ")
