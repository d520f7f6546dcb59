# SPDX-License-Identifier: Apache-2.0
"""`crossmem score`: it parses, calls and prints. Heavy imports wait until needed."""

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
from crossmem_hf.personas.schema import MODALITIES

_RUNS = Path("crossmem_runs/score")


def _metrics() -> list[str]:
    from crossmem_hf.evaluation.measures import METRICS, is_selectable

    return [name for name in METRICS if is_selectable(name) or name == "judge"]


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
_JudgeUrl = Annotated[
    str | None, typer.Option(help="OpenAI-compatible server; its token is read from CROSSMEM_JUDGE_TOKEN.")
]


@with_knobs(renamed={"seed": "persona_seed"})
def score(
    model: Model = None,
    adapter: Adapter = None,
    dataset: Dataset = None,
    config: Config = "qa",
    split: Split = "forget",
    metrics: _Metrics = None,
    output_dir: Annotated[
        Path, typer.Option(help="Gets record.json, predictions.jsonl, what is resumed from.")
    ] = _RUNS,
    max_rows: MaxRows = None,
    batch_size: Annotated[str, typer.Option(help="Prompts at a time, or auto.")] = "auto",
    dtype: Dtype = "auto",
    device: Device = None,
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
    overwrite: Overwrite = False,
    **knobs: Any,
) -> None:
    """Ask a model about people, measure its answers, print a table and write record.json. Resumes if killed.

    Shares the work under torchrun --nproc_per_node N -m crossmem_hf score ..., or accelerate launch -m.
    """
    given = settings_given(locals(), knobs)
    with clear_errors():
        from crossmem_hf.evaluation.run import run_score
        from crossmem_hf.evaluation.settings import ScoreSettings, chosen_metrics

        given["baseline"] = tuple(baseline or ())
        given["metrics"] = chosen_metrics(metrics, judge=judge_model is not None, holdout=holdout_split is not None)
        run_and_leave(run_score, ScoreSettings(**given), output_dir, overwrite=overwrite)
