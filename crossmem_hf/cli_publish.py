# SPDX-License-Identifier: Apache-2.0
"""`crossmem publish` and `crossmem reproduce`: they parse, call and print. Heavy imports wait until needed."""

from pathlib import Path
from typing import Annotated

import typer

from crossmem_hf.cli_errors import clear_errors, console
from crossmem_hf.storage import fingerprint

publish_app = typer.Typer(help="Put metrics or results on the Hub.", no_args_is_help=True)


def reproduce(
    record: Annotated[str, typer.Argument(help="A record.json or compare.json, its folder, or a Hub repository.")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Where everything goes (default: under crossmem_runs/).")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Only so many of its seeds, the first ones.")] = None,
    only: Annotated[str, typer.Option(help="Only these methods of a comparison, or metrics of a score.")] = "",
    model: Annotated[str | None, typer.Option(help="Base model, where the record names somebody's folder.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the repository.")] = None,
    exact: Annotated[bool, typer.Option(help="Every number must be equal, not only inside its interval.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at a time (default: one a core).")] = None,
) -> None:
    """Run what a record says, and print then and now, measurement by measurement. Resumes if killed.

    Ends with 0 if every number is equal (to 1e-6) or inside the record's 95 % interval, over as many answers; with 3
    if not. Other versions and fingerprints are told, and decide nothing.
    """
    with clear_errors():
        from crossmem_hf.publishing.records import located_record
        from crossmem_hf.storage import write_atomic
        from crossmem_hf.studies.compare_settings import names_in
        from crossmem_hf.studies.reproduce import REPRODUCTION
        from crossmem_hf.studies.reproduce import reproduce as run_again
        from crossmem_hf.studies.reproduce_settings import Part
        from crossmem_hf.studies.reproduce_shown import markdown, sentences, terminal

        found = located_record(record, revision)
        part = Part(seeds=seeds, only=names_in(only), model=model)
        mark = fingerprint([found.record.config, found.record.data_fingerprint, part.words(), model])[:8]
        folder = output_dir or Path("crossmem_runs") / f"reproduce-{mark}"
        outcome = run_again(
            found.record,
            found.folder,
            folder,
            source=found.source,
            part=part,
            workers=workers,
            console=console,
        )
        write_atomic(folder / "reproduction.md", markdown(outcome))
        console.print(terminal(outcome))
        for sentence in sentences(outcome):
            console.print(f"- {sentence}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"details {(folder / REPRODUCTION).resolve()}", highlight=False, markup=False, soft_wrap=True)
        if not outcome.holds(exact=exact):
            raise typer.Exit(3)
