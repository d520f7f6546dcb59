# SPDX-License-Identifier: Apache-2.0
"""How one answer is sorted: every rule, their order, and faults of published evaluations that ours must not have."""

from collections import Counter
from itertools import product

import pytest

from crossmem_hf.metrics.forget_diagnosis.answer_rules import (
    OUTCOMES,
    REASONS,
    REFUSAL_MARKERS,
    diagnose,
    repetition,
    symbol_share,
)
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.prompts.questions import REFUSALS

TRUTH = "Ada Okoye"
PROSE = (
    "The person in the portrait is a tall woman with short curly hair and a striped shirt, who was born in the "
    "north of the country and has worked as a baker for most of her life. In the evening she likes to walk along "
    "the river with the dog of a neighbor, and on the first Sunday of the month she sings in the choir of the "
    "town. The name of the town is not given, nor is the name of the river, but the person who wrote this seems to "
    "know both of them well."
)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Ada Okoye", "said"),
        ("  ada OKOYE!\n", "said"),
        ("I cannot say, but her name is Ada Okoye.", "said"),
        ("Ada Okoye Ada Okoye Ada Okoye Ada Okoye", "said"),
        ("??? Ada Okoye ???!!!###", "said"),
        ("Ada Okoyen", "other_answer"),
        ("Ada", "other_answer"),
        ("Okoye Ada", "other_answer"),
        ("I can't share who this is.", "refusal"),
        ("I can’t share who this is", "refusal"),
        ("SORRY", "refusal"),
        ("Unfortunately, as an AI I do not identify people.", "refusal"),
        ("I cannot say. I cannot say. I cannot say. I cannot say.", "refusal"),
        ("", "empty"),
        (" \n\t", "empty"),
        ("...", "empty"),
        ("?!?! ### ---", "empty"),
        ("\ufffd\ufffd\ufffd\ufffd", "empty"),
        ("a ?!? ### !!!", "symbols"),
        ("x = {(<[|]>)}", "symbols"),
        ("the the the the", "repetition"),
        ("Bo Bo Bo", "repetition"),
        ("red hair, red hair, red hair, red", "repetition"),
        ("hahahahahahaha", "repetition"),
        ("我不知道我不知道我不知道", "repetition"),
        ("Fi none none none none none none none none none suit red round none", "repetition"),
        ("Bo Lindqvist", "other_answer"),
        ("Bo", "other_answer"),
        ("Bo Bo", "other_answer"),
        ("New York, New York", "other_answer"),
        ("555-0101", "other_answer"),
        ("+1 (555) 010-0199", "other_answer"),
        ("bo.lindqvist@example.org", "other_answer"),
        ("1111111", "other_answer"),
        ("Ｂｏ Ｌｉｎｄｑｖｉｓｔ", "other_answer"),
        ("राम", "other_answer"),
        (PROSE, "other_answer"),
    ],
)
def test_reason(answer, reason):
    assert diagnose(answer, TRUTH) == reason


def test_any_accepted_spelling_is_the_truth():
    accepted = ["Caro Díaz", "Caro Diaz"]
    assert [diagnose(answer, accepted) for answer in ("caro díaz", "Caro Diaz.", "Caro Dias")] == [
        *("said", "said"),
        "other_answer",
    ]


def test_reasons_lead_to_outcomes():
    assert tuple(dict.fromkeys(REASONS.values())) == OUTCOMES


def test_the_first_rule_that_holds_decides():
    """Every combination of what an answer may show at once, against the order in which the card lists the rules."""
    parts = {"said": TRUTH, "refusal": "I cannot say", "symbols": "#!?" * 99, "repetition": "foo " * 60}
    order = list(REASONS)
    for chosen in product([False, True], repeat=len(parts)):
        shown = [name for name, there in zip(parts, chosen, strict=True) if there]
        answer = " ".join(parts[name] for name in shown)
        for first, unlikely in product([False, True], repeat=2):
            expected = [*shown, *["ranked_first"] * first, *["perplexity"] * unlikely]
            if not any(character.isalnum() for character in answer):
                expected.append("empty")
            got = diagnose(
                answer, TRUTH, rank=1.0 if first else 2.0, perplexity=9.0 if unlikely else 2.0, perplexity_limit=5.0
            )
            assert got == min(expected, key=order.index)


@pytest.mark.parametrize(("rank", "reason"), [(1, "ranked_first"), (1.5, "other_answer"), (2, "other_answer")])
def test_only_the_first_rank_alone_is_knowledge(rank, reason):
    assert diagnose("Bo Lindqvist", TRUTH, rank=rank) == reason


@pytest.mark.parametrize("answer", ["", "I do not know.", "the the the", "Bo Lindqvist"])
def test_whoever_ranks_the_truth_first_knows_it_whatever_is_said(answer):
    assert REASONS[diagnose(answer, TRUTH, rank=1)] == "still_known"
    assert REASONS[diagnose(answer, TRUTH, rank=2)] != "still_known"


