# SPDX-License-Identifier: Apache-2.0
"""What a Hub answers about accounts, repositories and references. It does not know how requests arrive."""

import re
from collections.abc import Iterator

from tests.hub.accounts import Account, check_read, check_write
from tests.hub.calls import Answer, Call
from tests.hub.store import Commit, File, Pull, RefusedError, Repository, Store, check_ref

PLURALS = {"model": "", "dataset": "datasets/", "space": "spaces/"}


def whoami(store: Store, call: Call) -> Answer:
    return Answer(named(call).whoami())


def auth_check(store: Store, call: Call) -> Answer:
    """Whether the account may read, or with ``/write`` write."""
    (writable if call.path == "write" else readable)(store, call)
    return Answer({})


def validate(store: Store, call: Call) -> Answer:
    return Answer({"errors": [], "warnings": []})


def create(store: Store, call: Call) -> Answer:
    requested = call.json()
    account = named(call)
    namespace = requested.get("organization") or account.user
    kind, repo_id = requested.get("type") or "model", f"{namespace}/{requested['name']}"
    address = f"{call.base}/{PLURALS[kind]}{repo_id}"
    if not account.writes(namespace, kind, repo_id):
        raise RefusedError(403, f"You don't have the rights to create a {kind} under the namespace {namespace!r}")
    if (kind, repo_id) in store.repositories:
        said = f"You already created this {kind} repo"
        return Answer({"error": said, "url": address}, status=409, headers={"X-Error-Message": said})
    private = requested.get("visibility") == "private" or bool(requested.get("private"))
    store.create(kind, repo_id, private=private, sdk=requested.get("sdk"))
    return Answer({"url": address, "name": repo_id, "id": f"id-{repo_id}"})


def delete(store: Store, call: Call) -> Answer:
    requested = call.json()
    kind = requested.get("type") or "model"
    repository = store.find(kind, f"{requested.get('organization') or named(call).user}/{requested['name']}")
    check_write(call.account, repository)
    del store.repositories[kind, repository.id]
    return Answer({})


def settings(store: Store, call: Call) -> Answer:
    repository = writable(store, call)
    requested = call.json()
    repository.private = requested.get("visibility") == "private" or bool(requested.get("private"))
    return Answer({"private": repository.private})


def listing(store: Store, call: Call) -> Answer:
    """All repositories of a kind that the account may read; ``author``, ``search`` and ``filter`` narrow them."""
    author, search, tagged = (call.query.get(name) for name in ("author", "search", "filter"))
    found = []
    for (kind, repo_id), repository in sorted(store.repositories.items()):
        visible = not repository.private or (call.account is not None and call.account.reads(repository))
        if kind == call.kind and visible and author in (None, repo_id.split("/")[0]) and (search or "") in repo_id:
            about = described(store, repository, repository.at("main"))
            found += [about] if tagged is None or tagged in about["tags"] else []
    return Answer(found)


def _tags(store: Store, commit: Commit) -> list[str]:
    """The list ``tags`` of the card's front matter, as far as it is written one tag a line."""
    if "README.md" not in commit.files:
        return []
    front = store.blobs.whole(commit.files["README.md"].sha256).decode(errors="replace").partition("\n---")[0]
    listed = re.search(r"^tags:\n((?:[ ]*- .*(?:\n|$))+)", front, re.MULTILINE)
    return [line.strip().removeprefix("- ").strip("'\"") for line in listed[1].splitlines()] if listed else []


def info(store: Store, call: Call) -> Answer:
    """About a repository at a revision; ``/api/<kind>s/<id>`` and ``.../revision/<revision>``."""
    repository = readable(store, call)
    return Answer(described(store, repository, repository.at(call.revision), blobs="blobs" in call.query))


def described(store: Store, repository: Repository, commit: Commit, *, blobs: bool = False) -> dict:
    """The repository's info as the Hub gives it."""
    siblings = [
        {"rfilename": path} | ({"size": file.size, "blobId": file.oid} | lfs_of(file) if blobs else {})
        for path, file in sorted(commit.files.items())
    ]
    about = {
        "_id": f"id-{repository.id}",
        "id": repository.id,
        "author": repository.id.split("/")[0],
        "sha": commit.sha,
        "private": repository.private,
        "disabled": False,
        "gated": False,
        "lastModified": commit.date,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "likes": 0,
        "downloads": 0,
        "tags": _tags(store, commit),
        "siblings": siblings,
    }
    return about | ({"modelId": repository.id} if repository.kind == "model" else {"sdk": repository.sdk})


def tree(store: Store, call: Call) -> Answer:
    """The files and folders under a path, a page at a time."""
    commit = readable(store, call).at(call.revision)
    prefix = f"{call.path}/" if call.path else ""
    if prefix and not any(path.startswith(prefix) for path in commit.files):
        raise RefusedError(404, f"{call.path} does not exist on {call.revision!r}", "EntryNotFound")
    recursive = call.query.get("recursive", "").lower() in ("true", "1")
    entries = list(_entries(commit, prefix, recursive=recursive))
    start, limit = int(call.query.get("cursor", "0")), int(call.query.get("limit", "1000"))
    headers = {}
    if start + limit < len(entries):
        more = f"recursive={recursive}&limit={limit}&cursor={start + limit}"
        address = f"{call.base}/api/{call.kind}s/{call.repo_id}/tree/{commit.sha}/{call.path}".rstrip("/")
        headers["Link"] = f'<{address}?{more}>; rel="next"'
    return Answer(entries[start : start + limit], headers=headers)


