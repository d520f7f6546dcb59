# SPDX-License-Identifier: Apache-2.0
"""`crossmem attack`: it parses, calls and prints. Heavy imports wait until needed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from crossmem_hf.cli.completion import BASE_MODELS, DTYPES, one_of, some_of
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.cli.knobs import with_knobs
from crossmem_hf.models.embedded import DEFAULT_BASE

_RUNS = Path("crossmem_runs/attack")
_NO_SETTINGS = ("output_dir", "overwrite", "knobs")  # what `AttackSettings` takes otherwise
_ALL = "all"


def _configs() -> Iterable[str]:
    from crossmem_hf.data.configs.table import SPLITS

    return SPLITS


def _attacks() -> Iterable[str]:
    from crossmem_hf.analysis.attacks.table import ATTACKS

    return (_ALL, *ATTACKS)


_Model = Annotated[
    str | None,
    typer.Option(
        help=f"A base that ships, or Hub name or folder of a VLM (default: the adapter's base, else {DEFAULT_BASE}).",
        autocompletion=BASE_MODELS,
    ),
]
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
    model: _Model = None,
    adapter: Annotated[str | None, typer.Option(help="PEFT adapter to put on top, Hub name or folder.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Hub name or folder (default: the embedded people).")] = None,
    config: Annotated[
        str, typer.Option(help="Config of the dataset.", autocompletion=one_of(_configs))
    ] = "recall_image",
    split: Annotated[str, typer.Option(help="Split of the config; 'forget+retain' joins two.")] = "test",
    attacks: _Attacks = _ALL,
    retain_only: _RetainOnly = None,
    output_dir: Annotated[
        Path, typer.Option(help="Gets record.json and predictions.jsonl; what is resumed from.")
    ] = _RUNS,
    max_rows: Annotated[int | None, typer.Option(help="Most rows, evenly spread over the split.")] = None,
    batch_size: Annotated[str, typer.Option(help="Rows at a time, or auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.", autocompletion=DTYPES)] = "auto",
    device: Annotated[str | None, typer.Option(help="E.g. cuda:1 (default: the process's own).")] = None,
    seed: Annotated[int, typer.Option(help="Of what attacks draw.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace what a run on other rows or models left there.")] = False,
    **knobs: Any,
) -> None:
    """Is it really gone? Ask in other ways, and hold what comes out against a model that never knew it.

    Resumes if killed. Shares the work under torchrun --nproc_per_node N -m crossmem_hf attack ...
    """
    given = {name: value for name, value in locals().items() if name not in _NO_SETTINGS}
    with clear_errors():
        from crossmem_hf.analysis.attack_run import AttackSettings, run_attack
        from crossmem_hf.evaluation.settings import metric_names
        from crossmem_hf.runs.distributed import leave

        given |= {"batch_size": int(batch_size) if batch_size.isdigit() else batch_size}
        given |= {"attacks": () if attacks == _ALL else metric_names(attacks)}
        given |= {name: value for name, value in knobs.items() if value is not None}
        record = run_attack(AttackSettings(**given), output_dir, overwrite=overwrite)
        if record is not None:
            console.print(f"record  {(output_dir / 'record.json').resolve()}", highlight=False, soft_wrap=True)
        leave()
