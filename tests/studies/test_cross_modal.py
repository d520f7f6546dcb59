# SPDX-License-Identifier: Apache-2.0
"""The study cross_modal: its grid, its settings, and what its cells do."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import BASES
from crossmem_hf.studies import cross_modal_cells
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.cross_modal import STUDY, CrossModalSettings
from crossmem_hf.studies.cross_modal_arm_claims import DIALS
from crossmem_hf.studies.cross_modal_arms import (
    ARMS,
    ARMS_ON,
    CLOSE_BASES,
    CURVE,
    LONGER,
    MAIN_BASES,
    MITIGATIONS,
    USUAL,
    WITH_FACTS,
    arm_contrast,
    arm_rows,
    arm_steps,
    paired_personas,
    tokens_a_row,
)
from crossmem_hf.studies.cross_modal_cells import AMONG, DESCRIBED
from crossmem_hf.studies.run import run_study
from crossmem_hf.studies.study import Cell
from crossmem_hf.training.micro import MEMORIZING
from tests.studies.conftest import run_here
from tests.studies.test_cross_modal_claims import BASE, SEEDS, planted

FEW = CrossModalSettings(seeds=1, bases=MAIN_BASES[:1], num_personas=10, num_views=2)


def test_the_usual_arm_is_run_on_every_base_and_others_on_one():
    chosen = CrossModalSettings(seeds=2)
    grid = STUDY.grid(chosen)
    assert {where["base"] for where in grid if where["arm"] == USUAL} == {*BASES}
    assert {where["base"] for where in grid if where["arm"] not in (USUAL, WITH_FACTS)} == {ARMS_ON}
    assert {where["base"] for where in grid if where["arm"] == WITH_FACTS} == {BASE, "micro-m-bridge"}
    assert len(grid) == (len(BASES) + 2 + len(ARMS) - 2) * 2 * 2
    both = STUDY.grid(CrossModalSettings(seeds=1, arms_on=(BASE, ARMS_ON)))
    assert {where["base"] for where in both if where["arm"] == LONGER} == {BASE, ARMS_ON}
    assert {arm for low, high, _ in DIALS for arm in (low, high)} | {*MITIGATIONS, USUAL, LONGER} <= {*ARMS}


def test_a_model_of_ones_own_takes_the_place_of_the_bases(tmp_path):
    chosen = CrossModalSettings(
        model_name_or_path="owner/vlm-7b", seeds=1, memorize_steps=30, memorize_learning_rate=1e-4, lora_rank=8
    )
    grid = STUDY.grid(chosen)
    assert {where["base"] for where in grid} == {"owner/vlm-7b"}
    assert {where["arm"] for where in grid} == {*ARMS} - {WITH_FACTS}, "facts are of two bases that ship"
    assert (chosen.memorizing("owner/vlm-7b")["max_steps"], chosen.memorizing("x")["learning_rate"]) == (30, 1e-4)
    assert chosen.lora(USUAL) == {"r": 8, "alpha": 16}
    assert chosen.lora("rank_64")["r"] == 64
    assert STUDY.config(chosen)["main_bases"] == ["vlm-7b"]
    measurements = [*STUDY.measure(planted(bases=("owner/vlm-7b",), arms=(USUAL,)))]
    found = [verdict(claim, measurements, tuple(SEEDS)) for claim in STUDY.claims(chosen)]
    assert {one.verdict for one in found if "(vlm-7b, near views)" in one.sentence} == {"supported"}
    assert not [one for one in found if "micro-m-seed1" in one.sentence]


def test_settings_that_suit_a_base_stand_where_none_were_given():
    chosen = CrossModalSettings()
    assert chosen.memorizing(BASE) == MEMORIZING
    assert chosen.lora(USUAL) == {}
    assert chosen.main_bases == MAIN_BASES


def test_claims_are_about_the_arms_that_are_run():
    sentences = [one.sentence for one in STUDY.claims(CrossModalSettings(**STUDY.quick))]
    assert any("captions of the same personas" in one for one in sentences)
    assert any("twice the steps" in one for one in sentences)
    assert not any("captions of other personas" in one or "LoRA of rank" in one for one in sentences)


def test_how_closely_a_base_is_asked_follows_from_that_base():
    """A cell that was kept would else be another one's."""
    every, one = CrossModalSettings(), CrossModalSettings(bases=("micro-m-seed1",), arms_on=("micro-m-seed1",))
    assert not every.closely("micro-m-seed1")
    assert not one.closely("micro-m-seed1")
    assert every.close_bases == CLOSE_BASES
    assert one.close_bases == ()
    own = CrossModalSettings(model_name_or_path="owner/vlm-7b")
    assert own.close_bases == ("vlm-7b",)


