# SPDX-License-Identifier: Apache-2.0
"""A threshold for the pictures at hand: which pictures are looked at, what is said of them, what is warned of."""

import json
import math

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.calibration import run_calibration
from tests.rendering.planted_faces import PlantedFaces, folder_of, png

PERSONAS = {"Ann Lee": [0, 10, None], "Bob Ox": [90, 110], "Cyd Ray": [160]}


def cosine(degrees):
    return pytest.approx(math.cos(math.radians(degrees)))


def test_a_folder_of_people(tmp_path):
    record = run_calibration(str(folder_of(tmp_path / "in", PERSONAS)), PlantedFaces())
    assert (record["num_personas"], record["num_pictures"], record["no_face"]) == (3, 5, ["Ann Lee/2.png"])
    assert (record["within"]["num_pairs"], record["between"]["num_pairs"]) == (2, 8)
    assert record["within"]["quantiles"][::4] == [cosine(20), cosine(10)]
    assert record["between"]["quantiles"][::4] == [cosine(160), cosine(50)]
    assert math.cos(math.radians(50)) < record["suggested"]["threshold"] < math.cos(math.radians(20))
    assert record["own"]["threshold"] == PlantedFaces.threshold
    assert record["own"]["false_reject"]["value"] == 0.5, "twenty degrees are not above it"
    assert record["missing"] is None
    assert "3 people are few" in record["warnings"][0]
    assert json.loads(json.dumps(record)) == record


def test_a_threshold_of_ones_own_is_looked_at_too(tmp_path):
    source = str(folder_of(tmp_path / "in", PERSONAS))
    own = run_calibration(source, PlantedFaces(), threshold=0.5)["own"]
    assert (own["threshold"], own["false_reject"]["value"], own["false_accept"]["value"]) == (0.5, 0, 1 / 8)
    seen = []
    with pytest.raises(CrossmemError, match="expected a cosine"):
        run_calibration(source, PlantedFaces(), threshold=1.5, report=seen.append)
    assert not seen, "refused before any picture is looked at"


@pytest.mark.parametrize(
    ("personas", "said"),
    [
        ({"Ann Lee": [0, 10]}, "faces of 1 people; expected at least 2"),
        ({"Ann Lee": [0], "Bob Ox": [90]}, "no two pictures of one person"),
        ({"Ann Lee": [None], "Bob Ox": [None]}, "faces of 0 people"),
    ],
)
def test_what_is_missing_is_said_and_the_rest_is_told(tmp_path, personas, said):
    record = run_calibration(str(folder_of(tmp_path / "in", personas)), PlantedFaces())
    assert said in record["missing"]
    assert (record["suggested"], record["own"]) == (None, None)
    assert record["num_pictures"] + len(record["no_face"]) == sum(map(len, personas.values()))


def album(folder, face_model):
    lines = []
    for person, directions in {"t0-00000": [0, 4], "t0-00001": [90, 94]}.items():
        for number, degrees in enumerate(directions):
            name = f"images/{person}/{number}.png"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(png(degrees))
            line = {"file_name": name, "persona_id": person, "split": "train", "view": number}
            lines.append(json.dumps({**line, "layout": "x", "sha256": "y"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    about = {"personas": {"seed": 0}, "models": [], "made_by": {"face_model": face_model}}
    (folder / "portraits.json").write_text(json.dumps(about))
    return str(folder)


@pytest.mark.parametrize("face_model", [None, "dlib 20"])
def test_an_album_and_whether_a_threshold_chose_its_pictures(tmp_path, face_model):
    record = run_calibration(album(tmp_path, face_model), PlantedFaces())
    assert (record["within"]["num_pairs"], record["between"]["num_pairs"]) == (2, 4)
    assert any("kept by a face model" in warning for warning in record["warnings"]) == bool(face_model)


def test_pictures_that_cannot_be_read_are_named(tmp_path):
    source = folder_of(tmp_path / "in", PERSONAS)
    (source / "Bob Ox" / "1.png").write_bytes(b"no picture")
    with pytest.raises(CrossmemError, match=r"'Bob Ox/1\.png' cannot be read: it is no JPEG"):
        run_calibration(str(source), PlantedFaces())
