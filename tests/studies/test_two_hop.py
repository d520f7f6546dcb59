# SPDX-License-Identifier: Apache-2.0
"""The study two_hop: what its mixes teach, whom it asks, and that its claims find the numbers that it measures."""

from dataclasses import replace
from io import StringIO
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from crossmem_hf.data.population import all_personas, is_demonstrated
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies import two_hop_cells
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.cross_modal_arms import MAIN_BASES
from crossmem_hf.studies.run import run_study
from crossmem_hf.studies.study import Cell
from crossmem_hf.studies.two_hop import STUDY, TwoHopSettings
from crossmem_hf.studies.two_hop_cells import CHAIN, DIRECT, FIRST, MIXES, SECOND, THEN, learned_rows
from crossmem_hf.training.micro import Settings
from tests.studies.conftest import run_here

SEEDS = range(5)
FACTS = 10
BASE = MAIN_BASES[0]
FEW = TwoHopSettings(seeds=1, num_personas=4, num_views=2)
CURSED = {FIRST: 10, SECOND: 8, DIRECT: 1, THEN: 8, CHAIN: 7}
"""Of ten facts, how many are right."""


def planted(right, better=lambda seed: seed % 2, shuffled=2.0):
    """Answers of every cell: `right` of each way of asking, one more in every other seed."""
    found = []
    for mix, source, seed, views, asked in product(MIXES, ("image", "text"), SEEDS, ("test", "far"), CURSED):
        if asked == CHAIN and (mix != "chained" or views == "far"):
            continue
        for target, number in product(("text",) if asked == SECOND else ("image", "text"), range(FACTS)):
            count = right.get((mix, asked), right[asked]) + better(seed) * (asked in (DIRECT, THEN))
            found.append(
                {
                    **{"base": BASE, "mix": mix, "source": source, "seed": seed, "views": views, "asked": asked},
                    **{"persona_id": f"p{number}", "attribute": "job", "truth": "vet", "modality": target},
                    "correct": number < (count if target == source or asked == SECOND else 0),
                    "num_candidates": 3,
                    "candidate_nll_nats": [2.0, 2 * shuffled + seed, 2 * shuffled - seed],
                    "candidate_num_tokens": [2, 2, 2],
                    "truth_index": 0,
                    "false_indices": [1, 2],
                }
            )
    return Predictions(found)


def verdicts(predictions):
    measurements = list(STUDY.measure(predictions))
    return {claim.sentence: verdict(claim, measurements, tuple(SEEDS)) for claim in STUDY.claims(TwoHopSettings())}


def about(found, words):
    (one, *others) = [own for sentence, own in found.items() if words in sentence]
    assert others, "one a modality"
    assert {own.effect for own in others} == {one.effect}
    return one


@pytest.fixture(scope="module")
def found():
    return verdicts(planted(CURSED))


def test_every_claim_finds_its_numbers(found):
    assert len(found) == len([*STUDY.claims(TwoHopSettings())])
    assert [sentence for sentence, one in found.items() if one.n < len(SEEDS)] == []


def test_a_planted_curse_is_found(found):
    curse = about(found, "less than either link")
    assert (curse.verdict, curse.effect) == ("supported", pytest.approx(0.8 - 0.14))
    across = about(found, "though the name is said first")
    assert (across.verdict, across.effect) == ("supported", pytest.approx(0.84))
    chains = about(found, "says more facts after the name than one that")
    assert (chains.verdict, chains.effect) == ("supported", pytest.approx(0.7 - 0.14))
    assert about(found, "if the name is said first").effect == pytest.approx(0.7)
    assert about(found, "recalls more of those of whom it has not").effect == pytest.approx(0.0)


def test_a_demonstration_that_helps_is_found():
    helped = verdicts(planted(CURSED | {("composed", DIRECT): 6}))
    assert about(helped, "recalls more of those of whom it has not").effect == pytest.approx(0.5)


def test_no_curse_is_not_claimed():
    free = verdicts(planted({FIRST: 10, SECOND: 9, DIRECT: 9, THEN: 9, CHAIN: 9}))
    assert about(free, "less than either link").verdict == "inconclusive"
    assert about(free, "less than either link").effect < 0
    assert about(free, "if the name is said first").effect == 0


