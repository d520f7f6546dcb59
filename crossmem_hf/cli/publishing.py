# SPDX-License-Identifier: Apache-2.0
"""`crossmem publish`: it parses, calls and prints. Heavy imports wait until needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmem_hf.cli.completion import BASE_MODELS
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.models.embedded import DEFAULT_BASE

if TYPE_CHECKING:
    from crossmem_hf.publishing.repositories import Published

publish_app = typer.Typer(help="Put metrics, results, a Space or the base model on the Hub.", no_args_is_help=True)


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


@publish_app.command("model")
def publish_model(
    base: Annotated[str, typer.Argument(help="Which of those that ship.", autocompletion=BASE_MODELS)] = DEFAULT_BASE,
    repo_id: Annotated[str | None, typer.Option(help="Model repository (default: its name under crossmem).")] = None,
    private: _Private = None,
    create_pr: _CreatePr = False,
) -> None:
    """Push an embedded model, which adapters that are shared name as their base. An equal one is left alone."""
    with clear_errors():
        from crossmem_hf.publishing.base_model import publish_base_model as push

        _report(push(base, repo_id, private=private, create_pr=create_pr))


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
