# SPDX-License-Identifier: Apache-2.0
"""The model that settings name, loaded, and a fingerprint of what its results depend on. It does not know what is
asked of it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.passes import check_readable
from crossmem_hf.evaluation.settings import AskedSettings
from crossmem_hf.models.loading import adapter_place, check_adapter_within_reach, load_model, model_fingerprint
from crossmem_hf.runs.sources import code_fingerprint, library_versions
from crossmem_hf.runs.stages import locked
from crossmem_hf.storage import fingerprint


@dataclass(frozen=True)
class Loaded:
    """A model that can be asked.

    Attributes:
        made_from: Fingerprint of weights, precision, device, libraries and code.
    """

    model: Any
    processor: Any
    made_from: str


def model_key(settings: AskedSettings) -> str:
    """A fingerprint of the weights, those of an adapter too, before they are loaded.

    Raises:
        CrossmemError: There is no such model, or no such adapter.
    """
    of_model = model_fingerprint(settings.model, adapter=settings.adapter)
    return of_model if settings.adapter is None else f"{of_model}+{_adapter_fingerprint(settings.adapter)}"


def loaded(settings: AskedSettings, key: str, rows: Any, device: str, code: Callable[..., Any]) -> Loaded:
    """The model of the settings, once a row of each modality is seen to be one that it can be asked.

    Args:
        key: What `model_key` says of it.
        rows: A Dataset.
        device: Taken if the settings name none.
        code: What is run, which results depend on.

    Raises:
        CrossmemError: It cannot be loaded, or not be asked such rows.
    """
    place = settings.device or device
    model, processor = load_model(settings.model, adapter=settings.adapter, dtype=settings.dtype, device=place)
    check_readable(model, processor, _one_of_each(rows))
    depends = {
        "model": key,
        "dtype": str(model.dtype),
        "device": place.partition(":")[0],
        "versions": library_versions(),
        "code": code_fingerprint(code),
    }
    return Loaded(model, processor, fingerprint(depends))


def own(held: ExitStack, folder: Path, owned: Callable[[], None]) -> None:
    """Lock the folder, and refuse one that belongs to another run.

    Args:
        owned: Calls `stages.own_folder`.

    Raises:
        CrossmemError: It does, or another process holds it.
    """
    held.enter_context(locked(folder))
    if any(not path.name.startswith(".") for path in folder.iterdir()):
        owned()


def _adapter_fingerprint(adapter: str) -> str:
    """Of a folder's files, or the commit of a Hub repository."""
    if Path(adapter).is_dir():
        return model_fingerprint(str(Path(adapter).resolve()))
    from huggingface_hub import hf_hub_download

    repo_id, subfolder = adapter_place(adapter)
    below = [] if subfolder is None else subfolder.split("/")
    check_adapter_within_reach(adapter)
    try:
        file = Path(hf_hub_download(repo_id, "/".join([*below, "adapter_config.json"])))
        return "/".join([file.parents[len(below)].name, *below])
    except (OSError, ValueError) as error:
        raise CrossmemError(
            f"Could not find the adapter {adapter!r}: {str(error).splitlines()[0]}",
            "Check that it is a Hub repository with an adapter_config.json, and your access to it.",
        ) from error


def _one_of_each(rows: Any) -> list[Mapping[str, Any]]:
    """The first row of each modality."""
    modalities = rows["modality"] if "modality" in rows.column_names else [None]
    first: dict[Any, int] = {}
    for number, modality in enumerate(modalities):
        first.setdefault(modality, number)
    return [rows[number] for number in first.values()]
