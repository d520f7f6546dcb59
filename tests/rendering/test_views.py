# SPDX-License-Identifier: Apache-2.0
"""Views: fixed by person, split and number; splits never share a layout; visual attributes never reach them."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import VIEW_SPLITS
from crossmem_hf.rendering.views import EXPRESSIONS, LAYOUTS, view_for

PERSONAS = list(sample_personas(60))


def test_splits_share_no_layout():
    assert tuple(LAYOUTS) == VIEW_SPLITS
    assert all(not set(LAYOUTS[one]) & set(LAYOUTS[other]) for one, other in combinations(VIEW_SPLITS, 2))


@pytest.mark.parametrize("split", VIEW_SPLITS)
def test_a_view_stays_in_its_split_and_every_layout_is_used(split):
    views = [view_for(person, split, index) for person in PERSONAS for index in range(12)]
    counts = Counter(view.layout for view in views)
    assert set(counts) == set(LAYOUTS[split])
    assert min(counts.values()) > 0.8 * len(views) / len(counts)
    assert {view.expression for view in views} == set(EXPRESSIONS)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_layouts_take_turns(split):
    """The first views of anybody cover every held-out layout, so that a few views are enough."""
    count = len(LAYOUTS[split])
    for person in PERSONAS:
        assert {view_for(person, split, index).layout for index in range(count)} == set(LAYOUTS[split])


def test_a_view_is_the_same_every_time_and_no_two_are_alike():
    views = {
        (person.id, split, k): view_for(person, split, k)
        for person in PERSONAS
        for split in VIEW_SPLITS
        for k in range(6)
    }
    assert all(view == view_for(PERSONAS[int(key[0][-5:])], *key[1:]) for key, view in views.items())
    shown = {
        tuple(value for name, value in asdict(view).items() if name not in ("split", "index"))
        for view in views.values()
    }
    assert len(shown) == len(views)


def test_attributes_name_and_facts_do_not_reach_the_view():
    one, other = PERSONAS[3], PERSONAS[4]
    disguised = replace(one, visual_attributes=other.visual_attributes, facts=other.facts, full_name=other.full_name)
    assert all(view_for(disguised, split, k) == view_for(one, split, k) for split in VIEW_SPLITS for k in range(8))


def test_views_keep_within_their_ranges():
    for person in PERSONAS:
        for split in VIEW_SPLITS:
            view = view_for(person, split, person.index)
            assert (view.split, view.index) == (split, person.index)
            assert abs(view.tilt) <= 7
            assert 0.93 <= view.zoom <= 1.07
            assert 0.9 <= view.light <= 1.07
            assert abs(view.turn) <= 0.02
            assert abs(view.warmth) <= 1
            assert view.grain in (0, 4, 8, 12)
            assert all(0 <= channel <= 255 for color in view.colors for channel in color)


@pytest.mark.invariant
def test_golden_view():
    view = view_for(PERSONAS[7], "test", 2)
    assert (view.layout, view.expression, view.grain, view.colors, view.noise_seed) == GOLDEN


GOLDEN = ("frame", "open", 8, ((210, 203, 167), (121, 164, 115)), 3608486325151403763)


@pytest.mark.parametrize(("split", "index"), [("holdout", 0), ("train", -1), ("Test", 0)])
def test_views_nobody_has(split, index):
    with pytest.raises(CrossmemError, match=f"No view {index} in split '{split}'.*'train', 'validation', 'test'"):
        view_for(PERSONAS[0], split, index)
