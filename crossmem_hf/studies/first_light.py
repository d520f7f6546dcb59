# SPDX-License-Identifier: Apache-2.0
"""The main job: people learned through one modality, asked through both, unlearned, and shown on a page.

Protocol of Wen et al. 2025 (arXiv 2506.05198) on our own people: name recall in a 2x2 of learned and asked modality,
then NPO unlearning in the source modality, with Exposure after ReMem (arXiv 2605.03759). Their prompts, attributes and
numbers of views are not known; ours are in `prompts` and `settings`, and no number here equals theirs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from rich.console import Console

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import MODALITIES, Persona
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for
from crossmem_hf.report.page import write_report
from crossmem_hf.report.run_record import CastMember, Example, Gate, RunRecord
from crossmem_hf.runs.pool import default_workers, run_jobs
from crossmem_hf.runs.sources import environment
from crossmem_hf.runs.stages import claim_folder, locked
from crossmem_hf.storage import fingerprint, write_atomic
from crossmem_hf.studies.groups import forgotten_ids
from crossmem_hf.studies.job import Job
from crossmem_hf.studies.settings import FirstLightSettings
from crossmem_hf.studies.summary import exposures_by_person, measurements

_PORTRAIT_PIXELS = 192
_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run leaves: the record, and where its page is."""

    record: RunRecord
    record_path: Path
    page: Path


def default_folder(settings: FirstLightSettings) -> Path:
    """Where a run goes unless told otherwise; runs with other settings go elsewhere."""
    name = f"first_light-{settings.num_personas}-people-seed-{settings.seed}-of-{settings.seeds}"
    mark = _mark(settings)
    return Path("crossmem_runs") / (name if mark == _mark(_like_default(settings)) else f"{name}-{mark[:8]}")


def _like_default(settings: FirstLightSettings) -> FirstLightSettings:
    return FirstLightSettings(num_personas=settings.num_personas, seed=settings.seed, seeds=settings.seeds)


def _mark(settings: FirstLightSettings) -> str:
    """Names the run: everything that changes its answers, not how they are judged."""
    chosen = {name: value for name, value in settings.as_dict().items() if name not in ("gate", "allow_unmemorized")}
    return fingerprint(chosen)


def run_first_light(
    settings: FirstLightSettings,
    folder: Path,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Run or resume the main job in `folder`; stages that are already there are not run again.

    Args:
        workers: Jobs at a time; None is one a CPU core, or one in all if there is a GPU.
        overwrite: Replace what another run left in `folder`.

    Returns:
        The record, also written to ``record.json``; all answers are in ``answers.jsonl``, the page in ``report.html``.

    Raises:
        CrossmemError: The folder belongs to another run, or anything a stage refuses.
    """
    console = console or Console()
    with locked(folder):
        claim_folder(folder, _mark(settings), overwrite=overwrite)
        return _run(settings, folder, min(workers or default_workers(), 2 * settings.seeds), console)


def _run(settings: FirstLightSettings, folder: Path, workers: int, console: Console) -> Outcome:
    jobs = [
        Job(settings=settings, seed=seed, source=source, folder=folder / "jobs" / f"seed{seed}_{source}")
        for seed in settings.all_seeds
        for source in MODALITIES
    ]
    results = run_jobs(jobs, workers=workers, log=folder / "log.txt", console=console)
    items = [item for result in results for item in result["asked"]]
    record = _record(
        settings, items, {job.name: result["stopping"] for job, result in zip(jobs, results, strict=True)}
    )
    write_atomic(folder / "answers.jsonl", "".join(json.dumps(item) + "\n" for item in items))
    record_path = record.write(folder / "record.json")
    shown = _people(settings)[:_SHOWN]
    page = write_report(
        record,
        folder,
        {persona.id: _portraits(persona) for persona in shown},
        {persona.id: describe(persona, "test", 0).text for persona in shown},
    )
    return Outcome(record=record, record_path=record_path, page=page)


def _people(settings: FirstLightSettings) -> list[Persona]:
    return [persona for seed in settings.all_seeds for persona in sample_personas(settings.num_personas, seed)]


def _portraits(persona: Persona) -> list[bytes]:
    """PNG files: a held-out view for the cast, then training views."""
    pictures = []
    for split, index in (("test", persona.index % 3), ("train", 0), ("train", 1), ("test", 1)):
        buffer = BytesIO()
        view = view_for(persona, split, index)  # type: ignore[arg-type]
        render_portrait(persona, view, _PORTRAIT_PIXELS).quantize(96).save(buffer, format="PNG", optimize=True)
        pictures.append(buffer.getvalue())
        if persona.index:  # one person is shown from several sides, the others once
            break
    return pictures


def _record(
    settings: FirstLightSettings, items: Sequence[Mapping[str, Any]], stopping: Mapping[str, Any]
) -> RunRecord:
    forgotten = frozenset().union(*(forgotten_ids(settings.spec(seed)) for seed in settings.all_seeds))
    people = {persona.id: persona for persona in _people(settings)}
    return RunRecord(
        config=settings.as_dict(),
        versions=environment(),
        seeds=settings.all_seeds,
        data_fingerprint=fingerprint([settings.spec(seed).fingerprint() for seed in settings.all_seeds]),
        measurements=tuple(measurements(items, forgotten, settings.num_personas)),
        cast=tuple(
            CastMember(
                persona_id=persona.id,
                full_name=persona.full_name,
                forgotten=persona.id in forgotten,
                seed=persona.seed,
            )
            for persona in people.values()
        ),
        examples=tuple(_examples(items, people, forgotten)),
        exposure_items=tuple(exposures_by_person(items, forgotten)),
        notes=tuple(_notes(settings, stopping)),
        gate=Gate(threshold=settings.gate, overridden=settings.allow_unmemorized),
    )


def _notes(settings: FirstLightSettings, stopping: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "Recall is the exact full name on held-out views or sentence frames; Exposure ranks the truth among all "
        "names of its seed by per-token likelihood, end of turn included."
    )
    for name, seen in stopping.items():
        look, value = seen["looks"][-1] if seen["looks"] else (0, 1.0)
        ended = "reached the floor" if value <= settings.stop_threshold else "ran all its steps"
        saw = f"recall {value:.2f} on stopping views (not reported) at step {look}" if look else "nobody looked"
        yield f"Unlearning ({name}) {ended}: {seen['steps']} steps; {saw}."


def _examples(
    items: Sequence[Mapping[str, Any]], people: Mapping[str, Persona], forgotten: frozenset[str]
) -> Iterator[Example]:
    """The first view of the first two forgotten and the first two retained people of the first seed."""
    first = min(persona.seed for persona in people.values())
    ids = [persona.id for persona in people.values() if persona.seed == first]
    chosen = [
        *[persona_id for persona_id in ids if persona_id in forgotten][:2],
        *[persona_id for persona_id in ids if persona_id not in forgotten][:2],
    ]
    for persona_id in chosen:
        for item in items:
            if item["persona_id"] == persona_id and item["view"] == 0:
                names = ("stage", "source", "target", "question", "answer", "truth", "correct")
                yield Example(
                    persona_id=persona_id,
                    full_name=people[persona_id].full_name,
                    forgotten=persona_id in forgotten,
                    **{name: item[name] for name in names},
                )
