# SPDX-License-Identifier: Apache-2.0
"""`crossmem reproduce`: it parses, calls and prints. Heavy imports wait until needed."""

from pathlib import Path
from typing import Annotated

import typer

from crossmem_hf.cli.completion import BASE_MODELS
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.cli.studies import STUDIES
from crossmem_hf.storage import fingerprint


def reproduce(
    record: Annotated[str, typer.Argument(help="A record.json, its folder, or a Hub repository.")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Where everything goes (default: under crossmem_runs/).")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Only so many of its seeds, the first ones.")] = None,
    only: Annotated[str, typer.Option(help="Only these methods of a study, or metrics of a score.")] = "",
    model: Annotated[
        str | None,
        typer.Option(help="Base model, where the record names somebody's folder.", autocompletion=BASE_MODELS),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the repository.")] = None,
    exact: Annotated[bool, typer.Option(help="Every number must be equal, not only inside its interval.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Cells at a time (default: one a core).")] = None,
) -> None:
    """Run what a record says, and print then and now, measurement by measurement. Resumes if killed.

    Ends with 0 if every number is equal (to 1e-6) or inside the record's 95 % interval, over as many answers; with 3
    if not. Other versions and fingerprints are reported, and decide nothing.
    """
    with clear_errors():
        from crossmem_hf.publishing.records import located_record
        from crossmem_hf.report.reproduction import REPRODUCTION_FILE, brief_table, reproduction_markdown, sentences
        from crossmem_hf.storage import write_atomic
        from crossmem_hf.studies.reproduce import Part
        from crossmem_hf.studies.reproduce import reproduce as run_again

        found = located_record(record, revision)
        names = tuple(name.strip() for name in only.split(",") if name.strip())
        part = Part(seeds=seeds, only=names, model=model)
        name = fingerprint([found.record.config, found.record.fingerprints, part.words(), model])[:8]
        folder = output_dir or Path("crossmem_runs") / f"reproduce-{name}"
        outcome = run_again(
            found.record,
            found.folder,
            folder,
            find=STUDIES.find,
            source=found.source,
            part=part,
            workers=workers,
            console=console,
        )
        write_atomic(folder / "reproduction.md", reproduction_markdown(outcome))
        console.print(brief_table(outcome).terminal())
        for sentence in sentences(outcome):
            console.print(f"- {sentence}", highlight=False, markup=False, soft_wrap=True)
        console.print(
            f"details {(folder / REPRODUCTION_FILE).resolve()}", highlight=False, markup=False, soft_wrap=True
        )
        if not outcome.holds(exact=exact):
            raise typer.Exit(3)
