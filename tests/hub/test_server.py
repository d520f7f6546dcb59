# SPDX-License-Identifier: Apache-2.0
"""The stand-in for the Hub, asked by hand: what it keeps, whom it lets in, and what it turns down."""

import hashlib

import pytest

from tests.hub.accounts import OTHER_TOKEN, READ_TOKEN, SCOPED_TOKEN, WRITE_TOKEN
from tests.hub.raw import ask, commit, create, send, upload_address
from tests.hub.server import Hub

DATASET = "/api/datasets/crossmem/personas"
FILES = "/datasets/crossmem/personas/resolve"


def test_a_commit_is_read_back_at_branch_tag_and_sha(hub):
    create(hub)
    sha = commit(hub, {"a/b.txt": b"one"}).json["commitOid"]
    assert ask(hub, "POST", f"{DATASET}/tag/main", {"tag": "v1"}).status == 200
    commit(hub, {"a/b.txt": b"two"})
    assert ask(hub, "GET", f"{FILES}/main/a/b.txt").body == b"two"
    for revision in ("v1", sha, "refs%2Ftags%2Fv1"):
        said = ask(hub, "GET", f"{FILES}/{revision}/a/b.txt")
        assert (said.body, said.headers["X-Repo-Commit"]) == (b"one", sha)


def test_contents_on_disk_are_served_like_those_in_memory(tmp_path):
    with Hub(tmp_path / "blobs") as hub:
        create(hub)
        commit(hub, {"a.txt": b"0123456789"})
        assert ask(hub, "GET", f"{FILES}/main/a.txt", headers={"Range": "bytes=2-4"}).body == b"234"
    assert hashlib.sha256(b"0123456789").hexdigest() in {path.name for path in (tmp_path / "blobs").iterdir()}


@pytest.mark.parametrize(
    ("requested", "status", "body"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("bytes=-", 416, b""),
        ("bytes=5-2", 416, b""),
    ],
)
def test_ranges(hub, requested, status, body):
    create(hub)
    commit(hub, {"a.txt": b"0123456789"})
    said = ask(hub, "GET", f"{FILES}/main/a.txt", headers={"Range": requested})
    assert (said.status, said.body) == (status, body)


def test_a_head_tells_the_size_and_sends_nothing(hub):
    create(hub)
    commit(hub, {"a.txt": b"0123456789"})
    said = ask(hub, "HEAD", f"{FILES}/main/a.txt")
    assert (said.status, said.headers["Content-Length"], said.body) == (200, "10", b"")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (f"{FILES}/main/no.txt", "EntryNotFound"),
        (f"{FILES}/no/a.txt", "RevisionNotFound"),
        ("/datasets/crossmem/no/resolve/main/a.txt", "RepoNotFound"),
        (f"{DATASET}/tree/main/no", "EntryNotFound"),
    ],
)
def test_what_is_missing_is_named_by_a_code(hub, target, code):
    create(hub)
    commit(hub, {"a.txt": b"x"})
    said = ask(hub, "GET", target)
    assert (said.status, said.headers["X-Error-Code"]) == (404, code)


def test_a_tree_comes_in_pages(hub):
    create(hub)
    commit(hub, {f"f/{number}.txt": b"x" for number in range(5)})
    seen, target = [], f"{DATASET}/tree/main/f?recursive=true&limit=2"
    while target:
        said = ask(hub, "GET", target)
        seen += [each["path"] for each in said.json]
        target = said.headers["Link"].split(">")[0].removeprefix(f"<{hub.url}") if "Link" in said.headers else None
    assert seen == [f"f/{number}.txt" for number in range(5)]
    assert hub.count("tree") == 3


@pytest.mark.parametrize(
    "repo_id", ["crossmem/..", "../crossmem", "crossmem/a/../b", "crossmem/a b", "crossmem/.a", "crossmem/", "c/a--b"]
)
def test_a_repository_cannot_be_named_out_of_its_place(hub, repo_id):
    hub.accounts[WRITE_TOKEN].orgs.update({"..": "admin", "c": "admin"})
    assert create(hub, repo_id).status == 400
    assert not hub.store.repositories


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "a//b", "", ".git/config", "a\\..\\b", "a\0b", "./a", "a/."]
)
def test_a_file_cannot_be_named_out_of_its_place(hub, path):
    create(hub)
    before = hub.store.find("dataset", "crossmem/personas").at("main").sha
    assert commit(hub, {path: b"x"}).status == 400
    requested = {"files": [{"path": path, "sample": "", "size": 1}]}
    assert ask(hub, "POST", f"{DATASET}/preupload/main", requested).status == 400
    assert hub.store.find("dataset", "crossmem/personas").at("main").sha == before


@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd"])
def test_nothing_outside_the_repository_is_served(tmp_path, path):
    with Hub(tmp_path) as hub:
        create(hub)
        assert ask(hub, "GET", f"{FILES}/main/{path}").status == 404


