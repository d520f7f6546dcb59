# SPDX-License-Identifier: Apache-2.0
"""Datasets made to harm whoever loads them are refused, with the reason, before they can."""

import json
import resource
import struct
import zlib
from io import BytesIO

import pytest
from datasets import Dataset, Image, List, Value, load_dataset
from PIL import Image as Pictures
from pyarrow import parquet

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.loading import built_rows, load_rows
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.untrusted import LARGEST_CARD_BYTES, check_dataset_card
from crossmem_hf.errors import CrossmemError

LAUGHS = "\n".join(
    ["l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [f"l{number}: &l{number} [{', '.join([f'*l{number - 1}'] * 9)}]" for number in range(1, 10)]
)
OUTSIDE = "configs:\n- config_name: qa\n  data_files:\n  - split: forget\n    path: {!r}"


@pytest.mark.parametrize(
    ("front_matter", "said"),
    [
        ("license: !!python/object/apply:os.system ['touch hacked']", "is no plain YAML"),
        ("license: !!python/name:os.system", "is no plain YAML"),
        ("a: [unclosed", "is no plain YAML"),
        (LAUGHS, "stands for more than"),
        ("a: &a [*a]", "nested too deeply, or in itself"),
        ("a: " + "[" * 5_000, "nested too deeply"),
        ("a: " + "x" * LARGEST_CARD_BYTES, r"has \d+ bytes; at most"),
        (OUTSIDE.format("../../secret/*.parquet"), "outside the dataset: '../../secret/"),
        (OUTSIDE.format("/etc/*"), "outside the dataset: '/etc/"),
        (OUTSIDE.format("https://evil.example/x.parquet"), "outside the dataset: 'https:"),
        ("configs:\n- data_files: /etc/passwd", "outside the dataset: '/etc/passwd'"),
        ("configs:\n- data_dir: ../up", "outside the dataset: '../up'"),
        ("configs:\n- data_files:\n    forget: [ok.parquet, 'a\\..\\b']", "outside the dataset"),
    ],
)
def test_a_hostile_card_is_refused_before_anything_is_loaded(tmp_path, monkeypatch, front_matter, said):
    (tmp_path / "README.md").write_text(f"---\n{front_matter}\n---\n# People\n")
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: pytest.fail("the card was read"))
    with pytest.raises(CrossmemError, match=said):
        load_rows(str(tmp_path), "qa", "forget")
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "text", ["", "no front matter", "---\n---\n", "---\n- a list\n---\n", "---\nconfigs: none\n---\n"]
)
def test_a_poor_card_is_no_hostile_one(tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    check_dataset_card(str(tmp_path))


def test_our_own_card_is_accepted(materialized):
    check_dataset_card(str(materialized / "crossmem" / "personas"))


def a_row(**changes):
    spec = DatasetSpec(num_personas=5, num_views=1, image_size=48)
    row = built_rows("recall_image", "test", spec).cast_column("images", List(Image(decode=False)))[0]
    return row | changes


def as_it_is(row, path):
    """Write a row without what `Dataset.to_parquet` does to pictures: it would fetch them."""
    parquet.write_table(Dataset.from_list([row], features=features_of("qa")).data.table, path)


def png(width, height):
    """A black PNG of any size in a few kilobytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    line = bytes(1 + width // 8)
    pixels = zlib.compressobj(9)
    data = b"".join(pixels.compress(line) for _ in range(height)) + pixels.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def compressed(kind, width, height):
    held = BytesIO()
    Pictures.new("1", (width, height)).convert("L").save(held, kind)
    return held.getvalue()


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (lambda: png(8_000, 8_000), "it has 8000 x 8000 pixels; at most 50000000"),
        (lambda: png(20_000, 20_000), "exceeds limit"),
        (lambda: compressed("JPEG", 9_000, 6_000), "it has 9000 x 6000 pixels"),
        (lambda: compressed("GIF", 9_000, 6_000), "it has 9000 x 6000 pixels"),
        (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "cannot identify image"),
    ],
    ids=["png", "huge-png", "jpeg", "gif", "postscript"],
)
def test_a_picture_that_explodes_is_named_by_its_row_and_not_unpacked(tmp_path, picture, said):
    rows = [a_row(), a_row(images=[{"bytes": picture(), "path": None}])]
    Dataset.from_list(rows, features=features_of("qa")).to_parquet(tmp_path / "train.parquet")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CrossmemError, match=rf"Row 1 of .* has a corrupt image in 'images': .*{said}"):
        load_rows(str(tmp_path), "default", "train")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes; unpacked, 400 MB


@pytest.mark.parametrize("inside", [False, True])
def test_a_picture_outside_the_dataset_is_not_read(tmp_path, inside):
    secret = (tmp_path / "rows" if inside else tmp_path) / "secret.png"
    (tmp_path / "rows").mkdir()
    secret.write_bytes(png(8, 8))
    row = a_row(images=[{"bytes": None, "path": str(secret)}])
    as_it_is(row, tmp_path / "rows" / "train.parquet")
    if inside:
        assert load_rows(str(tmp_path / "rows"), "default", "train")[0]["images"][0].size == (8, 8)
        return
    with pytest.raises(CrossmemError, match=r"Row 0 .*points to '.*secret.png', outside the dataset"):
        load_rows(str(tmp_path / "rows"), "default", "train")


def test_a_picture_is_not_fetched_from_an_address(tmp_path):
    row = a_row(images=[{"bytes": None, "path": "https://evil.example/track.png"}])
    as_it_is(row, tmp_path / "train.parquet")
    with pytest.raises(CrossmemError, match=r"points to 'https://evil\.example/track\.png', outside"):
        load_rows(str(tmp_path), "default", "train")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", "a/../../secret.png"])
def test_metadata_of_a_folder_of_pictures_cannot_point_out_of_it(tmp_path, name):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in (tmp_path / "secret.png", folder / "a.png"):
        path.write_bytes(png(8, 8))
    lines = [{"file_name": "a.png", "answer": "x"}, {"file_name": name, "answer": "y"}]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(CrossmemError, match="file_name"):
        load_rows(str(folder), "default", "train")


@pytest.mark.parametrize(
    ("column", "values"),
    [("answer", Value("bool")), ("hops", Value("string")), ("persona_id", Value("float32")), ("view", Value("bool"))],
)
def test_parquet_of_other_types_is_refused(tmp_path, column, values):
    made = {"int64": 3, "string": "x", "float32": 0.5, "bool": True}[values.dtype]
    features = features_of("qa")
    features[column] = values
    Dataset.from_list([a_row(**{column: made})], features=features).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(
        CrossmemError, match=rf"Column '{column}' of .* expected Value|has answer=True; expected a text"
    ):
        load_rows(str(tmp_path), "default", "train")


def test_parquet_that_is_not_what_the_card_says_is_refused(materialized, tmp_path):
    import shutil

    folder = shutil.copytree(materialized / "crossmem" / "personas", tmp_path / "personas")
    path = next((folder / "qa").glob("forget-*.parquet"))
    load_dataset("parquet", data_files=str(path), split="train").rename_column("answer", "reply").to_parquet(path)
    with pytest.raises(CrossmemError, match=r"Could not load split 'forget' of config 'qa'"):
        load_rows(str(folder), "qa", "forget")


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (Pictures.new("F", (8, 8)), "floating-point"),
        (Pictures.new("I", (8, 8)), "32-bit integers"),
        (Pictures.new("L", (8, 8)), None),
        (Pictures.new("I;16", (8, 8)), None),
    ],
)
def test_a_picture_that_nobody_could_see_is_named_by_its_row(tmp_path, picture, said):
    held = BytesIO()
    picture.save(held, "TIFF")
    rows = [a_row(), a_row(images=[{"bytes": held.getvalue(), "path": None}])]
    Dataset.from_list(rows, features=features_of("qa")).to_parquet(tmp_path / "train.parquet")
    if said is None:
        assert len(load_rows(str(tmp_path), "default", "train")) == 2
        return
    with pytest.raises(CrossmemError, match=rf"Row 1 of .* has a corrupt image in 'images': .*{said}"):
        load_rows(str(tmp_path), "default", "train")