def _entries(commit: Commit, prefix: str, *, recursive: bool) -> Iterator[dict]:
    folders: set[str] = set()
    for path, file in sorted(commit.files.items()):
        if not path.startswith(prefix):
            continue
        inner = path.removeprefix(prefix).split("/")
        for depth in range(1, len(inner) if recursive else min(2, len(inner))):
            folder = prefix + "/".join(inner[:depth])
            if folder not in folders:
                folders.add(folder)
                yield {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder}
        if recursive or len(inner) == 1:
            yield {"type": "file", "path": path, **facts(file)}


def paths_info(store: Store, call: Call) -> Answer:
    commit = readable(store, call).at(call.revision)
    found: list[dict] = []
    for path in call.json()["paths"]:
        if path in commit.files:
            found.append({"type": "file", "path": path, **facts(commit.files[path])})
        elif any(name.startswith(f"{path}/") for name in commit.files):
            found.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": path})
    return Answer(found)


def facts(file: File) -> dict:
    return {"oid": file.oid, "size": file.size, **lfs_of(file)}


def lfs_of(file: File) -> dict:
    return (
        {"lfs": {"oid": file.sha256, "sha256": file.sha256, "size": file.size, "pointerSize": 130}} if file.lfs else {}
    )


def refs(store: Store, call: Call) -> Answer:
    repository = readable(store, call)
    pulls = {f"pr/{pull.number}": pull.head for pull in repository.pulls}
    kinds = {"branches": ("heads", repository.branches), "tags": ("tags", repository.tags), "converts": ("", {})}
    if call.query.get("include_prs"):
        kinds["pullRequests"] = ("", pulls)
    return Answer(
        {
            kind: [
                {"name": name, "ref": "/".join(filter(None, ("refs", folder, name))), "targetCommit": sha}
                for name, sha in named_refs.items()
            ]
            for kind, (folder, named_refs) in kinds.items()
        }
    )


def commits(store: Store, call: Call) -> Answer:
    repository = readable(store, call)
    log, commit = [], repository.at(call.revision)
    while True:
        author = {"user": commit.author}
        said = {"title": commit.title, "message": commit.description, "date": commit.date, "authors": [author]}
        log.append({"id": commit.sha, **said})
        if commit.parent is None:
            break
        commit = repository.commits[commit.parent]
    page, limit = int(call.query.get("p", "0")), int(call.query.get("limit", "50"))
    return Answer(log[page * limit : (page + 1) * limit])


def tag(store: Store, call: Call) -> Answer:
    """``POST .../tag/<revision>`` with the tag in the body."""
    repository = writable(store, call)
    name = call.json()["tag"]
    check_ref(name)
    if name in repository.tags:
        raise RefusedError(409, f"Tag reference exists already: refs/tags/{name}")
    repository.tags[name] = repository.at(call.revision).sha
    return Answer({})


def untag(store: Store, call: Call) -> Answer:
    if writable(store, call).tags.pop(call.revision, None) is None:
        raise RefusedError(404, f"Tag {call.revision} does not exist", "RevisionNotFound")
    return Answer({})


def branch(store: Store, call: Call) -> Answer:
    repository = writable(store, call)
    check_ref(call.revision)
    if call.revision in repository.branches:
        raise RefusedError(409, f"Reference already exists: refs/heads/{call.revision}")
    repository.branches[call.revision] = repository.at(call.json().get("startingPoint") or "main").sha
    return Answer({})


def unbranch(store: Store, call: Call) -> Answer:
    repository = writable(store, call)
    if call.revision == "main" or repository.branches.pop(call.revision, None) is None:
        raise RefusedError(403, f"Cannot delete the branch {call.revision}")
    return Answer({})


def discussions(store: Store, call: Call) -> Answer:
    repository = readable(store, call)
    if call.query.get("status") not in (None, "all", "open", "closed"):
        raise RefusedError(400, "Unknown status")
    shown = [_pull(pull, repository) for pull in repository.pulls]
    return Answer({"discussions": shown, "count": len(shown), "start": 0, "numClosedDiscussions": 0})


def pull(store: Store, call: Call) -> Answer:
    repository = readable(store, call)
    found = _numbered(repository, call.number)
    about = {"changes": {"base": found.base}, "events": [], "diff": "", "filesWithConflicts": []}
    return Answer(_pull(found, repository) | about)


def merge(store: Store, call: Call) -> Answer:
    repository = writable(store, call)
    found = _numbered(repository, call.number)
    base, head = repository.at("main"), repository.at(f"refs/pr/{found.number}")
    if repository.commits[head.sha].parent != base.sha:
        raise RefusedError(409, "This pull request has conflicts")
    repository.branches["main"] = head.sha
    found.status = "merged"
    return Answer({})


def _numbered(repository: Repository, number: int) -> Pull:
    if not 1 <= number <= len(repository.pulls):
        raise RefusedError(404, f"Discussion {number} does not exist")
    return repository.pulls[number - 1]


def _pull(pull: Pull, repository: Repository) -> dict:
    return {
        "num": pull.number,
        "title": pull.title,
        "status": pull.status,
        "author": {"name": pull.author},
        "isPullRequest": True,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "repo": {"name": repository.id, "type": repository.kind},
        "repoOwner": {"name": repository.id.split("/")[0]},
    }


def named(call: Call) -> Account:
    """Whose call it is; anonymous ones are turned down."""
    if call.account is None:
        raise RefusedError(401, "Invalid username or password.")
    return call.account


def readable(store: Store, call: Call) -> Repository:
    repository = store.find(call.kind, call.repo_id)
    check_read(call.account, repository)
    return repository


def writable(store: Store, call: Call) -> Repository:
    repository = store.find(call.kind, call.repo_id)
    check_write(call.account, repository)
    return repository
