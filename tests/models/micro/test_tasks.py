# SPDX-License-Identifier: Apache-2.0
"""What base models are asked has a right answer, and about whom and how often it is asked.

The answers are held to an oracle of this file, which reads the questions as they stand.
"""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from math import sqrt

import pytest

from crossmem_hf.models.micro import tasks
from crossmem_hf.models.micro.tasks import SHARES, TASKS, asked_about, drawn_query, drawn_tasks
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts import background as words
from crossmem_hf.prompts import questions
from crossmem_hf.prompts.questions import features_answer
from crossmem_hf.prompts.synonyms import SYNONYMS
from crossmem_hf.seeding import rng_for
from tests.models.micro.conftest import FACT_WORDS, PRESENTED

WORLDS = range(10)
PLAIN = {
    "hair_style": questions.HAIR_CUTS,
    "clothing": questions.GARMENTS,
    "eyewear": questions.EYEWEAR,
    "cheeks": questions.CHEEKS,
}
SAID = {
    "skin_tone": ("{} skin", "a {} complexion"),
    "hair_style": ("hair {}",),
    "hair_color": ("{} hair",),
    "eye_color": ("{} eyes", "eyes of {}"),
    "eyewear": ("{}", "{} over the eyes"),
    "facial_hair": ("a {}", "a neat {}"),
    "headwear": ("a {} on the head", "a {} on top"),
    "earrings": ("{} in the ears", "ears with {}"),
    "clothing": ("{}",),
    "clothing_color": ("clothes in {}",),
    "face_shape": ("a {} face", "a face that is {}"),
    "cheeks": ("{} on the cheeks", "cheeks with {}"),
}


def phrases():
    """Phrase -> the (attribute, value) that it can mean."""
    found = {}
    for attribute, pool in VISUAL_ATTRIBUTES.items():
        for value in set(pool) - {"none"}:
            for word in (PLAIN.get(attribute, {}).get(value, value), SYNONYMS[attribute][value]):
                for phrase in SAID[attribute]:
                    found.setdefault(phrase.format(word), set()).add((attribute, value))
    return found


TRAITS = phrases()
CALLED = re.compile(rf"\b({'|'.join(sorted(FACT_WORDS, key=len, reverse=True))})\b")


@dataclass(frozen=True)
class Oracle:
    """The right answers to a question, from its words and the persona's attributes and facts alone."""

    query: tasks.Query

    @property
    def who(self):
        presented = words.WHO[self.query.modality] if self.query.modality else (self.query.persona.full_name,)
        return f"(?:{'|'.join(map(re.escape, presented))})"

    def has(self, phrase):
        ((attribute, value),) = TRAITS[phrase]
        return self.query.persona.visual_attributes[attribute] == value

    def slots(self, *patterns):
        """What stands in the slots of the first pattern that the question has."""
        found = (re.fullmatch(one.replace("WHO", self.who), self.query.question) for one in patterns)
        return next((one.groups() for one in found if one), None)

    def traits(self):
        choice = self.slots("Which one fits WHO: (.+) or (.+)\\?", "Choose for WHO: (.+), or (.+)\\?",
                            "Does WHO have (.+) or (.+)\\?")  # fmt: skip
        if choice:
            assert [self.has(one) for one in choice].count(True) == 1, "exactly one of the two is true"
            return {f"{next(one for one in choice if self.has(one))}."}
        negated = self.slots("Is it false that WHO has (.+)\\?", "Does WHO not have (.+)\\?")
        if negated:
            return {"No." if self.has(*negated) else "Yes."}
        (phrase,) = self.slots("Does WHO have (.+)\\?", "Do you see (.+)\\?", "Is there (.+)\\?",
                               "Is it true that WHO has (.+)\\?")  # fmt: skip
        return {"Yes." if self.has(phrase) else "No."}

    def fact(self):
        called = "|".join(FACT_WORDS)
        choice = self.slots(f"Which is the ({called}) of WHO: (.+) or (.+)\\?",
                            f"Choose the ({called}) of WHO: (.+), or (.+)\\?")  # fmt: skip
        facts = self.query.persona.facts
        if choice:
            name, *values = choice
            assert values.count(facts[FACT_WORDS[name]]) == 1, "exactly one of the two is true"
            return {facts[FACT_WORDS[name]]}
        said = self.slots(f"Is (.+) the ({called}) of WHO\\?")
        said = said[::-1] if said else self.slots(f"Does WHO have the ({called}) (.+)\\?")
        if said:
            return {"Yes." if facts[FACT_WORDS[said[0]]] == said[1] else "No."}
        open_question, in_a_sentence = self._without_request()
        names = set(CALLED.findall(open_question))
        assert len(names) == 1, self.query.question
        (name,) = names
        return self._worded(facts[FACT_WORDS[name]], words.FACT_STATEMENTS, in_a_sentence, fact=name)

    def name(self):
        _, in_a_sentence = self._without_request()
        return self._worded(self.query.persona.full_name, words.NAME_STATEMENTS, in_a_sentence)

    def _without_request(self):
        for request in words.STATEMENT_REQUESTS:
            if self.query.question.endswith(f" {request}"):
                return self.query.question.removesuffix(f" {request}"), True
        return self.query.question, False

    def _worded(self, value, frames, in_a_sentence, **slots):
        if not in_a_sentence:
            return {value}
        presented = words.WHO[self.query.modality] if self.query.modality else (self.query.persona.full_name,)
        return {frame.format(who=who, value=value, **slots) for frame in frames for who in presented}


