# SPDX-License-Identifier: Apache-2.0
"""Values of single seeds beside pooled ones, and intervals that say how few seeds are behind them."""

import pytest

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import SEEDS_NOTE, Measurement, Record
from crossmem_hf.report.tables import measurement_table


def answers(seeds=3, personas=10):
    """Half of seed 0 is right, a fifth of seed 1, and so on."""
    for seed in range(seeds):
        for persona in range(personas):
            yield {
                "seed": seed,
                "persona_id": f"p{persona}",
                "modality": "image",
                "attribute": "full_name",
                "truth": "Ada",
                "answer": "Ada" if persona < (5, 2, 9, 1, 3)[seed] else "Bo",
                "correct": persona < (5, 2, 9, 1, 3)[seed],
                "num_candidates": 10,
            }


def test_pooled_measurements_keep_the_value_of_each_seed():
    (pooled,) = Predictions(answers()).measure(["recall"], ())
    assert pooled.by_seed == {0: 0.5, 1: 0.2, 2: 0.9}
    assert pooled.value == pytest.approx(16 / 30)
    (own, *_) = Predictions(answers()).measure(["recall"], ("seed",))
    assert (own.where["seed"], own.by_seed) == (0, {})


def test_seeds_widen_the_interval():
    (pooled,) = Predictions(answers()).measure(["recall"], ())
    unknown = [{**one, "seed": None, "persona_id": f"{one['seed']}-{one['persona_id']}"} for one in answers()]
    (blind,) = Predictions(unknown).measure(["recall"], ())
    assert (blind.value, blind.n, blind.by_seed) == (pooled.value, pooled.n, {})
    assert pooled.ci[0] < blind.ci[0] < blind.ci[1] < pooled.ci[1]


@pytest.mark.parametrize(("seeds", "mark"), [(1, "¹"), (3, "³"), (4, "⁴"), (5, "")])
def test_fewer_than_five_seeds_mark_the_interval(seeds, mark):
    (found,) = Predictions(answers(seeds)).measure(["recall"], ())
    assert found.seeds_mark == mark
    assert f"{found.ci[1]:.3g}]{mark}, n=" in str(found)
    table = measurement_table([found])
    assert (SEEDS_NOTE in table.markdown()) == (SEEDS_NOTE in table.html()) == bool(mark)


def test_one_seed_is_marked_and_none_is_not():
    one = {"metric": "recall", "value": 0.5, "ci": (0.4, 0.6), "n": 4, "unit": "proportion"}
    assert Measurement(**one, where={"seed": 3}).seeds_mark == "¹"
    assert Measurement(**one).seeds_mark == ""
    assert Measurement(**{**one, "ci": None}, where={"seed": 3}).seeds_mark == ""


def test_values_of_seeds_survive_the_file(tmp_path):
    (pooled,) = Predictions(answers()).measure(["recall"], ())
    record = Record(study="score", config={}, versions={}, fingerprints={}, measurements=(pooled,))
    assert Record.read(record.write(tmp_path / "record.json")).measurements == (pooled,)
