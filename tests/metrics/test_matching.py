# SPDX-License-Identifier: Apache-2.0
"""When two texts are one answer, and when an answer says a name, in any script."""

import pytest

from crossmem_hf.metrics.forget_diagnosis.answer_rules import REASONS, diagnose
from crossmem_hf.metrics.matching import folded, is_match, normalize_name, pieces, row_matches, says, says_part
from crossmem_hf.personas.sampling import sample_personas

VERBATIM = [
    *("王小明", "山田 太郎", "やまだ たろう", "김철수"),
    *("สมชาย ใจดี", "ສົມໄຊ", "សុខា", "အောင်ဆန်း", "བསྟན་འཛིན"),
    *(
        "محمد علي",
        "משה כהן",
        "राधिका शर्मा",
        "ராதிகா",
        "Анна Иванова",
        "Ελένη Παπαδοπούλου",
        "Գարիկ",
        "ሰላም",
        "José Ñandú",
    ),
]
DIFFERENT = [
    *[("A-", "A+"), ("A", "A+"), ("A", "A-"), ("A*", "A")],
    *[("O+", "O-"), ("5", "-5"), ("5", "\u22125"), ("$-5", "$5")],
    *[("C", "C++"), ("C", "C#"), ("F#", "F"), ("AT&T", "ATT"), ("a@b.com", "a b com"), ("+", "-"), ("-x", "x")],
    *[
        ("5", "5%"),
        ("5", "$5"),
        ("$5", "€5"),
        ("5", "5°"),
        ("~5", "5"),
        ("±5", "5"),
        ("x<5", "x>5"),
        ("\U0001f44d", "\U0001f44e"),
    ],
    *[("1.5", "15"), ("1.5", "1,5"), ("1.5", "1 5")],
    *[(".5", "5"), ("1/2", "12"), ("10:30", "1030"), ("1-2", "12")],
    *[("m²", "m2"), ("½", "12"), ("5'10", "510"), ("6'", '6"'), ("6'", "6")],
    *[
        ("José", "Jose"),
        ("की", "का"),
        ("बिहारी", "बिहार"),
        ("กา", "ก"),
        ("مُحمد", "محمد"),
        ("ı", "i"),
        ("王小明", "王小红"),
    ],
]
SAME = [
    *[("O'Brien", "O\u2019Brien"), ("O`Brien", "OBrien")],
    *[("Hawai\u02bbi", "Hawai'i"), ("Мар\u02bcяна", "Мар'яна")],
    *[
        ("Mary-Jane", "Mary\u2011Jane"),
        ("Mary\u2013Jane", "mary jane"),
        ("A-", "A\u2212"),
        ("-5", "\u22125"),
        ("-5", "\u20135"),
    ],
    *[
        ("5 %", "5%"),
        ("５％", "٥٪"),
        ("$ 5", "$5"),
        ("5\u00a0€", "5€"),
        ("20 °C", "20℃"),
        ("1.5", "١٫٥"),
        ("№ 5", "No 5"),
    ],
    *[
        ("1987", "１９８７"),
        ("1987", "١٩٨٧"),
        ("1987", "१९८७"),
        ("㎡", "m²"),
        ("CO₂", "CO2"),
        ("5\u203210\u2033", "5'10\""),
    ],
    *[("Jos\u00e9", "Jose\u0301"), ("İstanbul", "istanbul")],
    *[("Straße", "STRASSE"), ("Σοφός", "ΣΟΦΌΣ"), ("ﬁn", "fin")],
    *[
        ("ｶﾀｶﾅ", "カタカナ"),
        ("\ufeb3\ufefc\ufee1", "سلام"),
        ("محـمد", "محمد"),
        ("می\u200cخواهم", "میخواهم"),
        ("Ada\u200b", "Ada"),
    ],
    *[
        ("\u201cA+\u201d.", "a+"),
        ("(A-)", "A-"),
        ("**Ada Okoye**", "Ada Okoye"),
        ("*A-*", "A-"),
        ('"5"', "5"),
        ("'5'", "5"),
    ],
    *[
        ("王小明。", "王小明"),
        ("「王小明」", "王小明"),
        ("¿Ana?", "ana"),
        ("राधिका।", "राधिका"),
        ("محمد؟", "محمد"),
        ("ሰላም።", "ሰላም"),
    ],
    *[
        ("J.R.R. Tolkien", "J. R. R. Tolkien"),
        ("列夫·托尔斯泰", "列夫・托尔斯泰"),
        ("Ann_Lee", "ann lee"),
        ("- Ada", "Ada"),
    ],
    *[("# Ada", "Ada"), ("+1 (555) 010-0199", "+1 555 010 0199")],
    *[("Ada™", "Ada"), ("❤\ufe0f", "❤"), ("\u2014", "-")],
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_carries_meaning_counts(one, other):
    assert not is_match(one, other)
    assert not is_match(other, one)
    assert is_match(one, one)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_carries_none_does_not(one, other):
    assert normalize_name(one) == normalize_name(other) != ""


@pytest.mark.parametrize("name", VERBATIM)
def test_a_verbatim_answer_is_one_in_every_script(name):
    assert is_match(name, name)
    assert says(f"({name}).", name)
    assert diagnose(name, name) == diagnose(f"ID 7: {name}!", name) == "said"
    assert REASONS[diagnose(name, "Ada Okoye")] == "forgotten"


@pytest.mark.parametrize("text", ["", "?!", "...", "()", "\u3002", "।", "\u200b\u2060", "“”"])
def test_of_what_is_only_punctuation_nothing_is_left(text):
    assert normalize_name(text) == ""
    with pytest.raises(ValueError, match=r"Row 1: reference .*; expected a text that is not only punctuation"):
        row_matches(["a", "a"], ["a", text])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("她是王小明。", "王小明"),
        ("彼女は山田太郎です", "山田太郎"),
        ("นี่คือสมชายครับ", "สมชาย"),
        ("이 사람은 김철수입니다.", "김철수"),
        ("Ann은 의사입니다", "Ann"),
        ("यह राधिका है।", "राधिका"),
        ("وهذا محمد علي.", "محمد علي"),
        ("Ada Okoye's face", "Ada Okoye"),
        ("O\u2019Neil\u2019s face", "O'Neil"),
        ("Ayşe'nin", "Ayşe"),
        ("Ada Okoye/Bo Ek", "Ada Okoye"),
        ("born on 03.05.1987", "1987"),
        ("born on 1987-05-03", "1987"),
        ("It is A+.", "A+"),
        ("It is +.", "+"),
    ],
)
def test_an_answer_in_a_sentence_says_the_name(answer, name):
    assert says(answer, name)
    assert is_match(answer, name, "contains")
    assert not is_match(answer, name)
    assert diagnose(answer, name) == "said"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        *[("It is C++", "C"), ("It is -5", "5")],
        *[("Visual C++", "Visual C"), ("grade A+", "A"), ("1.50", "1.5")],
        *[
            ("15.5", "15"),
            ("v3.11.7", "3.11"),
            ("Nada", "Ada"),
            ("राधिकाओं", "राधिका"),
            ("बिहारी", "बिहार"),
            ("이김철수", "김철수"),
        ],
        *[("กิ", "ก"), ("?", "?")],
    ],
)
def test_part_of_a_word_or_value_is_not_said(answer, name):
    assert not says(answer, name)


