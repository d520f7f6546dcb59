# SPDX-License-Identifier: Apache-2.0
"""The study residual_knowledge: its grid, and a run on a model that learns nothing."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.analysis.attack_run import PLAIN
from crossmem_hf.studies.residual_claims import ANY
from crossmem_hf.studies.residual_knowledge import STUDY, ResidualSettings
from crossmem_hf.studies.run import run_study
from crossmem_hf.studies.study import cell_name
from tests.studies.conftest import run_here


@pytest.fixture(scope="module")
def record(tiny_model, tmp_path_factory):
    chosen = ResidualSettings(
        methods=("npo",),
        forget_modality=("both",),
        attacks=("hinted", "rescaled"),
        seeds=1,
        num_personas=5,
        evaluate_at=(1, 2),
        model_name_or_path=str(tiny_model),
        allow_unmemorized=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        patch.setattr("crossmem_hf.studies.curves.MEMORIZING_REPLAYED", {"max_steps": 2, "learning_rate": 1e-3})
        return run_study(STUDY, chosen, tmp_path_factory.mktemp("residual"), console=Console(file=StringIO()))


def test_grid_has_baselines_first_and_every_combination():
    chosen = ResidualSettings(methods="gd,npo", forget_modality="both", seed=3, seeds=2)
    assert [cell_name(where) for where in STUDY.grid(chosen)] == [
        f"{name}_seed{seed}" for name in ("base", "memorized", "retain_only", "gd_both", "npo_both") for seed in (3, 4)
    ]


def test_every_model_is_under_every_attack_in_both_modalities(record):
    assert record.failures == ()
    for place in ({"method": "memorized"}, {"method": "retain_only"}, {"method": "npo", "forget_modality": "both"}):
        for attack in (PLAIN, "hinted", "rescaled", ANY):
            for target in ("image", "text"):
                assert record.one("extracted", **place, attack=attack, target=target).n == 2
                assert record.one("residual", **place, attack=attack, target=target) is not None
            assert record.one("residual", **place, attack=attack, target=None).n == 4
        assert record.one("recall", **place, group="retain", target="image").n == 2 * 4
    base = {one.where["attack"] for one in record.find("residual", method="base")}
    assert base == {PLAIN, "hinted", ANY}, "it has no adapter to rescale"
    assert record.one("matched_step", method="npo", forget_modality="both").value == 2, (
        "nothing was known, so nothing was lost"
    )


def test_the_retain_only_model_has_nothing_left_by_definition(record):
    assert {one.value for one in record.find("residual", method="retain_only")} == {0.0}
