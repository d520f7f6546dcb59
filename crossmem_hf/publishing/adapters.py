# SPDX-License-Identifier: Apache-2.0
"""The adapters that a run left: where they lie, what they are, and which of their files are fit to be shared."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import base_named, hub_name
from crossmem_hf.report.record import Measurement, Record, Where, words_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
STAGES, DONE = "stages", "done.json"
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
        measurements: The numbers about it.
        against: Exposure of the base and the memorized model, to read its own against.
    """

    place: str
    folder: Path
    words: str
    measurements: tuple[Measurement, ...]
    against: tuple[Measurement, ...] = ()

    def file(self, name: str) -> str:
        """A file's path in the repository."""
        return f"{self.place}/{name}" if self.place else name


def adapters_of(record: Record, folder: Path) -> tuple[Adapter, ...]:
    """The adapters that a study left in its folder, and the one that its settings name, if that lies here.

    An adapter from the Hub stays where it is.
    """
    return (*_named(record), *_left(record, folder))


def _named(record: Record) -> Iterator[Adapter]:
    named = record.config.get("adapter")
    if isinstance(named, str) and (Path(named) / CONFIG).is_file():
        own = [m for m in record.measurements if "model" not in m.where]
        yield _adapter(record, "", Path(named), "the adapter that was scored", own)


def _left(record: Record, folder: Path) -> Iterator[Adapter]:
    """Each stage with an adapter; its ``done.json`` says what it is, in keys of `Measurement.where`."""
    personas = f"{record.config['num_personas']} personas, " if "num_personas" in record.config else ""
    for config in sorted(folder.glob(f"{STAGES}/*/{CONFIG}")):
        where = _where(config.with_name(DONE))
        if where is not None:
            words = f"{personas}{words_of(where)}"
            place = f"adapters/{config.parent.name}"
            yield _adapter(record, place, config.parent, words, _about(record, where))


def _adapter(record: Record, place: str, folder: Path, words: str, own: Iterable[Measurement]) -> Adapter:
    own = tuple(own)
    exposures = (m for m in own if m.metric.startswith("exposure"))
    against = {other.key: other for m in exposures for other in record.baselines(m).values()}
    keys = {m.key for m in own}
    others = tuple(other for key, other in against.items() if key not in keys)
    return Adapter(place=place, folder=folder, words=words, measurements=own, against=others)


def _where(done: Path) -> Where | None:
    """What a finished stage says that its model is; None for one that is not finished or says nothing."""
    try:
        return dict(json.loads(done.read_bytes())["result"]["where"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _about(record: Record, where: Where) -> Iterator[Measurement]:
    """The measurements of an adapter: of its seed, and over all seeds where the value of that seed is not known."""
    asked = {"step": None, **where}  # what was measured on the way is not about the adapter
    found = [
        m for m in record.measurements if all(m.where.get(name) == asked[name] for name in asked.keys() - {"seed"})
    ]
    own = {_without_seed(m) for m in found if m.seed is not None and m.seed == where.get("seed")}
    seed = where.get("seed")
    for m in found:
        if m.seed == seed:
            yield m
        elif m.seed is None and _without_seed(m) not in own:
            yield (m.in_seed(seed) if isinstance(seed, int) else None) or m


def _without_seed(m: Measurement) -> tuple[object, ...]:
    return m.metric, *((name, value) for name, value in m.where.items() if name != "seed")


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
    """The Hub name of the base model; such a name too for an embedded one; None for a folder of this machine."""
    name = json.loads(_portable(adapter.folder / CONFIG))["base_model_name_or_path"]
    return None if name is None else str(name)


def _portable(path: Path) -> bytes:
    """The configuration, without the folders of this machine."""
    try:
        config = json.loads(path.read_bytes())
        base = config["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CrossmemError(f"{str(path)!r} is no configuration of an adapter.", "Save the adapter again.") from error
    embedded = base_named(base)
    if embedded is not None:
        config["base_model_name_or_path"] = hub_name(embedded)
    elif base and (Path(base).is_dir() or Path(base).is_absolute()):
        config["base_model_name_or_path"] = None
    return (json.dumps(config, indent=2, sort_keys=True) + "\n").encode()
