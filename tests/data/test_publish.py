# SPDX-License-Identifier: Apache-2.0
import pytest
from huggingface_hub import HfApi

from crossmem_hf.data.publish import push_dataset
from crossmem_hf.errors import CrossmemError


@pytest.fixture
def hub(monkeypatch):
    """What a Hub would have been asked for; nothing leaves the machine."""
    asked = []
    monkeypatch.setattr(
        HfApi, "create_repo", lambda self, *args, **kw: asked.append(("create_repo", args, kw)) or "URL"
    )
    monkeypatch.setattr(HfApi, "create_branch", lambda self, *args, **kw: asked.append(("create_branch", args, kw)))
    monkeypatch.setattr(HfApi, "upload_folder", lambda self, *args, **kw: asked.append(("upload_folder", args, kw)))
    return asked


def test_pushing_uploads_the_folder_and_drops_older_shards(materialized, hub):
    folder = materialized / "crossmem" / "personas"
    assert push_dataset(folder, "crossmem/personas", revision="dev") == "URL"
    assert [name for name, *_ in hub] == ["create_repo", "create_branch", "upload_folder"]
    _, _, upload = hub[-1]
    assert upload["folder_path"] == folder
    assert (upload["repo_id"], upload["repo_type"], upload["revision"]) == ("crossmem/personas", "dataset", "dev")
    assert upload["delete_patterns"] == ["*.parquet"]


def test_pushing_an_empty_folder_is_an_error(tmp_path, hub):
    with pytest.raises(CrossmemError, match="holds no dataset card"):
        push_dataset(tmp_path, "crossmem/personas")
    assert not hub


@pytest.mark.parametrize("repo_id", ["crossmem/personas", "not a name"])
def test_a_push_that_fails_says_what_to_do_and_tells_no_token(materialized, repo_id, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_the_test")
    with pytest.raises(CrossmemError, match=r"Could not push to .*hf auth login") as failure:
        push_dataset(materialized / "crossmem" / "personas", repo_id)
    assert "hf_secret" not in str(failure.value)
