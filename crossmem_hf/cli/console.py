# SPDX-License-Identifier: Apache-2.0
"""How the command line speaks to people: one console, and a user's mistake as one line. It knows no command."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from crossmem_hf.errors import CrossmemError

console = Console(stderr=True)


@contextmanager
def clear_errors() -> Iterator[None]:
    """A user's mistake is one line, not a traceback."""
    try:
        yield
    except CrossmemError as error:
        console.print(f"[bold red]error:[/] {escape(error.fault)}", highlight=False, soft_wrap=True)
        console.print(f"  {escape(error.remedy)}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        console.print("Stopped. Finished stages are kept; the same command goes on from there.")
        raise typer.Exit(130) from None
