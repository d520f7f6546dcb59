# SPDX-License-Identifier: Apache-2.0
"""A folder becomes one commit or none, and a tag names only what has arrived."""

import pytest

from tests.hub.accounts import OTHER_TOKEN

pytestmark = pytest.mark.hub


@pytest.fixture
def folder(tmp_path):
    """A dataset as far as pushing knows: a card, and Parquet files that go through LFS."""
    files = {"README.md": b"# People", "qa/forget-0.parquet": b"PAR1" * 500, "qa/retain-0.parquet": b"PAR2" * 500}
    for name, content in files.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content)
    (tmp_path / "data" / ".build").mkdir()
    (tmp_path / "data" / ".build" / "log").write_text("not for the Hub")
    return tmp_path / "data"


@pytest.fixture
def ready(pusher):
    pusher.ask("ready")
    return pusher


def repository(pusher):
    return pusher.hub.store.find("dataset", "crossmem/personas")


def contents(pusher, revision="main"):
    files = repository(pusher).at(revision).files
    return {name: pusher.hub.store.blobs.whole(file.sha256) for name, file in files.items() if name[0] != "."}


def local(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and ".build" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_folder_becomes_one_commit_and_a_tag(ready, folder):
    came = ready.push(folder, tag="v1.0")
    assert came["changed"] == 3
    assert contents(ready) == local(folder)
    assert repository(ready).tags == {"v1.0": came["commit"]}
    assert len(repository(ready).commits) == 2


def test_equal_files_are_pushed_again_as_nothing(ready, folder):
    first = ready.push(folder, tag="v1.0")
    before = ready.hub.count("lfs")
    again = ready.push(folder, tag="v1.0")
    assert (again["changed"], again["commit"]) == (0, first["commit"])
    assert repository(ready).tags == {"v1.0": first["commit"]}
    assert len(repository(ready).commits) == 2
    assert ready.hub.count("lfs") == before
    assert ready.hub.count("tag") == 1


def test_files_that_are_gone_are_removed_and_those_of_others_stay(ready, folder):
    ready.push(folder, replaced=["*.parquet"])
    (folder / "qa" / "retain-0.parquet").rename(folder / "qa" / "retain-1.parquet")
    (folder / "README.md").unlink()
    assert ready.push(folder, replaced=["*.parquet"])["changed"] == 2
    assert sorted(contents(ready)) == ["README.md", "qa/forget-0.parquet", "qa/retain-1.parquet"]


def test_a_branch_is_made_and_the_main_one_left_alone(ready, folder):
    ready.push(folder, revision="dev")
    assert contents(ready, "dev") == local(folder)
    assert contents(ready) == {}


def test_a_tag_with_other_data_is_refused_before_anything_is_sent(ready, folder):
    first = ready.push(folder, tag="v1.0")
    (folder / "qa" / "retain-0.parquet").write_bytes(b"PAR3" * 500)
    sent = ready.hub.count("lfs")
    error = ready.push(folder, tag="v1.0")["error"]
    assert "Tag 'v1.0'" in error
    assert "1 file(s) differ, such as 'qa/retain-0.parquet'" in error
    assert ready.hub.count("lfs") == sent
    assert repository(ready).branches["main"] == first["commit"]


def test_an_older_version_pushed_again_does_not_take_the_branch_back(ready, folder):
    first = ready.push(folder, tag="v1.0")
    (folder / "README.md").write_text("# More people")
    second = ready.push(folder, tag="v2.0")
    (folder / "README.md").write_text("# People")
    again = ready.push(folder, tag="v1.0")
    assert (again["changed"], again["commit"]) == (0, first["commit"])
    assert repository(ready).branches["main"] == second["commit"]
    assert ready.push(folder, tag="v1.0", revision="from-first")["changed"] == 0
    assert ready.push(folder)["changed"] == 1  # without a tag, the branch is to hold it, whatever was there


def test_a_tag_cannot_be_a_branch(ready, folder):
    ready.push(folder, revision="dev")
    assert "'dev' is a branch" in ready.push(folder, tag="dev")["error"]


def test_a_pull_request_is_opened_once_and_changes_nothing_else(ready, folder):
    came = ready.push(folder, create_pr=True, token=OTHER_TOKEN)
    assert came["pull"] == f"{ready.hub.url}/datasets/crossmem/personas/discussions/1"
    assert contents(ready, "refs/pr/1") == local(folder)
    assert contents(ready) == {}
    again = ready.push(folder, create_pr=True, token=OTHER_TOKEN)
    assert (again["pull"], again["changed"]) == (came["pull"], 0)
    assert len(repository(ready).pulls) == 1


def test_a_pull_request_whose_answer_was_lost_is_not_opened_twice(ready, folder):
    ready.hub.fail("commit", drop=True, late=True)
    assert ready.push(folder, create_pr=True)["pull"].endswith("/discussions/1")
    assert len(repository(ready).pulls) == 1


def test_there_is_nothing_to_request_when_main_holds_it(ready, folder):
    ready.push(folder)
    assert ready.push(folder, create_pr=True)["pull"] == ""
    assert not repository(ready).pulls


@pytest.mark.parametrize("how", [{"tag": "v1"}, {"revision": "dev"}])
def test_a_pull_request_has_no_tag_and_no_branch(ready, folder, how):
    assert "A pull request cannot be tagged" in ready.push(folder, create_pr=True, **how)["error"]
    assert ready.hub.count("commit") == 0


def test_what_has_arrived_is_not_sent_again(ready, folder):
    """The upload breaks for good after the first of two objects; the next push sends only the second."""
    ready.hub.fail("lfs", skip=1, times=None, status=500)
    assert "Error while uploading" in ready.push(folder, tag="v1")["error"]
    assert contents(ready) == {}
    assert repository(ready).tags == {}
    ready.hub.faults.clear()
    arrived = ready.hub.count("lfs", status=200)
    assert ready.push(folder, tag="v1")["changed"] == 3
    assert (arrived, ready.hub.count("lfs", status=200)) == (1, 2)
    assert contents(ready, "v1") == local(folder)
