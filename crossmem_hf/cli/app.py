# SPDX-License-Identifier: Apache-2.0
"""The command line: it parses, calls and prints. Nothing is computed here, and heavy imports wait until needed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmem_hf.cli.check import check_model
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.cli.importing import import_images, import_mapping, import_qa
from crossmem_hf.cli.knobs import with_knobs
from crossmem_hf.cli.portraits import portraits
from crossmem_hf.cli.publishing import publish_app, reproduce

if TYPE_CHECKING:
    from crossmem_hf.studies.first_light import Outcome

app = typer.Typer(
    help="What does a vision-language model remember about a person, and through which modality?",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(publish_app, name="publish")
app.command()(reproduce)
app.command()(import_images)
app.command()(import_qa)
app.command()(import_mapping)
app.command()(portraits)
app.command()(check_model)
_SCORES = Path("crossmem_runs/score")
_COMPARED = Path("crossmem_runs/compare")


@app.callback()
def _main() -> None:
    """Measure cross-modal memorization and unlearning."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@app.command()
def run(
    num_personas: Annotated[int | None, typer.Option(help="People to memorize, a seed (default 50).")] = None,
    seed: Annotated[int | None, typer.Option(help="First persona seed (default 0).")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many persona seeds, from --seed upwards (default 3).")] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="Where everything goes (default: under crossmem_runs/).")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with any setting of studies/settings.py.")] = None,
    allow_unmemorized: Annotated[bool, typer.Option(help="Interpret unlearning even below the gate.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace what another run left in the folder.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at a time (default: one a core).")] = None,
) -> None:
    """Memorize people through one modality, ask through both, unlearn, and show what is left. Resumes if killed."""
    with clear_errors():
        from crossmem_hf.studies.first_light import default_folder, run_first_light
        from crossmem_hf.studies.settings import settings_from

        given: dict[str, Any] = {"num_personas": num_personas, "seed": seed, "seeds": seeds}
        given["allow_unmemorized"] = allow_unmemorized or None
        settings = settings_from(config, {name: value for name, value in given.items() if value is not None})
        folder = output_dir or default_folder(settings)
        outcome = run_first_light(settings, folder, workers=workers, overwrite=overwrite, console=console)
        _tell(outcome)
        if not outcome.record.is_interpretable:
            raise typer.Exit(3)


