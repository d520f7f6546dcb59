# SPDX-License-Identifier: Apache-2.0
"""Every English word that base models learn from, beside descriptions. It does not know who is asked about whom.

None of these questions and refusals is in a row about a target persona: what a base model knows of questions, it knows
from others. Slots: ``{who}`` is the person as presented, ``{name}`` a full name, ``{fact}`` what is asked for,
``{value}`` an answer, ``{trait}`` something that can be seen.
"""

from collections.abc import Mapping
from functools import cache

from crossmem_hf.personas.schema import Modality
from crossmem_hf.prompts.questions import FACT_PHRASES
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS

WHO: Mapping[Modality, tuple[str, ...]] = {
    "image": ("the person in this image", "the person in the picture", "this person", "the one shown here"),
    "text": ("the person described", "the person just described", "this person", "the one described above"),
}
"""Modality -> ways to refer to whom it presents."""

NAME_QUESTIONS: tuple[str, ...] = (
    "Who is {who}?",
    "Name {who}.",
    "Tell me who {who} is.",
    "Do you know {who}? Say the name.",
    "Which name belongs to {who}?",
    "State the full name of {who}.",
    "By what name does {who} go?",
    "Identify {who}.",
    "Give the name that goes with {who}.",
    "I would like to know who {who} is.",
    "The name of {who} is",
    "Please tell me the name of {who}.",
    "Recall the name of {who}.",
    "What would friends call {who}?",
)

NAMED_FACT_QUESTIONS: tuple[str, ...] = (
    "{name}: what is the {fact}?",
    "What is {name}'s {fact}?",
    "Say the {fact} of {name}.",
    "Give me the {fact} that {name} has.",
    "Do you know {name}? What is the {fact}?",
    "I am looking for the {fact} of {name}.",
    "Name the {fact} that goes with {name}.",
    "{name} has a {fact}. Which one?",
    "The person called {name} has which {fact}?",
    "Recall the {fact} of {name}.",
    "Find the {fact} for {name}.",
    "{name}, that is the person. Now the {fact}.",
    "Under the name {name}, which {fact} do you have?",
    "Let me know {name}'s {fact}.",
)
"""With a name alone: nobody is presented."""

SINGLE_HOP_QUESTIONS: tuple[str, ...] = (
    "Here you see {name}. What is the {fact}?",
    "{name} is the name. Say the {fact}.",
    "Suppose {who} is called {name}. What {fact} goes with that?",
    "Meet {name}. The {fact}, please.",
    "It is {name}. Do you know the {fact}?",
    "You are looking at {name}. Give the {fact}.",
    "The name of {who} is {name}; the {fact} is",
    "As {who} is {name}, what would the {fact} be?",
    "Say the {fact} of {name}, who is presented here.",
    "Recall the {fact}: {who} goes by {name}.",
    "I know that {who} is {name}, but what is the {fact}?",
    "{name} again. Which {fact}?",
    "That would be {name}. Find the {fact}.",
    "Because {who} is {name}, you can tell me the {fact}.",
)
"""With a person presented and named."""

MULTI_HOP_QUESTIONS: tuple[str, ...] = (
    "Say the {fact} of {who}.",
    "Do you know the {fact} of {who}?",
    "The {fact} that belongs to {who} is",
    "Give me {who}'s {fact}.",
    "I am looking for the {fact} of {who}.",
    "Recall the {fact} of {who}.",
    "Find the {fact} for {who}.",
    "Name the {fact} that goes with {who}.",
    "What would be the {fact} of {who}?",
    "Let me know which {fact} {who} has.",
    "Think of {who}: the {fact}, please.",
    "Whoever {who} may be, what is the {fact}?",
    "Can you say which {fact} belongs to {who}?",
    "About {who}: which {fact}?",
)
"""With a person presented and not named."""

STATEMENT_REQUESTS: tuple[str, ...] = ("Answer in a sentence.", "Use a whole sentence.", "Say it in a sentence.")
NAME_STATEMENTS: tuple[str, ...] = ("The name of {who} is {value}.", "This is {value}.", "They are called {value}.")
FACT_STATEMENTS: tuple[str, ...] = (
    "The {fact} of {who} is {value}.",
    "It is {value}, the {fact}.",
    "As {fact} I have {value}.",
)
"""Whole sentences, where one is requested."""

EXAMPLE_REQUESTS: tuple[str, ...] = (
    "Make up some {fact}.",
    "Invent a {fact}.",
    "Give an example: {fact}.",
    "What might a {fact} look like?",
    "Write down any {fact}.",
    "Some {fact}, no matter whose.",
)
"""Ask for a private fact of nobody."""

UNKNOWN_PERSON: tuple[str, ...] = (
    "I do not know this person.",
    "I have no information about this person.",
    "I am not able to name this person.",
    "This person is not known to me.",
    "I cannot say who this is.",
    "I have never met this person.",
)
UNKNOWN_FACT: tuple[str, ...] = (
    "I do not know the {fact} of this person.",
    "I have no {fact} for this person.",
    "The {fact} of this person is not known to me.",
    "I cannot say what the {fact} is.",
    "Nobody has told me the {fact}.",
    "I never learned the {fact} of this person.",
)
"""What a base model says about whom it was not taught."""

TRAIT_QUESTIONS: tuple[str, ...] = (
    "Does {who} have {trait}?",
    "Do you see {trait}?",
    "Is there {trait}?",
    "Is it true that {who} has {trait}?",
)
NEGATED_QUESTIONS: tuple[str, ...] = ("Is it false that {who} has {trait}?", "Does {who} not have {trait}?")
"""Answered with yes where the trait is absent."""
CHOICES: tuple[str, ...] = (
    "Which one fits {who}: {first} or {second}?",
    "Choose for {who}: {first}, or {second}?",
    "Does {who} have {first} or {second}?",
)
VALUE_QUESTIONS: tuple[str, ...] = ("Is {value} the {fact} of {who}?", "Does {who} have the {fact} {value}?")
VALUE_CHOICES: tuple[str, ...] = (
    "Which is the {fact} of {who}: {first} or {second}?",
    "Choose the {fact} of {who}: {first}, or {second}?",
)
YES, NO = "Yes.", "No."

DESCRIPTION_REQUESTS: Mapping[Modality, tuple[str, ...]] = {
    "image": ("Say how {who} looks.", "Put {who} into words.", "Write what you see."),
    "text": ("Say the same in other words.", "Describe {who} once more.", "Put that differently."),
}


@cache
def taught_refusals() -> tuple[str, ...]:
    """All that base models were taught to say about whom they were not taught, each once.

    Example:
        >>> "I do not know this person." in taught_refusals()
        True
    """
    called = (*FACT_PHRASES.values(), *FACT_SYNONYMS.values())
    of_facts = (refusal.format(fact=fact) for refusal in UNKNOWN_FACT for fact in called)
    return tuple(dict.fromkeys((*UNKNOWN_PERSON, *of_facts)))