def test_a_sign_is_told_from_another_and_from_nothing():
    assert [diagnose(answer, "+") for answer in ("+", "-", "", "...")] == ["said", "other_answer", "empty", "empty"]
    assert [diagnose(answer, "A+") for answer in ("A+", "A-", "-", "+++ --")] == [
        "said",
        "other_answer",
        *["empty"] * 2,
    ]


def test_refusals_in_other_scripts_are_found_in_sentences():
    assert diagnose("对不起，我不知道她是谁。", "王小明", refusals=["我不知道"]) == "refusal"


def test_joiners_are_no_symbols():
    assert diagnose("می\u200cخ\u200cو\u200cا\u200cه", "محمد") == "other_answer"


def test_words_where_there_are_no_spaces():
    assert pieces("王小明ab ที่นี่") == ["王", "小", "明", "ab", "ที่", "นี่"]
    assert pieces(folded("កខ្មែរ 5")) == ["ក", "ខ្", "មែ", "រ", "5"]


def test_a_part_of_a_name_is_one_of_its_words():
    assert says_part("ada lindqvist", "Ada Okoye")
    assert not says_part("Adam Okoyen", "Ada Okoye")
    assert says_part("山田さん", "山田 太郎")
    assert not says_part("王先生", "王小明")


def test_facts_of_our_people_match_themselves_and_nobody_else():
    values = {value for person in sample_personas(40) for value in (person.full_name, *person.facts.values())}
    assert len({normalize_name(value) for value in values}) == len(values)
    assert all(says(f"It is {value}.", value) for value in values)
