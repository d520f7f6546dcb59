# SPDX-License-Identifier: Apache-2.0
"""The job that makes portraits: what is kept and told, how it goes on, what it refuses."""

import hashlib
import json
import math
import signal
import subprocess
import sys
from collections import Counter

import pytest
from PIL import Image

from crossmem_hf.data.albums.making import run_portraits
from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.scenes import scene_for
from tests.studies.darkroom import SIZE, THRESHOLD, Embedder, Renderer, settings

NUM_VIEWS = 3 * (2 + 4 + 4)


def run(folder, renderer=None, chosen=None, embedder=None):
    return run_portraits(
        chosen or settings(), folder, renderer=renderer or Renderer(), embedder=embedder or Embedder()
    )


def listed(folder):
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def contents(folder):
    """Every file but the results logs, whose lines may stand in another order."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "log" not in path.parts
    }


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portraits") / "album"
    about = run(folder)
    return folder, about


def test_everybody_has_an_anchor_and_every_view(album):
    folder, about = album
    lines = listed(folder)
    anchors = [line for line in lines if line["split"] == "anchor"]
    personas = settings().personas()
    assert [line["persona_id"] for line in anchors] == [person.id for person in personas]
    wanted = [(person.id, split, index) for person, split, index in settings().views()]
    assert [(line["persona_id"], line["split"], line["view"]) for line in lines[3:]] == wanted
    assert (about["num_portraits"], about["complete"], about["missing"]) == (NUM_VIEWS, True, [])


def test_beside_each_picture_stands_what_made_it(album):
    folder, _ = album
    personas = {person.id: person for person in settings().personas()}
    for line in listed(folder):
        stored = (folder / line["file_name"]).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == line["sha256"]
        assert (line["model"], line["revision"], line["model_commit"]) == ("nobody/nothing", None, "abc")
        assert line["negative_prompt"] == settings().diffusion.negative_prompt
        with Image.open(folder / line["file_name"]) as image:
            assert image.size == (SIZE, SIZE)
            assert image.getpixel((9, 9)) == (line["seed"] % 251, line["seed"] % 241, line["seed"] % 239)
        if line["split"] != "anchor":
            scene = scene_for(personas[line["persona_id"]], line["split"], line["view"])
            assert (line["prompt"], line["layout"]) == (scene.prompt, scene.layout)


def test_views_are_like_their_anchor_and_anchors_unlike_each_other(album):
    folder, _ = album
    for line in listed(folder):
        if line["split"] == "anchor":
            continue
        turned = min((10, 30), key=lambda angle: abs(line["own_similarity"] - math.cos(math.radians(angle))))
        assert line["own_similarity"] == pytest.approx(math.cos(math.radians(turned)))
        assert line["own_similarity"] > THRESHOLD > line["other_similarity"]
        assert line["nearest"] != line["persona_id"]
    faces = Embedder()([Image.open(folder / line["file_name"]) for line in listed(folder)[:3]])
    for place, one in enumerate(faces):
        for other in faces[:place]:
            assert sum(a * b for a, b in zip(one, other, strict=True)) < THRESHOLD


def test_rejected_attempts_are_counted_by_reason_and_none_is_left_behind(album):
    folder, about = album
    seen = Counter()
    for path in sorted((folder / "log").glob("views-*/*.jsonl")):
        for text in path.read_text().splitlines():
            seen.update(result["verdict"] for result in json.loads(text)["results"])
    assert {verdict: count for verdict, count in about["attempts"]["views"].items() if count} == dict(seen)
    assert set(seen) >= {"kept", "refused", "no face", "unlike"}, "the fixture must try every way to fail"
    assert seen["kept"] == NUM_VIEWS == about["num_portraits"]
    attempts = sum(line["attempt"] + 1 for line in listed(folder) if line["split"] != "anchor")
    assert attempts == seen.total(), "each attempt is counted once"
    assert about["attempts"]["anchors"]["kept"] == 3
    assert {path.relative_to(folder).as_posix() for path in folder.glob("images/*/*.png")} == {
        line["file_name"] for line in listed(folder)
    }


def test_cosines_of_all_attempts_are_told(album):
    """Also of views that were not kept: this is what a threshold is chosen by."""
    own, other = (album[1]["similarities"][name] for name in ("own_similarity", "other_similarity"))
    assert own == sorted(own)
    assert own[0] == pytest.approx(math.cos(math.radians(66)), abs=0.05), "some were unlike"
    assert own[-1] == pytest.approx(math.cos(math.radians(10)), abs=1e-3)
    assert other[0] <= other[-1] <= 1


def test_the_seed_of_an_attempt_is_its_own(album):
    seeds = [line["seed"] for line in listed(album[0])]
    assert len(set(seeds)) == len(seeds)


def test_nothing_is_made_twice(album):
    folder, about = album
    before, idle = contents(folder), Renderer(stop_after=0)
    assert run(folder, idle) == about
    assert (idle.seeds, contents(folder)) == ([], before)


@pytest.mark.parametrize("stop_after", [0, 3, 20, 40])
def test_killed_it_goes_on_and_makes_the_same(album, tmp_path, stop_after):
    folder, about = album
    killed = Renderer(stop_after)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "again", killed)
    rest = Renderer()
    assert run(tmp_path / "again", rest) == about
    assert contents(tmp_path / "again") == contents(folder)
    whole = Renderer()
    run(tmp_path / "whole", whole)
    assert killed.seeds + rest.seeds == whole.seeds, "finished units are not made again"


KILLED = """
import os, signal, sys
from pathlib import Path
from crossmem_hf.data.albums.making import run_portraits
from tests.studies.darkroom import Embedder, Renderer, settings
class Doomed(Renderer):
    def _picture(self, request):
        if len(self.seeds) > 25 and request.seed == self.seeds[-3]:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._picture(request)
