# SPDX-License-Identifier: Apache-2.0
"""Rows whose pictures come from a folder of portraits."""

import hashlib
import json
from io import BytesIO

import pytest
from PIL import Image

from crossmem_hf.data.albums.album import Photographed, album_fingerprint, photographed, png_in_album
from crossmem_hf.data.builder import PersonasBuilder
from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.loading import load_rows
from crossmem_hf.data.rows import qa_row, recall_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.retaken import retaken
from crossmem_hf.rendering.views import view_for

SIZE = 64
PERSONAS = list(sample_personas(3))
PLACES = {"train": "street", "validation": "museum", "test": "harbor"}


def color(persona, split, index):
    return (persona.index * 40, {"train": 10, "validation": 20, "test": 30}[split], index * 30)


def make_album(folder, *, seed=0, background=True, size=SIZE):
    """Portraits of one color each, listed as `crossmem portraits` lists them."""
    personas = [*sample_personas(3, seed), *(sample_personas(3, seed, "background") if background else ())]
    lines = []
    for person in personas:
        for split, count in (("train", 2), ("validation", 4), ("test", 4)):
            for index in range(count):
                name = f"{person.id}-{split[:2]}{index}.png"
                folder.mkdir(exist_ok=True, parents=True)
                Image.new("RGB", (size, size), color(person, split, index)).save(folder / name)
                digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
                about = {"persona_id": person.id, "split": split, "view": index, "layout": PLACES[split]}
                lines.append({"file_name": name, "sha256": digest, **about})
    write_listing(folder, lines)
    (folder / "portraits.json").write_text(json.dumps({"personas": {"seed": seed}, "models": ["a/b (abc)"]}))
    return str(folder)


def write_listing(folder, lines):
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


def listing(folder):
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def shown(row):
    with Image.open(BytesIO(row["images"][0]["bytes"])) as image:
        return image.size, image.getpixel((5, 5))


def rows(folder, config="recall_image", split="train", **changed):
    knobs = {"num_personas": 3, "num_views": 2, "image_size": SIZE, **changed}
    return load_rows(None, config, split, portraits=folder, **knobs)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_rows_show_what_the_album_holds(tmp_path, split):
    (person,) = photographed(PERSONAS[1:2], make_album(tmp_path))
    row = recall_row(person, "image", split, 1, 48)
    assert shown(row) == ((48, 48), color(person, split, 1))
    assert row["template"] == f"{split}-{PLACES[split]}"
    drawn = recall_row(PERSONAS[1], "image", split, 1, 48)
    same = ("prompt", "completion", "persona_id", "answer", "view", "attribute", "hops", "modality")
    assert all(row[name] == drawn[name] for name in same)
    queried = qa_row(person, "image", "test", 3, SIZE, attribute="job", hops=2)
    assert shown(queried) == ((SIZE, SIZE), color(person, "test", 3))


def test_far_views_are_test_pictures_taken_again(tmp_path):
    (person,) = photographed(PERSONAS[1:2], make_album(tmp_path, size=96))
    pictures = set()
    for index in range(4):
        row = recall_row(person, "image", "far", index, 48)
        again = recall_row(person, "image", "far", index, 48)
        assert row == again
        assert row["template"] == f"far-{PLACES['test']}"
        assert row["prompt"] == recall_row(PERSONAS[1], "image", "far", index, 48)["prompt"]
        photo = Image.new("RGB", (96, 96), color(person, "test", index))
        with Image.open(BytesIO(row["images"][0]["bytes"])) as image:
            assert image.tobytes() == retaken(photo, view_for(person, "far", index), 48).tobytes()
            assert len(image.getcolors()) > 1, "covered, grainy or beside the frame"
        pictures.add(row["images"][0]["bytes"])
    assert len(pictures) == 4


def test_a_far_view_lacking_its_test_picture_is_named(tmp_path):
    (person,) = photographed(PERSONAS[:1], make_album(tmp_path))
    with pytest.raises(CrossmemError, match="no portrait of 't0-00000' in split 'test' with number 4"):
        recall_row(person, "image", "far", 4)


@pytest.mark.parametrize("split", ["test", "far"])
def test_descriptions_stay_as_they_were(tmp_path, split):
    personas = photographed(PERSONAS, make_album(tmp_path))
    assert recall_row(personas[0], "text", split, 0) == recall_row(PERSONAS[0], "text", split, 0)


def test_the_whole_dataset_takes_them(tmp_path):
    folder = make_album(tmp_path)
    seen = rows(folder)
    expected = [color(person, "train", index) for person in PERSONAS for index in range(2)]
    assert [row["images"][0].getpixel((5, 5)) for row in seen] == expected
    captions = rows(folder, "captions", "background")
    assert {row["persona_id"][0] for row in captions} == {"b"}
    for config, splits in SPLITS.items():
        for split in splits:
            for row in rows(folder, config, split, image_size=48) if split != "background" else ():
                shown = [*row.get("images", ()), *([row["portrait"]] if "portrait" in row else ())]
                if not row.get("template", "").startswith("far-"):
                    assert all(len(image.getcolors()) == 1 for image in shown), (config, split, "a drawn portrait")
    profile = rows(folder, "profiles", "forget+retain")[0]
    assert profile["portrait"].size == (SIZE, SIZE)


