# SPDX-License-Identifier: Apache-2.0
"""The command line: it parses, calls and prints. Nothing is computed here, and heavy imports wait until needed."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from crossmem_hf import __version__
from crossmem_hf.cli.attacking import attack
from crossmem_hf.cli.check import check_model
from crossmem_hf.cli.completion import BASE_MODELS, DTYPES, one_of, some_of
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.cli.importing import import_images, import_mapping, import_qa
from crossmem_hf.cli.knobs import with_knobs
from crossmem_hf.cli.portraits import portraits
from crossmem_hf.cli.publishing import publish_app
from crossmem_hf.cli.recipe import recipe
from crossmem_hf.cli.reproduce import reproduce
from crossmem_hf.cli.studies import RootGroup, study_app
from crossmem_hf.cli.tracing import trace
from crossmem_hf.data.spec import PRESETS
from crossmem_hf.models.embedded import DEFAULT_BASE
from crossmem_hf.personas.schema import MODALITIES

app = typer.Typer(
    cls=RootGroup,
    help="What does a vision-language model remember about a person, and through which modality?",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(study_app, name="study")
app.add_typer(publish_app, name="publish")
app.command()(reproduce)
app.command()(import_images)
app.command()(import_qa)
app.command()(import_mapping)
app.command()(portraits)
app.command()(check_model)
app.command()(recipe)
app.command()(trace)
app.command()(attack)
_SCORES = Path("crossmem_runs/score")


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


def _metrics() -> list[str]:
    from crossmem_hf.evaluation.measures import METRICS, is_selectable

    return [name for name in METRICS if is_selectable(name) or name == "judge"]


def _configs() -> Iterable[str]:
    from crossmem_hf.data.configs.table import SPLITS

    return SPLITS


_Model = Annotated[
    str | None,
    typer.Option(
        help=f"A base that ships, or Hub name or folder of a VLM (default: the adapter's base, else {DEFAULT_BASE}).",
        autocompletion=BASE_MODELS,
    ),
]
_Metrics = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: recall, gap, transfer, exposure, exposure_taught, partial_recall, name_shaped, rouge, "
        "exact_match, min_k_prob, extraction_strength, extraction_probability, truth_ratio, forget_diagnosis, "
        "verbatim, utility, priv_leak, judge (default: all but partial_recall, name_shaped and the last four).",
        autocompletion=some_of(_metrics),
    ),
]
_Source = Annotated[
    str | None,
    typer.Option(
        help="image or text: what personas were learned through; gap and transfer need it.",
        autocompletion=one_of(lambda: MODALITIES),
    ),
]
_CandidatesFrom = Annotated[
    str | None,
    typer.Option(
        help="Config with an attribute and its values a row (default: candidates if there is one, else all different "
        "answers of the attribute in the split)."
    ),
]
_FalseAnswers = Annotated[
    str | None,
    typer.Option(help="Column for truth_ratio (default: perturbed_answer if there is one, else other candidates)."),
]
_TrueAnswers = Annotated[
    str | None, typer.Option(help="Column that truth_ratio sets them against (default: the answer itself).")
]
_TruthRatioMean = Annotated[
    str,
    typer.Option(
        help="geometric or arithmetic: mean of the false answers' probabilities in truth_ratio; TOFU's code has the "
        "first, its paper the second."
    ),
]
_RetainOnly = Annotated[
    Path | None,
    typer.Option(
        help="Output folder of this command for a model that never saw the rows; adds forget_quality, priv_leak."
    ),
]
_Baseline = Annotated[
    list[str] | None,
    typer.Option(
        help="base=FOLDER or memorized=FOLDER: output folder of this command for the model to read Exposure against; "
        "may be given twice."
    ),
]
_NO_SETTINGS = ("metrics", "output_dir", "overwrite", "knobs")  # of score: what `ScoreSettings` takes otherwise
_JudgeUrl = Annotated[
    str | None, typer.Option(help="OpenAI-compatible server; its token is read from CROSSMEM_JUDGE_TOKEN.")
]


@app.command()
@with_knobs(renamed={"seed": "persona_seed"})
def score(
    model: _Model = None,
    adapter: Annotated[str | None, typer.Option(help="PEFT adapter to put on top, Hub name or folder.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Hub name or folder (default: the embedded people).")] = None,
    config: Annotated[str, typer.Option(help="Config of the dataset.", autocompletion=one_of(_configs))] = "qa",
    split: Annotated[str, typer.Option(help="Split of the config; 'forget+retain' joins two.")] = "forget",
    metrics: _Metrics = None,
    output_dir: Annotated[
        Path, typer.Option(help="Gets record.json, predictions.jsonl, what is resumed from.")
    ] = _SCORES,
    max_rows: Annotated[int | None, typer.Option(help="Most rows, evenly spread over the split.")] = None,
    batch_size: Annotated[str, typer.Option(help="Prompts at a time, or auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.", autocompletion=DTYPES)] = "auto",
    device: Annotated[str | None, typer.Option(help="E.g. cuda:1 (default: the process's own).")] = None,
    source: _Source = None,
    candidates_from: _CandidatesFrom = None,
    false_answers: _FalseAnswers = None,
    true_answers: _TrueAnswers = None,
    truth_ratio_mean: _TruthRatioMean = "geometric",
    k: Annotated[float, typer.Option(help="Share of the tokens in min_k_prob.")] = 0.2,
    retain_only: _RetainOnly = None,
    baseline: _Baseline = None,
    extraction_samples: Annotated[int, typer.Option(help="Samples in extraction_probability.")] = 100,
    holdout_split: Annotated[str | None, typer.Option(help="Rows that no model saw; adds priv_leak.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="Who judges, on the Hub or at --judge-url.")] = None,
    judge_url: _JudgeUrl = None,
    judge_requests_per_minute: Annotated[float | None, typer.Option(help="Pace of the judge (default: none).")] = None,
    temperature: Annotated[float, typer.Option(help="0 answers greedily.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of answers that are drawn.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace what a run on other rows or models left there.")] = False,
    **knobs: Any,
) -> None:
    """Ask a model about people, measure its answers, print a table and write record.json. Resumes if killed.

    Shares the work under torchrun --nproc_per_node N -m crossmem_hf score ..., or accelerate launch -m.
    """
    given = {name: value for name, value in locals().items() if name not in _NO_SETTINGS}
    with clear_errors():
        from crossmem_hf.evaluation.settings import ScoreSettings, chosen_metrics

        given["baseline"] = tuple(baseline or ())
        given["batch_size"] = int(batch_size) if batch_size.isdigit() else batch_size
        chosen = chosen_metrics(metrics, judge=judge_model is not None, holdout=holdout_split is not None)
        given |= {name: value for name, value in knobs.items() if value is not None}
        settings = ScoreSettings(metrics=chosen, **given)
        from crossmem_hf.evaluation.run import run_score
        from crossmem_hf.runs.distributed import leave

        record = run_score(settings, output_dir, overwrite=overwrite)
        if record is not None:
            console.print(f"record  {(output_dir / 'record.json').resolve()}", highlight=False, soft_wrap=True)
        leave()


@app.command()
@with_knobs()
def materialize(
    directory: Annotated[
        Path, typer.Argument(help=f"Folder that gets crossmem/personas, crossmem/<metric>, crossmem/{DEFAULT_BASE}.")
    ] = Path("."),
    preset: Annotated[
        str | None,
        typer.Option(help="remem or wen: a paper's sizes, to start from.", autocompletion=one_of(lambda: PRESETS)),
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
