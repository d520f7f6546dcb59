# SPDX-License-Identifier: Apache-2.0
"""One cell of a comparison: a model taught or unlearned in one way, and what it then answers. It knows no other cell.

Every part is a stage on disk, so a cell that was finished, or killed, is not done again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from crossmem_hf.errors import CrossmemError
from crossmem_hf.runs.pool import Tell
from crossmem_hf.runs.sources import code_fingerprint, library_versions
from crossmem_hf.runs.stages import Done, run_stage
from crossmem_hf.studies.compare_settings import CompareSettings

BASE, MEMORIZED, RETRAINED = ANCHORS = ("base", "memorized", "retrained")
"""Never taught; taught everybody; taught the retained people only: what the unlearned ones are read against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What to do and where to keep it.

    Attributes:
        arm: One of ANCHORS, or a name of `training.methods.METHODS`.
        through: The modality to forget through; None for an anchor.
        folder: Of all cells of the comparison.
    """

    settings: CompareSettings
    seed: int
    arm: str
    through: str | None
    folder: Path

    @property
    def name(self) -> str:
        """E.g. ``"npo both 0"``."""
        return " ".join(part for part in (self.arm, self.through, str(self.seed)) if part)

    @property
    def place(self) -> Path:
        """The cell's own folder."""
        return self.folder / self.name.replace(" ", "_")

    def run(self, tell: Tell) -> dict[str, Any]:
        """See `run_cell`."""
        return run_cell(self, tell)


def run_cell(cell: Cell, tell: Tell) -> dict[str, Any]:
    """Teach or unlearn, then ask everybody through both modalities.

    Returns:
        arm, through, seed; asked (see `compare_asking.Answer`), steps, reached_floor, and cost (`cost.Cost`) of the
        training; or failed, how its training broke down, which is a result too. JSON types only.

    Raises:
        CrossmemError: Anything but a training that broke down.
    """
    tell("training", 0.0)
    trained = None
    if cell.arm != BASE:
        trained = _taught(cell, tell) if cell.arm in ANCHORS else _unlearned(cell, tell)
    result = _who(cell) | (trained.result if trained else {})
    if "failed" not in result:
        tell("asking", 0.6)
        result["asked"] = _asked(cell, trained).result
    tell("done", 1.0)
    return result


def _who(cell: Cell) -> dict[str, Any]:
    return {"arm": cell.arm, "through": cell.through, "seed": cell.seed}


def _loaded(cell: Cell, adapter: Done | None) -> tuple[Any, Any]:
    from crossmem_hf.models.loading import load_model_and_processor

    path = str(adapter.folder) if adapter else None
    return load_model_and_processor(cell.settings.model_name_or_path, adapter=path, device=_device())


def _device() -> str | None:
    import torch

    return "cuda" if torch.cuda.is_available() else None


def _world(cell: Cell) -> dict[str, Any]:
    """What every stage depends on; code and versions included, so that a fixed bug is not served stale."""
    from crossmem_hf.models.loading import model_fingerprint

    return {
        "data": cell.settings.spec(cell.seed).fingerprint(),
        "dataset_config": cell.settings.dataset_config,
        "model": model_fingerprint(cell.settings.model_name_or_path),
        "versions": library_versions(),
        "code": code_fingerprint(run_cell),
        "device": _device(),
    }


def _taught(cell: Cell, tell: Tell) -> Done:
    """An adapter that has learned everybody, or the retained people alone."""
    chosen = cell.settings.memorizing(cell.seed)
    targets = cell.settings.lora_target_modules

    def compute(folder: Path) -> dict[str, Any]:
        from crossmem_hf.data.selection import of_people, personas_of
        from crossmem_hf.runs.cost import measured
        from crossmem_hf.studies.compare_asking import joined
        from crossmem_hf.studies.groups import forgotten_ids
        from crossmem_hf.training.callbacks.progress import TellProgress
        from crossmem_hf.training.memorize import language_lora, memorize

        spec = cell.settings.spec(cell.seed)
        rows = joined(cell.settings.dataset_config, "train", spec)
        if cell.arm == RETRAINED:
            rows = of_people(rows, set(personas_of(rows)) - forgotten_ids(spec))
        model, processor = _loaded(cell, None)
        progress = TellProgress(tell, "training", 0.0, 0.6)
        with measured() as cost, _breakdown(folder) as failed:
            memorize(
                model,
                processor,
                rows,
                output_dir=folder,
                lora=language_lora(target_modules=targets),
                callbacks=[progress],
                **(chosen | _quiet()),
            )
        return {"steps": progress.step, "reached_floor": None, "cost": cost.as_dict(), **failed}

    inputs = {**_world(cell), "arm": cell.arm, "chosen": chosen, "targets": targets}
    cell.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(cell.place.with_suffix(".lock")):  # cells of one seed may need it at the same time
        return run_stage(cell.place / "adapter", inputs, compute)


