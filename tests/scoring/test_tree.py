# SPDX-License-Identifier: Apache-2.0
"""Prefix trees: every sequence's tokens in order, every distinct prefix once, no tree larger than its room."""

import itertools

import numpy as np

from crossmem_hf.scoring.tree import TokenTree, token_trees
from crossmem_hf.seeding import rng_for


def some_sequences(number):
    """Random token lists over a small alphabet, so that they share prefixes and are prefixes of each other; and how
    many first tokens of each are given."""
    rng = rng_for(0, "sequences", number)
    count, longest, letters = rng.randint(1, 30), rng.randint(1, 6), rng.randint(1, 4)
    sequences = [[rng.randrange(letters) for _ in range(rng.randint(1, longest))] for _ in range(count)]
    return sequences, [rng.randrange(len(tokens)) for tokens in sequences]


def spelled(tree, node):
    """The tokens from the prompt to a node."""
    tokens = []
    while node >= 0:
        tokens.append(tree.fed[node])
        node = tree.parents[node]
    return tokens[::-1]


def one_tree(sequences, heads=None):
    (tree,) = token_trees(sequences, heads or [0] * len(sequences), room=1000)
    return tree


def test_against_prefixes_by_hand():
    for number in range(100):
        sequences, heads = some_sequences(number)
        tree = one_tree(sequences, heads)
        prefixes = {tuple(tokens[:stop]) for tokens in sequences for stop in range(1, len(tokens))}
        assert {tuple(spelled(tree, node)) for node in range(len(tree.fed))} == prefixes, number
        assert len(tree.fed) == len(tree.parents) == len(tree.depths) == len(prefixes)
        assert all(parent < node for node, parent in enumerate(tree.parents))
        assert tree.depths == [len(spelled(tree, node)) - 1 for node in range(len(tree.fed))]
        steps = [
            (owner, tokens[:place], tokens[place])
            for owner, (tokens, head) in enumerate(zip(sequences, heads, strict=True))
            for place in range(head, len(tokens))
        ]
        found = zip(tree.owners, [spelled(tree, node) for node in tree.nodes], tree.tokens, strict=True)
        assert list(found) == steps, number
        assert (tree.first, len(tree)) == (0, len(sequences))


def test_a_node_sees_its_ancestors_and_itself():
    for number in range(20):
        tree = one_tree(*some_sequences(number))
        words = [spelled(tree, node) for node in range(len(tree.fed))]
        expected = [[mine[: len(other)] == other for other in words] for mine in words]
        assert tree.ancestry.shape == (len(words), len(words))
        assert tree.ancestry.tolist() == expected, number


def test_trees_are_consecutive_within_room_and_complete():
    for number, room in itertools.product(range(40), (1, 3, 10, 1000)):
        sequences, heads = some_sequences(number)
        trees = token_trees(sequences, heads, room)
        assert [tree.first + at for tree in trees for at in range(len(tree))] == list(range(len(sequences)))
        assert all(len(tree.fed) <= room or len(tree) == 1 for tree in trees)
        for tree in trees:
            part = slice(tree.first, tree.first + len(tree))
            alone = one_tree(sequences[part], heads[part])
            assert (tree.fed, tree.parents, tree.depths) == (alone.fed, alone.parents, alone.depths)
            assert (tree.nodes, tree.tokens, tree.owners) == (alone.nodes, alone.tokens, alone.owners)
        for tree, following in itertools.pairwise(trees):  # none could have taken the next sequence as well
            assert len(one_tree(sequences[tree.first : following.first + 1]).fed) > room, (number, room)


def test_a_last_token_is_predicted_and_never_fed():
    tree = one_tree([[4], [5], [6]])
    assert (tree.fed, tree.nodes, tree.tokens, tree.owners) == ([], [-1, -1, -1], [4, 5, 6], [0, 1, 2])
    assert tree.ancestry.shape == (0, 0)


def test_a_sequence_may_start_another():
    for longer_first in (False, True):
        tree = one_tree([[1, 2, 3], [1, 2]] if longer_first else [[1, 2], [1, 2, 3]])
        assert (tree.fed, tree.parents, tree.depths) == ([1, 2], [-1, 0], [0, 1])
        assert tree.tokens == ([1, 2, 3, 1, 2] if longer_first else [1, 2, 1, 2, 3])
        assert tree.nodes == ([-1, 0, 1, -1, 0] if longer_first else [-1, 0, -1, 0, 1])


def test_the_same_token_in_two_places_is_two_nodes():
    tree = one_tree([[1, 1, 9], [2, 1, 9]])
    assert (tree.fed, tree.parents) == ([1, 1, 2, 1], [-1, 0, -1, 2])
    assert tree.ancestry.astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


def test_heads_are_fed_and_shared_but_not_scored():
    tree = one_tree([[7, 8, 1, 2], [7, 8, 3], [9, 3]], [2, 2, 0])
    assert (tree.fed, tree.depths) == ([7, 8, 1, 9], [0, 1, 2, 0])
    assert (tree.nodes, tree.tokens, tree.owners) == ([1, 2, 1, -1, 3], [1, 2, 3, 9, 3], [0, 0, 1, 2, 2])


def test_a_sequence_twice_is_computed_once_and_scored_twice():
    tree = one_tree([[1, 2, 3], [1, 2, 3]])
    assert tree.fed == [1, 2]
    assert tree.tokens == [1, 2, 3, 1, 2, 3]
    assert (tree.owners, len(tree)) == ([0, 0, 0, 1, 1, 1], 2)


def test_nothing_is_an_empty_tree():
    (tree,) = token_trees([], [], room=5)
    assert (len(tree), tree.fed, tree.tokens) == (0, [], [])
    assert tree == TokenTree()


def test_what_a_thousand_sequences_share_is_made_once():
    """As many nodes as distinct prefixes, however many sequences run through them."""
    sequences = [[*[5] * 300, number] for number in range(1000)]
    (tree,) = token_trees(sequences, [300] * 1000, room=300)
    assert len(tree.fed) == 300
    assert np.array_equal(tree.ancestry, np.tri(300, dtype=bool))
    assert tree.nodes == [299] * 1000
