# SPDX-License-Identifier: Apache-2.0
"""Options of every command that asks a model about rows, and what these commands do with them. It asks nothing."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from crossmem_hf.cli.completion import BASE_MODELS, DTYPES, one_of
from crossmem_hf.cli.console import console
from crossmem_hf.models.embedded import DEFAULT_BASE


def _configs() -> Iterable[str]:
    from crossmem_hf.data.configs.table import SPLITS

    return SPLITS


Model = Annotated[
    str | None,
    typer.Option(
        help=f"A base that ships, or Hub name or folder of a VLM (default: the adapter's base, else {DEFAULT_BASE}).",
        autocompletion=BASE_MODELS,
    ),
]
Adapter = Annotated[str | None, typer.Option(help="PEFT adapter to put on top, Hub name or folder.")]
Dataset = Annotated[str | None, typer.Option(help="Hub name or folder (default: the embedded people).")]
Config = Annotated[str, typer.Option(help="Config of the dataset.", autocompletion=one_of(_configs))]
Split = Annotated[str, typer.Option(help="Split of the config; 'forget+retain' joins two.")]
MaxRows = Annotated[int | None, typer.Option(help="Most rows, evenly spread over the split.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.", autocompletion=DTYPES)]
Device = Annotated[str | None, typer.Option(help="E.g. cuda:1 (default: the process's own).")]
Overwrite = Annotated[bool, typer.Option(help="Replace what a run on other rows or models left there.")]

_NO_SETTINGS = ("output_dir", "overwrite", "knobs")


def settings_given(given: Mapping[str, Any], knobs: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings class of a command takes of its options, by name.

    Args:
        given: The options.
        knobs: Those of the dataset, None where one was not given.
    """
    own = {name: value for name, value in given.items() if name not in _NO_SETTINGS}
    if own["batch_size"].isdigit():
        own["batch_size"] = int(own["batch_size"])
    return own | {name: value for name, value in knobs.items() if value is not None}


def run_and_leave(run: Callable[..., Any], settings: Any, output_dir: Path, *, overwrite: bool) -> None:
    """Run, say where the record is, and wait for the other processes."""
    from crossmem_hf.runs.distributed import leave

    record = run(settings, output_dir, overwrite=overwrite)
    if record is not None:
        console.print(f"record  {(output_dir / 'record.json').resolve()}", highlight=False, soft_wrap=True)
    leave()
