# SPDX-License-Identifier: Apache-2.0
"""The tables of what is seen inside: each number in its place, and none where nothing was measured."""

import pytest

from crossmem_hf.report.inside_tables import (
    depths,
    gradients_table,
    inside_tables,
    order_table,
    patterns_table,
    points_table,
    probes_table,
    shape_table,
)
from tests.report.test_record import measurement


def placed(metric, value, unit="proportion", **where):
    return measurement(metric, where=where, value=value, ci=None, chance=None, unit=unit)


def test_shapes_stand_beside_depth_and_what_comes_back():
    at = {"part": "learned", "method": "npo"}
    found = [
        placed("rankme", 12.3, "states", group="forget", target="image", **at),
        placed("rankme", 45.6, "states", group="retain", target="text", **at),
        placed("unlearning_depth", 0.25, group="forget", target="text", **at),
        placed("extracted", 0.5, **at),
        placed("rankme", 7.0, "states", part="pretraining", point="step-00100", group="forget", target="image"),
    ]
    table = shape_table(found)
    assert dict(zip(table.heads, table.rows[0], strict=True)) == {
        "model": "npo",
        "RankMe, forget, portraits": "12",
        "RankMe, retain, descriptions": "46",
        "depth, descriptions, %": "25",
        "said once others are relearned, %": "50",
    }
    assert points_table(found).rows == (("step-00100", "7"),)


def test_depths_are_told_the_least_first():
    found = [
        placed("unlearning_depth", value, method=method, seed=seed, target=target)
        for method, values in {"npo": (0.8, 1.0), "idk": (0.1, 0.3)}.items()
        for seed, value in enumerate(values)
        for target in ("image", "text")
    ]
    assert depths(found, {"npo": "NPO", "idk": "IDK"}) == "IDK 20 and NPO 90"


def test_what_is_known_of_people_stands_by_attribute_and_hops():
    at = {"part": "personas", "attribute": "job", "hops": 2}
    found = [
        placed("memorized_by", 120.0, "steps", modality="image", **at),
        placed("memorized_by", 80.0, "steps", modality="text", **at),
        placed("memorized", 0.9, modality="text", **at),
    ]
    table = order_table(found)
    assert table.rows == (("job", "2", "120", "80", "90"),)


def test_kinds_of_patterns_stand_by_size():
    at = {"part": "patterns", "kind_of_pattern": "jumps"}
    found = [
        placed("memorized_by", 60.0, "steps", split="train", size="s", **at),
        placed("memorized_by", 40.0, "steps", split="train", size="m", **at),
        placed("memorized", 0.2, split="test", size="m", **at),
    ]
    assert patterns_table(found).rows == (("jumps", "60", "40", "20"),)


def test_probes_and_gradients_stand_by_how_was_trained():
    way = {"part": "trained", "rate": 0.5, "list": "a", "batch_size": 16, "accumulation": 1}
    found = [
        placed("probe_gain_mean", 0.12, **way),
        placed("read_out", 0.9, users="seen", **way),
        placed("gradient_cosine", 0.87, "cosine", change="watermark", batch_size=1, accumulation=4),
    ]
    assert probes_table(found).rows == (("0.5", "a", "16", "1", "12", "90"),)
    assert gradients_table(found).rows == (("1", "4", "87"),)


@pytest.mark.parametrize(
    "table", [shape_table, points_table, order_table, patterns_table, probes_table, gradients_table]
)
def test_without_such_measurements_there_is_no_table(table):
    assert table([placed("recall", 0.5, base="micro-m")]) is None


def test_tables_are_those_that_there_are_numbers_for():
    assert not list(inside_tables([placed("recall", 0.5, base="micro-m")]))
    found = [placed("gradient_cosine", 0.5, "cosine", change="words", batch_size=1, accumulation=1)]
    assert [title for title, _ in inside_tables(found)] == ["**Gradients**"]
