# SPDX-License-Identifier: Apache-2.0
"""dlib's face model on real photographs: one person stays one, two are two, drawings are nobody."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from PIL import Image

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.faces.calibration import Calibration
from crossmem_hf.rendering.faces.dlib_model import _weights
from crossmem_hf.rendering.faces.identity import Anchors
from crossmem_hf.rendering.faces.model import THRESHOLDS
from crossmem_hf.rendering.faces.recognition import load_face_model
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for
from tests.rendering import photographs

THRESHOLD = THRESHOLDS["dlib"]


@pytest.fixture(scope="module")
def dlib_faces():
    pytest.importorskip("dlib", reason="dlib is not installed (extra faces)")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("face-recognition-models is not installed (extra faces)")
    return load_face_model("dlib")


def test_a_photograph_has_one_face_a_unit_vector_always_the_same(dlib_faces):
    for whole in (photographs.collins(), photographs.hopper()):
        (vector,) = dlib_faces.embed(whole)
        assert (len(vector), np.linalg.norm(vector)) == (128, pytest.approx(1))
        assert dlib_faces([whole, whole]) == [vector, vector]
    assert dlib_faces.name.startswith("dlib 20.")
    assert dlib_faces.version.startswith("55533b28a958")
    assert load_face_model("dlib").embed(whole) == [vector], "loaded anew"


def test_it_is_the_librarys_own_descriptor_of_the_same_box(dlib_faces):
    """Against dlib's one call that aligns and embeds, on a picture that is not resized."""
    import dlib

    pixels = np.asarray(photographs.collins())
    box = dlib.get_frontal_face_detector()(pixels)[0]
    shape = dlib.shape_predictor(_weights("shape_predictor_5_face_landmarks.dat"))(pixels, box)
    model = dlib.face_recognition_model_v1(_weights("dlib_face_recognition_resnet_model_v1.dat"))
    expected = np.asarray(model.compute_face_descriptor(pixels, shape))
    assert dlib_faces.embed(photographs.collins())[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_light_pose_crop_and_size_change_no_identity(dlib_faces):
    """Measured: 0.97 and more to the own photograph, at most 0.90 to the other; docs/portraits.md has the table."""
    wholes = {"collins": photographs.collins(), "hopper": photographs.hopper()}
    anchors = Anchors({name: dlib_faces.embed(whole)[0] for name, whole in wholes.items()})
    faces = {"collins": photographs.collins_face, "hopper": photographs.hopper_face}
    personas, vectors = [], []
    for name, face in faces.items():
        crops = {f"margin {margin}": face(margin) for margin in (30, 60, 80)}
        for way, shown in {**crops, **photographs.ways(face())}.items():
            (vector,) = dlib_faces.embed(shown)
            like = anchors.compare(name, vector, THRESHOLD)
            assert (like.verdict, like.own > 0.96, like.others < 0.91) == ("kept", True, True), (name, way, like)
            personas.append(name)
            vectors.append(vector)
    errors = Calibration(personas, vectors).errors(THRESHOLD)
    assert (errors.false_reject.value, errors.false_accept.value) == (0, 0)


def test_two_faces_are_two_and_a_filter_keeps_neither(dlib_faces):
    size = (300, 300)
    both = Image.new("RGB", (600, 300))
    both.paste(photographs.collins_face().resize(size), (0, 0))
    both.paste(photographs.hopper_face().resize(size), (300, 0))
    assert len(dlib_faces.embed(both)) == 2
    assert dlib_faces([both]) == [None]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (64, 64)])
def test_pictures_without_a_face_have_none(dlib_faces, size):
    assert dlib_faces.embed(Image.new("RGB", size, (200, 150, 120))) == []
    assert dlib_faces.embed(photographs.collins().crop((300, 300, 300 + size[0], 300 + min(size[1], 200)))) == []


@pytest.mark.slow
def test_drawn_portraits_are_nobody(dlib_faces):
    """Measured: 5 of 200 at 336 pixels; a detector for photographs is no judge of drawings, and a few pass."""
    drawn = [render_portrait(person, view_for(person, "test", 0), 336) for person in sample_personas(100)]
    assert sum(bool(dlib_faces.embed(portrait)) for portrait in drawn) <= 5


def test_without_dlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(CrossmemError, match=r"needs dlib, .* pip install -e '\.\[faces\]'"):
        load_face_model("dlib")


def test_weights_that_are_missing_or_others_are_refused_before_they_are_used(monkeypatch, tmp_path):
    name = "shape_predictor_5_face_landmarks.dat"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CrossmemError, match=r"face-recognition-models are not installed\. .*\[faces\]"):
        _weights(name)
    package = ModuleSpec("face_recognition_models", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: package)
    with pytest.raises(CrossmemError, match="are not installed"):
        _weights(name)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).write_bytes(b"other weights")
    with pytest.raises(CrossmemError, match=r"have the SHA-256 '[0-9a-f]{64}'; expected 'c4b1e98"):
        _weights(name)