@pytest.mark.parametrize("tag", ["../v1", "a..b", "", "a b", "v1.lock", "-v1"])
def test_a_tag_cannot_be_named_out_of_its_place(hub, tag):
    create(hub)
    assert ask(hub, "POST", f"{DATASET}/tag/main", {"tag": tag}).status == 400


def test_writing_needs_a_token_that_may(hub):
    create(hub)
    statuses = {
        token: commit(hub, {"a.txt": b"x"}, token=token).status
        for token in (None, "hf_unknown", READ_TOKEN, OTHER_TOKEN, SCOPED_TOKEN, WRITE_TOKEN)
    }
    assert list(statuses.values()) == [401, 401, 403, 403, 200, 200]
    assert ask(hub, "POST", f"{DATASET}/tag/main", {"tag": "v1"}, token=READ_TOKEN).status == 403


@pytest.mark.parametrize(
    ("repo_id", "token", "status"),
    [
        ("crossmem/other", WRITE_TOKEN, 200),
        ("ada/own", WRITE_TOKEN, 200),
        ("onlookers/x", WRITE_TOKEN, 403),
        ("strangers/x", WRITE_TOKEN, 403),
        ("crossmem/other", READ_TOKEN, 403),
        ("crossmem/other", SCOPED_TOKEN, 403),
        ("crossmem/personas", SCOPED_TOKEN, 200),
        ("crossmem/other", None, 401),
    ],
)
def test_creating_needs_a_right_to_the_namespace(hub, repo_id, token, status):
    assert create(hub, repo_id, token=token).status == status


def test_a_private_repository_is_hidden_from_strangers(hub):
    create(hub, visibility="private")
    assert [ask(hub, "GET", DATASET, token=token).status for token in (WRITE_TOKEN, OTHER_TOKEN, None)] == [
        200,
        404,
        401,
    ]
    assert ask(hub, "GET", "/api/datasets", token=None).json == []


def test_a_commit_on_an_older_parent_is_refused(hub):
    create(hub)
    first = commit(hub, {"a.txt": b"1"}).json["commitOid"]
    assert commit(hub, {"a.txt": b"2"}, parent=first).status == 200
    assert commit(hub, {"a.txt": b"3"}, parent=first).status == 412
    assert ask(hub, "GET", f"{FILES}/main/a.txt").body == b"2"


def test_a_tag_is_given_once(hub):
    create(hub)
    statuses = [ask(hub, "POST", f"{DATASET}/tag/main", {"tag": "v1"}).status for _ in range(2)]
    assert statuses == [200, 409]
    assert create(hub).status == 409


def test_lfs_objects_are_checked_and_asked_for_once(hub):
    create(hub)
    data = b"PAR1" * 100
    address, sha = upload_address(hub, data), hashlib.sha256(data).hexdigest()
    line = {"key": "lfsFile", "value": {"path": "a.parquet", "algo": "sha256", "oid": sha, "size": len(data)}}
    header = {"key": "header", "value": {"summary": "x"}}
    assert send(hub, [header, line]).status == 400  # it was never received
    assert ask(hub, "PUT", address, data + b"!").status == 400
    assert ask(hub, "PUT", address.split("?")[0], data).status == 403
    assert ask(hub, "PUT", address, data, token=None).status == 200
    assert upload_address(hub, data) is None
    assert send(hub, [header, line]).status == 200
    assert ask(hub, "GET", f"{FILES}/main/a.parquet").body == data


def test_a_pull_request_waits_until_it_is_merged(hub):
    create(hub)
    commit(hub, {"a.txt": b"1"})
    address = commit(hub, {"a.txt": b"2"}, query="?create_pr=1", token=OTHER_TOKEN).json["pullRequestUrl"]
    assert address == f"{hub.url}/datasets/crossmem/personas/discussions/1"
    assert ask(hub, "GET", f"{FILES}/main/a.txt").body == b"1"
    assert ask(hub, "GET", f"{FILES}/refs%2Fpr%2F1/a.txt").body == b"2"
    assert ask(hub, "POST", f"{DATASET}/discussions/1/merge", token=OTHER_TOKEN).status == 403
    assert ask(hub, "POST", f"{DATASET}/discussions/1/merge").status == 200
    assert ask(hub, "GET", f"{FILES}/main/a.txt").body == b"2"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"name": null, "type": 3}', b"{}", b"\xff\xfe"])
def test_a_malformed_request_is_answered(hub, body):
    assert ask(hub, "POST", "/api/repos/create", body).status == 400


def test_what_is_not_served_says_so(hub):
    assert ask(hub, "GET", "/api/nothing").status == 404
    assert hub.count("unknown", status=404) == 1


def test_the_log_names_accounts_and_no_tokens(hub):
    create(hub)
    commit(hub, {"a.txt": b"x"}, token=READ_TOKEN)
    assert [each.account for each in hub.requests] == ["ada", "ada"]
    assert WRITE_TOKEN not in repr(hub.requests)
    assert READ_TOKEN not in repr(hub.requests)
