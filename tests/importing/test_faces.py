# SPDX-License-Identifier: Apache-2.0
"""Imported portraits whose names and faces do or do not agree: what is told, what is refused, what is left alone."""

import json

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.faces import FaceCheck, report_path, summary
from crossmem_hf.importing.images import PortraitImport, import_portraits
from crossmem_hf.importing.pictures import PictureShape
from tests.rendering.planted_faces import PlantedFaces, folder_of, png

AGREEING = {"Ann Lee": [0, 4, 8], "Bob Ox": [80, 84, 88], "Cyd Ray": [160, 164, 168]}


def checked(source, target, *, overwrite=False, faces=True, **options):
    check = FaceCheck(PlantedFaces(), **options) if faces else None
    shaped = PortraitImport(shape=PictureShape(size=16), forget_fraction=0.5)
    import_portraits(str(source), target, shaped, overwrite=overwrite, faces=check)
    return json.loads(report_path(target).read_text()) if faces else None


def doubts(report):
    return {name: report[name] for name in ("no_face", "several_faces", "two_names_one_face", "one_name_two_faces")}


def test_nobody_is_accused_where_all_agree(tmp_path):
    report = checked(folder_of(tmp_path / "in", AGREEING), tmp_path / "out", strict=True)
    assert doubts(report) == {name: [] for name in doubts(report)}
    assert (report["num_pictures"], report["face_model"], report["face_model_sha256"]) == (9, "planted 1", "abc")
    assert report["threshold"] == PlantedFaces.threshold
    assert list(summary(report)) == ["names and faces agree; 9 pictures, cosine above 0.9397, planted 1"]


def planted(tmp_path):
    source = folder_of(
        tmp_path / "in",
        {**AGREEING, "Dee Poe": [2, 6, 10], "Eve Sun": [40, 110, 44, 112, 42], "Fay Tor": [None, 140, 142]},
    )
    (source / "Fay Tor" / "3.png").write_bytes(png(140, faces=2))
    return source


def test_two_names_with_one_face_and_one_with_two_are_told(tmp_path):
    report = checked(planted(tmp_path), tmp_path / "out")
    (shared,), (torn,) = report["two_names_one_face"], report["one_name_two_faces"]
    assert (shared["personas"], shared["pictures"][1][0]) == (["Ann Lee", "Dee Poe"], "Dee Poe/0.png")
    eve = [["Eve Sun/0.png", "Eve Sun/2.png", "Eve Sun/4.png"], ["Eve Sun/1.png", "Eve Sun/3.png"]]
    assert torn == {"person": "Eve Sun", "faces": eve}
    assert (report["no_face"], report["several_faces"]) == (["Fay Tor/0.png"], ["Fay Tor/3.png"])
    found = "\n".join(summary(report))
    assert "doubts about names and faces: 4; 21 pictures" in found
    assert "two names with one face: 'Ann Lee' and 'Dee Poe' (cosine 0.99" in found
    assert "one name with 2 faces: 'Eve Sun' (3 pictures such as Eve Sun/0.png apart from 2 pictures such as" in found


def test_rows_are_the_same_whether_or_not_faces_are_looked_at(tmp_path):
    source = planted(tmp_path)
    checked(source, tmp_path / "out")
    checked(source, tmp_path / "plain", faces=False)
    assert not report_path(tmp_path / "plain").exists()
    files = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "out", tmp_path / "plain")
    ]
    assert files[0] == files[1], "the report is beside the folder, not in it"


def test_strict_refuses_and_leaves_nothing(tmp_path):
    source = planted(tmp_path)
    with pytest.raises(
        CrossmemError, match=r"do not agree \(doubts: 4\): two names with one face: 'Ann Lee' and 'Dee"
    ):
        checked(source, tmp_path / "out", strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_another_threshold_tells_people_apart_that_the_models_own_does_not(tmp_path):
    source = folder_of(tmp_path / "in", {"Ann Lee": [0, 1, 2], "Bob Ox": [10, 11, 12]})
    assert len(checked(source, tmp_path / "out")["two_names_one_face"]) == 1
    assert not any(doubts(checked(source, tmp_path / "finer", threshold=0.999)).values())


def test_a_model_without_a_threshold_needs_one():
    class Unmeasured(PlantedFaces):
        threshold = None

    with pytest.raises(CrossmemError, match="'planted 1' needs a threshold"):
        FaceCheck(Unmeasured())
    with pytest.raises(CrossmemError, match="expected a cosine"):
        FaceCheck(Unmeasured(), threshold=2)


def test_an_earlier_report_stays_unless_it_is_replaced(tmp_path):
    source = folder_of(tmp_path / "in", AGREEING)
    report_path(tmp_path / "out").write_text("mine")
    with pytest.raises(CrossmemError, match=r"'out\.faces\.json|out\.faces\.json' holds an earlier report"):
        checked(source, tmp_path / "out")
    assert report_path(tmp_path / "out").read_text() == "mine"
    checked(source, tmp_path / "out", overwrite=True)
    checked(source, tmp_path / "out", overwrite=True, faces=False)
    assert not report_path(tmp_path / "out").exists(), "it was about pictures that are no longer there"