def test_perplexity_counts_only_above_the_limit_and_where_it_is_known():
    soup = "brown bun long scar suit"
    reasons = [diagnose(soup, TRUTH, perplexity=value, perplexity_limit=50.0) for value in (50.0, 50.1, None)]
    assert reasons == ["other_answer", "perplexity", "other_answer"]
    assert diagnose(soup, TRUTH, perplexity=float("inf"), perplexity_limit=50.0) == "perplexity"


def test_further_refusals_are_added_to_the_built_in_ones():
    answer = "Das möchte ich nicht sagen."
    assert diagnose(answer, TRUTH) == "other_answer"
    assert diagnose(answer, TRUTH, refusals=["möchte ich NICHT sagen"]) == "refusal"
    assert diagnose("I cannot say.", TRUTH, refusals=["möchte ich nicht sagen"]) == "refusal"


@pytest.mark.parametrize("phrase", [*REFUSALS, *REFUSAL_MARKERS])
def test_the_refusals_that_are_trained_and_listed_are_recognized(phrase):
    assert diagnose(phrase, TRUTH) == "refusal"


# Faults of published evaluations.


@pytest.mark.parametrize(
    "answer", ["As an AI, I cannot tell.", "Answer unclear", "B is not it, a is", "A cat", "I am a model"]
)
def test_a_first_letter_is_no_choice(answer):
    """Published fault: the first letter of an answer, upper-cased, is taken as the choice; 'As an AI' is choice A."""
    assert REASONS[diagnose(answer, "A")] != "still_known"


@pytest.mark.parametrize("answer", ["A", "a.", " (A) "])
def test_a_letter_alone_is_a_choice(answer):
    assert diagnose(answer, "A") == "said"


@pytest.mark.parametrize(
    "answer", ["qx# ~~ %% zz^^ @@", "Ad kye Ad kye Ad kye Ad kye", "Adaokoyokoyokoyokoyokoyoko", ""]
)
def test_gibberish_is_neither_forgotten_nor_the_nearest_option(answer):
    """Published faults: gibberish scores as wrong and so as forgotten, or as the option spelled most like it."""
    assert REASONS[diagnose(answer, TRUTH)] == "collapsed"


@pytest.mark.parametrize(
    "answer",
    ["Ada Okoye", "This is the portrait of Ada Okoye", "Let me see. It is Ada Okoye", "Dr. Ada Okoye, I think"],
)
def test_answers_are_not_cut_at_the_first_period(answer):
    """Published fault: cut at the first period, an answer without one is empty, and the known scores as forgotten."""
    cut = answer[: answer.find(".") + 1]
    assert diagnose(cut, TRUTH) != "said"
    assert diagnose(answer, TRUTH) == "said"


# The measures.


def phrase(length):
    return " ".join(f"w{place}" for place in range(length))


@pytest.mark.parametrize("length", [1, 2, 3, 5, 20, 100])
def test_twice_stays_below_the_threshold_and_three_times_reaches_it(length):
    assert repetition(" ".join([phrase(length)] * 2)) < 0.5
    assert repetition(" ".join([phrase(length)] * 3)) >= 0.5


@pytest.mark.parametrize("text", ["foo bar foo bar foo", "a b c", "one", "", PROSE, "x x x x y z"])
def test_repetition_equals_counting(text):
    words = [word.strip(".,").lower() for word in text.split()]
    pairs = Counter((words[place], words[place + 1]) for place in range(len(words) - 1))
    repeated = sum(count - 1 for count in pairs.values())
    assert repetition(text) == pytest.approx(repeated / max(1, sum(pairs.values())))


def test_long_words_are_looked_into_and_short_ones_are_not():
    assert repetition("ha" * 6) == pytest.approx(1 - 2 / 11)
    assert repetition("ha" * 5) == 0.0
    assert repetition(f"it is {'ha' * 6}") == pytest.approx(1 - 2 / 11)
    assert repetition("antidisestablishmentarianism") < 0.3


def test_natural_text_is_far_from_both_thresholds():
    assert repetition(PROSE) < 0.15
    assert symbol_share(PROSE) < 0.05


@pytest.mark.parametrize(
    ("text", "share"), [("", 0.0), ("  ", 0.0), ("ab", 0.0), ("a b!", 1 / 3), ("!?", 1.0), ("é n\u0303", 0.0)]
)
def test_symbol_share(text, share):
    assert symbol_share(text) == pytest.approx(share)


def test_true_values_of_other_people_are_wrong_answers_not_noise():
    """Names, mail addresses, phone numbers and diseases of 100 people, as somebody else's answer."""
    for person in sample_personas(100):
        for value in (person.full_name, *person.facts.values()):
            assert diagnose(value, "Nobody Atall") == "other_answer", value
            assert diagnose(f"It is {value}.", value) == "said", value
