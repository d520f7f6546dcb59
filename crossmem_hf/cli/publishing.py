# SPDX-License-Identifier: Apache-2.0
"""`crossmem publish` and `crossmem reproduce`: they parse, call and print. Heavy imports wait until needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.storage import fingerprint

if TYPE_CHECKING:
    from crossmem_hf.publishing.repositories import Published

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
        from crossmem_hf.report.reproduction_text import markdown, sentences, terminal
        from crossmem_hf.storage import write_atomic
        from crossmem_hf.studies.compare_settings import names_in
        from crossmem_hf.studies.reproduce import REPRODUCTION
        from crossmem_hf.studies.reproduce import reproduce as run_again
        from crossmem_hf.studies.reproduce_settings import Part

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


_Private = Annotated[bool | None, typer.Option(help="Private repositories (default: as the account has it).")]
_CreatePr = Annotated[bool, typer.Option("--create-pr", help="Propose it in a pull request.")]


@publish_app.command("metrics")
def publish_metrics(
    namespace: Annotated[str, typer.Option(help="User or organization whose Spaces they become.")] = "crossmem",
    only: Annotated[str, typer.Option(help="Comma-separated names of metrics (default: all).")] = "",
    private: _Private = None,
    create_pr: _CreatePr = False,
) -> None:
    """Push each metric as a Space: module, maths, page, card, requirements, test cases. Equal ones are left alone."""
    with clear_errors():
        from crossmem_hf.publishing.spaces import publish_metrics as push

        push(
            [name.strip() for name in only.split(",") if name.strip()],
            namespace=namespace,
            private=private,
            create_pr=create_pr,
            report=_report,
        )


@publish_app.command("space")
def publish_space(
    folder: Annotated[Path, typer.Argument(help="Folder of a Gradio Space, such as spaces/explorer.")],
    repo_id: Annotated[str | None, typer.Option(help="Space (default: the folder's name under crossmem).")] = None,
    private: _Private = None,
    create_pr: _CreatePr = False,
) -> None:
    """Push any other Space of this repository, or of your own. An equal one is left alone."""
    with clear_errors():
        from crossmem_hf.publishing.spaces import publish_space as push

        _report(push(folder, repo_id, private=private, create_pr=create_pr))


@publish_app.command("results")
def publish_results(
    run_dir: Annotated[Path, typer.Argument(help="What crossmem run, compare, score or study left.")],
    repo_id: Annotated[
        str | None, typer.Option(help="Model repository (default: a name of its own under your account).")
    ] = None,
    private: _Private = None,
    create_pr: _CreatePr = False,
    adapters: Annotated[bool, typer.Option(help="Adapters too.")] = True,
    items: Annotated[
        bool | None, typer.Option(help="Single answers too (default: unless the rows came from a folder here).")
    ] = None,
) -> None:
    """Push adapters with cards, eval results and the record in one commit; nothing if all of it is there."""
    with clear_errors():
        from crossmem_hf.publishing.results import publish_results as push

        _report(push(run_dir, repo_id, private=private, create_pr=create_pr, with_adapters=adapters, with_items=items))


def _report(done: "Published") -> None:
    state = "published" if done.changed else "unchanged"
    console.print(f"{state}  {done.address}", highlight=False, markup=False, soft_wrap=True)
