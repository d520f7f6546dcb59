# SPDX-License-Identifier: Apache-2.0
"""Matching, the 2 x 2 matrix, gaps and transfer, against hand values and brute force."""

import math

import numpy as np
import pytest
from scipy.stats import beta, norm
from scipy.stats import t as student

from crossmem_hf.metrics.cross_modal_recall.recall_math import (
    is_match,
    normalize_name,
    recall_summary,
    row_matches,
)

KEYS = ("predictions", "references", "source", "target", "persona_id")
CELLS = [("image", "image"), ("image", "text"), ("text", "image"), ("text", "text")]


def columns(rows):
    """Columns from (source, target, persona, right?) rows."""
    return {
        "predictions": ["Ada Okoye" if right else "Bo Lindqvist" for *_, right in rows],
        "references": ["Ada Okoye"] * len(rows),
        "source": [row[0] for row in rows],
        "target": [row[1] for row in rows],
        "persona_id": [row[2] for row in rows],
    }


def matrix_rows(persons=50, recalled=(1.0, 0.3, 0.2, 0.9), seed=0):
    rng = np.random.default_rng(seed)
    return [
        (*cell, f"p{person}", bool(rng.random() < share))
        for cell, share in zip(CELLS, recalled, strict=True)
        for person in range(persons)
        for _ in range(3)
    ]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Ada Okoye", "ada okoye"),
        ("  ADA\tokoye.\n", "ada okoye"),
        ("Mary-Jane O'Neil", "mary jane oneil"),
        ("Mary Jane O\u2019NEIL!", "mary jane oneil"),
        ("Jose\u0301 Straße", "jos\u00e9 strasse"),
        ("\uff21\uff44\uff41 7", "ada 7"),
        ("?!", ""),
    ],
)
def test_normal_form(text, normal):
    assert normalize_name(text) == normal
    assert normalize_name(normal) == normal


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "contains"),
    [
        ("Ada Okoye", "Ada Okoye", True, True),
        ("ada okoye.", "Ada Okoye", True, True),
        ("This is Ada Okoye, I think.", "Ada Okoye", False, True),
        ("Ada", "Ada Okoye", False, False),
        ("Okoye Ada", "Ada Okoye", False, False),
        ("Nada Okoyete", "Ada Okoye", False, False),
        ("", "Ada Okoye", False, False),
        ("José", "Jose", False, False),
        ("Caro Diaz", ["Caro Díaz", "Caro Diaz"], True, True),
    ],
)
def test_matching_rule(answer, reference, exact, contains):
    assert is_match(answer, reference) is exact
    assert is_match(answer, reference, "contains") is contains


def test_rows_match_one_by_one():
    answers, names = ["Ada", "Bo", "bo!"], ["Ada", "Ada", ["Ada", "Bo"]]
    assert row_matches(answers, names).tolist() == [True, False, True]
    assert row_matches(answers, names).tolist() == [is_match(*pair) for pair in zip(answers, names, strict=True)]


def test_hand_values():
    rows = [
        *[("image", "image", f"p{number}", number < 4) for number in range(5)],
        *[("image", "text", f"p{number}", number < 1) for number in range(5)],
        *[("text", "text", f"p{number}", number < 2) for number in range(4)],
        *[("text", "image", f"p{number}", number == 3) for number in range(4)],
    ]
    result = recall_summary(**columns(rows), num_candidates=[10] * 9 + [5] * 9)
    values = {
        "image_to_image": 0.8,
        "image_to_text": 0.2,
        "text_to_text": 0.5,
        "text_to_image": 0.25,
        "gap_image": 0.6,
        "gap_text": 0.25,
        "transfer_image": 0.25,
        "transfer_text": 0.5,
        "chance": 0.15,
    }
    assert {name: result[name] for name in values} == pytest.approx(values)
    counts = {name: result[f"{name}_n"] for name in values if name != "chance"}
    assert list(counts.values()) == [5, 5, 4, 4, 10, 8, 10, 8]


