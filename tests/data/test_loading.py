# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest
from datasets import Dataset, Image, List, load_dataset
from pyarrow import parquet

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.loading import built_rows, load_rows
from crossmem_hf.data.rows import recall_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError

SMALL = {"num_personas": 10, "num_views": 2, "image_size": 48}


@pytest.fixture
def copied(materialized, tmp_path):
    """A copy of the published dataset that a test may damage."""
    return shutil.copytree(materialized / "crossmem" / "personas", tmp_path / "personas")


def damage(path, find=b"", by=b"", truncate=0):
    data = path.read_bytes()
    assert find in data
    path.write_bytes(data[:-truncate] if truncate else data.replace(find, by))


def test_the_embedded_rows_need_no_name():
    rows = load_rows(None, "recall_image", "train", **SMALL)
    assert len(rows) == 20
    assert rows[0]["images"][0].size == (48, 48)


def test_a_preset_gives_the_knobs_that_are_not_given():
    rows = load_rows(None, "recall_text", "test", preset="remem")
    assert len(rows) == 20 * 4
    assert len(load_rows(None, "qa", "forget", preset="remem", num_views=1, qa_per_persona=4)) == 4 * 2 * 4


def test_sums_and_slices_of_splits():
    assert len(load_rows(None, "qa_test", "forget+retain", **SMALL)) == 10 * 56
    assert len(load_rows(None, "recall_text", "test[:3]", **SMALL)) == 3


def test_a_second_call_reads_the_cache(monkeypatch):
    first = load_rows(None, "recall_text", "train", **SMALL)
    monkeypatch.setattr("crossmem_hf.data.builder.rows_of", lambda *_: pytest.fail("built again"))
    assert list(load_rows(None, "recall_text", "train", **SMALL)) == list(first)


def test_published_rows_equal_the_embedded_ones(materialized, spec):
    published = load_rows(str(materialized / "crossmem" / "personas"), "recall_image", "test")
    built = built_rows("recall_image", "test", spec)
    bare = List(Image(decode=False))
    assert list(published.cast_column("images", bare)) == list(built.cast_column("images", bare))


@pytest.mark.parametrize(
    ("config", "split", "says"),
    [
        ("quiz", "train", "Unknown config 'quiz'. Choose from recall_image"),
        ("qa", "train", "Unknown split 'train' of config 'qa'; expected one of forget, retain, retain_eval"),
    ],
)
def test_embedded_config_and_split_must_exist(config, split, says):
    with pytest.raises(CrossmemError, match=says):
        load_rows(None, config, split)


def test_published_config_must_exist(materialized):
    with pytest.raises(CrossmemError, match=r"'quiz' not found. Available: \['candidates', 'captions'"):
        load_rows(str(materialized / "crossmem" / "personas"), "quiz", "train")


def test_published_split_must_exist(materialized):
    with pytest.raises(CrossmemError, match=r"\"dev\". Should be one of \['train', 'validation', 'test', 'far'\]"):
        load_rows(str(materialized / "crossmem" / "personas"), "recall_text", "dev")


def test_more_people_than_exist_is_an_error_that_says_how_many_do():
    with pytest.raises(CrossmemError, match="num_personas=99999; expected a whole number from 1 to 10500"):
        load_rows(None, "recall_image", "train", num_personas=99_999)


def test_a_dataset_that_does_not_exist_is_an_error():
    with pytest.raises(CrossmemError, match="from 'nobody/nothing'"):
        load_rows("nobody/nothing", "recall_image", "train")


