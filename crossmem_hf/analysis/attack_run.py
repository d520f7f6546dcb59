# SPDX-License-Identifier: Apache-2.0
"""A model attacked on rows, from settings to record: `crossmem attack`. It knows the order of things, not what an
attack asks.

Every process of a launch calls `run_attack` with the same settings; they share the rows, and the main one writes.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from crossmem_hf.analysis.attacks.table import ATTACKS
from crossmem_hf.data.digest import rows_digest
from crossmem_hf.data.population import forgotten_ids
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.evaluation.asking import asked_together
from crossmem_hf.evaluation.evaluator import LOGS, Evaluator
from crossmem_hf.evaluation.loaded import Loaded, model_key
from crossmem_hf.evaluation.predictions import FILE, Predictions
from crossmem_hf.evaluation.questions import Questions
from crossmem_hf.evaluation.rows import load_questions
from crossmem_hf.evaluation.settings import AskedSettings, ScoreSettings
from crossmem_hf.report.record import RECORD_FILE, Record
from crossmem_hf.report.tables import measurement_table
from crossmem_hf.runs.sources import environment
from crossmem_hf.storage import fingerprint

PLAIN: Final = "none"
"""Value of the column ``attack`` where rows are asked as they are."""
_BY: Final = ("attack", "group", "target")


@dataclass(frozen=True, kw_only=True)
class AttackSettings(AskedSettings):
    """Settings of `crossmem attack`, beside those of `AskedSettings`; by default names are asked for beside portraits.

    Attributes:
        attacks: Names in `ATTACKS`; none are all that apply to the rows.
        retain_only: Output folder of the same command for a model that never saw the rows.
        seed: Of what attacks draw.

    Raises:
        CrossmemError: A value out of range, or an unknown name.
    """

    config: str = "recall_image"
    split: str = "test"
    attacks: tuple[str, ...] = ()
    retain_only: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        others = [name for name in self.attacks if name not in ATTACKS]
        if others:
            raise unknown("attack", others, list(ATTACKS))
        if self.retain_only is not None and not (self.retain_only / FILE).exists():
            raise CrossmemError(
                f"retain_only={str(self.retain_only)!r} holds no {FILE}.",
                "Run the same command on a model that never saw the rows, and name its output folder.",
            )

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, JSON types only."""
        place = None if self.retain_only is None else str(self.retain_only)
        return asdict(self) | {"attacks": list(self.attacks), "retain_only": place}


def run_attack(
    settings: AttackSettings, folder: Path, *, overwrite: bool = False, console: Console | None = None
) -> Record | None:
    """Attack a model on the settings' rows, or go on where an earlier run into `folder` stopped.

    Args:
        folder: Gets ``record.json`` and ``predictions.jsonl`` (a line a row and attack); finished work stays under
            ``jobs``.
        overwrite: Replace what a run with another model or other rows left in `folder`.
        console: Gets the table.

    Returns:
        The record: of each attack, group (forget or retain, of embedded personas) and modality ``extracted``, the
        share of rows whose truth came out, and, with a retain-only model, ``residual``, what is left of it when what
        the same attack gets out of that model is taken away, row by row. None in all processes but the main one.

    Raises:
        CrossmemError: Anything about settings, rows, model or folder, before the first pass; or an attack that was
            asked for by name does not apply to the rows.
    """
    if settings.retain_only is not None and settings.retain_only.resolve() == folder.resolve():
        raise CrossmemError(
            f"{str(folder)!r} is the folder of the retain-only model, too, and would be replaced.",
            "Pass another --output-dir.",
        )
    return asked_together(
        settings,
        folder,
        what="attack",
        overwrite=overwrite,
        prepare=lambda: _prepared(settings),
        code=run_attack,
        ask=lambda prepared, asked: _attacked(settings, prepared, asked, folder / LOGS),
        finish=lambda prepared, found: _finish(settings, prepared, found, folder, console or Console()),
    )


@dataclass(frozen=True)
class _Prepared:
    """What is known before a model is loaded, as `asking.Prepared`."""

    questions: Questions
    data: str
    model: str

    @property
    def rows(self) -> Any:
        return self.questions.rows


def _prepared(settings: AttackSettings) -> _Prepared:
    shared = {one.name: getattr(settings, one.name) for one in fields(AskedSettings)}
    questions = load_questions(ScoreSettings(metrics=("recall",), **shared))
    if settings.retain_only is not None:
        _check_same(Predictions.read(settings.retain_only), questions, settings, settings.retain_only)
    return _Prepared(questions, rows_digest(questions.rows), model_key(settings))