def test_matrix_equals_brute_force():
    rows = matrix_rows(persons=11, seed=3)
    np.random.default_rng(0).shuffle(rows)
    result = recall_summary(**columns(rows))
    for source, target in CELLS:
        right = [row[3] for row in rows if row[:2] == (source, target)]
        assert result[f"{source}_to_{target}"] == pytest.approx(sum(right) / len(right))
        assert result[f"{source}_to_{target}_n"] == len(right)
    assert result["gap_image"] == pytest.approx(result["image_to_image"] - result["image_to_text"])
    assert result["gap_text"] == pytest.approx(result["text_to_text"] - result["text_to_image"])
    assert result["transfer_image"] == pytest.approx(result["image_to_text"] / result["image_to_image"])
    assert result["transfer_text"] == pytest.approx(result["text_to_image"] / result["text_to_text"])
    assert "chance" not in result


def test_every_number_has_a_finite_interval_around_it():
    result = recall_summary(**columns(matrix_rows(persons=20)))
    names = [name.removesuffix("_n") for name in result if name.endswith("_n")]
    assert len(names) == 8
    for name in names:
        assert result[f"{name}_ci_low"] <= result[name] <= result[f"{name}_ci_high"]
    assert all(math.isfinite(value) for value in result.values())


def test_only_cells_with_rows_are_reported():
    rows = [row for row in matrix_rows(persons=4) if row[:2] == ("image", "text")]
    stem = "image_to_text"
    assert set(recall_summary(**columns(rows))) == {stem, f"{stem}_ci_low", f"{stem}_ci_high", f"{stem}_n"}


def test_a_clear_gap_excludes_zero_and_no_gap_does_not():
    clear = recall_summary(**columns(matrix_rows(recalled=(1.0, 0.2, 0.2, 1.0))))
    assert clear["gap_image_ci_low"] > 0.5
    none = recall_summary(**columns(matrix_rows(recalled=(0.5, 0.5, 0.5, 0.5))))
    assert none["gap_image_ci_low"] < 0 < none["gap_image_ci_high"]


def test_gap_pairs_each_person_in_both_cells():
    """Whoever is recalled from a picture is recalled in words: pairing by person shows that nothing is lost."""
    right = np.random.default_rng(0).random(40) < 0.5
    paired, strangers = (
        recall_summary(
            **columns(
                [("image", "image", f"p{person}", bool(right[person])) for person in range(40)]
                + [("image", "text", f"{prefix}{person}", bool(right[person])) for person in range(1, 40)]
                + [("image", "text", f"{prefix}0", not right[0])]
            )
        )
        for prefix in ("p", "q")
    )
    assert paired["gap_image"] == pytest.approx(strangers["gap_image"])
    widths = [result["gap_image_ci_high"] - result["gap_image_ci_low"] for result in (paired, strangers)]
    assert widths[0] < 0.5 * widths[1]


def test_rows_of_other_cells_change_nothing():
    rows = matrix_rows(persons=15, seed=5)
    alone = recall_summary(**columns([row for row in rows if row[0] == "image"]))
    among = recall_summary(**columns([*rows, ("text", "text", "somebody else", True)]))
    assert {name: among[name] for name in alone} == alone


def test_row_order_changes_nothing():
    rows = matrix_rows(persons=15, seed=6)
    shuffled = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    assert recall_summary(**columns(shuffled)) == pytest.approx(recall_summary(**columns(rows)))


def test_confidence_and_seeds_reach_the_intervals():
    given = columns(matrix_rows(persons=15, seed=6))
    plain = recall_summary(**given)
    narrow = recall_summary(**given, confidence=0.5)
    assert narrow["gap_image_ci_low"] > plain["gap_image_ci_low"]
    seeds = [int(person[1:]) % 3 for person in given["persona_id"]]
    wide = recall_summary(**given, persona_seed=seeds)
    assert wide["transfer_image_ci_high"] > plain["transfer_image_ci_high"]
    assert {name: wide[name] for name in wide if "_ci_" not in name} == {
        name: plain[name] for name in plain if "_ci_" not in name
    }


