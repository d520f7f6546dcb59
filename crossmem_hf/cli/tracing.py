# SPDX-License-Identifier: Apache-2.0
"""`crossmem trace`: it parses, calls and prints. Heavy imports wait until needed."""

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
from crossmem_hf.cli.completion import one_of, some_of
from crossmem_hf.cli.console import clear_errors
from crossmem_hf.cli.knobs import with_knobs

_RUNS = Path("crossmem_runs/trace")


def _kinds() -> Iterable[str]:
    from crossmem_hf.analysis.corruptions import KINDS

    return KINDS


def _sites() -> Iterable[str]:
    from crossmem_hf.analysis.hooks import SITES

    return SITES


def _groups() -> Iterable[str]:
    from crossmem_hf.analysis.token_groups import ALL, GROUPS

    return (*GROUPS, ALL)


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
    model: Model = None,
    adapter: Adapter = None,
    dataset: Dataset = None,
    config: Config = "recall_image",
    split: Split = "test",
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
    max_rows: MaxRows = None,
    batch_size: Annotated[str, typer.Option(help="Places restored at a time, or auto.")] = "auto",
    dtype: Dtype = "auto",
    device: Device = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    overwrite: Overwrite = False,
    **knobs: Any,
) -> None:
    """Where does an answer come from? Corrupt the prompt, restore states layer by layer, draw what comes back.

    Resumes if killed. Shares the work under torchrun --nproc_per_node N -m crossmem_hf trace ...
    """
    given = settings_given(locals(), knobs)
    with clear_errors():
        from crossmem_hf.analysis.tracing_run import TraceSettings, run_trace
        from crossmem_hf.evaluation.settings import metric_names

        given["sites"], given["tokens"] = metric_names(given.pop("site")), metric_names(tokens)
        given["replacements"] = tuple(given.pop("replacement") or ())
        run_and_leave(run_trace, TraceSettings(**given), output_dir, overwrite=overwrite)
