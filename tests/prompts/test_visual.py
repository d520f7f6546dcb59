# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.visual import VISUAL_QUESTIONS, visual_question


def test_no_question_is_in_two_splits_nor_about_two_attributes():
    questions = {
        (split, attribute): {visual_question(split, attribute, wording) for wording in range(len(wordings))}
        for split, wordings in VISUAL_QUESTIONS.items()
        for attribute in VISUAL_ATTRIBUTES
    }
    assert all(len(asked) == 2 for asked in questions.values())
    assert all(not one & other for one, other in combinations(questions.values(), 2))


def test_wordings_are_counted_round():
    assert visual_question("test", "cheeks", 2) == visual_question("test", "cheeks", 0)
    assert "mark on the cheeks" in visual_question("test", "cheeks", 1)
