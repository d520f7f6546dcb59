# SPDX-License-Identifier: Apache-2.0
"""`crossmem attack`: it parses, calls and prints. Heavy imports wait until needed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from crossmem_hf.cli.asked import (
    Adapter,
    Config,
    Dataset,
    Device,
    Dtype,
    MaxRows,
    Model,
    Overwrite,
    Split,
    run_and_leave,
    settings_given,
)
from crossmem_hf.cli.completion import some_of
from crossmem_hf.cli.console import clear_errors
from crossmem_hf.cli.knobs import with_knobs

_RUNS = Path("crossmem_runs/attack")
_ALL = "all"


def _attacks() -> Iterable[str]:
    from crossmem_hf.analysis.attacks.table import ATTACKS

    return (_ALL, *ATTACKS)


_Attacks = Annotated[
    str,
    typer.Option(help="Comma-separated; all: every one that applies to the rows.", autocompletion=some_of(_attacks)),
]
_RetainOnly = Annotated[
    Path | None,
    typer.Option(help="Output folder of the same command for a model that never saw the rows: gives the residual."),
]


@with_knobs(renamed={"seed": "persona_seed"})
def attack(
    model: Model = None,
    adapter: Adapter = None,
    dataset: Dataset = None,
    config: Config = "recall_image",
    split: Split = "test",
    attacks: _Attacks = _ALL,
    retain_only: _RetainOnly = None,
    output_dir: Annotated[
        Path, typer.Option(help="Gets record.json and predictions.jsonl; what is resumed from.")
    ] = _RUNS,
    max_rows: MaxRows = None,
    batch_size: Annotated[str, typer.Option(help="Rows at a time, or auto.")] = "auto",
    dtype: Dtype = "auto",
    device: Device = None,
    seed: Annotated[int, typer.Option(help="Of what attacks draw.")] = 0,
    overwrite: Overwrite = False,
    **knobs: Any,
) -> None:
    """Is it really gone? Ask in other ways, and hold what comes out against a model that never knew it.

    Resumes if killed. Shares the work under torchrun --nproc_per_node N -m crossmem_hf attack ...
    """
    given = settings_given(locals(), knobs)
    with clear_errors():
        from crossmem_hf.analysis.attack_run import AttackSettings, run_attack
        from crossmem_hf.errors import CrossmemError
        from crossmem_hf.evaluation.settings import metric_names

        given["attacks"] = () if attacks == _ALL else metric_names(attacks)
        if not metric_names(attacks):
            raise CrossmemError("--attacks names none.", "Name some, with commas between them, or say all.")
        run_and_leave(run_attack, AttackSettings(**given), output_dir, overwrite=overwrite)
