# SPDX-License-Identifier: Apache-2.0
"""How recipes are told what to do: options, a YAML file, mistakes in one line. It does not know what they do."""

import logging
import re
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import yaml
from trl import TrlParser

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.models.embedded import base_named
from crossmem_hf.runs.distributed import leave

_HELP = "--help lists what there is."
_SHIPPED = Path(__file__).parent.parent / "recipes"


class _Parser(TrlParser):
    def error(self, message: str) -> NoReturn:
        said = re.sub(r"/--[^:]+", "", message, count=1)  # the other spelling of the option
        raise CrossmemError(f"{said[:1].upper()}{said[1:]}.", _HELP)


def parsed(script: str, kinds: Sequence[Any], arguments: Sequence[str] | None = None) -> tuple[Any, ...]:
    """An instance of each dataclass, from the command line and from the YAML file that its ``--config`` names.

    Args:
        script: The recipe's file; see `with_default_config`.
        kinds: The dataclasses.
        arguments: In the place of the command line.

    Raises:
        CrossmemError: Options or keys that do not exist (all of them are named), values that are none, a file that
            cannot be read, or whatever the dataclasses refuse.
    """
    parser = _Parser(list(kinds))
    words = with_default_config(script, arguments)
    options = [word for word in words if not word.startswith("--config=")]
    options += [part for word in words if word.startswith("--config=") for part in word.split("=", 1)]
    _check_names(parser, options)
    try:
        found: tuple[Any, ...] = parser.parse_args_and_config(options)
    except CrossmemError:
        raise
    except (ValueError, TypeError) as error:
        raise CrossmemError(f"These settings do not go: {' '.join(str(error).split())}", _HELP) from error
    return found


def _check_names(parser: _Parser, words: Sequence[str]) -> None:
    """Refuse what no dataclass has, before anything is converted."""
    rest = list(words)
    keys: list[str] = []
    if "--config" in rest:
        place = rest.index("--config")
        if place + 1 == len(rest):
            raise CrossmemError("--config came without a file.", "Name a YAML file behind it.")
        keys = [key for key in _settings(Path(rest[place + 1])) if key != "env"]
        del rest[place : place + 2]
    names = [action.dest for action in parser._actions]
    known = {option for action in parser._actions for option in action.option_strings}
    options = [word.partition("=")[0] for word in rest if word.startswith("--")]
    others = [word[2:] for word in options if word not in known] + [key for key in keys if key not in names]
    if others:
        raise unknown("setting", others, names, _HELP)


def _settings(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise CrossmemError(f"Could not read settings from {str(path)!r}: {said}.", "Check the file.") from error
    if not isinstance(content, dict):
        raise CrossmemError(f"{str(path)!r} is not a list of settings.", "Write one 'name: value' a line.")
    return content


def with_default_config(script: str, arguments: Sequence[str] | None = None) -> list[str]:
    """The command line, with the YAML of `script` as its config if it names neither a config nor a model of others.

    The one beside it; where it was sent alone, as `hf jobs uv run` does, the one that ships with the package.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = [word.partition("=")[0] for word in given]
    if {"--config", "-h", "--help"}.intersection(words) or any(base_named(name) is None for name in _models(given)):
        return given
    path = Path(script).resolve().with_suffix(".yaml")
    return ["--config", str(path if path.is_file() else _SHIPPED / path.name), *given]


def _models(given: Sequence[str]) -> list[str]:
    """The models that a command line names; an option without a value names one that is none."""
    option = "--model_name_or_path"
    apart = [after for word, after in pairwise([*given, ""]) if word == option]
    return apart + [word.partition("=")[2] for word in given if word.startswith(f"{option}=")]


def run_recipe(main: Callable[[], None]) -> None:
    """Run a recipe as a command: our progress on the terminal, and a user's mistake as one line, not a traceback."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("crossmem_hf").setLevel(logging.INFO)
    try:
        main()
        leave()
    except CrossmemError as error:
        sys.exit(f"error: {error}")
