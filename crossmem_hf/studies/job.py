# SPDX-License-Identifier: Apache-2.0
"""One seed and one source modality, from the base model to the unlearned one. It knows nothing of other jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.runs.pool import Tell
from crossmem_hf.runs.sources import code_fingerprint, library_versions
from crossmem_hf.runs.stages import Done, run_stage
from crossmem_hf.studies.settings import FirstLightSettings

_MEMORIZE = ("lora_target_modules", "memorize_steps", "memorize_batch_size", "memorize_learning_rate")
_UNLEARN = (
    *("unlearn_steps", "unlearn_batch_size", "unlearn_learning_rate", "forget_beta", "retain_weight"),
    *("stop_threshold", "stop_every_steps"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to do and where to keep it."""

    settings: FirstLightSettings
    seed: int
    source: Modality
    folder: Path

    @property
    def name(self) -> str:
        """E.g. ``"seed 0, image"``."""
        return f"seed {self.seed}, {self.source}"

    def run(self, tell: Tell) -> dict[str, Any]:
        """See `run_job`."""
        return run_job(self, tell)


def run_job(job: Job, tell: Tell) -> dict[str, Any]:
    """Memorize through the source modality, ask, unlearn through it, ask again.

    Returns:
        ``asked``: every question and answer (`asking.Asked` as JSON); ``stopping``: ``steps`` of unlearning and
        ``looks`` of the stopping rule, as (step, recall) pairs; JSON types only.
    """
    from crossmem_hf.models.loading import load_model_and_processor
    from crossmem_hf.studies.asking import asked_names

    spec = job.settings.spec(job.seed)
    world = _world(job)

    def loaded(adapter: Path | None) -> tuple[Any, Any]:
        return load_model_and_processor(
            job.settings.model_name_or_path, adapter=str(adapter) if adapter else None, device=_device()
        )

    def ask(stage: str, adapter: Done | None) -> Done:
        def compute(_: Path) -> list[dict[str, Any]]:
            model, processor = loaded(adapter.folder if adapter else None)
            targets = (job.source,) if stage == "base" else MODALITIES
            asked = asked_names(model, processor, spec, stage=stage, source=job.source, targets=targets)
            return [item.as_json() for item in asked]

        inputs = {**world, "stage": stage, "adapter": adapter.fingerprint if adapter else None}
        return run_stage(job.folder / f"asked_{stage}", inputs, compute)

    tell("base: asking", 0.0)
    base = ask("base", None)
    tell("memorizing", 0.1)
    memorized = _memorized(job, world, loaded, tell)
    tell("memorized: asking", 0.4)
    before = ask("memorized", memorized)
    tell("unlearning", 0.6)
    unlearned = _unlearned(job, world, memorized, loaded, tell)
    tell("unlearned: asking", 0.85)
    after = ask("unlearned", unlearned)
    tell("done", 1.0)
    return {"asked": [*base.result, *before.result, *after.result], "stopping": unlearned.result}


def _device() -> str | None:
    import torch

    return "cuda" if torch.cuda.is_available() else None


def _world(job: Job) -> dict[str, Any]:
    """What every stage of a job depends on; code and versions included, so that a fixed bug is not served stale."""
    from crossmem_hf.models.loading import model_fingerprint

    return {
        "data": job.settings.spec(job.seed).fingerprint(),
        "source": job.source,
        "model": model_fingerprint(job.settings.model_name_or_path),
        "versions": library_versions(),
        "code": code_fingerprint(run_job),
        "device": _device(),
    }


def _chosen(settings: FirstLightSettings, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in settings.as_dict().items() if name in names}


def _memorized(job: Job, world: dict[str, Any], loaded: Callable[[None], tuple[Any, Any]], tell: Tell) -> Done:
    settings = job.settings

    def compute(folder: Path) -> dict[str, Any]:
        from crossmem_hf.data.loading import built_rows
        from crossmem_hf.training.callbacks.progress import TellProgress
        from crossmem_hf.training.memorize import language_lora, memorize

        model, processor = loaded(None)
        memorize(
            model,
            processor,
            built_rows(f"recall_{job.source}", "train", settings.spec(job.seed)),
            output_dir=folder,
            lora=language_lora(target_modules=settings.lora_target_modules),
            callbacks=[TellProgress(tell, "memorizing", 0.1, 0.4)],
            max_steps=settings.memorize_steps,
            per_device_train_batch_size=settings.memorize_batch_size,
            learning_rate=settings.memorize_learning_rate,
            seed=job.seed,
            disable_tqdm=True,
            logging_strategy="no",
        )
        return {}

    inputs = {**world, **_chosen(settings, _MEMORIZE), "stage": "memorize"}
    return run_stage(job.folder / "memorized", inputs, compute)


def _unlearned(
    job: Job, world: dict[str, Any], memorized: Done, loaded: Callable[[Path], tuple[Any, Any]], tell: Tell
) -> Done:
    settings, spec = job.settings, job.settings.spec(job.seed)

    def compute(folder: Path) -> dict[str, Any]:
        from crossmem_hf.data.loading import built_rows
        from crossmem_hf.data.selection import of_people, personas_of
        from crossmem_hf.evaluation.recall import recall
        from crossmem_hf.studies.groups import forgotten_ids
        from crossmem_hf.training.callbacks.progress import TellProgress
        from crossmem_hf.training.methods import NPOTrainer
        from crossmem_hf.training.unlearn import unlearn

        forgotten = forgotten_ids(spec)
        rows = built_rows(f"recall_{job.source}", "train", spec)
        stopping = list(of_people(built_rows(f"recall_{job.source}", "validation", spec), forgotten))
        model, processor = loaded(memorized.folder)
        progress = TellProgress(tell, "unlearning", 0.6, 0.85)
        _, rule = unlearn(
            model,
            processor,
            of_people(rows, forgotten),
            of_people(rows, set(personas_of(rows)) - forgotten),
            output_dir=folder,
            recall=lambda: recall(model, processor, stopping),
            trainer_class=NPOTrainer,
            callbacks=[progress],
            max_steps=settings.unlearn_steps,
            per_device_train_batch_size=settings.unlearn_batch_size,
            learning_rate=settings.unlearn_learning_rate,
            forget_beta=settings.forget_beta,
            retain_weight=settings.retain_weight,
            stop_threshold=settings.stop_threshold,
            stop_every_steps=settings.stop_every_steps,
            seed=job.seed,
            disable_tqdm=True,
            logging_strategy="no",
        )
        return {"steps": progress.step, "looks": rule.history if rule else []}

    inputs = {**world, **_chosen(settings, _UNLEARN), "memorized": memorized.fingerprint, "stage": "unlearn"}
    return run_stage(job.folder / "unlearned", inputs, compute)
