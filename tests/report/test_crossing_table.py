# SPDX-License-Identifier: Apache-2.0
"""The table of what crosses: each number in its place, and nothing of other arms."""

from itertools import product

from crossmem_hf.report.crossing_table import arms_table, crossing_table
from tests.report.test_record import measurement

USUAL = {"arm": "usual"}
LOOKS = "utility_visual_attributes"


def placed(value, target="text", metric="recall", **more):
    where = {"base": "micro-s", "source": "image", "target": target, "views": "test", **USUAL, **more}
    return measurement(metric, where=where, value=value, ci=None, chance=0.02)


def test_a_row_has_what_was_learned_beside_what_was_not():
    found = [
        placed(0.99, "image"),
        placed(0.59),
        placed(0.01, learned="base"),
        placed(0.92, metric=LOOKS, learned="base"),
    ]
    found += [placed(0.97, "image", learned="nearest row")]
    table = crossing_table(found, USUAL)
    assert table.heads[4:] == ("recall", "nearest row", "before learning", "looks told by the base")
    assert table.rows == (
        ("micro-s", "image", "image", "test", "99", "97", "–", "–"),
        ("micro-s", "image", "text", "test", "59", "–", "1", "92"),
        ("guessing", "–", "–", "–", "2", "2", "2", "2"),
    )


def test_other_ways_to_learn_and_to_ask_are_left_out():
    others = ({"arm": "longer"}, {"among": "500"}, {"trained": 0.5}, {"attack": "described_first"}, {"hops": 1})
    found = [placed(0.1, **more) for more in others]
    cost = measurement(
        "steps", where={"base": "micro-s", "source": "image", **USUAL}, value=120.0, ci=None, unit="steps"
    )
    assert crossing_table([*found, cost], USUAL) is None
    assert len(crossing_table([*found, cost, placed(0.59)], USUAL).rows) == 2


def test_every_base_and_modality_has_its_row():
    places = product(("a", "b"), ("image", "text"), ("image", "text"), ("test", "far"))
    found = [placed(0.5, target, base=base, source=source, views=views) for base, source, target, views in places]
    assert len(crossing_table(found, USUAL).rows) == 16 + 1


def test_ways_to_learn_stand_side_by_side_with_what_they_cost():
    cost = {"base": "micro-s", "source": "image", "seed": 0}
    found = [
        placed(0.99, "image"),
        placed(0.59),
        placed(0.8, arm="longer"),
        placed(0.1, views="far"),
        placed(0.3, base="micro-m"),
        *(
            measurement("steps", where=cost | {"arm": "usual", "seed": seed}, value=120.0, ci=None, unit="steps", n=1)
            for seed in range(2)
        ),
    ]
    table = arms_table(found, "micro-s")
    assert table.heads == (
        *("way to learn", "from portraits, by portraits", "from portraits, by descriptions"),
        "steps / CPU s, from portraits",
    )
    assert table.rows[:2] == (("usual", "99", "59", "120 / –"), ("longer", "–", "80", "–"))
    assert arms_table(found, "micro-l") is None
