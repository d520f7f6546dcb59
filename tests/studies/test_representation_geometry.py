# SPDX-License-Identifier: Apache-2.0
"""The study representation_geometry: its grid, and a run on a model that learns next to nothing."""

from io import StringIO
from shutil import copytree

import pytest
from rich.console import Console

from crossmem_hf.analysis.unlearning_depth import unlearning_depth
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.geometry_cells import geometry_measurements
from crossmem_hf.studies.pretraining_claims import POINTS
from crossmem_hf.studies.representation_geometry import STUDY, GeometrySettings
from crossmem_hf.studies.run import run_study
from crossmem_hf.studies.study import cell_name
from tests.studies.conftest import run_here


@pytest.fixture(scope="module")
def record(tiny_model, tmp_path_factory):
    points = tmp_path_factory.mktemp("points")
    for step in POINTS:
        copytree(tiny_model, points / step)
    chosen = GeometrySettings(
        methods=("npo", "gd", "idk"),
        seeds=1,
        num_personas=10,
        evaluate_at=(1, 2),
        checkpoints=str(points),
        model_name_or_path=str(tiny_model),
        allow_unmemorized=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        patch.setitem(unlearning_depth.__kwdefaults__, "threshold", 1e-9)
        patch.setattr("crossmem_hf.studies.curves.MEMORIZING_REPLAYED", {"max_steps": 2, "learning_rate": 1e-3})
        return run_study(STUDY, chosen, tmp_path_factory.mktemp("geometry"), console=Console(file=StringIO()))


def test_grid_has_baselines_methods_and_points(tmp_path):
    (tmp_path / "step-00100").mkdir()
    (tmp_path / "step-00100" / "config.json").write_text("{}")
    chosen = GeometrySettings(methods="gd", seeds=1, checkpoints=str(tmp_path))
    assert [cell_name(where) for where in STUDY.grid(chosen)] == [
        *(f"learned_{name}_seed0" for name in ("base", "memorized", "retain_only", "gd")),
        "pretraining_step-00100_seed0",
    ]


def test_every_model_has_a_shape_for_either_group_and_modality(record):
    assert record.failures == ()
    for method in ("base", "memorized", "retain_only", "npo", "gd", "idk"):
        for target in ("image", "text"):
            for group, people in (("forget", 2), ("retain", 8)):
                place = {"part": "learned", "method": method, "group": group, "target": target}
                assert record.one("rankme", **place).n == people * (8 + 4)
                assert 1 <= record.one("rankme", **place).value <= people * 12
                assert record.one("alpha_req", **place) is None, "too few rows for the ranks it is fitted between"
        assert record.one("extracted", part="learned", method=method) is not None


def test_equal_points_of_a_pre_training_have_equal_shapes(record):
    found = {}
    for one in record.find("rankme", part="pretraining"):
        found.setdefault((one.where["group"], one.where["target"]), set()).add(one.value)
    assert {len(values) for values in found.values()} == {1}
    assert {one.effect for one in record.verdicts if "of pre-training" in one.sentence} == {0.0}


def test_only_those_whom_relearning_did_not_teach_count():
    """One was learned from, one was said before, one comes back, one does not."""
    common = {"part": "learned", "method": "npo", "persona_id": "p", "modality": "text", "num_samples": 4, "seed": 0}
    said = [
        {"taught": True, "extracted": True, "correct": True},
        {"taught": False, "extracted": True, "correct": True},
        {"taught": False, "extracted": True, "correct": False},
        {"taught": False, "extracted": False, "correct": False},
    ]
    found = geometry_measurements(Predictions([{**common, "answer": "a", "truth": "b", **one} for one in said]))
    numbers = {one.metric: (one.value, one.n) for one in found if one.metric in ("recall", "extracted")}
    assert numbers == {"recall": (1 / 3, 3), "extracted": (2 / 3, 3)}


def test_methods_have_a_depth_and_baselines_have_none(record):
    for target in ("image", "text"):
        place = {"part": "learned", "group": "forget", "target": target}
        for method in ("npo", "gd", "idk"):
            (taken,) = record.find("matched_step", method=method)
            (found,) = record.find("unlearning_depth", method=method, **place) or [None]
            assert (found is None) == (taken.value == 0)
            assert found is None or 0 <= found.value <= 1
        for method in ("base", "memorized", "retain_only"):
            assert not record.find("unlearning_depth", method=method, **place)
