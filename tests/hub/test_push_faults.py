# SPDX-License-Identifier: Apache-2.0
"""Every fault ends in success after some patience, or in a clear error; no tag ever names half an upload."""

import pytest

pytestmark = pytest.mark.hub

FIRST = {"README.md": b"# First", "qa/forget-0.parquet": b"PAR0" * 500}
SECOND = {"README.md": b"# Second", "qa/forget-0.parquet": b"PAR1" * 50_000, "qa/retain-0.parquet": b"PAR2" * 50_000}

PASSING = [
    ("commit", {"status": 500}),
    ("commit", {"status": 502, "times": 3}),
    ("commit", {"status": 409, "message": "Another operation is in progress"}),
    ("commit", {"status": 429, "headers": [["Retry-After", "1"]]}),
    ("commit", {"drop": True}),
    ("commit", {"cut": 100}),
    ("commit", {"drop": True, "late": True}),
    ("commit", {"status": 500, "late": True}),
    ("commit", {"delay": 0.5}),
    ("lfs", {"status": 500, "times": 3}),
    ("lfs", {"cut": 50_000, "times": 2}),
    ("lfs", {"drop": True, "late": True}),
    ("lfs", {"corrupt": True}),
    ("lfs", {"status": 403, "message": "Request has expired"}),
    ("lfs", {"delay": 0.5}),
    ("verify", {"status": 503}),
    ("batch", {"status": 503, "times": 2}),
    ("preupload", {"drop": True}),
    ("validate", {"status": 500}),
    ("revision", {"status": 500}),
    ("tree", {"cut": 10}),
    ("tree", {"status": 504}),
    ("refs", {"status": 500}),
    ("tag", {"status": 500}),
    ("tag", {"drop": True}),
    ("tag", {"drop": True, "late": True}),
    ("tag", {"status": 500, "late": True}),
]

STAYING = [
    ("commit", {"status": 401}, "HTTP 401"),
    ("commit", {"status": 403, "message": "You lost the right"}, "You lost the right"),
    ("commit", {"status": 412, "message": "A commit has happened since"}, "nothing of ours was published"),
    ("commit", {"status": 413, "message": "Too large"}, "Too large"),
    ("commit", {"status": 409, "message": "Locked"}, "Locked (HTTP 409)"),
    ("commit", {"status": 500, "message": "On fire"}, "On fire (HTTP 500)"),
    ("commit", {"drop": True}, "what has arrived is not sent again"),
    ("commit", {"cut": 100}, "what has arrived is not sent again"),
    ("lfs", {"status": 403, "message": "Expired"}, "HTTP 403"),
    ("lfs", {"status": 500}, "HTTP 500"),
    ("lfs", {"cut": 50_000}, "what has arrived is not sent again"),
    ("lfs", {"corrupt": True}, "the SHA-256 of what was received does not match"),
    ("batch", {"status": 401}, "HTTP 401"),
    ("preupload", {"status": 403, "message": "Forbidden here"}, "Forbidden here"),
    ("validate", {"status": 400, "message": "Bad card"}, "Bad card"),
    ("refs", {"status": 503}, "HTTP 503"),
    ("tree", {"status": 404}, "HTTP 404"),
]


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def held(pusher, revision):
    repository = pusher.hub.store.find("dataset", "crossmem/personas")
    files = repository.at(revision).files
    return {name: pusher.hub.store.blobs.whole(file.sha256) for name, file in files.items() if name[0] != "."}


@pytest.fixture
def published(pusher):
    """A Hub that holds a first version, put there without a push."""
    store = pusher.hub.store
    repository = store.create("dataset", "crossmem/personas")
    files = {name: store.file(content, lfs=name.endswith(".parquet")) for name, content in FIRST.items()}
    repository.tags["v1"] = store.commit(repository, "main", changed=files).sha
    return pusher


def named(cases):
    return [f"{each[0]}-{'-'.join(f'{key}={value}' for key, value in each[1].items())}" for each in cases]


@pytest.mark.parametrize(("endpoint", "how"), PASSING, ids=named(PASSING))
def test_what_passes_is_waited_for(published, tmp_path, endpoint, how):
    fault = published.hub.fail(endpoint, **how)
    came = published.push(write(tmp_path / "second", SECOND), tag="v2")
    assert came.get("changed") in (0, 3), came  # 0 where the lost answer was to the commit itself
    assert fault.struck == how.get("times", 1)
    assert held(published, "v2") == held(published, "main") == SECOND
    assert held(published, "v1") == FIRST
    assert len(published.hub.store.find("dataset", "crossmem/personas").commits) == 3


@pytest.mark.parametrize(("endpoint", "how", "said"), STAYING, ids=named(STAYING))
def test_what_stays_is_named_and_leaves_everything_as_it_was(published, tmp_path, endpoint, how, said):
    published.hub.fail(endpoint, times=None, **how)
    error = published.push(write(tmp_path / "second", SECOND), tag="v2")["error"]
    assert said in error
    assert "signature" not in error
    assert held(published, "main") == held(published, "v1") == FIRST
    assert list(published.hub.store.find("dataset", "crossmem/personas").tags) == ["v1"]


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 403}, {"drop": True}])
def test_a_version_that_cannot_be_tagged_can_be_tagged_later(published, tmp_path, how):
    published.hub.fail("tag", times=None, **how)
    folder = write(tmp_path / "second", SECOND)
    assert "Could not set the tag 'v2'" in published.push(folder, tag="v2")["error"]
    assert list(published.hub.store.find("dataset", "crossmem/personas").tags) == ["v1"]
    published.hub.faults.clear()
    assert published.push(folder, tag="v2")["changed"] == 0
    assert held(published, "v2") == SECOND


def test_somebody_who_pushes_meanwhile_is_not_overwritten(published, tmp_path):
    """Their commit lands between our look at the branch and our commit."""
    store, theirs = published.hub.store, {"README.md": b"# Theirs"}

    def land(call):
        repository = store.find("dataset", "crossmem/personas")
        store.commit(repository, "main", changed={name: store.file(data) for name, data in theirs.items()})

    published.hub.before["commit"] = land
    error = published.push(write(tmp_path / "second", SECOND), tag="v2")["error"]
    assert "Somebody else changed the repository meanwhile" in error
    assert held(published, "main") == FIRST | theirs


def test_a_hub_that_keeps_other_bytes_gets_no_tag(published, tmp_path):
    """What arrived is compared with what was sent, file by file, before the version is named."""
    store = published.hub.store
    published.hub.before["commit"] = lambda call: store.spoil(b"PAR1" * 50_000, b"PAR9" * 50_000)
    error = published.push(write(tmp_path / "second", SECOND), tag="v2")["error"]
    assert "are not those of the folder, such as 'qa/forget-0.parquet'; no tag was set" in error
    assert list(store.find("dataset", "crossmem/personas").tags) == ["v1"]