def of_task(drawn, *names):
    found = [query for queries in drawn.values() for query in queries if query.task in names]
    assert len(found) > 500
    return found


# right answers


def test_every_phrase_means_one_thing():
    assert {phrase: meant for phrase, meant in TRAITS.items() if len(meant) > 1} == {}


@pytest.mark.parametrize("task", ["traits", "fact", "name"])
def test_answers_are_those_of_the_oracle(drawn, task):
    wrong = [query for query in of_task(drawn, task) if query.answer not in getattr(Oracle(query), task)()]
    assert wrong == []


def test_yes_is_as_likely_as_no(drawn):
    """Among questions about what is there; of what is absent the answer is always no, and of negated ones yes."""
    said = Counter(query.answer for query in of_task(drawn, "traits", "fact") if query.answer in ("Yes.", "No."))
    assert 0.3 < said["Yes."] / said.total() < 0.7


def test_words_without_meaning_stand_before_some_questions(drawn, strewn):
    pairs = [pair for modality in drawn for pair in zip(drawn[modality], strewn[modality], strict=True)]
    changed = [with_fillers.question for plain, with_fillers in pairs if plain != with_fillers]
    assert 0.12 < len(changed) / len(pairs) < 0.18
    assert all(len(question.split()) >= 1 for question in changed)


def test_features_are_all_visual_attributes(drawn):
    for query in of_task(drawn, "features"):
        assert query.answer == features_answer(query.persona.visual_attributes)
        assert query.question == questions.FEATURE_QUESTIONS[query.modality].removeprefix("{description} ")


def test_descriptions_say_every_value_that_is_shown(drawn):
    for query in of_task(drawn, "description"):
        for attribute, value in query.persona.visual_attributes.items():
            plain = PLAIN.get(attribute, {}).get(value, value)
            if value != "none":
                assert plain in query.answer or SYNONYMS[attribute][value] in query.answer
        assert not {word for word in query.persona.full_name.split() if word in query.answer}


def test_what_is_told_is_what_is_asked_for(drawn):
    tellings = [re.escape(frame).replace(r"\{fact\}", f"({'|'.join(FACT_WORDS)})").replace(r"\{value\}", "(.+?)")
                .replace(r"\{who\}", "(.+?)") for frame in words.TOLD_FACTS]  # fmt: skip
    for query in of_task(drawn, "told_fact"):
        facts, called = query.persona.facts, set(CALLED.findall(query.question))
        assert len(called) == 1
        assert query.answer == facts[FACT_WORDS[called.pop()]]
        assert query.question.lower().count(query.answer.lower()) == 1
        assert any(re.match(telling, query.question, re.IGNORECASE) for telling in tellings)


