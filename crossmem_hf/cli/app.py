# SPDX-License-Identifier: Apache-2.0
"""The command line: it parses, calls and prints. Nothing is computed here, and heavy imports wait until needed."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from crossmem_hf import __version__
from crossmem_hf.cli.attacking import attack
from crossmem_hf.cli.check import check_model
from crossmem_hf.cli.completion import one_of
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.cli.importing import import_images, import_mapping, import_qa
from crossmem_hf.cli.knobs import with_knobs
from crossmem_hf.cli.page import page
from crossmem_hf.cli.portraits import portraits
from crossmem_hf.cli.publishing import publish_app
from crossmem_hf.cli.recipe import recipe
from crossmem_hf.cli.reproduce import reproduce
from crossmem_hf.cli.scoring import score
from crossmem_hf.cli.studies import RootGroup, study_app
from crossmem_hf.cli.tracing import trace
from crossmem_hf.data.spec import PRESETS
from crossmem_hf.models.embedded import DEFAULT_BASE

app = typer.Typer(
    cls=RootGroup,
    help="What does a vision-language model remember about a person, and through which modality?",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(study_app, name="study")
app.add_typer(publish_app, name="publish")
app.command()(reproduce)
app.command()(page)
app.command()(import_images)
app.command()(import_qa)
app.command()(import_mapping)
app.command()(portraits)
app.command()(check_model)
app.command()(recipe)
app.command()(score)
app.command()(trace)
app.command()(attack)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crossmem_hf {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    """Measure cross-modal memorization and unlearning."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@app.command()
@with_knobs()
def materialize(
    directory: Annotated[
        Path, typer.Argument(help=f"Folder that gets crossmem/personas, crossmem/<metric>, crossmem/{DEFAULT_BASE}.")
    ] = Path("."),
    preset: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(PRESETS)}: sizes to start from.", autocompletion=one_of(lambda: PRESETS)),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset made with other settings.")] = False,
    num_proc: Annotated[int, typer.Option(help="Processes that write.")] = 1,
    **knobs: Any,
) -> None:
    """Write dataset, metrics and base model: load_dataset, evaluate.load, from_pretrained find them there offline."""
    with clear_errors():
        from crossmem_hf.data.spec import DatasetSpec
        from crossmem_hf.publishing.materialize import materialize as write

        spec = DatasetSpec.preset(preset, **knobs)
        with console.status("Writing personas, portraits, questions and metrics"):
            written = write(directory, spec, overwrite=overwrite, num_proc=num_proc)
        console.print(f"wrote {written.resolve()}", highlight=False, soft_wrap=True)
        console.print(f"In {directory.resolve()}, offline:", highlight=False, soft_wrap=True)
        console.print('  datasets.load_dataset("crossmem/personas", "recall_image")', highlight=False)
        console.print('  evaluate.load("crossmem/exposure")', highlight=False)
        console.print("  accelerate launch recipes/unlearn_npo.py", highlight=False)
