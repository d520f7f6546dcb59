# SPDX-License-Identifier: Apache-2.0
"""The dataset's way: the script publishes it, and load_dataset gets it back, streamed or whole, from empty caches."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.hub.accounts import OTHER_TOKEN, READ_TOKEN
from tests.sources import ROOT

pytestmark = [pytest.mark.hub, pytest.mark.slow]

SCRIPT = "dataset_scripts/personas.py"
SMALL = ["--num_personas", "5", "--num_views", "1", "--image_size", "48", "--qa_per_persona", "2"]
ROWS = """
import json
from datasets import load_dataset

rows = load_dataset("crossmem/personas", "qa", split="forget", revision={revision!r})
streamed = load_dataset("crossmem/personas", "qa", split="forget", streaming=True, revision={revision!r})
first = next(iter(streamed))
shown = [row for row in rows if row["images"]]
print(json.dumps({{
    "rows": len(rows), "answers": [row["answer"] for row in rows][:3], "first": first["answer"],
    "size": shown[0]["images"][0].size, "columns": sorted(rows.features),
}}))
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder that everything here publishes."""
    folder = tmp_path_factory.mktemp("written") / "personas"
    from crossmem_hf.data.release.writing import write_dataset
    from crossmem_hf.data.spec import DatasetSpec

    write_dataset(folder, DatasetSpec(num_personas=5, num_views=1, image_size=48, qa_per_persona=2))
    return folder


def publish(clients, folder, *arguments, **how):
    return clients.script(SCRIPT, "--input_dir", str(folder), "--push_to_hub", "crossmem/personas", *arguments, **how)


def test_it_is_made_published_loaded_and_streamed(hub, clients, written):
    done = clients.script(SCRIPT, "--push_to_hub", "crossmem/personas", "--tag", "v1.0", *SMALL)
    assert done.returncode == 0, done.stderr
    repository = hub.store.find("dataset", "crossmem/personas")
    assert repository.tags == {"v1.0": repository.branches["main"]}
    for number, revision in enumerate(("main", "v1.0")):
        loaded = clients.afresh(f"home{number}").python(ROWS.format(revision=revision))
        assert loaded["rows"] > 0
        assert loaded["first"] == loaded["answers"][0]
        assert loaded["size"] == [48, 48]
        assert {"images", "prompt", "completion", "persona_id"} <= set(loaded["columns"])
    again = publish(clients, written, "--tag", "v1.0")
    assert "Nothing to change" in again.stdout, "two processes made different bytes of one spec"
    ranges = [each for each in hub.requests if each.requested_range and "qa/forget" in each.path]
    assert ranges, "streaming asks for pieces"
    assert hub.count("unknown") == 0


def test_same_data_is_no_commit_and_other_data_moves_no_tag(hub, clients, written):
    first = publish(clients, written, "--tag", "v1.0")
    assert "Published" in first.stdout, first.stderr
    repository = hub.store.find("dataset", "crossmem/personas")
    before = (dict(repository.tags), dict(repository.branches), hub.count("lfs"))
    again = publish(clients, written, "--tag", "v1.0")
    assert "Nothing to change" in again.stdout, again.stderr
    assert (repository.tags, repository.branches, hub.count("lfs")) == before
    other = clients.script(
        SCRIPT, "--push_to_hub", "crossmem/personas", "--tag", "v1.0", "--seed", "1", *SMALL, timeout=600
    )
    assert other.returncode == 1
    assert "Tag 'v1.0' of the dataset 'crossmem/personas' exists and holds other data" in other.stderr
    assert (repository.tags, repository.branches, hub.count("lfs")) == before


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "hf auth login"),
        (READ_TOKEN, "HTTP 403"),
        (OTHER_TOKEN, "under the namespace 'crossmem'"),
    ],
)
def test_without_the_right_nothing_is_made(hub, clients, token, said):
    done = clients.script(SCRIPT, "--push_to_hub", "crossmem/personas", "--output_dir", "out", *SMALL, token=token)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.startswith("Error: ")
    assert not (clients.folder / "out").exists()
    assert not hub.store.repositories


def test_a_private_dataset_is_loaded_with_a_token_only(hub, clients, written):
    assert publish(clients, written, "--private").returncode == 0
    code = 'from datasets import load_dataset; load_dataset("crossmem/personas", "candidates", split="target")'
    statuses = [
        clients.afresh(f"home{number}").run(sys.executable, "-c", code, token=token).returncode
        for number, token in enumerate((READ_TOKEN, OTHER_TOKEN))
    ]
    assert statuses == [0, 1]


def test_a_stranger_proposes_and_an_owner_merges(hub, clients, written):
    assert publish(clients, written, "--private").returncode == 0
    hub.store.find("dataset", "crossmem/personas").private = False
    card = written / "README.md"
    text = card.read_text()
    try:
        card.write_text(text + "\nOne more line.\n")
        done = publish(clients, written, "--create_pr", token=OTHER_TOKEN)
    finally:
        card.write_text(text)
    assert f"Waiting to be merged: {hub.url}/datasets/crossmem/personas/discussions/1" in done.stdout, done.stderr
    loaded = clients.python(ROWS.format(revision="refs/pr/1"))
    assert loaded["rows"] > 0


def test_a_push_that_is_killed_goes_on_where_it_was(hub, clients, written):
    """Killed after some objects have arrived: no branch or tag has moved, and the next push sends only the others."""
    hub.fail("lfs", skip=4, times=None, delay=60.0)
    command = [sys.executable, str(ROOT / SCRIPT), "--input_dir", str(written), "--push_to_hub", "crossmem/personas"]
    running = subprocess.Popen([*command, "--tag", "v1.0"], cwd=clients.folder, env=clients.environment())
    limit = time.monotonic() + 600
    while hub_arrived(hub) < 4 and time.monotonic() < limit:
        time.sleep(0.2)
    running.send_signal(signal.SIGKILL)
    running.wait()
    repository = hub.store.find("dataset", "crossmem/personas")
    assert (repository.tags, len(repository.commits)) == ({}, 1)
    arrived = set(repository.lfs)
    assert len(arrived) >= 4
    hub.faults.clear()
    start = len(hub.log())
    assert publish(clients, written, "--tag", "v1.0").returncode == 0
    sent = {each.path.split("?")[0].rsplit("/", 1)[1] for each in hub.log()[start:] if each.endpoint == "lfs"}
    assert sent
    assert not sent & arrived
    assert repository.tags == {"v1.0": repository.branches["main"]}
    assert len(repository.commits) == 2


def hub_arrived(hub):
    repositories = list(hub.store.repositories.values())
    return len(repositories[0].lfs) if repositories else 0


def test_loading_survives_a_hub_in_trouble(hub, clients, written):
    """datasets gives up on the first bad answer to some of its questions; load_rows does not."""
    assert publish(clients, written).returncode == 0
    faults = [
        hub.fail("resolve", method="GET", about="qa/forget", status=503),
        hub.fail("resolve", method="GET", about="qa/retain-", cut=1000),
        hub.fail("tree", status=500),
        hub.fail("revision", status=500),
    ]
    code = """
import json
from crossmem_hf.data.loading import load_rows
print(json.dumps(len(load_rows("crossmem/personas", "qa", "forget"))))
"""
    num_rows = clients.python(code)
    assert num_rows == json.loads((written / "quality.json").read_text())["splits"]["qa"]["forget"]["rows"]
    assert [fault.struck for fault in faults] == [1, 1, 1, 1]


def test_an_upload_through_xet_that_fails_is_named_too(hub, clients, written):
    """Most people's uploads go through compiled code that the stand-in has no endpoint for."""
    done = publish(clients, written, "--tag", "v1.0", HF_HUB_DISABLE_XET="0")
    assert done.returncode == 1
    assert "Error: Could not push to the dataset 'crossmem/personas'" in done.stderr
    assert "Traceback" not in done.stderr
    assert hub.count("unknown", about="xet-write-token") == 4
    repository = hub.store.find("dataset", "crossmem/personas")
    assert (repository.tags, len(repository.commits)) == ({}, 1)