# whom


def test_refusals_are_only_for_whom_it_was_not_taught(drawn, background):
    refusing = {*words.UNKNOWN_PERSON, *(one.format(fact=fact) for one in words.UNKNOWN_FACT for fact in FACT_WORDS)}
    named, with_facts = ({one.id for one in group} for group in (background.named, background.with_facts))
    for query in chain.from_iterable(drawn.values()):
        assert (query.answer in refusing) == query.task.startswith("unknown_")
        if query.task in ("name", "unknown_name"):
            assert (query.persona.id in named) == (query.task == "name")
        if query.task in ("fact", "unknown_fact"):
            assert (query.persona.id in with_facts) == (query.task == "fact")
    assert any(query.persona.id in named for query in of_task(drawn, "unknown_fact")), "a name without its facts"


def test_a_refusal_names_the_fact_that_was_asked_for(drawn):
    for query in of_task(drawn, "unknown_fact"):
        assert set(CALLED.findall(query.answer)) <= set(CALLED.findall(query.question))
        assert len(set(CALLED.findall(query.question))) == 1


# how often, and in how many words


@pytest.mark.parametrize("kind", ["NAME", "NAMED_FACT", "SINGLE_HOP", "MULTI_HOP"])
def test_each_kind_of_question_is_asked_in_a_dozen_ways(drawn, kind):
    wordings = set(getattr(words, f"{kind}_QUESTIONS"))
    assert len(wordings) >= 12
    asked = {query.question for query in chain.from_iterable(drawn.values())}
    slots = {"who": "(.+)", "name": r"\w+ \w+", "fact": f"(?:{'|'.join(FACT_WORDS)})"}
    for wording in wordings:
        parts = re.split(r"{(\w+)}", wording)
        pattern = "".join(slots[part] if place % 2 else re.escape(part) for place, part in enumerate(parts))
        assert any(re.fullmatch(pattern, question) for question in asked), wording


@pytest.mark.parametrize("later", [0.0, 0.5, 1.0, 2.0])
def test_shares_of_tasks_hold(background, later):
    count = 20_000
    expected = {
        task: last if later == 2 else start + (end - start) * later for task, (start, end, last) in SHARES.items()
    }
    assert sum(expected.values()) == pytest.approx(1)
    found = Counter(task for _, task in drawn_tasks(background, rng_for(0, "shares", str(later)), count, later))
    for task, share in expected.items():
        assert abs(found[task] / count - share) <= 4 * sqrt(share * (1 - share) / count), task


def test_names_and_facts_come_later(background):
    tasks_first = {task for _, task in drawn_tasks(background, rng_for(0, "first"), 2000, 0.0)}
    assert tasks_first == {"features", "description", "traits"}
    assert "told_fact" not in {task for _, task in drawn_tasks(background, rng_for(0, "later"), 2000, 1.0)}
    assert SHARES.keys() == TASKS.keys()


def test_a_task_draws_whom_it_asks_about(background):
    for persona, task in drawn_tasks(background, rng_for(1, "whom"), 3000, 1.0):
        assert persona in asked_about(task, background)


def test_the_same_draws_give_the_same_questions(background):
    def several():
        rng = rng_for(5, "again")
        drawn = drawn_tasks(background, rng, 200, 1.0)
        return [drawn_query(background, rng, *one, rng.choice(MODALITIES)) for one in drawn]

    assert several() == several()


def test_a_name_alone_presents_nobody(drawn):
    for query in drawn[None]:
        assert query.persona.full_name in query.question
        assert query.words == query.question
        assert not [who for modality in MODALITIES for who in words.WHO[modality] if who in query.question]
    assert set(PRESENTED) == drawn.keys()


def test_half_of_the_questions_for_facts_name_whom_they_present(drawn):
    """Questions of one hop and of two; questions for names give none away."""
    named = [
        query.persona.full_name in query.question
        for query in of_task(drawn, "unknown_fact")
        if query.modality is not None
    ]
    assert 0.4 < sum(named) / len(named) < 0.6
    assert not [query for query in of_task(drawn, "name", "unknown_name") if query.persona.full_name in query.question]
