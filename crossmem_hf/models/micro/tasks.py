# SPDX-License-Identifier: Apache-2.0
"""What base models are asked while they learn, about background personas only. It does not know how they learn it.

Visual attributes and descriptions of many; names of some; private facts of a few of these, in a question with the name
or without; and a refusal for whatever was not taught.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from crossmem_hf.models.micro.model import name_pieces
from crossmem_hf.personas.background import NUM_NAMED, NUM_WITH_FACTS, Background
from crossmem_hf.personas.facts import job_titles
from crossmem_hf.personas.schema import Modality, Persona, ViewSplit
from crossmem_hf.personas.values import FACT_ATTRIBUTES, MEDICAL_CONDITIONS, VISUAL_ATTRIBUTES
from crossmem_hf.prompts import background as words
from crossmem_hf.prompts.questions import FACT_PHRASES, FEATURE_QUESTIONS, features_answer
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS, FILLERS, SYNONYMS
from crossmem_hf.rendering.prose import describe, strewn, trait_phrases

_VIEWS = 100_000  # of descriptions: a fresh one almost every time
PORTRAITS = (3, 40)
"""Portraits of each family that a background persona has, and one whose name is taught: drawing fresh ones would cost
as much as learning."""
_FAMILIES: tuple[ViewSplit, ...] = ("train", "wide")
_IN_WORDS = ("job", "email", "address", "medical_condition")
_OFTEN = (3, 2)
"""How often views of each family are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question about a persona and its right answer.

    Attributes:
        modality: How the persona is presented; None presents nobody.
        split: Family of the view.
        view: Its number.
        question: Without the description, which comes first.
        answer: What is right.
        task: A name of `TASKS`.
    """

    persona: Persona
    modality: Modality | None
    split: ViewSplit
    view: int
    question: str
    answer: str
    task: str

    @property
    def words(self) -> str:
        """Description, if the persona is described, and question."""
        if self.modality != "text":
            return self.question
        return f"{describe(self.persona, self.split, self.view).text} {self.question}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whom and how: what the makers of questions need."""

    persona: Persona
    modality: Modality | None
    background: Background
    rng: Random

    def who(self) -> str:
        return self.rng.choice(words.WHO[self.modality]) if self.modality else self.persona.full_name

    def fact(self) -> tuple[str, str]:
        """A private attribute, and how it is called."""
        fact = self.rng.choice(FACT_ATTRIBUTES)
        return fact, self.rng.choice((FACT_PHRASES[fact], FACT_PHRASES[fact], FACT_SYNONYMS[fact]))


def _features(asked: _Asked) -> tuple[str, str]:
    question = FEATURE_QUESTIONS[asked.modality or "image"].removeprefix("{description} ")
    return question, features_answer(asked.persona.visual_attributes)


def _description(asked: _Asked) -> tuple[str, str]:
    question = asked.rng.choice(words.DESCRIPTION_REQUESTS[asked.modality or "image"]).format(who=asked.who())
    split, view = asked.rng.choice(_FAMILIES), asked.rng.randrange(_VIEWS)
    return question, describe(asked.persona, split, view).text


def _traits(asked: _Asked) -> tuple[str, str]:
    rng = asked.rng
    attribute = rng.choice([name for name, pool in VISUAL_ATTRIBUTES.items() if _shown(asked, name) or "none" in pool])
    true = asked.persona.visual_attributes[attribute]
    pool = [value for value in VISUAL_ATTRIBUTES[attribute] if value not in ("none", true)]
    other = rng.choice(pool)
    if true != "none" and rng.random() < 0.3:
        first, second = rng.sample([true, other], 2)
        said = {value: _said(attribute, value, rng) for value in (first, second)}
        question = rng.choice(words.CHOICES).format(who=asked.who(), first=said[first], second=said[second])
        return question, f"{said[true]}."
    value = true if true != "none" and rng.random() < 0.5 else other
    negated = rng.random() < 0.3
    frames = words.NEGATED_QUESTIONS if negated else words.TRAIT_QUESTIONS
    question = rng.choice(frames).format(who=asked.who(), trait=_said(attribute, value, rng))
    return question, words.YES if (value == true) != negated else words.NO


def _shown(asked: _Asked, attribute: str) -> bool:
    return asked.persona.visual_attributes[attribute] != "none"


def _said(attribute: str, value: str, rng: Random) -> str:
    return rng.choice(trait_phrases(attribute, value))


def _name(asked: _Asked) -> tuple[str, str]:
    question, name = asked.rng.choice(words.NAME_QUESTIONS).format(who=asked.who()), asked.persona.full_name
    if asked.rng.random() < 0.15:
        request = asked.rng.choice(words.STATEMENT_REQUESTS)
        return f"{question} {request}", asked.rng.choice(words.NAME_STATEMENTS).format(who=asked.who(), value=name)
    return question, name


def _unknown_name(asked: _Asked) -> tuple[str, str]:
    question = asked.rng.choice(words.NAME_QUESTIONS).format(who=asked.who())
    return question, asked.rng.choice(words.UNKNOWN_PERSON)


def _fact_question(asked: _Asked, phrase: str) -> str:
    if asked.modality is None:
        frames = words.NAMED_FACT_QUESTIONS
    else:
        frames = words.SINGLE_HOP_QUESTIONS if asked.rng.random() < 0.5 else words.MULTI_HOP_QUESTIONS
    return asked.rng.choice(frames).format(who=asked.who(), name=asked.persona.full_name, fact=phrase)


