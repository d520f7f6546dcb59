# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields

import pytest

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import capacity


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
        ({"qa_per_persona": 0}, "qa_per_persona=0"),
        ({"forget_fraction": 0.0}, "forget fraction 0.0; expected a share above 0 and below 1"),
        ({"forget_fraction": 1}, "forget fraction 1;"),
        ({"forget_fraction": "20%"}, "forget fraction '20%'"),
        ({"single_hop_share": 1.1}, "single_hop_share=1.1; expected a share from 0 to 1"),
        ({"single_hop_share": True}, "single_hop_share=True"),
        ({"single_hop_share": float("nan")}, "single_hop_share=nan"),
    ],
)
def test_a_knob_out_of_range_says_what_exists(knobs, says):
    with pytest.raises(CrossmemError, match=says):
        DatasetSpec(**knobs)


def test_the_fingerprint_changes_with_every_knob():
    specs = [
        DatasetSpec(),
        DatasetSpec(num_personas=51),
        DatasetSpec(num_views=9),
        DatasetSpec(seed=1),
        DatasetSpec(image_size=65),
        DatasetSpec(forget_fraction=0.1),
        DatasetSpec(qa_per_persona=21),
        DatasetSpec(single_hop_share=0.5),
    ]
    assert len({spec.fingerprint() for spec in specs}) == len(specs)
    assert DatasetSpec().fingerprint() == specs[0].fingerprint()


def test_presets_have_the_sizes_of_the_papers_and_yield_to_other_knobs():
    remem = DatasetSpec.remem()
    assert (remem.num_personas, remem.num_views, remem.qa_per_persona) == (20, 100, 100)
    assert (remem.single_hop_share, remem.forget_fraction) == (0.7, 0.2)
    assert DatasetSpec.wen().num_personas == 100
    assert DatasetSpec.remem(num_views=5, seed=3) == DatasetSpec(
        num_personas=20, num_views=5, qa_per_persona=100, seed=3
    )
    assert DatasetSpec.preset("remem", num_views=None) == remem
    assert DatasetSpec.preset(None) == DatasetSpec()


def test_unknown_preset_lists_those_that_exist():
    with pytest.raises(CrossmemError, match=r"Unknown preset 'tofu'\. Choose from remem, wen"):
        DatasetSpec.preset("tofu")


def test_every_knob_explains_itself_and_says_its_range_or_has_a_check():
    for one in fields(DatasetSpec):
        assert one.metadata["help"].endswith("." if one.default is not None else ").")
        assert one.metadata["range"][1] is not None or one.type is not int


def test_as_many_personas_can_be_had_as_there_are():
    assert DatasetSpec(num_personas=capacity()).num_personas == capacity()