def test_points_of_a_pretraining_are_called_as_their_folders(tmp_path):
    for step in ("step-0100", "step-0200"):
        (tmp_path / step).mkdir()
        (tmp_path / step / "config.json").touch()
    grid = STUDY.grid(replace_settings(checkpoints=str(tmp_path), arms=(USUAL,)))
    assert [where["base"] for where in grid[2:]] == [str(tmp_path / f"step-0{n}00") for n in (1, 1, 2, 2)]
    answered = planted(bases=(str(tmp_path / "step-0100"),), arms=(USUAL,))
    assert {one.where["base"] for one in STUDY.measure(answered)} == {"step-0100"}


def replace_settings(**changes):
    return CrossModalSettings(**(FEW.as_dict() | changes))


def cell(arm, source="image", seed=0, settings=FEW):
    where = {"base": BASE, "arm": arm, "source": source, "seed": seed}
    return Cell(settings=settings, where=where, stages=Path("nowhere"), progress=lambda *_: None)


@pytest.fixture
def at_work(monkeypatch):
    """What cells train and ask, of which they do neither."""
    seen = {"asked": []}

    def memorized(here, name, rows, **how):
        seen.update(here=here, rows=rows, how=how)
        return type("Done", (), {"result": {"steps": 1, "cost": {"wall_s": 0, "cpu_s": 0, "peak_mib": 0}}})()

    def predicted(here, name, query, *_, **columns):
        ids = query.rows.of(here.settings.spec(here.seed))["persona_id"]
        seen["asked"].append((name, query, columns))
        return Predictions({"persona_id": one} for one in ids)

    def nearest(here, query, training, **columns):
        return predicted(here, "nearest", query, **columns)

    for stub in (memorized, predicted, nearest):
        monkeypatch.setattr(cross_modal_cells, stub.__name__, stub)
    monkeypatch.setattr(cross_modal_cells, "at_step", lambda done, step: done)
    return seen


@pytest.mark.parametrize(("arm", "share"), [("paired_10", 0.1), ("paired_30", 0.3)])
def test_personas_learned_through_both_modalities_are_not_measured(arm, share, at_work):
    for seed in (0, 1):
        found = STUDY.cell(cell(arm, seed=seed, settings=replace_settings(seeds=2))).predictions
        spec = FEW.spec(seed)
        paired = paired_personas(arm, "image", spec)
        assert len(paired) == 10 * share
        assert len({one["persona_id"] for one in found}) == 10 - len(paired)
        assert not paired & {one["persona_id"] for one in found}
        learned = at_work["rows"].of(spec).remove_columns("images")
        through = {one: {row["modality"] for row in learned if row["persona_id"] == one} for one in paired}
        assert set(map(frozenset, through.values())) == {frozenset({"image", "text"})}
    assert [name for name, *_ in at_work["asked"]] == [f"{BASE}_{arm}_image_seed{seed}_test" for seed in (0, 1)]


