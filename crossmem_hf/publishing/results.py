# SPDX-License-Identifier: Apache-2.0
"""What a run left, as a model repository: adapters with cards, results for the Hub's pages, and the record.

Everything goes in one commit, so that nobody meets a card without its weights. Equal results are not pushed again.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import BASES
from crossmem_hf.publishing.adapters import CONFIG, WEIGHTS, Adapter, adapter_files, adapters_of
from crossmem_hf.publishing.cards import adapter_card, results_card
from crossmem_hf.publishing.eval_results import FOLDER, eval_results
from crossmem_hf.publishing.portable import BASELINE, RETAIN_ONLY, baselines, portable
from crossmem_hf.publishing.repositories import (
    Contents,
    Place,
    Published,
    account_name,
    check_no_token,
    publish,
    ready,
)
from crossmem_hf.report.record import RECORD_FILE, Record
from crossmem_hf.storage import fingerprint

MESSAGE = "Publish results"
ANSWERS = ("predictions.jsonl", "holdout.jsonl", "report.html", "report.md")
"""What holds single answers."""
_LEFT = (*ANSWERS, "figures/*.png", "figures/*.pdf")
_NUM_LISTED = ("figures/matrix.png", "figures/methods.png")
_REPLACED = ("adapters/*", *_LEFT, f"{RETAIN_ONLY}/*", f"{BASELINE}*/*", f"{FOLDER}/*", CONFIG, WEIGHTS)


def publish_results(
    folder: Path,
    repo_id: str | None = None,
    *,
    private: bool | None = None,
    create_pr: bool = False,
    with_adapters: bool = True,
    with_items: bool | None = None,
) -> Published:
    """Push what `crossmem run`, `compare`, `score` or `study` left in a folder.

    Args:
        repo_id: None for a name of its own under the account of the token's owner.
        private: True asks for a private repository; None takes the account's default.
        create_pr: Propose it in a pull request.
        with_adapters: Adapters too.
        with_items: Single answers too, and personas by name; None shares them unless the rows came from a folder of
            this machine.

    Raises:
        CrossmemError: The folder holds no record, no right to write, something in it is not to be shared, or the
            Hub refuses or fails; nothing new is seen there then.
    """
    record = Record.read(folder)
    name = repo_id or f"{account_name()}/{default_name(record)}"
    place = Place(
        repo_id=name,
        repo_type="model",
        marker=RECORD_FILE,
        replaced=_REPLACED,
        private=private,
        create_pr=create_pr,
    )
    address = ready(place)
    files = result_files(record, folder, name, with_adapters=with_adapters, with_items=with_items)
    return publish(place, address, files, MESSAGE)


def default_name(record: Record) -> str:
    """E.g. ``"crossmem-first_light-5c9b54d8"``: the same for the same settings."""
    return f"crossmem-{record.study}-{fingerprint(portable(record).config)[:8]}"


def result_files(
    record: Record,
    folder: Path,
    repo_id: str,
    *,
    with_adapters: bool = True,
    with_items: bool | None = None,
) -> dict[str, Contents]:
    """Path in the repository -> contents, or where they are.

    Raises:
        CrossmemError: An adapter is not whole, or a file holds a token or the name of a folder of this machine.
    """
    shared = _may_share_items(record) if with_items is None else with_items
    public = portable(record)
    if not shared:
        public = public.model_copy(update={"cast": (), "examples": (), "items": ()})
    adapters = adapters_of(record, folder) if with_adapters else ()
    files: dict[str, Contents] = {RECORD_FILE: public.to_json().encode()}
    files |= {name: path for name, path in _left(folder) if shared or name not in ANSWERS}
    if shared:
        files |= _compared_with(record)
    for adapter in adapters:
        files |= adapter_files(adapter)
        if adapter.place:
            files[adapter.file("README.md")] = adapter_card(public, repo_id, adapter).encode()
    files |= eval_results(public, repo_id)
    figures = [name for name in _NUM_LISTED if name in files]
    files["README.md"] = results_card(public, repo_id, adapters, figures=figures, shares_items=shared).encode()
    _check_fit_to_share(files, folder, adapters)
    return files


def _may_share_items(record: Record) -> bool:
    dataset = record.config.get("dataset")
    return not (isinstance(dataset, str) and Path(dataset).is_dir())


def _left(folder: Path) -> Iterator[tuple[str, Path]]:
    for pattern in _LEFT:
        for path in sorted(folder.glob(pattern)):
            yield path.relative_to(folder).as_posix(), path


def _compared_with(record: Record) -> dict[str, Contents]:
    """The scores that this one was compared with, which anybody needs to make it again."""
    folders = {f"{BASELINE}{name}": folder for name, folder in baselines(record).items()}
    if record.config.get("retain_only"):
        folders[RETAIN_ONLY] = Path(str(record.config["retain_only"]))
    files: dict[str, Contents] = {}
    for place, folder in folders.items():
        files[f"{place}/{RECORD_FILE}"] = portable(Record.read(folder)).to_json().encode()
        files |= {f"{place}/{name}": path for name, path in _left(folder)}
    return files


def _check_fit_to_share(files: Mapping[str, Contents], folder: Path, adapters: tuple[Adapter, ...]) -> None:
    """Refuse a token, and a folder's name that would tell how this machine is laid out."""
    check_no_token(files)
    here = (folder, *BASES.values(), *(adapter.folder for adapter in adapters))
    places = {str(place.resolve()).encode() for place in here}
    for name, content in files.items():
        if Path(name).suffix in (".safetensors", ".png"):
            continue
        text = content if isinstance(content, bytes) else content.read_bytes()
        if any(place in text for place in places):
            raise CrossmemError(f"{name!r} names a folder of this machine.", "Remove it there, and publish again.")
