# SPDX-License-Identifier: Apache-2.0
"""The command line: it parses, calls and prints. Nothing is computed here, and heavy imports wait until needed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from crossmem_hf.errors import CrossmemError

if TYPE_CHECKING:
    from crossmem_hf.studies.first_light import Outcome

app = typer.Typer(
    help="What does a vision-language model remember about a person, and through which door?",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
console = Console(stderr=True)


@app.callback()
def _main() -> None:
    """Measure cross-modal memorisation and unlearning."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def _clear_errors() -> Iterator[None]:
    """A user's mistake is one line, not a traceback."""
    try:
        yield
    except CrossmemError as error:
        console.print(f"[bold red]error:[/] {error.fault}", highlight=False, soft_wrap=True)
        console.print(f"  {error.remedy}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        console.print("Stopped. Finished stages are kept; the same command goes on from there.")
        raise typer.Exit(130) from None


@app.command()
def run(
    num_personas: Annotated[int | None, typer.Option(help="People to memorise, a seed (default 50).")] = None,
    seed: Annotated[int | None, typer.Option(help="First persona seed (default 0).")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many persona seeds, from --seed upwards (default 3).")] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="Where everything goes (default: under crossmem_runs/).")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with any setting of studies/settings.py.")] = None,
    allow_unmemorised: Annotated[bool, typer.Option(help="Interpret unlearning even below the gate.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace what another run left in the folder.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at a time (default: one a core).")] = None,
) -> None:
    """Memorise people through one modality, ask through both, unlearn, and show what is left. Resumes if killed."""
    with _clear_errors():
        from crossmem_hf.studies.first_light import default_folder, run_first_light
        from crossmem_hf.studies.settings import settings_from

        given: dict[str, Any] = {"num_personas": num_personas, "seed": seed, "seeds": seeds}
        given["allow_unmemorised"] = allow_unmemorised or None
        settings = settings_from(config, {name: value for name, value in given.items() if value is not None})
        folder = output_dir or default_folder(settings)
        outcome = run_first_light(settings, folder, workers=workers, overwrite=overwrite, console=console)
        _tell(outcome)
        if not outcome.record.is_interpretable:
            raise typer.Exit(3)


@app.command()
def materialize(
    directory: Annotated[
        Path, typer.Argument(help="Folder that gets crossmem/personas and crossmem/<metric>.")
    ] = Path("."),
    num_personas: Annotated[int, typer.Option(help="Target people.")] = 50,
    num_views: Annotated[int, typer.Option(help="Training views a person.")] = 8,
    seed: Annotated[int, typer.Option(help="Persona seed.")] = 0,
    image_size: Annotated[int, typer.Option(help="Side of a portrait in pixels, 48 to 512.")] = 64,
    forget_fraction: Annotated[float, typer.Option(help="Share of the people in the forget splits.")] = 0.2,
    qa_per_persona: Annotated[int, typer.Option(help="Questions about facts, a person and modality.")] = 20,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset made with other settings.")] = False,
) -> None:
    """Write the dataset and the metrics, so that load_dataset and evaluate.load find them in that folder, offline."""
    with _clear_errors():
        from crossmem_hf.data.materialize import materialize as write
        from crossmem_hf.data.spec import DatasetSpec

        spec = DatasetSpec(
            num_personas=num_personas,
            num_views=num_views,
            seed=seed,
            image_size=image_size,
            forget_fraction=forget_fraction,
            qa_per_persona=qa_per_persona,
        )
        with console.status("Writing people, portraits, questions and metrics"):
            written = write(directory, spec, overwrite=overwrite)
        console.print(f"wrote {written.resolve()}", highlight=False, soft_wrap=True)
        console.print(f"In {directory.resolve()}, offline:", highlight=False, soft_wrap=True)
        console.print('  datasets.load_dataset("crossmem/personas", "recall_image")', highlight=False)
        console.print('  evaluate.load("crossmem/exposure")', highlight=False)


def _tell(outcome: "Outcome") -> None:
    from crossmem_hf.report.text import headline

    console.print(f"\n{headline(outcome.record)}\n", highlight=False)
    if not outcome.record.is_interpretable:
        failed = ", ".join(f"{m.source} (seed {m.seed}): {m.value:.2f}" for m in outcome.record.gate_failures())
        console.print(
            f"[bold red]NOT MEMORISED[/]: recall in the source modality is below {outcome.record.gate.threshold}: "
            f"{failed}. What unlearning did is not interpreted; --allow-unmemorised overrides.",
            highlight=False,
        )
    console.print(f"record  {outcome.record_path.resolve()}", highlight=False, soft_wrap=True)
    console.print(f"page    {outcome.page.resolve()}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(app())
