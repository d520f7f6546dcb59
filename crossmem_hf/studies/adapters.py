# SPDX-License-Identifier: Apache-2.0
"""Adapters that studies train, each a stage on disk: personas memorized, personas unlearned. They ask nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from crossmem_hf.data.population import all_personas, forgotten_ids, is_demonstrated
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Modality
from crossmem_hf.runs.sources import code_fingerprint, library_versions
from crossmem_hf.runs.stages import Done, run_stage
from crossmem_hf.storage import fingerprint
from crossmem_hf.studies.background_rows import KnownNames, Replay

if TYPE_CHECKING:
    from datasets import Dataset

    from crossmem_hf.data.spec import DatasetSpec
    from crossmem_hf.studies.study import Cell

QUIET: dict[str, Any] = {"disable_tqdm": True, "logging_strategy": "no"}


class BrokenDownError(CrossmemError):
    """A training after which weights were no numbers any more; what needs its adapter ends with this as its result."""


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Which rows of our dataset.

    Attributes:
        configs: Joined in this order.
        split: Of each.
        modality: Only rows that present personas so; None takes all.
        share: Only rows about this share of their personas, those that come first in the population.
        demonstrated: Only rows about personas whom both links at once are shown of in the config ``two_hop``, or only
            about the others; None takes all.
        besides: Other rows, which come after these.
    """

    configs: tuple[str, ...]
    split: str
    modality: Modality | None = None
    share: float = 1.0
    demonstrated: bool | None = None
    besides: "TrainingRows | KnownNames | Replay | None" = None

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The rows of one seed."""
        from datasets import concatenate_datasets

        from crossmem_hf.data.loading import built_rows
        from crossmem_hf.data.selection import of_personas

        parts = [built_rows(config, self.split, spec) for config in self.configs]
        rows = parts[0] if len(parts) == 1 else concatenate_datasets(parts)
        if self.modality is not None:
            rows = rows.select([place for place, own in enumerate(rows["modality"]) if own == self.modality])
        if self.share < 1:
            everybody = list(dict.fromkeys(rows["persona_id"]))
            rows = of_personas(rows, set(everybody[: round(self.share * len(everybody))]))
        if self.demonstrated is not None:
            personas = all_personas(spec.num_personas, spec.seed)
            rows = of_personas(rows, {one.id for one in personas if is_demonstrated(one) == self.demonstrated})
        return rows if self.besides is None else concatenate_datasets([rows, self.besides.of(spec)])


@dataclass(frozen=True)
class AttributeRows:
    """Rows that ask what the population's personas look like: the control that a model can see and read them."""

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The rows of one seed."""
        from crossmem_hf.evaluation.utility import attribute_rows

        return attribute_rows(all_personas(spec.num_personas, spec.seed), spec.image_size)


def memorized(
    cell: "Cell",
    name: str,
    rows: TrainingRows,
    *,
    whom: Literal["all", "retain"] = "all",
    lora: Mapping[str, Any] = MappingProxyType({}),
    contrast: TrainingRows | None = None,
    checkpoints: Sequence[int] = (),
    share: tuple[float, float] = (0.0, 0.5),
    **chosen: Any,
) -> Done:
    """An adapter that has learned the personas, or those to be retained alone (the retain-only model).

    Args:
        name: The stage's own.
        lora: Arguments of `memorize.language_lora` in the place of its defaults and the setting lora_target_modules.
        contrast: Rows that present the same personas in the other modality: see `contrast.Contrast`.
        checkpoints: Steps at which the adapter is kept too: see `at_step`.
        share: Of the cell, done when training starts and when it ends.
        chosen: Fields of `VisionSFTConfig` that replace those of `micro.MEMORIZING`.

    Returns:
        Its result has where, steps, cost (`runs.cost.Cost`), and failed if weights ceased to be numbers.
    """
    adapter = {"target_modules": cell.settings.lora_target_modules, **lora}

    def compute(folder: Path) -> dict[str, Any]:
        from crossmem_hf.data.selection import of_personas, personas_of
        from crossmem_hf.training.callbacks.progress import ReportProgress
        from crossmem_hf.training.callbacks.saving import SaveAtSteps
        from crossmem_hf.training.contrast import Contrast
        from crossmem_hf.training.memorize import language_lora, memorize

        spec = cell.settings.spec(cell.seed)
        learned = rows.of(spec)
        if whom == "retain":
            learned = of_personas(learned, set(personas_of(learned)) - forgotten_ids(spec))
        model, processor = loaded(cell, None)
        progress = ReportProgress(cell.progress, "memorizing", *share)
        with _training(folder) as result:
            memorize(
                model,
                processor,
                learned,
                output_dir=folder,
                lora=language_lora(**adapter),
                callbacks=[progress, SaveAtSteps(checkpoints)],
                contrast=None if contrast is None else Contrast(rows=contrast.of(spec)),
                save_only_model=True,
                **(chosen | {"seed": cell.seed} | QUIET),
            )
        return result | {"where": dict(cell.where), "steps": progress.step}

    inputs = {"rows": [asdict(rows), whom], "chosen": chosen, "lora": adapter, "checkpoints": list(checkpoints)}
    inputs |= {} if contrast is None else {"contrast": asdict(contrast)}
    return run_stage(cell.stages / name, depends(cell, __name__) | inputs, compute)


def unlearned(
    cell: "Cell",
    name: str,
    start: Done,
    rows: TrainingRows,
    *,
    method: str,
    checkpoints: Sequence[int] = (),
    share: tuple[float, float] = (0.0, 0.5),
    **chosen: Any,
) -> Done:
    """A memorized adapter from which the personas to forget were unlearned.

    Args:
        name: The stage's own.
        start: The memorized adapter.
        rows: What is forgotten and retained.
        method: A name of `training.methods.METHODS`.
        checkpoints: As for `memorized`.
        chosen: Fields of the method's config that replace those of `micro.UNLEARNING`, such as ``forget_modality``.

    Returns:
        As `memorized`.
    """
    inputs = {
        "rows": asdict(rows),
        "start": start.fingerprint,
        "method": method,
        "checkpoints": list(checkpoints),
        "chosen": chosen,
    }

    def compute(folder: Path) -> dict[str, Any]:
        settings = chosen | {"method": method, "seed": cell.seed}
        return _unlearn(cell, folder, start, rows, tuple(checkpoints), share, settings)

    return run_stage(cell.stages / name, depends(cell, __name__) | inputs, compute)


def at_step(trained: Done, step: int) -> Done:
    """The adapter as it was at one of its checkpoints, which a training that broke down later has too; the training
    itself, failed, if it broke down before."""
    folder = trained.folder / f"checkpoint-{step}"
    if trained.result["failed"] and not folder.exists():
        return trained
    return Done(folder, fingerprint([trained.fingerprint, step]), {**trained.result, "failed": None})


def _unlearn(
    cell: "Cell",
    folder: Path,
    start: Done,
    rows: TrainingRows,
    checkpoints: tuple[int, ...],
    share: tuple[float, float],
    chosen: dict[str, Any],
) -> dict[str, Any]:
    from crossmem_hf.data.selection import of_personas, personas_of
    from crossmem_hf.training.callbacks.progress import ReportProgress
    from crossmem_hf.training.callbacks.saving import SaveAtSteps
    from crossmem_hf.training.unlearn import unlearn

    spec = cell.settings.spec(cell.seed)
    forgotten, every = forgotten_ids(spec), rows.of(spec)
    model, processor = loaded(cell, start)
    progress = ReportProgress(cell.progress, "unlearning", *share)
    with _training(folder) as result:
        unlearn(
            model,
            processor,
            of_personas(every, forgotten),
            of_personas(every, set(personas_of(every)) - forgotten),
            output_dir=folder,
            callbacks=[progress, SaveAtSteps(checkpoints)],
            save_only_model=True,
            reference_cache=str(folder / "reference"),  # its own, or a cell would cost what another has paid
            **(chosen | {"stop_threshold": None} | QUIET),
        )
    return result | {"where": dict(cell.where), "steps": progress.step}


@contextmanager
def _training(folder: Path) -> Iterator[dict[str, Any]]:
    """Gets the cost, and ``failed`` if weights or losses cease to be numbers, which trainers tell by what they leave
    in `folder`."""
    from crossmem_hf.runs.cost import measured

    result: dict[str, Any] = {"failed": None}
    with measured() as cost:
        try:
            yield result
        except CrossmemError as error:
            if not (folder / "last_good").exists():
                raise
            result["failed"] = error.fault.partition(";")[0]
    result["cost"] = cost.as_dict()


def loaded(cell: "Cell", adapter: Done | None) -> tuple[Any, Any]:
    """The study's model, with an adapter on top, and its processor.

    Raises:
        BrokenDownError: The training of the adapter broke down.
    """
    from crossmem_hf.models.loading import load_model

    if adapter and adapter.result["failed"]:
        raise BrokenDownError(f"{adapter.folder.name}: {adapter.result['failed']}", "It is a result; see log.txt.")
    path = str(adapter.folder) if adapter else None
    settings = cell.settings
    return load_model(settings.model_name_or_path, adapter=path, dtype=settings.dtype, device=device())


def device() -> str | None:
    """What models run on; None is where they were loaded."""
    import torch

    return "cuda" if torch.cuda.is_available() else None


def depends(cell: "Cell", *code: Any) -> dict[str, Any]:
    """What every stage on a seed's personas depends on: their dataset, the base model, code and versions."""
    from crossmem_hf.models.loading import model_fingerprint

    return {
        "data": cell.settings.spec(cell.seed).described(),
        "seed": cell.seed,
        "model": model_fingerprint(cell.settings.model_name_or_path),
        "code": code_fingerprint(*code),
        "versions": library_versions(),
        "device": device(),
    }
