# SPDX-License-Identifier: Apache-2.0
"""The adapters that a run left: where they lie, what they are, and which of their files are fit to be shared."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.loading import EMBEDDED, EMBEDDED_NAME
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.lines import Line, Record, lines_of, read_against
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreRecord

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PROCESSOR = (
    *("processor_config.json", "preprocessor_config.json", "chat_template.jinja", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "vocab.json"),
    *("merges.txt", "vocab.txt"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter of a run.

    Attributes:
        place: Its folder in the repository; empty for the repository itself.
        folder: Where it lies now.
        words: What it is, in a sentence without a full stop.
        stage: ``"memorized"`` or ``"unlearned"``.
        lines: The numbers about it.
        against: Exposure of the base and the memorized model, to read its own against.
    """

    place: str
    folder: Path
    words: str
    stage: str
    lines: tuple[Line, ...]
    against: tuple[Line, ...] = ()

    def file(self, name: str) -> str:
        """A file's path in the repository."""
        return f"{self.place}/{name}" if self.place else name


def adapters_of(record: Record, folder: Path) -> tuple[Adapter, ...]:
    """The adapters that lie in the folder of a run, a comparison or, for a score, where its settings say.

    A score of an adapter from the Hub has none here; it stays where it is.
    """
    if isinstance(record, RunRecord):
        found = _of_run(record, folder)
    elif isinstance(record, ScoreRecord):
        found = _of_score(record)
    else:
        found = _of_comparison(record, folder)
    others = read_against(record)
    return tuple(_beside(adapter, others) for adapter in found if (adapter.folder / CONFIG).is_file())


def _beside(adapter: Adapter, others: Mapping[tuple[str, str], Mapping[str, Line]]) -> Adapter:
    """The adapter with the lines that its own are read against and do not hold themselves."""
    own = {line.key for line in adapter.lines}
    found = {one.key: one for line in adapter.lines for one in others.get(line.key, {}).values()}
    return replace(adapter, against=tuple(line for key, line in found.items() if key not in own))


def _of_run(record: RunRecord, folder: Path) -> Iterator[Adapter]:
    lines = list(zip(record.measurements, lines_of(record), strict=True))
    for seed in record.seeds:
        for source in MODALITIES:
            for stage in ("memorized", "unlearned"):
                about = f"{record.config.get('num_personas')} people of seed {seed}, learned through {source}"
                yield Adapter(
                    place=f"adapters/seed{seed}_{source}/{stage}",
                    folder=folder / "jobs" / f"seed{seed}_{source}" / stage,
                    words=about + (", a part of them unlearned by NPO" if stage == "unlearned" else ""),
                    stage=stage,
                    lines=tuple(line for m, line in lines if (m.seed, m.source, m.stage) == (seed, source, stage)),
                )


def _of_comparison(record: Any, folder: Path) -> Iterator[Adapter]:
    lines = list(zip(record.lines, lines_of(record), strict=True))
    for arm in record.arms:
        for seed in record.seeds:
            cell = "_".join(part for part in (arm.arm, arm.through, str(seed)) if part)
            by = f"unlearned by {arm.arm} through {arm.through}" if arm.through else arm.arm
            yield Adapter(
                place=f"adapters/{cell}",
                folder=folder / "cells" / cell / "adapter",
                words=f"{record.config.get('num_personas')} people of seed {seed}, {by}",
                stage="unlearned" if arm.through else "memorized",
                lines=tuple(line for one, line in lines if (one.arm, one.through) == (arm.arm, arm.through)),
            )


def _of_score(record: ScoreRecord) -> Iterator[Adapter]:
    named = record.config.get("adapter")
    if isinstance(named, str) and Path(named).is_dir():
        yield Adapter(
            place="", folder=Path(named), words="the scored adapter", stage="unlearned", lines=lines_of(record)
        )


def adapter_files(adapter: Adapter) -> dict[str, bytes | Path]:
    """Path in the repository -> contents: configuration, weights, and the processor where it was saved.

    Nothing else goes along: no optimizer, no trainer's state, no cache.

    Raises:
        CrossmemError: There are no weights as safetensors, or the configuration is none.
    """
    folder = adapter.folder
    if not (folder / WEIGHTS).is_file():
        raise CrossmemError(
            f"The adapter in {str(folder)!r} has no {WEIGHTS}.",
            "Save it again as safetensors; nothing else is shared.",
        )
    files: dict[str, bytes | Path] = {adapter.file(CONFIG): _portable(folder / CONFIG)}
    files[adapter.file(WEIGHTS)] = folder / WEIGHTS
    files |= {adapter.file(name): folder / name for name in _PROCESSOR if (folder / name).is_file()}
    return files


def base_of(adapter: Adapter) -> str | None:
    """The Hub name of the base model; EMBEDDED_NAME for the embedded one; None for a folder of this machine."""
    name = json.loads(_portable(adapter.folder / CONFIG))["base_model_name_or_path"]
    return None if name is None else str(name)


def _portable(path: Path) -> bytes:
    """The configuration, without the folders of this machine."""
    try:
        config = json.loads(path.read_bytes())
        base = config["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CrossmemError(f"{str(path)!r} is no configuration of an adapter.", "Save the adapter again.") from error
    if base and base != EMBEDDED_NAME and (Path(base).is_dir() or Path(base).is_absolute()):
        config["base_model_name_or_path"] = EMBEDDED_NAME if Path(base) == EMBEDDED else None
    return (json.dumps(config, indent=2, sort_keys=True) + "\n").encode()
