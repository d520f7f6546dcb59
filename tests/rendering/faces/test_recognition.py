# SPDX-License-Identifier: Apache-2.0
"""The face library behind our protocol: what it is given, what is made of its answers, what happens without it."""

import importlib.util
import re
import sys

import numpy as np
import pytest
from PIL import Image

from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.faces.model import THRESHOLDS
from crossmem_hf.rendering.faces.recognition import FACE_MODELS, UNIFACE_MODELS, FaceEmbedder, load_face_model

needs_uniface = pytest.mark.skipif(
    importlib.util.find_spec("uniface") is None, reason="uniface is not installed (extra diffusion)"
)


class Face:
    landmarks = np.zeros((5, 2))


@pytest.fixture
def seen(monkeypatch):
    """Pictures that a detector and a recognizer of the library's shape were given; a face a white corner."""
    import uniface

    pictures = []

    class Detector:
        def __init__(self, *, providers):
            assert providers == ["CPUExecutionProvider"]

        def detect(self, image):
            pictures.append(image)
            return [Face] * int(sum(image[y, x].min() == 255 for y in (0, -1) for x in (0, -1)))

    class Recognizer:
        def __init__(self, *, model_name, providers):
            assert model_name.value in UNIFACE_MODELS

        def get_normalized_embedding(self, image, landmarks):
            assert landmarks is Face.landmarks
            return np.array([0.6, 0.8], dtype=np.float32)

    monkeypatch.setattr(uniface, "SCRFD", Detector)
    monkeypatch.setattr(uniface, "ArcFace", Recognizer)
    return pictures


def portrait(num_faces):
    image = Image.new("RGB", (8, 8), (10, 20, 30))
    for number in range(num_faces):
        image.putpixel((7 * (number % 2), 7 * (number // 2)), (255, 255, 255))
    return image


@needs_uniface
@pytest.mark.parametrize("model", UNIFACE_MODELS)
def test_one_face_is_embedded_and_none_or_several_are_not(seen, model):
    embedder = FaceEmbedder(model)
    assert embedder([portrait(0), portrait(1), portrait(2)]) == [None, pytest.approx([0.6, 0.8]), None]
    assert [len(embedder.embed(portrait(number))) for number in range(3)] == [0, 1, 2]
    assert embedder.name.startswith("uniface 4")
    assert re.fullmatch("[0-9a-f]{64}", embedder.version)
    assert embedder.threshold is None, "nobody has measured one"
    assert embedder.name.endswith(model)
    assert seen[0][4, 4].tolist() == [30, 20, 10], "the library reads blue first"


@needs_uniface
def test_the_library_still_has_the_shape_that_is_stood_in_for():
    import inspect

    import uniface

    assert "image" in inspect.signature(uniface.SCRFD.detect).parameters
    assert {"image", "landmarks"} <= set(inspect.signature(uniface.ArcFace.get_normalized_embedding).parameters)
    assert "providers" in inspect.signature(uniface.SCRFD.__init__).parameters
    assert {"model_name", "providers"} <= set(inspect.signature(uniface.ArcFace.__init__).parameters)


@needs_uniface
def test_weights_that_cannot_be_had_are_an_error(monkeypatch, tmp_path):
    import uniface

    def fail(**_):
        raise ConnectionError("no route")

    monkeypatch.setattr(uniface, "SCRFD", fail)
    monkeypatch.setenv("UNIFACE_CACHE_DIR", str(tmp_path))
    with pytest.raises(CrossmemError, match=r"could not be loaded: no route\. Check the network, or put them into"):
        FaceEmbedder()


def test_an_unknown_model_is_refused():
    for load in (FaceEmbedder, load_face_model):
        with pytest.raises(
            CrossmemError, match=r"Unknown face model 'facenet'; expected one of arcface_resnet, .*dlib"
        ):
            load("facenet")


def test_uniface_is_its_larger_model(monkeypatch):
    monkeypatch.setattr("crossmem_hf.rendering.faces.recognition.FaceEmbedder", lambda model: model)
    assert [load_face_model(name) for name in ("uniface", "arcface_mnet")] == list(UNIFACE_MODELS)
    assert set(THRESHOLDS) < set(FACE_MODELS)


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uniface", None)
    with pytest.raises(CrossmemError, match=r"pip install -e '\.\[diffusion\]'; or pass --face-model none"):
        FaceEmbedder()