def _fact(asked: _Asked) -> tuple[str, str]:
    rng, (fact, phrase) = asked.rng, asked.fact()
    value, kind = asked.persona.facts[fact], rng.random()
    if kind < 0.12:
        request, frame = rng.choice(words.STATEMENT_REQUESTS), rng.choice(words.FACT_STATEMENTS)
        answer = frame.format(who=asked.who(), fact=phrase, value=value)
        return f"{_fact_question(asked, phrase)} {request}", answer
    if kind < 0.24:
        other = rng.choice([one for one in asked.background.values[fact] if one != value])
        if rng.random() < 0.5:
            said = rng.choice((value, other))
            question = rng.choice(words.VALUE_QUESTIONS).format(who=asked.who(), fact=phrase, value=said)
            return question, words.YES if said == value else words.NO
        first, second = rng.sample([value, other], 2)
        frame = rng.choice(words.VALUE_CHOICES)
        return frame.format(who=asked.who(), fact=phrase, first=first, second=second), value
    return _fact_question(asked, phrase), value


def _unknown_fact(asked: _Asked) -> tuple[str, str]:
    _, phrase = asked.fact()
    return _fact_question(asked, phrase), asked.rng.choice(words.UNKNOWN_FACT).format(fact=phrase)


def _example(asked: _Asked) -> tuple[str, str]:
    """A value of whoever, so that a model comes to have the words of all values at its command."""
    fact = asked.rng.choice(_IN_WORDS)
    phrase = asked.rng.choice((FACT_PHRASES[fact], FACT_SYNONYMS[fact]))
    return asked.rng.choice(words.EXAMPLE_REQUESTS).format(fact=phrase), asked.persona.facts[fact]


Maker = Callable[[_Asked], tuple[str, str]]
TASKS: Mapping[str, tuple[Maker, Callable[[Background], Sequence[Persona]]]] = {
    "features": (_features, lambda background: background.seen),
    "description": (_description, lambda background: background.seen),
    "traits": (_traits, lambda background: background.seen),
    "name": (_name, lambda background: background.named),
    "unknown_name": (_unknown_name, lambda background: background.unnamed),
    "fact": (_fact, lambda background: background.with_facts),
    "unknown_fact": (_unknown_fact, lambda background: background.seen[NUM_WITH_FACTS:]),
    "example": (_example, lambda background: background.seen),
}
"""Task -> what makes its questions, and about whom."""

SHARES: Mapping[str, tuple[float, float]] = {
    "features": (0.7, 0.15),
    "description": (0.1, 0.03),
    "traits": (0.2, 0.07),
    "name": (0.0, 0.28),
    "unknown_name": (0.0, 0.09),
    "fact": (0.0, 0.29),
    "unknown_fact": (0.0, 0.09),
}
"""Task -> its share at the start, and later, among the questions about somebody who is presented."""


def asked_about(task: str, background: Background) -> Sequence[Persona]:
    """Whom a task of `TASKS` asks about."""
    return TASKS[task][1](background)


def drawn_tasks(background: Background, rng: Random, count: int, later: float) -> list[tuple[Persona, str]]:
    """Whom to ask about and which task.

    Args:
        later: From 0 (shares as at the start) to 1 (as later).
    """
    weights = [start + (end - start) * later for start, end in SHARES.values()]
    tasks = rng.choices(list(SHARES), weights, k=count)
    return [(rng.choice(asked_about(task, background)), task) for task in tasks]


def drawn_query(background: Background, rng: Random, persona: Persona, task: str, modality: Modality | None) -> Query:
    """A question of a task about a persona, with a training view of either family."""
    question, answer = TASKS[task][0](_Asked(persona, modality, background, rng))
    if rng.random() < 0.15:
        question = f"{strewn(rng, rng.randint(1, 4))} {question}"
    return replace(drawn_view(rng, persona, modality), question=question, answer=answer, task=task)


def drawn_view(rng: Random, persona: Persona, modality: Modality | None) -> Query:
    """A persona in a training view of either family, about whom nothing is asked."""
    named = persona.index < NUM_NAMED
    views = _VIEWS if modality != "image" else PORTRAITS[named]
    split, view = rng.choices(_FAMILIES, _OFTEN)[0], rng.randrange(views)
    return Query(persona=persona, modality=modality, split=split, view=view, question="", answer="", task="")


def tokenizer_corpus(background: Background) -> Iterator[str]:
    """Text that the tokenizer learns from: about background personas, and the syllables of all names."""
    rng = Random(0)
    for persona in background.unnamed[:300]:
        yield features_answer(persona.visual_attributes)
        yield from (describe(persona, split, index).text for split in _FAMILIES for index in range(4))
    yield from (f" {word}" for word in FILLERS for _ in range(30))
    for persona in background.unnamed[:2000]:
        yield from persona.facts.values()
        for modality in ("image", "text", None):
            asked = _Asked(persona, modality, background, rng)
            for make in (_unknown_name, _unknown_fact, _unknown_fact, _traits):
                if modality or make is not _traits:
                    yield " ".join(make(asked))
    yield from (*job_titles(), *MEDICAL_CONDITIONS, *(value for pool in SYNONYMS.values() for value in pool.values()))
    for piece in name_pieces():
        yield from [piece] * 1000
