# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath

from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.publish import push_dataset, write_dataset
from crossmem_hf.data.spec import SPLITS, DatasetSpec
from crossmem_hf.errors import CrossmemError


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_writings_are_byte_identical_though_built_apart(materialized, spec, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    write_dataset(tmp_path / "again", spec)
    first, second = contents(materialized / "crossmem" / "personas"), contents(tmp_path / "again")
    assert len(first) == 1 + sum(map(len, SPLITS.values()))
    assert first == second


def test_another_seed_gives_other_bytes(materialized, spec, tmp_path):
    write_dataset(tmp_path, DatasetSpec(**(spec.as_dict() | {"seed": 1})))
    first, second = contents(materialized / "crossmem" / "personas"), contents(tmp_path)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] == second[name]] == []


def test_the_files_are_those_that_push_to_hub_uploads(materialized, spec, monkeypatch):
    uploaded = {}

    def upload(self, repo_id, additions, **_):
        uploaded.update({each.path_in_repo: Path(each.path_or_fileobj).read_bytes() for each in additions})

    monkeypatch.setattr(HfApi, "preupload_lfs_files", upload)
    where = HfFileSystemResolvedRepositoryPath("dataset", "crossmem/personas", "main", "")
    for config in ("recall_image", "qa", "candidates"):
        for split in SPLITS[config]:
            # The step of Dataset.push_to_hub that writes and uploads shards; the others only talk to the Hub.
            built_rows(config, split, spec)._push_parquet_shards_to_hub(
                where, config, split, None, False, None, None, True, None
            )
    written = contents(materialized / "crossmem" / "personas")
    assert len(uploaded) == 7
    assert {name: written[name] for name in uploaded} == uploaded


def test_a_large_split_is_written_in_several_shards(spec, tmp_path, monkeypatch, materialized):
    from datasets import load_dataset

    monkeypatch.setattr("crossmem_hf.data.publish._LARGEST_SHARD_BYTES", 100_000)
    write_dataset(tmp_path, spec)
    shards = sorted(path.name for path in (tmp_path / "recall_image").glob("test-*"))
    assert len(shards) > 2
    assert shards[-1] == f"test-{len(shards) - 1:05d}-of-{len(shards):05d}.parquet"
    rows = load_dataset(str(tmp_path), "recall_image", split="test").remove_columns("images")
    whole = load_dataset(str(materialized / "crossmem" / "personas"), "recall_image", split="test")
    assert list(rows) == list(whole.remove_columns("images"))


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
