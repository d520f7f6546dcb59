# SPDX-License-Identifier: Apache-2.0
import pytest

from crossmem_hf.data.spec import DEFAULT_CONFIG, SPLITS, DatasetSpec, check_config, check_split
from crossmem_hf.errors import CrossmemError


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"num_personas": 0}, "num_personas=0; expected a whole number from 1 to"),
        ({"num_personas": 10**6}, "num_personas=1000000; expected a whole number from 1 to 1"),
        ({"num_personas": True}, "num_personas=True"),
        ({"num_views": 0}, "num_views=0; expected a whole number from 1 to"),
        ({"num_views": 2.5}, "num_views=2.5"),
        ({"seed": -1}, "seed=-1"),
        ({"image_size": 32}, "image_size=32; expected a whole number from 48 to 512"),
        ({"qa_per_persona": 1}, "qa_per_persona=1"),
        ({"forget_fraction": 0.0}, "forget fraction 0.0; expected a share above 0 and below 1"),
        ({"forget_fraction": 1}, "forget fraction 1;"),
        ({"forget_fraction": "20%"}, "forget fraction '20%'"),
    ],
)
def test_a_knob_out_of_range_says_what_exists(knobs, says):
    with pytest.raises(CrossmemError, match=says):
        DatasetSpec(**knobs)


def test_unknown_config_lists_those_that_exist():
    with pytest.raises(CrossmemError, match=r"Unknown config 'recal'.*recall_image, recall_text, captions, qa"):
        check_config("recal")


@pytest.mark.parametrize("split", ["holdout", "train+holdout", "holdout[:5]", ""])
def test_unknown_split_lists_those_that_exist(split):
    with pytest.raises(CrossmemError, match=r"expected one of train, validation, test"):
        check_split("recall_image", split)


@pytest.mark.parametrize("split", ["train", "train+test", "test[:10]", "train + validation[50%:]"])
def test_sums_and_slices_of_known_splits_pass(split):
    check_split("recall_image", split)


def test_the_default_config_exists():
    assert DEFAULT_CONFIG in SPLITS


def test_the_fingerprint_changes_with_every_knob():
    specs = [
        DatasetSpec(),
        DatasetSpec(num_personas=51),
        DatasetSpec(num_views=9),
        DatasetSpec(seed=1),
        DatasetSpec(image_size=65),
        DatasetSpec(forget_fraction=0.1),
        DatasetSpec(qa_per_persona=21),
    ]
    assert len({spec.fingerprint() for spec in specs}) == len(specs)
    assert DatasetSpec().fingerprint() == specs[0].fingerprint()
