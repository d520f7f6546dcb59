# SPDX-License-Identifier: Apache-2.0
"""How contents come to a Hub and go from it: preupload, LFS, commits, downloads. It knows nothing of HTTP."""

import base64
import hashlib
import json
from urllib.parse import quote

from tests.hub.api import PLURALS, named, readable, writable
from tests.hub.calls import Answer, Call
from tests.hub.store import File, Pull, RefusedError, Repository, Store, check_path

_LFS_SUFFIXES = (".parquet", ".arrow", ".safetensors", ".bin", ".png", ".jpg", ".webp", ".ttf", ".gz", ".zip", ".npz")
_LARGEST_REGULAR = 10_000_000


def preupload(store: Store, call: Call) -> Answer:
    """For each file: whether it goes through LFS, and what is there already under that path."""
    repository = _to_change(store, call)
    commit = repository.at(call.revision)
    files = []
    for requested in call.json()["files"]:
        check_path(requested["path"])
        sample = base64.b64decode(requested["sample"])
        suffix = requested["path"].lower().endswith(_LFS_SUFFIXES)
        mode = "lfs" if suffix or requested["size"] > _LARGEST_REGULAR or b"\0" in sample else "regular"
        there = commit.files.get(requested["path"])
        oid = None if there is None else there.sha256 if there.lfs else there.oid
        files.append({"path": requested["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return Answer({"files": files, "commitOid": commit.sha})


def _to_change(store: Store, call: Call) -> Repository:
    """The repository, if the account may write to it; readers with a name may open pull requests."""
    if call.query.get("create_pr") and named(call).role != "read":
        return readable(store, call)
    return writable(store, call)


def batch(store: Store, call: Call) -> Answer:
    """Where to send each LFS object; one that is here already is not asked for again."""
    repository = store.find(call.kind, call.repo_id)
    if named(call).role == "read":
        raise RefusedError(403, f"Forbidden: you don't have the right to write to {repository.id}")
    answers = []
    for requested in call.json()["objects"]:
        known = {"oid": requested["oid"], "size": requested["size"]}
        if requested["oid"] not in repository.lfs:
            place = f"{call.kind}s/{repository.id}"
            signature = store.signature(f"{place}/{requested['oid']}")
            upload = {"href": f"{call.base}/_lfs/{place}/{requested['oid']}?signature={signature}"}
            known["actions"] = {"upload": upload, "verify": {"href": f"{call.base}/_verify/{place}"}}
        answers.append(known)
    return Answer({"transfer": "basic", "objects": answers})


def lfs(store: Store, call: Call) -> Answer:
    """``PUT`` of an object to the address that `batch` gave; contents other than their name says are refused."""
    repository = store.find(call.kind, call.repo_id)
    if call.query.get("signature") != store.signature(f"{call.kind}s/{call.repo_id}/{call.oid}"):
        raise RefusedError(403, "SignatureDoesNotMatch")
    if hashlib.sha256(call.body).hexdigest() != call.oid:
        raise RefusedError(400, "BadDigest: the SHA-256 of what was received does not match")
    store.blobs.put(call.body)
    repository.lfs.add(call.oid)
    return Answer(body=b"", headers={"ETag": f'"{call.oid[:32]}"'})


def verify(store: Store, call: Call) -> Answer:
    if call.json()["oid"] not in store.find(call.kind, call.repo_id).lfs:
        raise RefusedError(404, "The object was not received")
    return Answer({})


def commit(store: Store, call: Call) -> Answer:
    """A commit, on a branch or as a new pull request; the body is a JSON value a line."""
    repository = _to_change(store, call)
    lines = [json.loads(line) for line in call.body.splitlines() if line]
    header = next(line["value"] for line in lines if line["key"] == "header")
    changed: dict[str, File] = {}
    deleted: list[str] = []
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            changed[value["path"]] = store.file(base64.b64decode(value["content"]))
        elif line["key"] == "lfsFile":
            changed[value["path"]] = _pointed(store, repository, value)
        elif line["key"] in ("deletedFile", "deletedFolder"):
            folder = line["key"] == "deletedFolder"
            deleted.append(value["path"].rstrip("/") + "/" if folder else value["path"])
    author = named(call).user
    revision = _opened(repository, call, header, author) if call.query.get("create_pr") else call.revision
    made = store.commit(
        repository,
        revision,
        changed=changed,
        deleted=deleted,
        title=header.get("summary", ""),
        description=header.get("description", ""),
        author=author,
        parent=header.get("parentCommit"),
    )
    address = f"{call.base}/{PLURALS[call.kind]}{call.repo_id}"
    answer = {"success": True, "commitOid": made.sha, "commitUrl": f"{address}/commit/{made.sha}", "hookOutput": ""}
    if call.query.get("create_pr"):
        answer["pullRequestUrl"] = f"{address}/discussions/{len(repository.pulls)}"
    return Answer(answer)


def _pointed(store: Store, repository: Repository, value: dict) -> File:
    if value["oid"] not in repository.lfs:
        raise RefusedError(400, f"LFS object {value['oid']} of {value['path']!r} was never received")
    return store.pointed(value["oid"], value["size"])


def _opened(repository: Repository, call: Call, header: dict, author: str) -> str:
    """The reference of a new pull request."""
    base = repository.at(call.revision).sha
    pull = Pull(len(repository.pulls) + 1, header.get("summary", ""), author, base, base)
    repository.pulls.append(pull)
    return f"refs/pr/{pull.number}"


def resolve(store: Store, call: Call) -> Answer:
    """A file; the server serves ranges of it."""
    repository = readable(store, call)
    found = repository.at(call.revision)
    if call.path not in found.files:
        raise RefusedError(404, f"Entry not found: {quote(call.path)}", "EntryNotFound")
    file = found.files[call.path]
    etag = f'"{file.sha256 if file.lfs else file.oid}"'
    headers = {"X-Repo-Commit": found.sha, "ETag": etag, "Accept-Ranges": "bytes"}
    if file.lfs:
        headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(file.size)}
    return Answer(sha256=file.sha256, size=file.size, headers=headers)
