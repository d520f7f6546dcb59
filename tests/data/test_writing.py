# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath

from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.spec import SPLITS, DatasetSpec
from crossmem_hf.data.writing import write_dataset


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

    monkeypatch.setattr("crossmem_hf.data.writing._LARGEST_SHARD_BYTES", 100_000)
    write_dataset(tmp_path, spec)
    shards = sorted(path.name for path in (tmp_path / "recall_image").glob("test-*"))
    assert len(shards) > 2
    assert shards[-1] == f"test-{len(shards) - 1:05d}-of-{len(shards):05d}.parquet"
    rows = load_dataset(str(tmp_path), "recall_image", split="test").remove_columns("images")
    whole = load_dataset(str(materialized / "crossmem" / "personas"), "recall_image", split="test")
    assert list(rows) == list(whole.remove_columns("images"))
