# SPDX-License-Identifier: Apache-2.0
"""`crossmem page`: it parses, calls and prints. Heavy imports wait until needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmem_hf.cli.console import clear_errors, console

if TYPE_CHECKING:
    from crossmem_hf.report.record import Record


def page(
    record: Annotated[str, typer.Argument(help="A record.json, its folder, or a Hub repository.")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Where the page goes (default: under crossmem_runs/).")
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Write report.tex, too: tables for a paper.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the repository.")] = None,
) -> None:
    """Make the page, the Markdown and the figures of a record again, without running anything."""
    with clear_errors():
        from crossmem_hf.publishing.records import located_record
        from crossmem_hf.studies.pages import write_pages

        found = located_record(record, revision).record
        folder = output_dir or Path("crossmem_runs") / f"page-{found.study}"
        with console.status("Drawing"):
            written = write_pages(found, folder)
        console.print(f"page    {written.resolve()}", highlight=False, markup=False, soft_wrap=True)
        if latex:
            write_latex(found, folder / "report.tex")


def write_latex(record: "Record", file: Path) -> None:
    """Write a record's tables for a paper, and say where."""
    from crossmem_hf.report.latex import latex
    from crossmem_hf.storage import write_atomic

    write_atomic(file, latex(record) + "\n")
    console.print(f"latex   {file.resolve()}", highlight=False, markup=False, soft_wrap=True)
