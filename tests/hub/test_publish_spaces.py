# SPDX-License-Identifier: Apache-2.0
"""Metrics pushed as Spaces to the stand-in, and loaded from there by those who have nothing else of ours."""

import sys

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.publishing.spaces import metric_names, publish_metrics, publish_space, space_files
from tests.hub.accounts import OTHER_TOKEN, READ_TOKEN, SCOPED_TOKEN, WRITE_TOKEN
from tests.hub.here import contents, write

pytestmark = pytest.mark.hub

LOAD = """
import json, runpy
import evaluate
from huggingface_hub import hf_hub_download

script = hf_hub_download("crossmem/exposure", "tests.py", repo_type="space")
cases = runpy.run_path(script)["test_cases"]
metric = evaluate.load("crossmem/exposure")
inputs = {name: value for name, value in cases[0].items() if name != "result"}
found = metric.compute(**inputs)
print(json.dumps([found[name] for name in cases[0]["result"]] + [list(cases[0]["result"].values())]))
"""


def space(hub, name):
    return contents(hub, "space", f"crossmem/{name}")


def test_every_metric_becomes_a_space_with_the_bytes_of_its_folder(hub, log_in):
    reported = []
    done = publish_metrics(report=reported.append)
    assert [each.repo_id for each in done] == [f"crossmem/{name}" for name in metric_names()]
    assert reported == list(done)
    assert all(each.changed for each in done)
    for name in metric_names():
        held = space(hub, name)
        assert held == space_files(name)
        assert {f"{name}.py", "README.md", "app.py", "requirements.txt", "tests.py"} <= set(held)
        assert hub.store.find("space", f"crossmem/{name}").tags == {}, "a tag may hide main from evaluate for good"
    commits = hub.count("commit", status=200)
    again = publish_metrics()
    assert not any(each.changed for each in again)
    assert hub.count("commit", status=200) == commits


@pytest.mark.slow
def test_evaluate_loads_what_was_published(hub, log_in, clients):
    publish_metrics(["exposure"])
    *found, wanted = clients.python(LOAD)
    assert found == pytest.approx(wanted)


def test_the_command_says_what_it_did_and_no_token(hub, clients):
    command = [sys.executable, "-m", "crossmem_hf", "publish", "metrics", "--only", "exposure,min_k_prob"]
    first, second = (clients.run(*command) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert first.stderr.count("published  ") == 2
    assert second.stderr.count("unchanged  ") == 2
    for output in (first.stdout, first.stderr, second.stderr):
        assert WRITE_TOKEN not in output


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (READ_TOKEN, "HTTP 403"),
        (OTHER_TOKEN, "under the namespace 'crossmem'"),
        (SCOPED_TOKEN, "HTTP 403"),
        (None, "Token is required"),
        ("hf_NobodysTokenAtAll", "HTTP 401"),
    ],
)
def test_without_the_right_nothing_is_sent(hub, log_in, token, said):
    log_in(token)
    with pytest.raises(CrossmemError) as caught:
        publish_metrics(["exposure"])
    assert said in caught.value.fault
    assert token is None or token not in str(caught.value)
    assert {request.endpoint for request in hub.requests} <= {"auth-check", "create", "info"}


def test_a_stranger_may_propose(hub, log_in):
    publish_metrics(["exposure"])
    write(hub, "space", "crossmem/exposure", {"exposure.py": b"# older\n"})
    log_in(OTHER_TOKEN)
    (done,) = publish_metrics(["exposure"], create_pr=True)
    assert done.changed
    assert "discussions/1" in done.address
    assert space(hub, "exposure")["exposure.py"] == b"# older\n"


def test_a_foreign_space_is_left_alone(hub, log_in):
    write(hub, "space", "crossmem/exposure", {"app.py": b"print('mine')\n", "README.md": b"mine\n"})
    with pytest.raises(CrossmemError, match=r"holds .* but no 'exposure.py': it was not published by us"):
        publish_metrics(["exposure"])
    assert space(hub, "exposure")["app.py"] == b"print('mine')\n"


def test_a_file_that_the_metric_no_longer_has_is_removed(hub, log_in):
    publish_metrics(["exposure"])
    write(hub, "space", "crossmem/exposure", {"old_math.py": b"1\n", "notes.txt": b"kept\n"})
    publish_metrics(["exposure"])
    held = space(hub, "exposure")
    assert "old_math.py" not in held
    assert held["notes.txt"] == b"kept\n"


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": True}, {"drop": True, "late": True}], ids=str)
def test_a_hub_that_stumbles_is_asked_again(hub, log_in, fault, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.fail("commit", **fault)
    hub.fail("create", status=502)
    (done,) = publish_metrics(["exposure"])
    assert space(hub, "exposure")["exposure.py"] == space_files("exposure")["exposure.py"]
    assert len(hub.store.find("space", "crossmem/exposure").commits) == 2, "the first one and ours, once"
    assert done.repo_id == "crossmem/exposure"


def test_a_hub_that_stays_away_leaves_nothing_half_published(hub, log_in, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.fail("commit", status=500, times=None, about="min_k_prob")
    with pytest.raises(CrossmemError, match="Could not push to the space 'crossmem/min_k_prob'"):
        publish_metrics(["exposure", "min_k_prob"])
    assert space(hub, "exposure")["exposure.py"]
    assert space(hub, "min_k_prob") == {}


def test_somebody_else_writing_meanwhile_is_told(hub, log_in):
    publish_metrics(["exposure"])
    write(hub, "space", "crossmem/exposure", {"exposure.py": b"# older\n"})
    hub.fail("commit", status=412, message="A commit has happened since. Please refresh and try again.")
    with pytest.raises(CrossmemError, match="Somebody else changed the repository meanwhile"):
        publish_metrics(["exposure"])


def test_any_folder_that_is_a_space_can_go_there(hub, log_in, tmp_path):
    folder = tmp_path / "explorer"
    folder.mkdir()
    (folder / "README.md").write_text("---\nsdk: gradio\napp_file: app.py\n---\n")
    (folder / "app.py").write_text("print('page')\n")
    (tmp_path / "look.css").write_text("body {}\n")
    (folder / "look.css").symlink_to("../look.css")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/app.pyc").write_bytes(b"x")
    (folder / ".env").write_text("SECRET=1\n")
    assert publish_space(folder).changed
    assert set(space(hub, "explorer")) == {"README.md", "app.py", "look.css"}
    assert space(hub, "explorer")["look.css"] == b"body {}\n"
    assert not publish_space(folder).changed
