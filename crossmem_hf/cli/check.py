# SPDX-License-Identifier: Apache-2.0
"""`crossmem check-model`: it parses, calls and prints. Heavy imports wait until needed."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from crossmem_hf.cli.completion import BASE_MODELS, DTYPES
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.models.embedded import DEFAULT_BASE

if TYPE_CHECKING:
    from crossmem_hf.conformance.report import ModelReport

_STYLES = {"holds": "green", "falls back": "yellow", "skipped": "dim", "fails": "bold red"}


def check_model(
    model: Annotated[
        str | None,
        typer.Argument(
            help=f"A base that ships, or Hub name or folder of a model (default: {DEFAULT_BASE}).",
            autocompletion=BASE_MODELS,
        ),
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="PEFT adapter to put on top, Hub name or folder.")] = None,
    dtype: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16; float32 tells most.", autocompletion=DTYPES)
    ] = "float32",
    device: Annotated[str | None, typer.Option(help="E.g. cuda:1 (default: where the model is loaded).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in the place of the table.")] = False,
) -> None:
    """Hold a model to its own plain forward pass: template, pictures, masks, cache, answers, gradients, unlearning.

    Needs no dataset: it draws small portraits. Ends with 1 if anything fails.
    """
    with clear_errors():
        from crossmem_hf.conformance.check import check_model as checked
        from crossmem_hf.models.loading import load_model

        report = checked(*load_model(model, adapter=adapter, dtype=dtype, device=device))
        if as_json:
            typer.echo(json.dumps(report.as_dict(), indent=2))
        else:
            _print(report)
        if not report.holds:
            raise typer.Exit(1)


def _print(report: "ModelReport") -> None:
    from crossmem_hf.report.tables import Table

    rows = tuple((one.check, one.status, "\n".join(filter(None, (one.found, one.remedy)))) for one in report.findings)
    styles = tuple(_STYLES[one.status] for one in report.findings)
    console.print(report.model, style="bold", highlight=False, markup=False)
    console.print(Table(("check", "", "found"), rows, wrapped=frozenset({2}), styles=styles).terminal())