def _check_same(theirs: Predictions, questions: Questions, settings: AttackSettings, place: Path) -> None:
    """The same command on the same rows: an attack that is missing would have no residual, unseen, and one of another
    seed may have drawn other words, options or people to learn from."""
    attacks = {one.get("attack") for one in theirs}
    seed = Record.read(place).config["seed"] if (place / RECORD_FILE).exists() else settings.seed
    missing = [name for name in settings.attacks if name not in attacks]
    if PLAIN not in attacks:
        wrong = "of another command than crossmem attack"
    elif {one["row"] for one in theirs} != {*questions.keys}:
        wrong = "of other rows"
    elif missing:
        wrong = f"not of {', '.join(missing)}"
    elif seed != settings.seed:
        wrong = f"of seed {seed}, not {settings.seed}"
    else:
        return
    raise CrossmemError(
        f"The predictions in {str(place)!r} are {wrong}.",
        "Run the same command, with the same rows, attacks and seed, on the retain-only model.",
    )


def _attacked(
    settings: AttackSettings, prepared: _Prepared, asked: Loaded, logs: Path
) -> tuple[Predictions, list[str]]:
    """The predictions of the plain questions and of all attacks, and what did not apply."""
    questions, logs = prepared.questions, logs / fingerprint([asked.made_from, prepared.data])
    evaluator = Evaluator(
        questions, metrics=("recall",), batch_size=settings.batch_size, forgotten=_forgotten(settings, questions)
    )
    model = (asked.model, asked.processor)
    plain = evaluator(*model, output_dir=logs / PLAIN, made_from=asked.made_from)
    parts, notes = [named_as(plain, PLAIN)], []
    for name in settings.attacks or tuple(ATTACKS):
        try:
            logged, seed = logs / f"{name}-{settings.seed}", settings.seed
            found = ATTACKS[name](evaluator, *model, seed=seed, output_dir=logged, made_from=asked.made_from)
        except CrossmemError as error:
            if settings.attacks:
                raise
            notes.append(f"Not run: {name}. {error.args[0]}")
        else:
            parts.append(named_as(found, name))
    return Predictions.joined(parts), notes


def _forgotten(settings: AttackSettings, questions: Questions) -> frozenset[str] | None:
    """Of embedded personas those who are to be forgotten; of another dataset it is not known who is."""
    if settings.dataset is not None:
        return None
    asked = {person_key(row["persona_id"]) for row in questions.about}
    return forgotten_ids(DatasetSpec(**settings.knobs())) & asked


def named_as(found: Predictions, attack: str) -> Predictions:
    """With the column ``attack``, and those that the metric `extracted` reads where an attack asks once and has none.

    Example:
        >>> named_as(Predictions([{"correct": True}]), PLAIN)[0]["extracted"]
        True
    """
    columns = ({"attack": attack, "extracted": one["correct"], "num_samples": 1} for one in found)
    return Predictions({**more, **one} for one, more in zip(found, columns, strict=True))


def _finish(
    settings: AttackSettings,
    prepared: _Prepared,
    found_and_notes: tuple[Predictions, list[str]],
    folder: Path,
    console: Console,
) -> Record:
    """Measure, write and show."""
    found, notes = found_and_notes
    measurements = found.measure(("extracted",), _BY)
    if settings.retain_only is not None:
        beside = beside_retain_only(found, Predictions.read(settings.retain_only))
        measurements += beside.measure(("residual",), _BY)
        alone = sorted({one["attack"] for one in found} - {one["attack"] for one in beside})
        notes += [f"No residual of {name}: the retain-only model was not under it." for name in alone]
    notes = [*notes, *_notes(settings)]
    record = Record(
        study="attack",
        config=settings.as_dict(),
        versions=environment(),
        seeds=(settings.persona_seed,) if settings.dataset is None else (),
        fingerprints={"data": prepared.data, "model": prepared.model},
        measurements=tuple(measurements),
        notes=tuple(notes),
    )
    found.write(folder / FILE)
    record.write(folder / RECORD_FILE)
    console.print(measurement_table(record.measurements).terminal())
    for note in notes:
        console.print(f"- {note}", style="dim", highlight=False, markup=False)
    return record


def beside_retain_only(found: Predictions, theirs: Predictions) -> Predictions:
    """The predictions of attacks that both models were under, with ``extracted_retain_only``, what the same attack got
    out of the retain-only model on the same row.

    Example:
        >>> one = {"row": "r", "attack": "hinted", "persona_id": "p", "modality": "text", "extracted": True}
        >>> (both,) = beside_retain_only(Predictions([one]), Predictions([{**one, "extracted": False}]))
        >>> both["extracted_retain_only"]
        False
    """
    known = {(one["attack"], one["row"]): bool(one["extracted"]) for one in theirs}
    both = (one for one in found if (one["attack"], one["row"]) in known)
    return Predictions({**one, "extracted_retain_only": known[one["attack"], one["row"]]} for one in both)


def _notes(settings: AttackSettings) -> Iterator[str]:
    yield (
        f"extracted is the share of rows whose whole truth came out in any answer of the attack ({PLAIN}: in the one "
        "answer to the question as it is); chance is that of whoever guesses as often among the candidates."
    )
    if settings.retain_only is None:
        yield "Nothing says here how much of it the attack itself gives away: name a retain-only model's folder."
    else:
        yield "residual is extracted less what the same attack got out of the retain-only model, row by row."
    yield (
        "Intervals hold 95 % for further personas of the same population, rows of one persona taken together "
        "(docs/statistics.md)."
    )
