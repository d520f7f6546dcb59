# SPDX-License-Identifier: Apache-2.0
"""The knobs of the dataset as options of a command. It does not know which knobs there are."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from crossmem_hf.data.spec import DatasetSpec, Knob


def with_knobs(
    spec_type: type[DatasetSpec] = DatasetSpec, renamed: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator for a command with ``**knobs``: an option for each field of a spec, None where it is not given.

    Args:
        renamed: Field -> what option and keyword are called, where the command has another of that name.
    """
    names = {one.name: (renamed or {}).get(one.name, one.name) for one in spec_type.knobs()}

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        options = [
            inspect.Parameter(
                names[one.name],
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[one.kind, typer.Option(help=_help(one))],
            )
            for one in spec_type.knobs()
        ]

        @wraps(command)
        def run(**given: Any) -> None:
            command(**given)

        run.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        return run

    return wrap


def _help(knob: Knob) -> str:
    default = "" if knob.default is None else f" Default: {knob.default}."
    return f"{knob.help}{default}"