def test_only_the_usual_arm_on_the_first_base_is_asked_closely(at_work, tiny_model):
    STUDY.cell(replace(cell(USUAL), where=cell(USUAL).where | {"base": str(tiny_model)}))
    assert {query.rivals for _, query, _ in at_work["asked"]} == {"untaught"}
    assert {columns.get("learned") for *_, columns in at_work["asked"]} == {None, "base", "nearest row"}
    assert at_work["how"]["checkpoints"] == []
    at_work["asked"].clear()
    STUDY.cell(cell(USUAL, "text"))
    columns = [tuple(columns.items()) for _, _, columns in at_work["asked"]]
    assert len(set(columns)) == len(columns), "answers of two queries would be measured as one"
    steps = round(MEMORIZING["max_steps"] * 10 / 50)
    assert at_work["how"]["max_steps"] == steps
    assert set(at_work["how"]["checkpoints"]) == {max(1, round(share * steps)) for share in CURVE}
    rivals = {query.rivals for _, query, _ in at_work["asked"]}
    assert rivals == {"untaught", *AMONG}
    at_work["asked"].clear()
    STUDY.cell(cell(LONGER, "text"))
    assert len(at_work["asked"]) == 1
    assert at_work["how"]["checkpoints"] == []


def test_arms_change_what_they_say(at_work):
    STUDY.cell(cell("views_4"))
    assert at_work["here"].settings.num_views == 4
    STUDY.cell(cell("rank_64"))
    assert at_work["how"]["lora"] == {"r": 64, "alpha": 128}
    STUDY.cell(cell("contrastive"))
    assert at_work["how"]["contrast"].configs == ("recall_text",)


@pytest.mark.slow
def test_a_cell_of_a_model_that_learns_nothing_comes_out(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_modal_cells, "AMONG", (60, "recombined"))
    monkeypatch.setattr(CrossModalSettings, "closely", lambda settings, base: base == str(tiny_model))
    run_here(monkeypatch, pages=True)
    where = [{"base": str(tiny_model), "arm": arm, "source": "image", "seed": 0} for arm in (USUAL, "contrastive")]
    study = replace(STUDY, grid=lambda _: where)
    chosen = replace_settings(num_personas=5, num_views=1, allow_unmemorized=True)
    record = run_study(study, chosen, tmp_path, console=Console(file=StringIO()))
    assert record.failures == ()
    usual = {"base": tiny_model.name, "arm": USUAL, "source": "image", "target": "text"}
    for more in ({"views": "far"}, {"among": "60"}, {"trained": 0.5}, {"attack": DESCRIBED}, {"learned": "base"}):
        assert record.one("recall", **usual, **({"views": "test"} | more)) is not None, more
    assert record.one("recall", **usual | {"views": "test", "target": "image", "learned": "nearest row"}).value > 0.5
    assert record.one("utility_visual_attributes", **usual, views="test", learned="base").n == 5
    assert (tmp_path / "report.html").exists()
    again = run_study(study, chosen, tmp_path, console=Console(file=StringIO()))
    assert again == record


@pytest.mark.slow  # thousands of rows are encoded
@pytest.mark.parametrize("source", ["image", "text"])
def test_mitigations_have_equal_tokens_to_within_a_batch(source):
    spec = replace(FEW.spec(3), num_personas=10)
    names = tokens_a_row(BASE, arm_rows(USUAL, source, spec).of(spec))
    batch = MEMORIZING["per_device_train_batch_size"]
    usual = arm_steps(USUAL, source, spec, BASE, 120)
    assert usual == 24
    for arm in (LONGER, "captions_of_them", "paired_30", "known_names", "contrastive"):
        contrast = arm_contrast(arm, source)
        a_row = tokens_a_row(BASE, arm_rows(arm, source, spec).of(spec))
        a_row += tokens_a_row(BASE, contrast.of(spec)) if contrast else 0
        steps = arm_steps(arm, source, spec, BASE, 120)
        assert abs(steps * a_row - 2 * usual * names) * batch <= a_row * batch, arm
    assert arm_steps("personas_25", source, replace(spec, num_personas=25), BASE, 120) == 60
