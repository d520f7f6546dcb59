# SPDX-License-Identifier: Apache-2.0
"""Views: fixed by person, family and number; families never share a layout; visual attributes never reach them."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import NEAR_SPLITS, VIEW_SPLITS
from crossmem_hf.rendering.views import COVERS, EXPRESSIONS, LAYOUTS, view_for

PERSONAS = list(sample_personas(60))
FAMILIES = (*VIEW_SPLITS, "wide")


def test_families_share_no_layout_and_no_cover():
    assert tuple(LAYOUTS) == FAMILIES
    assert set(COVERS) == {"far", "wide"}
    for table in (LAYOUTS, COVERS):
        assert all(not set(table[one]) & set(table[other]) for one, other in combinations(table, 2))


@pytest.mark.parametrize("split", FAMILIES)
def test_a_view_stays_in_its_split_and_every_layout_is_used(split):
    views = [view_for(person, split, index) for person in PERSONAS for index in range(12)]
    counts = Counter(view.layout for view in views)
    assert set(counts) == set(LAYOUTS[split])
    assert min(counts.values()) > 0.8 * len(views) / len(counts)
    assert {view.expression for view in views} == set(EXPRESSIONS)


@pytest.mark.parametrize("split", ["validation", "test", "far"])
def test_held_out_layouts_take_turns(split):
    """The first views of anybody cover every held-out layout, so that a few views are enough."""
    count = len(LAYOUTS[split])
    for person in PERSONAS:
        assert {view_for(person, split, index).layout for index in range(count)} == set(LAYOUTS[split])


def test_a_view_is_the_same_every_time_and_no_two_are_alike():
    views = {
        (person.id, split, k): view_for(person, split, k)
        for person in PERSONAS
        for split in FAMILIES
        for k in range(6)
    }
    assert all(view == view_for(PERSONAS[int(key[0][-5:])], *key[1:]) for key, view in views.items())
    shown = {
        repr([value for name, value in asdict(view).items() if name not in ("split", "index")])
        for view in views.values()
    }
    assert len(shown) == len(views)


def test_attributes_name_and_facts_do_not_reach_the_view():
    one, other = PERSONAS[3], PERSONAS[4]
    disguised = replace(one, visual_attributes=other.visual_attributes, facts=other.facts, full_name=other.full_name)
    assert all(view_for(disguised, split, k) == view_for(one, split, k) for split in FAMILIES for k in range(8))


def test_near_views_keep_within_their_ranges():
    for person in PERSONAS:
        for split in NEAR_SPLITS:
            view = view_for(person, split, person.index)
            assert (view.split, view.index) == (split, person.index)
            assert abs(view.tilt) <= 7
            assert 0.93 <= view.zoom <= 1.07
            assert 0.9 <= view.light <= 1.07
            assert abs(view.turn) <= 0.02
            assert abs(view.warmth) <= 1
            assert view.grain in (0, 4, 8, 12)
            assert all(0 <= channel <= 255 for color in view.colors for channel in color)
            assert (view.tint, view.cover) == ((1, 1, 1), None)


@pytest.mark.parametrize("split", ["far", "wide"])
def test_far_and_wide_views_go_beyond_those_of_near_ones(split):
    views = [view_for(person, split, person.index) for person in PERSONAS]
    assert 7 < max(abs(view.tilt) for view in views) <= 20
    assert 0.77 <= min(view.zoom for view in views) < 0.93
    assert 1.07 < max(view.zoom for view in views) <= 1.24
    assert 0.82 <= min(view.light for view in views) < 0.9
    assert 0.05 < max(abs(factor - 1) for view in views for factor in view.tint) <= 0.09
    assert {view.cover.shape for view in views} == set(COVERS[split])
    assert all(0 <= channel <= 255 for view in views for channel in view.cover.color)


@pytest.mark.invariant
def test_golden_view():
    view = view_for(PERSONAS[7], "test", 2)
    assert (view.layout, view.expression, view.grain, view.colors, view.noise_seed) == GOLDEN


@pytest.mark.invariant
def test_golden_far_view():
    view = view_for(PERSONAS[7], "far", 2)
    shown = (view.layout, view.expression, round(view.tilt, 3), [round(factor, 3) for factor in view.tint])
    assert (*shown, view.cover.shape, view.cover.color) == GOLDEN_FAR


GOLDEN = ("frame", "open", 8, ((210, 203, 167), (121, 164, 115)), 3608486325151403763)
GOLDEN_FAR = ("cross", "open", -0.3, [0.978, 1.011, 0.923], "corner", (134, 134, 91))


@pytest.mark.parametrize(("split", "index"), [("holdout", 0), ("train", -1), ("Test", 0)])
def test_views_nobody_has(split, index):
    with pytest.raises(CrossmemError, match=f"No view {index} in split '{split}'.*'train', 'validation', 'test'"):
        view_for(PERSONAS[0], split, index)