def test_a_changed_album_is_not_answered_with_old_rows(tmp_path):
    folder = make_album(tmp_path)
    before = rows(folder)[0]["images"][0].getpixel((5, 5))
    first = listing(tmp_path)[0]
    Image.new("RGB", (SIZE, SIZE), (1, 2, 3)).save(tmp_path / first["file_name"])
    digest = hashlib.sha256((tmp_path / first["file_name"]).read_bytes()).hexdigest()
    old = DatasetSpec(num_personas=3, portraits=folder).fingerprint()
    write_listing(tmp_path, [{**first, "sha256": digest}, *listing(tmp_path)[1:]])
    assert DatasetSpec(num_personas=3, portraits=folder).fingerprint() != old
    assert rows(folder)[0]["images"][0].getpixel((5, 5)) == (1, 2, 3) != before


def test_two_albums_and_drawings_have_caches_of_their_own(tmp_path):
    make = {"num_personas": 3, "cache_dir": str(tmp_path / "cache")}
    one, other = make_album(tmp_path / "a"), make_album(tmp_path / "b", size=80)
    caches = {PersonasBuilder(portraits=folder, **make).cache_dir for folder in (None, one, other)}
    assert len(caches) == 3


def test_a_card_and_a_fingerprint_do_not_name_the_folder(tmp_path):
    spec = DatasetSpec(portraits=make_album(tmp_path))
    assert spec.described()["portraits"] == album_fingerprint(spec.portraits)
    assert str(tmp_path) not in json.dumps(spec.described())
    assert "portraits" not in DatasetSpec().as_dict()


def test_the_same_pictures_elsewhere_are_the_same_album(tmp_path):
    one, other = make_album(tmp_path / "a"), make_album(tmp_path / "b")
    assert DatasetSpec(portraits=one).fingerprint() == DatasetSpec(portraits=other).fingerprint()
    (here,), (there,) = photographed(PERSONAS[:1], one), photographed(PERSONAS[:1], other)
    assert png_in_album(here, "train", 0, SIZE) == png_in_album(there, "train", 0, SIZE)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 1}, r"of persona seed 0, these people of 1"),
        ({"num_personas": 4}, r"no portrait of 't0-00003' in split 'train' with number 0"),
        ({"num_views": 3}, r"no portrait of 't0-00000' in split 'train' with number 2"),
        ({"image_size": 80}, r"has \(64, 64\) pixels, fewer than image_size=80"),
    ],
)
def test_what_an_album_does_not_hold_is_named(tmp_path, changed, said):
    with pytest.raises(CrossmemError, match=said):
        rows(make_album(tmp_path), **changed)


def test_background_people_may_be_missing_until_they_are_asked_for(tmp_path):
    folder = make_album(tmp_path, background=False)
    assert len(rows(folder)) == 6
    with pytest.raises(CrossmemError, match="no portrait of 'b0-00000'"):
        rows(folder, "captions", "background")


@pytest.mark.parametrize(("harm", "said"), [(b"x", "was changed since"), (None, "cannot be read")])
def test_a_picture_that_is_not_as_it_was_is_noticed(tmp_path, harm, said):
    (person,) = photographed(PERSONAS[:1], make_album(tmp_path))
    path = tmp_path / listing(tmp_path)[0]["file_name"]
    path.unlink() if harm is None else path.write_bytes(harm)
    with pytest.raises(CrossmemError, match=said):
        png_in_album(person, "train", 0, SIZE)


def test_what_is_no_picture_is_named(tmp_path):
    folder, first = make_album(tmp_path), listing(tmp_path)[0]
    (tmp_path / first["file_name"]).write_bytes(b"GIF, says who?")
    write_listing(tmp_path, [{**first, "sha256": hashlib.sha256(b"GIF, says who?").hexdigest()}])
    with pytest.raises(CrossmemError, match="cannot be read: cannot identify"):
        png_in_album(*photographed(PERSONAS[:1], folder), "train", 0, SIZE)


def test_a_huge_picture_is_not_decoded(tmp_path):
    folder, first = make_album(tmp_path), listing(tmp_path)[0]
    Image.new("1", (5000, 10)).save(tmp_path / first["file_name"])
    digest = hashlib.sha256((tmp_path / first["file_name"]).read_bytes()).hexdigest()
    write_listing(tmp_path, [{**first, "sha256": digest}])
    with pytest.raises(CrossmemError, match=r"has \(5000, 10\) pixels\. Use smaller"):
        png_in_album(*photographed(PERSONAS[:1], folder), "train", 0, SIZE)


@pytest.mark.parametrize("name", ["../outside.png", "/etc/hostname"])
def test_an_album_stays_in_its_folder(tmp_path, name):
    folder = make_album(tmp_path / "album")
    write_listing(tmp_path / "album", [{**listing(tmp_path / "album")[0], "file_name": name}])
    with pytest.raises(CrossmemError, match="names a file outside it"):
        photographed(PERSONAS, folder)


def test_what_is_no_album_is_refused(tmp_path):
    with pytest.raises(CrossmemError, match=r"holds no metadata\.jsonl"):
        DatasetSpec(portraits=str(tmp_path))
    folder = make_album(tmp_path)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png"}')
    with pytest.raises(CrossmemError, match=r"Line 1 of metadata\.jsonl .* KeyError: 'layout'"):
        album_fingerprint(folder)
    make_album(tmp_path)
    (tmp_path / "portraits.json").write_text("[]")
    with pytest.raises(CrossmemError, match=r"portraits\.json in .* cannot be read"):
        album_fingerprint(folder)


def test_a_photographed_persona_is_the_same_persona(tmp_path):
    (person,) = photographed(PERSONAS[:1], make_album(tmp_path))
    assert isinstance(person, Photographed)
    assert {**person.as_json(), "album": None} == {**PERSONAS[0].as_json(), "album": None}
