# SPDX-License-Identifier: Apache-2.0
import pytest
from datasets import load_dataset
from pyarrow import parquet

from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.release.shards import ShardWriter, is_about_all, places, plan_of, rows_of_group
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError

TINY = DatasetSpec(num_personas=7, num_views=2, image_size=48, qa_per_persona=4)


@pytest.mark.parametrize("config", SPLITS)
def test_rows_made_a_few_personas_at_a_time_keep_their_order(config):
    """Whoever adds a config must let its rows depend on no one else in `personas`: shards rest on it."""
    plan = plan_of(TINY, 3)
    for split in SPLITS[config]:
        whole = list(rows_of(config, split, personas_of(config, split, TINY), TINY))
        by_two = [range(start, start + 2) for start in range(0, 8, 2)]
        assert whole
        assert [row for few in by_two for row in rows_of_group((config, split), few, plan, TINY)] == whole


def test_every_person_is_in_one_group_of_one_block():
    plan = plan_of(TINY, 3)
    assert (plan.num_personas, plan.num_blocks) == (7, 3)
    assert [number for block in range(3) for group in plan.groups(block) for number in group] == list(range(7))


def test_shards_are_named_as_on_the_hub_and_never_empty():
    plan = plan_of(TINY, 3)
    assert plan.shard_name(("recall_text", "test"), 2) == "recall_text/test-00002-of-00003.parquet"
    (forgotten,) = personas_of("qa", "forget", TINY)
    names = [plan.shard_name(("qa", "forget"), block) for block in range(3)]
    assert names.pop(forgotten.index // 3) == "qa/forget-00000-of-00001.parquet"
    assert names == [None, None]
    assert plan.shard_name(("candidates", "target"), 0) == "candidates/target-00000-of-00001.parquet"
    assert plan.shard_name(("candidates", "target"), 1) is None


def test_only_candidates_are_about_everyone():
    assert [config for config in SPLITS if is_about_all(config)] == ["candidates"]


def test_the_usual_block_holds_some_thousand_portraits():
    assert plan_of(DatasetSpec()).num_blocks == 1
    assert plan_of(DatasetSpec(num_personas=20, num_views=10_000, image_size=48)).block_size == 1
    assert len(places()) == sum(map(len, SPLITS.values()))


def test_nobody_a_shard_is_an_error():
    with pytest.raises(CrossmemError, match="personas_per_shard=0"):
        plan_of(TINY, 0)


@pytest.fixture(scope="module")
def rows():
    return list(rows_of("qa", "retain", personas_of("qa", "retain", TINY), TINY))


def written(path, rows, *, share_images):
    path.parent.mkdir(parents=True)
    writer = ShardWriter(path, features_of("qa"), share_images=share_images)
    for row in rows:
        writer.add(row)
    writer.close()
    assert writer.num_rows == len(rows)
    return path


def test_sharing_pictures_changes_the_size_and_no_row(rows, tmp_path):
    plain = written(tmp_path / "plain" / "train.parquet", rows, share_images=False)
    shared = written(tmp_path / "shared" / "train.parquet", rows, share_images=True)
    assert shared.stat().st_size < plain.stat().st_size
    read = load_dataset(str(shared.parent), split="train")
    assert read.features == features_of("qa")
    assert list(read) == list(load_dataset(str(plain.parent), split="train"))
    assert read[0]["images"][0].size == (48, 48)


def test_a_row_group_ends_when_it_is_large_enough(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("crossmem_hf.data.release.shards._ROW_GROUP_BYTES", 30_000)
    path = written(tmp_path / "small" / "train.parquet", rows, share_images=True)
    with parquet.ParquetFile(path) as file:
        assert file.num_row_groups > 2
        assert file.metadata.num_rows == len(rows)