def _unlearned(cell: Cell, tell: Tell) -> Done:
    """The memorized adapter after unlearning through a modality."""
    assert cell.through is not None, "an unlearned cell has a modality"
    memorized = _taught(replace(cell, arm=MEMORIZED, through=None), lambda step, share: None)
    chosen = cell.settings.unlearning(cell.arm, cell.through, cell.seed)

    def compute(folder: Path) -> dict[str, Any]:
        from crossmem_hf.data.selection import of_people, personas_of, through
        from crossmem_hf.evaluation.recall import recall
        from crossmem_hf.runs.cost import measured
        from crossmem_hf.studies.compare_asking import joined
        from crossmem_hf.studies.groups import forgotten_ids
        from crossmem_hf.training.callbacks.progress import TellProgress
        from crossmem_hf.training.methods import METHODS
        from crossmem_hf.training.unlearn import unlearn

        spec = cell.settings.spec(cell.seed)
        forgotten = forgotten_ids(spec)
        rows = joined(cell.settings.dataset_config, "train", spec)
        watched = of_people(joined(cell.settings.dataset_config, "validation", spec), forgotten)
        stopping = list(through(watched, cell.through))
        model, processor = _loaded(cell, memorized)
        progress = TellProgress(tell, "unlearning", 0.0, 0.6)
        rule = None
        with measured() as cost, _breakdown(folder) as failed:
            _, rule = unlearn(
                model,
                processor,
                of_people(rows, forgotten),
                of_people(rows, set(personas_of(rows)) - forgotten),
                output_dir=folder,
                recall=lambda: recall(model, processor, stopping),
                trainer_class=METHODS[cell.arm],
                callbacks=[progress],
                reference_cache=str(folder / "reference"),  # its own, or a cell would cost what another has paid
                **(chosen | _quiet()),
            )
        reached = rule is not None and rule.stopped_at is not None
        return {"steps": progress.step, "reached_floor": reached, "cost": cost.as_dict(), **failed}

    inputs = {**_world(cell), "arm": cell.arm, "chosen": chosen, "memorized": memorized.fingerprint}
    return run_stage(cell.place / "adapter", inputs, compute)


@contextmanager
def _breakdown(folder: Path) -> Iterator[dict[str, str]]:
    """Gets ``failed`` if weights or losses cease to be numbers, which trainers tell by what they leave in `folder`."""
    failed: dict[str, str] = {}
    try:
        yield failed
    except CrossmemError as error:
        if not (folder / "last_good").exists():
            raise
        failed["failed"] = error.fault.partition(";")[0]


def _quiet() -> dict[str, Any]:
    return {"disable_tqdm": True, "logging_strategy": "no"}


def _asked(cell: Cell, trained: Done | None) -> Done:
    def compute(_: Path) -> list[dict[str, Any]]:
        from crossmem_hf.studies.compare_asking import ask, joined, with_perplexity
        from crossmem_hf.studies.groups import forgotten_ids

        spec = cell.settings.spec(cell.seed)
        rows = list(joined(cell.settings.dataset_config, "test", spec))
        model, processor = _loaded(cell, trained)
        answers = ask(model, processor, rows, spec, forgotten_ids(spec))
        base = model if trained is None else _loaded(cell, None)[0]
        return with_perplexity(base, processor, rows, answers)

    inputs = {**_world(cell), "asked": trained.fingerprint if trained else BASE}
    return run_stage(cell.place / "asked", inputs, compute)