run_portraits(settings(), Path(sys.argv[1]), renderer=Doomed(), embedder=Embedder())
"""


def test_killed_without_warning_it_goes_on(album, tmp_path, root):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "again")], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("again/images/*/*.png")), "it was killed in the middle"
    rest = Renderer()
    run(tmp_path / "again", rest)
    assert 0 < len(rest.seeds) < sum(sum(count.values()) for count in album[1]["attempts"].values())
    assert contents(tmp_path / "again") == contents(album[0])


def test_batches_decide_nothing(album, tmp_path):
    run(tmp_path / "single", chosen=settings(batch_size=1))
    assert contents(tmp_path / "single") == contents(album[0])


def test_what_is_never_accepted_is_reported_and_more_attempts_continue(tmp_path):
    person = settings().personas()[1]
    never = scene_for(person, "test", 2).prompt
    with pytest.raises(
        CrossmemError, match=r"1 of 30 portraits were not accepted in 40 attempts each, first"
    ) as caught:
        run(tmp_path, Renderer(never=[never]))
    assert f"'{person.id}/test/2'" in str(caught.value)
    assert "cosines from lowest over quartiles to highest: {'own_similarity': [" in str(caught.value)
    about = json.loads((tmp_path / "portraits.json").read_text())
    assert (about["complete"], about["missing"]) == (False, [f"{person.id}/test/2"])
    assert about["attempts"]["views"]["refused"] >= 40
    assert len(listed(tmp_path)) == 3 + NUM_VIEWS - 1, "everything accepted can be used"
    again = Renderer()
    about = run(tmp_path, again, settings(max_attempts=80))
    assert about["complete"] is True
    line = next(line for line in listed(tmp_path) if line["persona_id"] == person.id and line["prompt"] == never)
    assert line["attempt"] == 40 + len(again.seeds) - 1, "only what was missing is tried, with seeds not tried before"


def test_somebody_without_an_anchor_stops_it(tmp_path):
    class Refused(Renderer):
        def _picture(self, request):
            return super()._picture(request).__class__(Image.new("RGB", (SIZE, SIZE)), True)

    with pytest.raises(CrossmemError, match=r"No anchor portrait of 3 of 3 people .* in 2 attempts .*; 6 refused\)"):
        run(tmp_path, Refused(), settings(max_attempts=2))
    assert not (tmp_path / "metadata.jsonl").exists()


def test_without_a_face_model_only_the_safety_checker_decides(tmp_path):
    about = run_portraits(settings(face_model="none"), tmp_path, renderer=Renderer())
    tried = {verdict for verdict, count in about["attempts"]["views"].items() if count}
    assert tried == {"kept", "refused"}
    assert about["made_by"]["face_model"] is None
    assert about["similarities"] == {}
    assert all("own_similarity" not in line for line in listed(tmp_path))


def test_a_folder_of_another_run_is_refused_and_stays(album):
    folder, _ = album
    before = contents(folder)
    with pytest.raises(CrossmemError, match=r"another run \(.*: num_views=2 there, 3 here"):
        run(folder, chosen=settings(num_views=3))
    with pytest.raises(CrossmemError, match=r"seed=0 there, 1 here"):
        run(folder, chosen=settings(seed=1))
    newer = Renderer()
    newer.provenance = {"model_commit": "def"}
    with pytest.raises(CrossmemError, match=r"model_commit='abc' there, 'def' here"):
        run(folder, newer)
    assert contents(folder) == before


def test_a_folder_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(CrossmemError, match=r"files that are not a run's, such as 'holiday\.jpg'"):
        run(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(CrossmemError, match="another run \\(fingerprint unreadable"):
        run(tmp_path)


@pytest.mark.parametrize(("harm", "said"), [("changed", "was changed"), ("removed", "was removed")])
def test_a_picture_that_is_not_as_it_was_made_is_noticed(tmp_path, harm, said):
    run(tmp_path)
    path = tmp_path / listed(tmp_path)[-1]["file_name"]
    path.write_bytes(b"x") if harm == "changed" else path.unlink()
    with pytest.raises(CrossmemError, match=said):
        run(tmp_path)


def test_an_anchor_that_is_gone_is_an_error_where_it_is_needed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Renderer(stop_after=20))
    for path in tmp_path.glob("images/*/anchor-*.png"):
        path.unlink()
    with pytest.raises(CrossmemError, match="which was made before, cannot be read"):
        run(tmp_path)


def test_it_loads_as_an_image_folder(album):
    from datasets import load_dataset

    rows = load_dataset("imagefolder", data_dir=str(album[0]), split="train")
    assert len(rows) == 3 + NUM_VIEWS
    assert {"image", "persona_id", "prompt", "seed"} <= set(rows.features)


@pytest.mark.slow
def test_two_processes_go_on_and_make_what_one_makes(album, tmp_path, root):
    pytest.importorskip("diffusers", reason="diffusers is not installed (extra diffusion)")
    from tests.rendering.tiny_pipelines import save_pipeline
    from tests.studies.two_processes_portraits import with_model

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stub", Renderer(stop_after=20))
    model = str(save_pipeline(tmp_path / "model"))
    words = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "tests.studies.two_processes_portraits"]
    done = subprocess.run(
        [sys.executable, *words, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=560, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = [json.loads((tmp_path / f"said{rank}.json").read_text()) for rank in (0, 1)]
    assert [tiny for tiny, _ in said] == [2, 2]
    assert contents(tmp_path / "stub") == contents(album[0]), "killed, then finished by two"
    run_portraits(with_model(model), tmp_path / "alone")
    assert contents(tmp_path / "tiny") == contents(tmp_path / "alone")
    assert {path.name for path in (tmp_path / "tiny/log/views-0").iterdir()} == {"0.jsonl", "1.jsonl"}
