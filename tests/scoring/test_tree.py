# SPDX-License-Identifier: Apache-2.0
"""The prefix tree: every candidate's tokens in order, every distinct prefix once."""

import itertools

import pytest

from crossmem_hf.scoring.tree import chunks, token_tree
from crossmem_hf.seeding import rng_for


def some_candidates(number):
    """Random token lists over a small alphabet, so that they share prefixes and are prefixes of each other."""
    rng = rng_for(0, "candidates", number)
    count, longest, letters = rng.randint(1, 30), rng.randint(1, 6), rng.randint(1, 4)
    return [[rng.randrange(letters) for _ in range(rng.randint(1, longest))] for _ in range(count)]


def spelled(tree, node):
    """The tokens from the prompt to a node."""
    tokens = []
    while node >= 0:
        tokens.append(tree.fed[node])
        node = tree.parents[node]
    return tokens[::-1]


@pytest.mark.parametrize("number", range(200))
def test_against_prefixes_by_hand(number):
    candidates = some_candidates(number)
    tree = token_tree(candidates)
    prefixes = {tuple(tokens[:stop]) for tokens in candidates for stop in range(1, len(tokens))}
    assert {tuple(spelled(tree, node)) for node in range(len(tree.fed))} == prefixes
    assert len(tree.fed) == len(tree.parents) == len(tree.depths) == len(prefixes)
    assert all(parent < node for node, parent in enumerate(tree.parents))
    assert tree.depths == [len(spelled(tree, node)) - 1 for node in range(len(tree.fed))]
    for tokens, path in zip(candidates, tree.paths, strict=True):
        assert [token for _, token in path] == tokens
        assert [spelled(tree, node) for node, _ in path] == [tokens[:place] for place in range(len(tokens))]


def test_a_last_token_is_predicted_and_never_fed():
    tree = token_tree([[4], [5], [6]])
    assert tree.fed == []
    assert tree.paths == [[(-1, 4)], [(-1, 5)], [(-1, 6)]]


def test_a_candidate_may_start_another():
    tree = token_tree([[1, 2], [1, 2, 3]])
    assert (tree.fed, tree.parents, tree.depths) == ([1, 2], [-1, 0], [0, 1])
    assert tree.paths == [[(-1, 1), (0, 2)], [(-1, 1), (0, 2), (1, 3)]]


def test_the_same_token_in_two_places_is_two_nodes():
    tree = token_tree([[1, 1, 9], [2, 1, 9]])
    assert (tree.fed, tree.parents) == ([1, 1, 2, 1], [-1, 0, -1, 2])


@pytest.mark.parametrize("number", range(50))
@pytest.mark.parametrize("budget", [1, 3, 10, 1000])
def test_chunks_are_consecutive_within_budget_and_complete(number, budget):
    candidates = some_candidates(number)
    runs = chunks(candidates, budget)
    assert [index for run in runs for index in run] == list(range(len(candidates)))
    assert all(len(run) == 1 or sum(len(candidates[index]) for index in run) <= budget for run in runs)
    for run, following in itertools.pairwise(runs):  # none could have taken the next candidate as well
        assert sum(len(candidates[index]) for index in run) + len(candidates[following[0]]) > budget