def test_missing_columns_are_named(tmp_path):
    Dataset.from_dict({"prompt": ["a"], "answer": ["b"]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(
        CrossmemError, match=r"lacks the column\(s\) images, completion, persona_id.*it has prompt, answer"
    ):
        load_rows(str(tmp_path), "default", "train")


def test_a_mistyped_column_is_named(tmp_path, person):
    columns = {name: ["x"] for name in features_of("qa")}
    Dataset.from_dict(columns | {"images": [[]]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(CrossmemError, match=r"Column 'hops' of .* is Value\('string'\); expected Value\('int64'\)"):
        load_rows(str(tmp_path), "default", "train")


@pytest.mark.parametrize("split", ["test[:0]", "test[900:]"])
def test_an_empty_slice_is_an_error(materialized, split):
    for name in (None, str(materialized / "crossmem" / "personas")):
        with pytest.raises(CrossmemError, match="corresponds to no data"):
            load_rows(name, "recall_text", split)


def test_no_rows_is_an_error(tmp_path):
    empty = {name: [] for name in features_of("qa")}
    Dataset.from_dict(empty, features=features_of("qa")).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(CrossmemError, match="corresponds to no data"):
        load_rows(str(tmp_path), "default", "train")


def test_a_truncated_parquet_file_is_named(copied):
    damage(copied / "recall_text" / "validation-00000-of-00001.parquet", truncate=200)
    with pytest.raises(CrossmemError, match=r"validation-00000-of-00001.parquet' is corrupt"):
        load_rows(str(copied), "recall_text", "train")


def test_a_corrupt_image_is_named_by_its_row(copied):
    path = copied / "recall_image" / "test-00000-of-00001.parquet"
    rows = list(
        load_dataset("parquet", data_files=str(path), split="train").cast_column("images", List(Image(decode=False)))
    )
    picture = bytearray(rows[7]["images"][0]["bytes"])
    picture[len(picture) // 2] ^= 0xFF
    rows[7]["images"][0]["bytes"] = bytes(picture)
    Dataset.from_list(rows, features=features_of("recall_image")).to_parquet(path)
    assert parquet.read_table(path).num_rows == len(rows)
    with pytest.raises(CrossmemError, match=r"Row 7 of .*recall_image, test\) has a corrupt image in 'images'"):
        load_rows(str(copied), "recall_image", "test")


@pytest.mark.parametrize("stored", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut off"])
def test_what_is_no_image_is_named_too(tmp_path, stored):
    row = built_rows("recall_image", "test", DatasetSpec(**SMALL)).cast_column("images", List(Image(decode=False)))[0]
    row["images"] = [{"bytes": stored, "path": None}]
    Dataset.from_list([row], features=features_of("qa")).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(CrossmemError, match=r"Row 0 of .* has a corrupt image"):
        load_rows(str(tmp_path), "default", "train")


def test_a_full_disk_is_an_error_and_leaves_no_half_cache(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    spec = DatasetSpec(num_personas=11, num_views=2, image_size=48)
    with monkeypatch.context() as patched:
        patched.setattr("crossmem_hf.data.builder.rows_of", full)
        with pytest.raises(CrossmemError, match=r"Could not build split 'train'.*No space left on device"):
            built_rows("recall_text", "train", spec)
    assert len(built_rows("recall_text", "train", spec)) == 22


def test_files_that_changed_since_they_were_cached_are_read_again(copied):
    assert load_rows(str(copied), "recall_text", "train")[0]["answer"] != "Somebody Else"
    path = copied / "recall_text" / "train-00000-of-00001.parquet"
    rows = load_dataset("parquet", data_files=str(path), split="train")
    rows.map(lambda _: {"answer": "Somebody Else"}).to_parquet(path)
    assert load_rows(str(copied), "recall_text", "train")[0]["answer"] == "Somebody Else"


def test_rows_in_other_forms_are_read(tmp_path, person):
    """Strings in the place of turns, no pictures, one list of an answer: what they plainly mean."""
    row = recall_row(person, "text", "train", 0)
    answer, question = row["answer"], row["prompt"][0]["content"]
    plain = {"prompt": question, "completion": answer, "images": None, "answer": [answer]}
    Dataset.from_list([{**row, **plain}]).to_parquet(tmp_path / "train.parquet")
    (read,) = load_rows(str(tmp_path), "default", "train")
    assert read == row


def test_a_stored_picture_elsewhere_is_not_opened(tmp_path, person):
    """Bytes and a path as plain columns become pictures; those outside the dataset are refused as ever."""
    row = recall_row(person, "image", "train", 0)
    stored = {"bytes": None, "path": "/etc/hostname"}
    Dataset.from_list([{**row, "images": [stored]}]).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(CrossmemError, match="points to '/etc/hostname', outside the dataset"):
        load_rows(str(tmp_path), "default", "train")
    Dataset.from_list([row]).to_parquet(tmp_path / "train.parquet")
    (read,) = load_rows(str(tmp_path), "default", "train")
    assert read["images"][0].size == (64, 64)
