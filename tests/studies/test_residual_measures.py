# SPDX-License-Identifier: Apache-2.0
"""Numbers of planted answers: what any attack gets out counts, less what it gets out of the retain-only model."""

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.residual_claims import ALONE, ANY, RANK, WORST
from crossmem_hf.studies.residual_measures import residual_measurements
from tests.studies.test_compare import prediction


def attacked(method, attack, said, *, row="r0", seed=0, modality="image"):
    forgotten = {"forget_modality": "both"} if method in ("npo", "ga") else {}
    columns = {"row": f"{row}-{seed}", "attack": attack, "extracted": said, "num_samples": 2, "seed": seed}
    return prediction("x", method, persona=row, modality=modality, **columns, **forgotten)


def found(*predictions):
    return {
        (one.metric, *(one.where.get(key) for key in ("method", "attack", "target"))): one
        for one in residual_measurements(Predictions(predictions))
    }


def test_a_residual_is_what_the_retain_only_model_does_not_give():
    said = [
        attacked(method, attack, extracted, row=row)
        for method, attack, extracted, row in (
            ("npo", "none", False, "r0"),
            ("npo", "none", False, "r1"),
            ("npo", "hinted", True, "r0"),
            ("npo", "hinted", False, "r1"),
            ("npo", "rescaled", False, "r0"),
            ("npo", "rescaled", True, "r1"),
            ("retain_only", "none", False, "r0"),
            ("retain_only", "none", False, "r1"),
            ("retain_only", "hinted", True, "r0"),
            ("retain_only", "hinted", False, "r1"),
            ("retain_only", "rescaled", False, "r0"),
            ("retain_only", "rescaled", False, "r1"),
        )
    ]
    numbers = found(*said)
    residuals = {key[2]: one.value for key, one in numbers.items() if key[:2] == ("residual", "npo") and not key[3]}
    assert residuals == {"none": 0.0, "hinted": 0.0, "rescaled": 0.5, ANY: 0.5}
    assert numbers["extracted", "npo", ANY, "image"].value == 1.0
    assert numbers["extracted", "retain_only", ANY, "image"].value == 0.5
    assert {one.value for key, one in numbers.items() if key[:2] == ("residual", "retain_only")} == {0.0}


def test_methods_are_placed_seed_by_seed():
    said = []
    for seed in (0, 1):
        for attack in ("none", "hinted"):
            said += [
                attacked("npo", attack, seed == 0, seed=seed),
                attacked("ga", attack, attack == "hinted" and seed == 0, seed=seed),
                attacked("retain_only", attack, False, seed=seed),
            ]
            said += [attacked("npo", attack, False, row="r1", seed=seed)]
            said += [attacked("ga", attack, seed == 0, row="r1", seed=seed)]
            said += [attacked("retain_only", attack, False, row="r1", seed=seed)]
    numbers = found(*said)
    assert numbers[RANK, "npo", None, None].by_seed == {0: 1.0, 1: 1.5}, "equal ones share their places"
    assert numbers[RANK, "ga", None, None].by_seed == {0: 2.0, 1: 1.5}
    assert numbers[RANK, "npo", None, None].value == 1.25


def test_a_single_seed_has_no_places():
    kept = prediction("Ada Moss", "npo", group="retain", forget_modality="both", matched_step=2)
    said = [attacked(method, "none", False) for method in ("npo", "retain_only")]
    numbers = found(*said, kept)
    assert not [key for key in numbers if key[0] == RANK]
    assert numbers["recall", "npo", None, "image"].value == 1.0
    assert numbers["matched_step", "npo", None, None].value == 2


def several(left, seeds=3):
    """Four rows of NPO in each seed.

    Args:
        left: Attack -> how many of them it gets out, a seed; also of "retain_only", under the attack ranked.
    """
    said = []
    for seed in range(seeds):
        for row in range(4):
            for attack, counts in left.items():
                if attack != "retain_only":
                    said.append(attacked("npo", attack, row < counts[seed], row=f"r{row}", seed=seed))
                    given = left.get("retain_only", [0] * seeds)[seed] if attack == "ranked" else 0
                    said.append(attacked("retain_only", attack, row < given, row=f"r{row}", seed=seed))
    return found(*said)


def test_the_worst_attack_is_chosen_in_the_other_seeds():
    """Each is once the best by luck; in the other seeds another one is."""
    numbers = several({"none": [0, 0, 0], "hinted": [4, 1, 1], "sampling": [0, 3, 2]})
    # seed 0: sampling, of 5 against 2; seeds 1 and 2: hinted, of 5 and 5 against 2 and 3
    assert numbers[WORST, "npo", None, None].by_seed == {0: 0.0, 1: 0.25, 2: 0.25}
    assert (WORST, "npo", None, None) not in several({"none": [1], "hinted": [2]}, seeds=1)


def test_an_attack_alone_may_tell_more_than_all():
    numbers = several({"none": [0, 0, 0], "hinted": [2, 4, 3], "ranked": [3, 4, 4], "retain_only": [1, 0, 0]})
    # any: 3 - 1, 4, 4 of four rows; hinted: 2, 4, 3; ranked: 3 - 1, 4, 4
    assert numbers[ALONE, None, "hinted", None].by_seed == {0: 1.0, 1: 1.0, 2: 0.75}
    assert numbers[ALONE, None, "ranked", None].by_seed == {0: 1.0, 1: 1.0, 2: 1.0}
    assert numbers[ALONE, None, "none", None].value == 0.0
    more = several({"none": [0, 0], "hinted": [3, 3], "ranked": [1, 3], "retain_only": [1, 0]}, seeds=2)
    assert more[ALONE, None, "hinted", None].by_seed == {0: 1.5, 1: 1.0}


def test_rows_that_were_not_tried_count_only_for_all_together():
    said = []
    for row, extracted, tried in (("r0", True, True), ("r1", False, False)):
        for method, out in (("npo", extracted), ("retain_only", False)):
            said.append(attacked(method, "none", False, row=row))
            ways = {"num_samples": 3 if tried else 1, "said_in": ["5 steps"] if out else []}
            said.append({**attacked(method, "relearning", out, row=row), **ways})
    numbers = found(*said)
    assert (numbers["residual", "npo", "relearning", None].value, numbers["residual", "npo", ANY, None].value) == (
        1,
        0.5,
    )
    assert numbers["residual", "npo", "relearning", None].n == 1
