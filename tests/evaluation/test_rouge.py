# SPDX-License-Identifier: Apache-2.0
import random
import string

import pytest
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from crossmem_hf.evaluation.rouge import rouge_l, rouge_words
from tests.metrics.test_matching import VERBATIM

ENGLISH = "She doesn't like the bakers' 12th best-known pies; running 3.5 miles, she says: naive!"


def test_english_words_are_those_of_the_library():
    theirs, draw = DefaultTokenizer(use_stemmer=True), random.Random(0)
    assert rouge_words(ENGLISH) == theirs.tokenize(ENGLISH)
    for _ in range(3000):
        text = "".join(draw.choices(string.printable, k=draw.randint(1, 40))) + draw.choice([" studies", "ing", " a"])
        assert rouge_words(text) == theirs.tokenize(text)


def test_english_scores_are_those_of_the_library():
    answer = "she likes pie and runs 3 miles"
    assert rouge_l(ENGLISH, answer) == RougeScorer(["rougeL"], use_stemmer=True).score(ENGLISH, answer)["rougeL"]


@pytest.mark.parametrize("name", VERBATIM)
def test_a_verbatim_answer_has_all_of_the_truth(name):
    assert rouge_l(name, f"«{name}».").fmeasure == 1.0
    assert rouge_l(name, "somebody else").fmeasure == 0.0


def test_scripts_without_spaces_are_compared_by_character():
    score = rouge_l("王小明是面包师", "王小红是面包师傅")  # 6 of 7 and of 8 characters, in order
    assert (score.recall, score.precision) == (6 / 7, 6 / 8)
    assert rouge_l("ที่นี่", "ที่").recall == 0.5


def test_words_keep_their_marks_and_accents():
    assert rouge_words("राधिका naïve, don\u2019t") == ["राधिका", "naïve", "don", "t"]
    assert rouge_l("की", "का").fmeasure == 0.0


def test_signs_alone_are_words():
    assert (rouge_l("+", "+").fmeasure, rouge_l("+", "-").fmeasure, rouge_words("\u200b ")) == (1.0, 0.0, [])
