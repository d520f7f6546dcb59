# SPDX-License-Identifier: Apache-2.0
"""The identity filter end to end on real photographs: crops of two people handed out, a real face model."""

import json
from collections import Counter

import pytest
from PIL import Image

from crossmem_hf.data.albums.making import run_portraits
from crossmem_hf.importing.calibration import run_calibration
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.diffusion.pipeline import Picture
from crossmem_hf.rendering.faces.model import THRESHOLDS
from crossmem_hf.rendering.faces.recognition import load_face_model
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for
from tests.rendering import photographs
from tests.rendering.faces.test_dlib_model import dlib_faces  # noqa: F401  # a fixture, which says what is not installed
from tests.studies.darkroom import settings

FATES = {0: "unlike", 1: "no face", 2: "no face"}


class Studio:
    """Stands in for `DiffusionRenderer`: the second anchor is the first person again, the third another."""

    provenance = {"model_commit": "abc"}  # noqa: RUF012

    def __init__(self):
        personas = {"collins": photographs.collins_face(), "hopper": photographs.hopper_face()}
        self.ways = {name: list(photographs.ways(face).values())[:9] for name, face in personas.items()}
        first, second = personas.values()
        self.anchors = [("collins", first), ("collins", self.ways["collins"][0]), ("hopper", second)]
        (person,) = sample_personas(1)
        self.drawing = render_portrait(person, view_for(person, "train", 0), 336)
        self.both = Image.new("RGB", (600, 300))
        for place, face in enumerate((first, second)):
            self.both.paste(face.resize((300, 300)), (300 * place, 0))
        self.given = {}

    def pictures(self, requests, batch_size):
        return [Picture(self._shown(request).convert("RGB"), False) for request in requests]

    def _shown(self, request):
        if request.anchor is None:
            name, face = self.anchors.pop(0)
            self.given[face.tobytes()] = name
            return face
        own = self.given[request.anchor.tobytes()]
        other = "hopper" if own == "collins" else "collins"
        fates = [self.ways[other][0], self.drawing, self.both]
        fate = request.seed % 5
        return fates[fate] if fate < 3 else self.ways[own][request.seed % 9]


@pytest.mark.slow
def test_the_same_face_is_kept_and_another_and_none_are_not(dlib_faces, tmp_path):  # noqa: F811
    assert dlib_faces.name  # installed
    chosen = settings(face_model="dlib", threshold=None, num_personas=2, num_views=1)
    about = run_portraits(chosen, tmp_path, renderer=Studio())
    assert about["settings"]["identity"] == {"face_model": "dlib", "threshold": THRESHOLDS["dlib"]}
    assert about["made_by"]["face_model"] == dlib_faces.name
    assert {verdict: count for verdict, count in about["attempts"]["anchors"].items() if count} == {
        "kept": 2,
        "lookalike": 1,
    }
    tried = Counter()
    for path in tmp_path.glob("log/views-*/*.jsonl"):
        for line in path.read_text().splitlines():
            tried.update(result["verdict"] for result in json.loads(line)["results"])
    kept = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    views = [line for line in kept if line["split"] != "anchor"]
    assert len(views) == tried["kept"] == 18
    assert all(line["seed"] % 5 not in FATES for line in views), "nothing that shows another, none or both"
    assert set(tried) == {"kept", "unlike", "no face"}
    assert min(line["own_similarity"] for line in views) > 0.96
    assert max(line["other_similarity"] for line in views) < 0.91
    record = run_calibration(str(tmp_path), load_face_model("dlib"))
    assert (record["num_personas"], record["num_pictures"], record["no_face"]) == (2, 20, [])
    assert record["own"]["false_accept"]["value"] == record["own"]["false_reject"]["value"] == 0
    assert any("kept by a face model" in warning for warning in record["warnings"])
