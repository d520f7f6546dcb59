# SPDX-License-Identifier: Apache-2.0
"""Scores of other models that a score is read against, read from their folders and checked to be about the same rows.
It computes no metric."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import FILE, Predictions
from crossmem_hf.evaluation.questions import Questions
from crossmem_hf.report.record import Record

HOLDOUT = "holdout.jsonl"
_REMEDY = "Score the retain-only model with the same rows and metrics first, and pass its folder as --retain-only."
_BASELINE_REMEDY = (
    "Score that model with the same rows and --metrics exposure first, and pass its folder as --baseline."
)


def _of_same_rows(folder: Path, questions: Questions, digest: str, remedy: str) -> tuple[Record, Predictions]:
    """Record and predictions of a score, checked to be about the same rows."""
    record = Record.read(folder)
    theirs = record.fingerprints.get("data")
    if theirs != digest:
        raise CrossmemError(
            f"{str(folder)!r} has scores of other rows (fingerprint {theirs}; these are {digest}).", remedy
        )
    predictions = Predictions.read(folder)
    if [prediction.get("row") for prediction in predictions] != list(questions.keys):
        raise CrossmemError(
            f"{str(folder / FILE)!r} has {len(predictions)} predictions of {len(questions.keys)} rows, perhaps cut "
            "short, or of other rows.",
            remedy,
        )
    return record, predictions


def baseline_predictions(folders: Mapping[str, Path], questions: Questions, digest: str) -> dict[str, Predictions]:
    """The predictions of models that Exposure is read against, checked to be about the same questions.

    Args:
        folders: Name -> output of `crossmem score` for that model.
        digest: Of the rows.

    Raises:
        CrossmemError: A folder holds no scores, scores of other rows or other candidates, or two hold the same model.
    """
    found: dict[str, Predictions] = {}
    whose: dict[str, str] = {}
    for name, folder in folders.items():
        record, predictions = _of_same_rows(folder, questions, digest, _BASELINE_REMEDY)
        model = record.fingerprints["model"]
        twin = whose.setdefault(model, name)
        if twin != name:
            raise CrossmemError(
                f"The baselines {twin!r} and {name!r} are the same model ({model}).",
                "Pass the folder of the base model as base=, and of the model before unlearning as memorized=.",
            )
        for place, (prediction, row) in enumerate(zip(predictions, questions.about, strict=True)):
            ranked = prediction.get("truth_rank") is not None
            theirs = prediction.get("candidates", [])[: prediction["num_candidates"]] if ranked else []
            if sorted(theirs) != sorted(questions.candidates_of(row)):
                raise CrossmemError(
                    f"Row {place}: {str(folder)!r} ranked {len(theirs)} other candidates or none, so its Exposure is "
                    "not comparable.",
                    _BASELINE_REMEDY,
                )
        found[name] = predictions
    return found


def retain_only_predictions(folder: Path, questions: Questions, digest: str, metrics: Sequence[str]) -> Predictions:
    """The predictions of a model that never saw the rows, checked to be about the same questions.

    Args:
        folder: Output of `crossmem score` for that model.
        digest: Of the rows.
        metrics: What they will be compared in.

    Raises:
        CrossmemError: The folder holds no scores, scores of other rows or of other false answers, or lacks a pass.
    """
    _, predictions = _of_same_rows(folder, questions, digest, _REMEDY)
    for metric, column in (("truth_ratio", "false_indices"), ("priv_leak", "token_logprobs")):
        if metric in metrics and not all(prediction.get(column) for prediction in predictions):
            raise CrossmemError(f"The predictions in {str(folder)!r} have no {column}, which {metric} needs.", _REMEDY)
    if "truth_ratio" in metrics:
        for prediction, row in zip(predictions, questions.about, strict=True):
            compared = questions.compared(row)
            places = (prediction["reference_index"], *prediction["false_indices"])
            if [prediction["candidates"][at] for at in places] != [
                compared.texts[at] for at in (compared.reference, *compared.false)
            ]:
                raise CrossmemError(f"{str(folder)!r} has scores of other true or false answers.", _REMEDY)
    return predictions


def retain_only_holdout(folder: Path, keys: Sequence[str]) -> Predictions:
    """The holdout predictions of that model.

    Args:
        keys: Fingerprints of the holdout rows.

    Raises:
        CrossmemError: There are none, or they are of other rows.
    """
    predictions = Predictions.read(folder / HOLDOUT)
    if [prediction.get("row") for prediction in predictions] != list(keys):
        raise CrossmemError(f"{str(folder)!r} has scores of other holdout rows.", _REMEDY)
    return predictions
