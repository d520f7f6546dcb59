# SPDX-License-Identifier: Apache-2.0
"""The metrics as Spaces, from the files that `crossmem materialize` copies, and other folders. It knows no contents.

Spaces are never tagged: `evaluate` looks for a tag of its own version first, which would hide ``main`` for good.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.names import NAMESPACE
from crossmem_hf.publishing.materialize import metric_files
from crossmem_hf.publishing.repositories import Contents, Place, Published, check_no_token, publish, ready

_CODE = ("*.py", "*.css", "requirements.txt")
MESSAGE = "Publish the metric"


def metric_names() -> tuple[str, ...]:
    """All metrics."""
    return tuple(dict.fromkeys(name for name, _ in metric_files()))


def space_files(metric: str, namespace: str = NAMESPACE) -> dict[str, bytes]:
    """Path in the Space -> contents; the card names the Space it is in.

    Raises:
        CrossmemError: There is no such metric.
    """
    files = {path.name: path.read_bytes() for name, path in metric_files() if name == metric}
    if not files:
        raise CrossmemError(f"There is no metric {metric!r}.", f"Choose from {', '.join(metric_names())}.")
    card = files["README.md"].replace(f'"{NAMESPACE}/{metric}"'.encode(), f'"{namespace}/{metric}"'.encode())
    return files | {"README.md": card}


def publish_metrics(
    metrics: Sequence[str] = (),
    *,
    namespace: str = NAMESPACE,
    private: bool | None = None,
    create_pr: bool = False,
    report: Callable[[Published], None] = lambda done: None,
) -> tuple[Published, ...]:
    """Push metrics, each to the Space ``namespace/<metric>``; one that is already there is left alone.

    Args:
        metrics: Their names; none for all.
        private: True asks for private Spaces; None takes the account's default.
        create_pr: Propose the changes in pull requests.
        report: Called after each.

    Raises:
        CrossmemError: An unknown metric, no right to write (both before the first upload), or the Hub refuses or
            fails; Spaces before that one are complete, and the next try leaves them alone.
    """
    chosen = tuple(dict.fromkeys(metrics)) or metric_names()
    spaces = {metric: space_files(metric, namespace) for metric in chosen}
    places = [
        Place(
            repo_id=f"{namespace}/{metric}",
            repo_type="space",
            marker=f"{metric}.py",
            replaced=_CODE,
            private=private,
            create_pr=create_pr,
        )
        for metric in spaces
    ]
    addresses = [ready(place) for place in places]
    done = []
    for place, address, files in zip(places, addresses, spaces.values(), strict=True):
        done.append(publish(place, address, files, MESSAGE))
        report(done[-1])
    return tuple(done)


def publish_space(
    folder: Path, repo_id: str | None = None, *, private: bool | None = None, create_pr: bool = False
) -> Published:
    """Push a folder of one's own as a Space; links are followed, hidden files and caches left out.

    Args:
        repo_id: None for the folder's name in NAMESPACE.
        private: True asks for a private Space; None takes the account's default.
        create_pr: Propose the changes in a pull request.

    Raises:
        CrossmemError: The folder is no Gradio Space, a file holds what looks like a token, no right to write, or
            the Hub refuses or fails.
    """
    files, app = _folder_files(folder)
    place = Place(
        repo_id=repo_id or f"{NAMESPACE}/{folder.resolve().name}",
        repo_type="space",
        marker=app,
        replaced=_CODE,
        private=private,
        create_pr=create_pr,
    )
    check_no_token(files)
    return publish(place, ready(place), files, "Publish the Space")


def _folder_files(folder: Path) -> tuple[dict[str, Contents], str]:
    """(path in the Space -> file, name of its app)."""
    from huggingface_hub import RepoCard

    card = folder / "README.md"
    front = RepoCard.load(card, ignore_metadata_errors=True).data.to_dict() if card.is_file() else {}
    app = str(front.get("app_file", "app.py"))
    if front.get("sdk") != "gradio" or not (folder / app).is_file():
        raise CrossmemError(
            f"{str(folder)!r} is no Gradio Space: its README.md must say 'sdk: gradio' and {app!r} must be there.",
            "Name a folder such as spaces/explorer.",
        )
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    kept = {name: path for name, path in names.items() if not _is_hidden(name)}
    return dict(kept), app


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in name.split("/"))
