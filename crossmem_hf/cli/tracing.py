# SPDX-License-Identifier: Apache-2.0
"""`crossmem trace`: it parses, calls and prints. Heavy imports wait until needed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from crossmem_hf.cli.completion import BASE_MODELS, DTYPES, one_of, some_of
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.cli.knobs import with_knobs
from crossmem_hf.models.embedded import DEFAULT_BASE

_RUNS = Path("crossmem_runs/trace")
_NO_SETTINGS = ("replacement", "site", "output_dir", "overwrite", "knobs")  # what `TraceSettings` takes otherwise


def _configs() -> Iterable[str]:
    from crossmem_hf.data.configs.table import SPLITS

    return SPLITS


def _kinds() -> Iterable[str]:
    from crossmem_hf.analysis.corruptions import KINDS

    return KINDS


def _sites() -> Iterable[str]:
    from crossmem_hf.analysis.hooks import SITES

    return SITES


def _groups() -> Iterable[str]:
    from crossmem_hf.analysis.token_groups import ALL, GROUPS

    return (*GROUPS, ALL)


_Model = Annotated[
    str | None,
    typer.Option(
        help=f"A base that ships, or Hub name or folder of a VLM (default: the adapter's base, else {DEFAULT_BASE}).",
        autocompletion=BASE_MODELS,
    ),
]
_Corruption = Annotated[
    str,
    typer.Option(
        help="subject: other words for whom the question is about; picture: another persona's; subject_noise and "
        "picture_noise: noise on the embeddings of these tokens.",
        autocompletion=one_of(_kinds),
    ),
]
_Subject = Annotated[
    str | None,
    typer.Option(help="Words of every question that say whom it is about (default: found in each question)."),
]
_Replacement = Annotated[
    list[str] | None,
    typer.Option(
        help="What may stand in the place of the subject; may be given several times, and the first with as many "
        "tokens is taken (default: another persona's name, else a thing that is none)."
    ),
]
_Tokens = Annotated[
    str,
    typer.Option(
        help="Comma-separated: image, subject, question (the rest of it), last (what predicts the answer), all.",
        autocompletion=some_of(_groups),
    ),
]


@with_knobs(renamed={"seed": "persona_seed"})
def trace(
    model: _Model = None,
    adapter: Annotated[str | None, typer.Option(help="PEFT adapter to put on top, Hub name or folder.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Hub name or folder (default: the embedded people).")] = None,
    config: Annotated[
        str, typer.Option(help="Config of the dataset.", autocompletion=one_of(_configs))
    ] = "recall_image",
    split: Annotated[str, typer.Option(help="Split of the config; 'forget+retain' joins two.")] = "test",
    corruption: _Corruption = "subject",
    subject: _Subject = None,
    replacement: _Replacement = None,
    noise: Annotated[float, typer.Option(help="Standard deviation, in those of the embeddings.")] = 3.0,
    site: Annotated[
        str, typer.Option(help="Comma-separated: hidden, attention, mlp.", autocompletion=some_of(_sites))
    ] = "hidden,attention,mlp",
    tokens: _Tokens = "image,subject,question,last",
    window: Annotated[int, typer.Option(help="Layers restored at once.")] = 1,
    output_dir: Annotated[
        Path,
        typer.Option(help="Gets record.json, predictions.jsonl, heat_maps.json, heat maps, what is resumed from."),
    ] = _RUNS,
    max_rows: Annotated[int | None, typer.Option(help="Most rows, evenly spread over the split.")] = None,
    batch_size: Annotated[str, typer.Option(help="Places restored at a time, or auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.", autocompletion=DTYPES)] = "auto",
    device: Annotated[str | None, typer.Option(help="E.g. cuda:1 (default: the process's own).")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace what a run on other rows or models left there.")] = False,
    **knobs: Any,
) -> None:
    """Where does an answer come from? Corrupt the prompt, restore states layer by layer, draw what comes back.

    Resumes if killed. Shares the work under torchrun --nproc_per_node N -m crossmem_hf trace ...
    """
    given = {name: value for name, value in locals().items() if name not in _NO_SETTINGS}
    with clear_errors():
        from crossmem_hf.analysis.tracing_run import TraceSettings, run_trace
        from crossmem_hf.evaluation.settings import metric_names
        from crossmem_hf.runs.distributed import leave

        given |= {"batch_size": int(batch_size) if batch_size.isdigit() else batch_size}
        given |= {
            "sites": metric_names(site),
            "tokens": metric_names(tokens),
            "replacements": tuple(replacement or ()),
        }
        given |= {name: value for name, value in knobs.items() if value is not None}
        record = run_trace(TraceSettings(**given), output_dir, overwrite=overwrite)
        if record is not None:
            console.print(f"record  {(output_dir / 'record.json').resolve()}", highlight=False, soft_wrap=True)
        leave()