_Metrics = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: recall, gap, transfer, exposure, partial_recall, name_shaped, rouge, exact_match, "
        "min_k_prob, extraction_strength, truth_ratio, forget_diagnosis, priv_leak, judge (default: all but "
        "partial_recall, name_shaped and the last two)."
    ),
]
_Source = Annotated[
    str | None, typer.Option(help="image or text: what personas were learned through; gap and transfer need it.")
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
_JudgeUrl = Annotated[
    str | None, typer.Option(help="OpenAI-compatible server; its token is read from CROSSMEM_JUDGE_TOKEN.")
]


@app.command()
def score(
    model: Annotated[str | None, typer.Option(help="Hub name or folder of a VLM (default: the embedded one).")] = None,
    adapter: Annotated[str | None, typer.Option(help="PEFT adapter to put on top, Hub name or folder.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Hub name or folder (default: the embedded people).")] = None,
    config: Annotated[str, typer.Option(help="Config of the dataset.")] = "qa",
    split: Annotated[str, typer.Option(help="Split of the config; 'forget+retain' joins two.")] = "forget",
    metrics: _Metrics = None,
    output_dir: Annotated[
        Path, typer.Option(help="Gets record.json, predictions.jsonl, what is resumed from.")
    ] = _SCORES,
    max_rows: Annotated[int | None, typer.Option(help="Most rows, evenly spread over the split.")] = None,
    batch_size: Annotated[str, typer.Option(help="Prompts at a time, or auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str | None, typer.Option(help="E.g. cuda:1 (default: the process's own).")] = None,
    source: _Source = None,
    candidates_from: _CandidatesFrom = None,
    false_answers: _FalseAnswers = None,
    true_answers: _TrueAnswers = None,
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
    num_personas: Annotated[int, typer.Option(help="Embedded people.")] = 50,
    persona_seed: Annotated[int, typer.Option(help="Which embedded people.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace what a run on other rows or models left there.")] = False,
) -> None:
    """Ask a model about people, measure its answers, print a table and write record.json. Resumes if killed.

    Shares the work under torchrun --nproc_per_node N -m crossmem_hf score ..., or accelerate launch -m.
    """
    given = {name: value for name, value in locals().items() if name not in ("metrics", "output_dir", "overwrite")}
    with clear_errors():
        from crossmem_hf.evaluation.settings import ScoreSettings, chosen_metrics

        given["baseline"] = tuple(baseline or ())
        given["batch_size"] = int(batch_size) if batch_size.isdigit() else batch_size
        chosen = chosen_metrics(metrics, judge=judge_model is not None, holdout=holdout_split is not None)
        settings = ScoreSettings(metrics=chosen, **given)
        from crossmem_hf.evaluation.run import run_score
        from crossmem_hf.runs.distributed import leave

        record = run_score(settings, output_dir, overwrite=overwrite)
        if record is not None:
            console.print(f"record  {(output_dir / 'record.json').resolve()}", highlight=False, soft_wrap=True)
        leave()


_Methods = Annotated[
    str, typer.Option(help="Comma-separated: ga, gd, kl, npo, simnpo, dpo, idk, rmu, wga, undial (default: first 8).")
]


@app.command()
def compare(
    methods: _Methods = "ga,gd,kl,npo,simnpo,dpo,idk,rmu",
    forget_modality: Annotated[
        str, typer.Option(help="Modalities to forget through, comma-separated.")
    ] = "image,text,both",
    seeds: Annotated[int, typer.Option(help="How many persona seeds, from --seed upwards.")] = 3,
    seed: Annotated[int, typer.Option(help="First persona seed.")] = 0,
    num_personas: Annotated[int, typer.Option(help="People to memorize, a seed.")] = 50,
    dataset_config: Annotated[
        str, typer.Option(help="recall (names) or qa (private facts, one and two hops).")
    ] = "recall",
    model_name_or_path: Annotated[str | None, typer.Option(help="A VLM (default: the embedded one).")] = None,
    memorize_steps: Annotated[int | None, typer.Option(help="Optimizer steps of memorizing.")] = None,
    allow_unmemorized: Annotated[bool, typer.Option(help="Compare even below the gate.")] = False,
    choosing: Annotated[
        bool, typer.Option(help="Compare to choose settings, on any seed; such numbers are not to be reported.")
    ] = False,
    output_dir: Annotated[Path, typer.Option(help="Where everything goes; cells there are used again.")] = _COMPARED,
    workers: Annotated[int | None, typer.Option(min=1, help="Cells at a time (default: one a core).")] = None,
) -> None:
    """Unlearn by several methods through several modalities and show all in one table. Resumes if killed."""
    with clear_errors():
        from crossmem_hf.studies.compare_settings import CompareSettings, names_in

        chosen: dict[str, Any] = {"methods": names_in(methods), "forget_modality": names_in(forget_modality)}
        if memorize_steps is not None:
            chosen["memorize_steps"] = memorize_steps
        settings = CompareSettings(
            seed=seed,
            seeds=seeds,
            num_personas=num_personas,
            dataset_config=dataset_config,
            model_name_or_path=model_name_or_path,
            allow_unmemorized=allow_unmemorized,
            choosing=choosing,
            **chosen,
        )
        from crossmem_hf.report.compare_table import legend
        from crossmem_hf.report.compare_terminal import terminal
        from crossmem_hf.studies.compare import run_compare

        done = run_compare(settings, output_dir, workers=workers, console=console)
        console.print(terminal(done.record))
        for line in [*legend(done.record), *done.record.notes]:
            console.print(f"- {line}", style="dim", highlight=False, markup=False)
        console.print(f"table   {(output_dir / 'compare.md').resolve()}", highlight=False, soft_wrap=True)
        if done.errors:
            raise typer.Exit(3)


@app.command()
@with_knobs()
def materialize(
    directory: Annotated[
        Path, typer.Argument(help="Folder that gets crossmem/personas and crossmem/<metric>.")
    ] = Path("."),
    preset: Annotated[str | None, typer.Option(help="remem or wen: a paper's sizes, to start from.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset made with other settings.")] = False,
    num_proc: Annotated[int, typer.Option(help="Processes that write.")] = 1,
    **knobs: Any,
) -> None:
    """Write the dataset and the metrics, so that load_dataset and evaluate.load find them in that folder, offline."""
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


def _tell(outcome: "Outcome") -> None:
    from crossmem_hf.report.text import headline

    console.print(f"\n{headline(outcome.record)}\n", highlight=False)
    if not outcome.record.is_interpretable:
        failed = ", ".join(f"{m.source} (seed {m.seed}): {m.value:.2f}" for m in outcome.record.gate_failures())
        console.print(
            f"[bold red]NOT MEMORIZED[/]: recall in the source modality is below {outcome.record.gate.threshold}: "
            f"{failed}. What unlearning did is not interpreted; --allow-unmemorized overrides.",
            highlight=False,
        )
    console.print(f"record  {outcome.record_path.resolve()}", highlight=False, soft_wrap=True)
    console.print(f"page    {outcome.page.resolve()}", highlight=False, soft_wrap=True)