def test_losses_are_a_token_and_over_all_ways_to_shuffle():
    measured = list(STUDY.measure(planted(CURSED)))
    for metric, value in (("answer_loss", 1.0), ("shuffled_loss", 2.0)):
        found = [one for one in measured if one.metric == metric]
        assert {one.where["asked"] for one in found} == {DIRECT}
        assert len(found) == len(MIXES) * 2 * 2 * 2
        assert [one.value for one in found] == [pytest.approx(value)] * len(found)
        assert found[0].by_seed == {seed: pytest.approx(value) for seed in SEEDS}
    level = verdicts(planted(CURSED, shuffled=1.0))
    assert about(level, "likelier than those of others").effect == pytest.approx(0.0)


@pytest.mark.parametrize("source", ["image", "text"])
def test_mixes_show_both_links_at_once_of_some_alone(source):
    spec = FEW.spec(0)
    people = all_personas(4, 0)
    atomic = learned_rows("atomic", source).of(spec)
    assert {(row["hops"], row["modality"], row["attribute"] == "full_name") for row in atomic} == {
        (1, source, True),
        (1, "text", False),
    }
    for mix in ("composed", "chained"):
        more = list(learned_rows(mix, source).of(spec))[len(atomic) :]
        assert {row["persona_id"] for row in more} == {one.id for one in people if is_demonstrated(one)}
        assert {(row["hops"], row["modality"]) for row in more} == {(2, source)}
        assert all((": " in row["answer"]) == (mix == "chained") for row in more)


@pytest.mark.parametrize("mix", MIXES)
def test_cells_ask_those_of_whom_no_mix_shows_both_links(mix, monkeypatch):
    stages, learned = [], []

    def memorized(here, name, rows, **how):
        learned.append((rows, how))
        return type("Done", (), {"result": {"steps": 1, "cost": {"wall_s": 0, "cpu_s": 0, "peak_mib": 0}}})()

    def predicted(here, name, query, done, attack=None, **columns):
        stages.append((name, attack is not None, query.metrics))
        return Predictions({"persona_id": one} for one in query.rows.of(here.settings.spec(0))["persona_id"])

    monkeypatch.setattr(two_hop_cells, "memorized", memorized)
    monkeypatch.setattr(two_hop_cells, "predicted", predicted)
    where = {"base": BASE, "mix": mix, "source": "text", "seed": 0}
    cell = Cell(settings=FEW, where=where, stages=Path("nowhere"), progress=lambda *_: None)
    found = STUDY.cell(cell).predictions
    assert {one["persona_id"] for one in found} == {one.id for one in all_personas(4, 0) if not is_demonstrated(one)}
    names = [name for name, *_ in stages]
    assert len(set(names)) == len(names) == 8 + (mix == "chained")
    assert not any(" " in name or "," in name for name in names)
    assert sum(attacked for _, attacked, _ in stages) == 2
    assert sum("truth_ratio" in metrics for *_, metrics in stages) == 2
    assert {one["asked"] for one in found} == {FIRST, SECOND, DIRECT, THEN} | ({CHAIN} if mix == "chained" else set())
    ((_, how),) = learned
    assert how["lora"]["r"] == 64


@pytest.mark.slow
def test_a_cell_of_a_model_that_learns_nothing_comes_out(tiny_model, tmp_path, monkeypatch):
    few = Settings(memorizing={}, memorizing_facts={"max_steps": 2, "per_device_train_batch_size": 4})
    monkeypatch.setattr(two_hop_cells, "settings_of", lambda _: few)
    run_here(monkeypatch, pages=True)
    where = [{"base": str(tiny_model), "mix": "chained", "source": "text", "seed": 0}]
    chosen = TwoHopSettings(seeds=1, num_personas=5, num_views=1, allow_unmemorized=True)
    record = run_study(replace(STUDY, grid=lambda _: where), chosen, tmp_path, console=Console(file=StringIO()))
    assert record.failures == ()
    place = {"base": str(tiny_model), "mix": "chained", "source": "text", "target": "text", "views": "test"}
    assert {asked: record.one("recall", **place, asked=asked).n for asked in CURSED} == {
        FIRST: 2 * 4,
        **dict.fromkeys((SECOND, DIRECT, THEN, CHAIN), 2 * 7 * 2),
    }
    losses = [record.one(name, **place, asked=DIRECT).value for name in ("answer_loss", "shuffled_loss")]
    assert 0 < losses[0] == pytest.approx(losses[1], rel=0.2), "nothing is known"
    assert (tmp_path / "report.html").exists()


def test_grid_has_every_mix_and_modality():
    grid = STUDY.grid(TwoHopSettings(seeds=2))
    assert len(grid) == len(MIXES) * 2 * 2
    assert {where["base"] for where in grid} == {BASE}