def test_transfer_has_the_ends_of_its_share():
    """Other / (same + other) by hand: one persona left out at a time, Beta quantiles, and back to the ratio."""
    same, other = np.array([1.0, 1, 1, 1, 1, 0, 1, 1, 1, 1]), np.array([1.0, 0, 1, 0, 0, 0, 1, 0, 1, 1])
    rows = [("image", "image", f"p{person}", bool(right)) for person, right in enumerate(same)]
    rows += [("image", "text", f"p{person}", bool(right)) for person, right in enumerate(other)]
    found = recall_summary(**columns(rows))
    share = other.sum() / (same + other).sum()
    left = [(other.sum() - o) / ((same + other).sum() - s - o) for s, o in zip(same, other, strict=True)]
    n = share * (1 - share) / sum((one - share) ** 2 for one in left) * (norm.ppf(0.975) / student.ppf(0.975, 9)) ** 2
    low, high = beta.ppf([0.025, 0.975], n * share + 0.5, n * (1 - share) + 0.5)
    unseen = 1 - 0.025 ** (1 / 10)
    far = ((1 - unseen) * other.mean() + unseen) / ((1 - unseen) * (same.mean() + other.mean()) + unseen)
    near = (1 - unseen) * other.mean() / ((1 - unseen) * (same.mean() + other.mean()) + unseen)
    low, high = min(low, near), max(high, far)
    assert found["transfer_image"] == pytest.approx(5 / 9)
    assert found["transfer_image_ci_low"] == pytest.approx(low / (1 - low))
    assert found["transfer_image_ci_high"] == pytest.approx(high / (1 - high))


def test_all_right_is_not_certain():
    result = recall_summary(**columns([("image", "image", f"p{person}", True) for person in range(50)]))
    assert result["image_to_image_ci_high"] == 1.0
    assert result["image_to_image_ci_low"] == pytest.approx(0.025 ** (1 / 50))


def test_transfer_without_source_recall_is_left_out():
    rows = [("image", target, f"p{person}", target == "text") for person in range(10) for target in ("image", "text")]
    result = recall_summary(**columns(rows))
    assert result["gap_image"] == -1.0
    assert not [name for name in result if name.startswith("transfer")]


def test_transfer_interval_is_left_out_where_the_denominator_may_be_zero():
    rows = [("image", "image", f"p{person}", person == 0) for person in range(10)]
    rows += [("image", "text", f"p{person}", person < 5) for person in range(10)]
    result = recall_summary(**columns(rows))
    assert result["transfer_image"] == pytest.approx(5.0)
    assert result["transfer_image_n"] == 20
    assert "transfer_image_ci_low" not in result


def test_chance_of_one_count_and_of_counts():
    given = columns(matrix_rows(persons=1))
    assert recall_summary(**given, num_candidates=50)["chance"] == pytest.approx(0.02)
    assert recall_summary(**given, num_candidates=[2, 4] * 6)["chance"] == 0.375


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({name: [] for name in KEYS}, "No rows"),
        ({"references": ["Ada"]}, "1 references for 2 predictions"),
        ({"source": ["image"]}, "source has 1 entries for 2 rows"),
        ({"persona_id": ["p0"]}, "persona_id has 1 entries for 2 rows"),
        ({"source": ["image", "audio"]}, "Row 1: source 'audio'"),
        ({"target": ["Image", "text"]}, "Row 0: target 'Image'"),
        ({"target": ["image", None]}, "Row 1: target None"),
        ({"persona_id": ["p0", None]}, "Row 1: persona_id is None"),
        ({"predictions": ["Ada", None]}, "Row 1: prediction None"),
        ({"predictions": [3, "Ada"]}, "Row 0: prediction 3"),
        ({"references": ["Ada", None]}, "Row 1: reference None"),
        ({"references": ["Ada", []]}, "Row 1: no accepted name"),
        ({"references": ["Ada", ["Bo", "..."]]}, r"Row 1: reference '\.\.\.'"),
        ({"references": ["Ada", [3]]}, "Row 1: reference 3"),
        ({"match": "fuzzy"}, "match='fuzzy'"),
        ({"num_candidates": 0}, "Row 0: num_candidates 0"),
        ({"num_candidates": [3]}, "1 num_candidates for 2 rows"),
        ({"num_candidates": [3, 2.5]}, "Row 1: num_candidates 2.5"),
    ],
)
def test_bad_input_is_named(changed, named):
    given = {
        "predictions": ["Ada", "Bo"],
        "references": ["Ada", "Bo"],
        "source": ["image", "image"],
        "target": ["image", "text"],
        "persona_id": ["p0", "p1"],
    }
    assert recall_summary(**given)["image_to_image"] == 1.0
    with pytest.raises(ValueError, match=named):
        recall_summary(**{**given, **changed})
