# SPDX-License-Identifier: Apache-2.0
"""Pictures by tiny random pipelines, which are saved to disk and loaded as real ones are."""

import sys

import numpy as np
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.diffusion.settings import DiffusionSettings

pytest.importorskip("diffusers", reason="diffusers is not installed (extra diffusion)")

import torch

from crossmem_hf.rendering.diffusion.models import fetched, identity_of
from crossmem_hf.rendering.diffusion.pipeline import DiffusionRenderer, Request
from tests.rendering import tiny_pipelines as tiny

PIPELINES = ("img2img", "ip-adapter", "edit")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of models, each made once."""
    root = tmp_path_factory.mktemp("models")
    tiny.checker(refusing=True).save_pretrained(root / "checker")
    processor = tiny.CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})
    processor.save_pretrained(root / "checker")
    return {
        "plain": tiny.save_pipeline(root / "plain"),
        "refusing": tiny.save_pipeline(root / "refusing", refusing=True),
        "unchecked": tiny.save_pipeline(root / "unchecked", checked=False),
        "short": tiny.save_pipeline(root / "short", longest=16),
        "editing": tiny.save_pipeline(root / "editing", editing=True),
        "adapter": tiny.save_adapter(root / "adapter"),
        "checker": root / "checker",
    }


def chosen(saved, pipeline="img2img", model="plain", **changed):
    more = {}
    if pipeline == "ip-adapter":
        more = {"adapter": str(saved["adapter"]), "adapter_weight": "tiny.safetensors", "strength": 1.0}
    if pipeline == "edit":
        more, model = {"anchor_model": str(saved[model])}, "editing"
    picked = {"pipeline": pipeline, "model": str(saved[model]), "steps": 3, "image_size": tiny.SIZE, **more}
    return DiffusionSettings(**{**picked, **changed})


def anchors(renderer, count=3, batch_size=8):
    return renderer.pictures([Request(prompt=f"person {n}", seed=n) for n in range(count)], batch_size)


def views(renderer, made, batch_size=8, prompt="person in a garden"):
    """Two a person."""
    anchored = [one.image for one in made for _ in range(2)]
    return renderer.pictures(
        [Request(prompt=prompt, seed=100 + n, anchor=anchor) for n, anchor in enumerate(anchored)], batch_size
    )


def pixels(pictures):
    return np.stack([np.asarray(one.image, dtype=int) for one in pictures])


@pytest.fixture(scope="module", params=PIPELINES)
def scene(request, saved):
    """(renderer, its anchors, its views), a pipeline."""
    renderer = DiffusionRenderer(chosen(saved, request.param))
    made = anchors(renderer)
    return renderer, made, views(renderer, made)


def test_pictures_have_the_size_and_nobody_refused_them(scene):
    _, made, seen = scene
    for one in (*made, *seen):
        assert (one.image.size, one.image.mode, one.refused) == ((tiny.SIZE, tiny.SIZE), "RGB", False)
        assert np.asarray(one.image).std() > 1, "a flat picture shows nothing"


def test_a_picture_does_not_depend_on_its_batch(scene):
    """Anchors, seeds and prompts stay with their own picture; rounding moves a grey level at most."""
    renderer, made, seen = scene
    for batch_size in (1, 4):
        assert np.abs(pixels(views(renderer, made, batch_size)) - pixels(seen)).max() <= 1
        assert np.abs(pixels(anchors(renderer, 3, batch_size)) - pixels(made)).max() <= 1
    assert np.array_equal(pixels(views(renderer, made)), pixels(seen)), "the same again"


def test_a_picture_depends_on_its_seed_its_anchor_and_its_prompt(scene):
    renderer, made, seen = scene
    assert len({one.image.tobytes() for one in (*made, *seen)}) == 3 + 6
    other = pixels(views(renderer, [made[1], made[0], made[2]]))
    assert [bool((other[n] != pixels(seen)[n]).any()) for n in range(6)] == [True] * 4 + [False] * 2
    assert (pixels(views(renderer, made, prompt="somebody else on a beach")) != pixels(seen)).any()


def test_another_renderer_makes_the_same(scene):
    renderer, made, seen = scene
    again = DiffusionRenderer(renderer.settings)
    assert np.array_equal(pixels(views(again, made)), pixels(seen))
    assert np.array_equal(pixels(anchors(again)), pixels(made)), "an adapter loaded for views is off for anchors"
    assert again.provenance == renderer.provenance


def test_what_made_them_is_told(scene):
    renderer, _, _ = scene
    reported = renderer.provenance
    assert reported["model_commit"] == identity_of(fetched(renderer.settings.model))
    assert reported["dtype"] == "float32"
    models = {name for name in reported if name.endswith("_commit")}
    more = {"img2img": set(), "ip-adapter": {"adapter_commit"}, "edit": {"anchor_model_commit"}}
    assert models == {"model_commit"} | more[renderer.settings.pipeline]


def test_a_guidance_of_one_leaves_out_the_negative_prompt(saved):
    renderer = DiffusionRenderer(chosen(saved, "ip-adapter", guidance=1.0))
    made = anchors(renderer)
    assert np.abs(pixels(views(renderer, made, 1)) - pixels(views(renderer, made))).max() <= 1


def test_the_pipelines_safety_checker_refuses(saved):
    renderer = DiffusionRenderer(chosen(saved, model="refusing"))
    made = anchors(renderer)
    assert [one.refused for one in made] == [True] * 3
    assert not pixels(made).any(), "what was refused is black"
    assert [one.refused for one in views(renderer, made)] == [True] * 6


def test_a_pipeline_without_a_safety_checker_needs_one(saved):
    with pytest.raises(CrossmemError, match=r"comes without a safety checker\. Pass --safety-model"):
        anchors(DiffusionRenderer(chosen(saved, model="unchecked")))
    renderer = DiffusionRenderer(chosen(saved, model="unchecked", safety_model=str(saved["checker"])))
    made = anchors(renderer)
    assert [one.refused for one in made] == [True] * 3
    assert not pixels(made).any()
    renderer = DiffusionRenderer(chosen(saved, model="unchecked", safety_model=str(saved["plain"])))
    with pytest.raises(CrossmemError, match="Could not load an image model"):
        anchors(renderer)


def test_a_prompt_that_would_be_cut_off_is_refused(saved):
    renderer = DiffusionRenderer(chosen(saved, model="short"))
    with pytest.raises(
        CrossmemError, match=r"A prompt has 19 tokens and StableDiffusionPipeline reads 16: 'person in"
    ):
        renderer.pictures([Request(prompt="person in a long coat", seed=0)], 1)


def test_memory_that_runs_out_halves_the_batch(saved, monkeypatch):
    renderer = DiffusionRenderer(chosen(saved))
    whole, sizes, make = pixels(anchors(renderer, 5)), [], renderer._made

    def narrow(requests):
        sizes.append(len(requests))
        if len(requests) > 2:
            raise torch.OutOfMemoryError("full")
        return make(requests)

    monkeypatch.setattr(renderer, "_made", narrow)
    assert np.abs(pixels(anchors(renderer, 5)) - whole).max() <= 1
    assert sizes == [5, 2, 3, 1, 2]
    monkeypatch.setattr(
        renderer, "_made", lambda requests: make(requests) if not requests else narrow([*requests] * 3)
    )
    with pytest.raises(CrossmemError, match="no memory for a picture of 32 pixels"):
        anchors(renderer, 2)


def test_models_that_cannot_be_had_are_named(saved, tmp_path):
    with pytest.raises(CrossmemError, match="Could not load an image model from 'nobody/no-such-model'"):
        DiffusionRenderer(DiffusionSettings(pipeline="img2img", model="nobody/no-such-model"))
    with pytest.raises(CrossmemError, match=r"holds no model_index\.json"):
        DiffusionRenderer(DiffusionSettings(pipeline="img2img", model=str(tmp_path)))
    with pytest.raises(CrossmemError, match=r"holds no file 'models/other\.safetensors'"):
        DiffusionRenderer(chosen(saved, "ip-adapter", adapter_weight="other.safetensors"))
    with pytest.raises(CrossmemError, match="Could not load an image model from 'nobody/adapter'"):
        DiffusionRenderer(chosen(saved, "ip-adapter", adapter="nobody/adapter"))
    (tmp_path / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    with pytest.raises(CrossmemError, match="Could not load an image model"):
        anchors(DiffusionRenderer(DiffusionSettings(pipeline="img2img", model=str(tmp_path))))


def test_an_adapter_for_another_family_is_refused(saved, tmp_path):
    weights = tmp_path / "models" / "bad.safetensors"
    weights.parent.mkdir()
    tiny.save_file({"something": torch.zeros(2)}, weights)
    renderer = DiffusionRenderer(chosen(saved, "ip-adapter", adapter=str(tmp_path), adapter_weight="bad.safetensors"))
    with pytest.raises(CrossmemError, match=r"Could not load an image model from .*bad"):
        views(renderer, anchors(renderer))


def test_pickled_weights_are_not_loaded(tmp_path):
    folder = tiny.save_pipeline(tmp_path / "pickled")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(tiny.unet(4).state_dict(), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(CrossmemError, match="Could not load an image model"):
        anchors(DiffusionRenderer(DiffusionSettings(pipeline="img2img", model=str(folder), image_size=32)))


def test_other_weights_are_another_model(saved):
    assert identity_of(saved["plain"]) != identity_of(saved["refusing"])


def test_without_diffusers_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(CrossmemError, match=r"pip install -e '\.\[diffusion\]'"):
        DiffusionRenderer(DiffusionSettings(pipeline="img2img", model="a/b"))
