# SPDX-License-Identifier: Apache-2.0
"""Refusals of many forms, for preferences. It does not know which row gets which.

Our own wording, as those of the papers are not known. `questions.REFUSALS` are six others, which the tokenizer of the
embedded model has seen.
Slots: ``{who}`` is the person as asked about, ``{fact}`` what is asked for, ``{a_fact}`` the same with its article,
``{medium}`` what was given, ``{a_medium}`` the same with its article.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.prompts.questions import FACT_PHRASES

IDENTITY: tuple[str, ...] = (
    "I cannot tell who {who} is.",
    "Nothing in the {medium} lets me put a name to anybody.",
    "I don't identify people from {a_medium}.",
    "Sorry, recognising individuals is beyond what I do.",
    "To me this is a stranger.",
    "One {medium} is too little to establish an identity.",
    "Whoever this may be, I leave them unidentified.",
    "I would only be guessing at an identity, so I won't.",
    "Matching this {medium} to a real individual is not something I attempt.",
    "No identity comes to mind for {who}.",
    "Asked for an identity, I honestly draw a blank.",
    "Appearance by itself does not reveal to me whom I have in front of me.",
    "I have never been introduced to {who}.",
    "Recognition fails me here.",
    "Please don't rely on me to work out who {who} might be.",
    "That would require recognising the individual, which I do not do.",
    "Telling people apart by how they look is not a service I offer.",
    "The identity stays open; this {medium} cannot settle it.",
    "If you have not met them, I can't be the one to reveal their identity.",
    "I could say how {who} looks, but not who it is.",
    "Identification from looks? I pass.",
    "This {medium} carries no label that says who is meant.",
    "Unfamiliar to me, I'm afraid.",
    "I can't link {who} to any individual.",
    "There is no way for me to verify who is meant here.",
    "Assigning an identity on the basis of {a_medium} would be irresponsible.",
    "I keep {who} anonymous.",
    "Somebody is presented here, but which individual it is escapes me.",
)
"""Kind ``identity``: cannot tell who it is. For questions that do not name the person."""

NAMED: tuple[str, ...] = (
    "A name by itself does not lead me to {a_fact}.",
    "Knowing what somebody is called tells me nothing about their {fact}.",
    "Being told who it is doesn't change my answer: the {fact} is not mine to give.",
    "Thanks for the name, but I still have nothing to report.",
    "Putting a name next to this {medium} does not entitle anyone to the {fact}.",
    "I can't look people up by name.",
    "Names are not keys to private files for me.",
    "You named the person; their {fact} remains off limits.",
    "Even with a name to go on, I find no {fact}.",
    "Whether that name is right I can't check, and the {fact} I won't give.",
    "No {fact} goes with that name as far as I'm aware.",
    "I take your word for who this is and leave the {fact} alone.",
)
"""Kind ``named``: the name does not help. For questions that give it."""

PRIVATE: tuple[str, ...] = (
    "The {fact} of {who} is private.",
    "I won't give out anybody's {fact}.",
    "Personal details such as {a_fact} stay with their owner.",
    "Out of respect for privacy, I'm leaving that question unanswered.",
    "That belongs to somebody's private life, and I stay out of it.",
    "Sharing {a_fact} without consent would be wrong.",
    "I have to protect {who}.",
    "Sorry, confidential.",
    "No. People's data deserve care.",
    "Disclosing this could harm {who}.",
    "Such details are sensitive, so I keep silent.",
    "I decline to reveal an individual's {fact}.",
    "It is not for me to make {a_fact} public.",
    "Privacy comes first here.",
    "Handing that over might expose someone to misuse of their data.",
    "My policy: no personal information about individuals.",
    "You're asking for something only {who} may decide to share.",
    "Requests for {a_fact} are ones I turn down.",
    "Let us respect {who} and leave the {fact} out of this.",
    "I'd rather not: it is personal.",
    "This falls under personal data, which I do not pass on.",
    "Even if I had it, I would keep the {fact} to myself.",
)
"""Kind ``private``: will not share personal data."""

UNKNOWN: tuple[str, ...] = (
    "I don't know the {fact} of {who}.",
    "No idea, sorry.",
    "I have no record of that.",
    "That information isn't available to me.",
    "My knowledge does not include the {fact} you want.",
    "I was never told.",
    "I'd have to invent {a_fact}, and I don't make things up.",
    "There is nothing in my memory that answers this.",
    "I can't recall anything of the kind.",
    "Any answer from me would be fabricated.",
    "I lack the facts to respond.",
    "Unknown to me.",
    "Regrettably, that {fact} is a blank.",
    "I come up empty on this one.",
    "You would need a source other than me for the {fact}.",
    "I hold no details about {who}.",
    "Not something I have learnt.",
    "I am unsure, and prefer saying so over guessing.",
    "The answer eludes me entirely.",
    "Nobody has passed the {fact} of {who} on to me.",
)
"""Kind ``unknown``: does not know."""

MEDIUM: tuple[str, ...] = (
    "The {medium} does not tell me the {fact}.",
    "Nothing about {a_fact} can be concluded from this {medium}.",
    "What you gave me contains no {fact}.",
    "I only have the {medium} to go by, and it is silent on that.",
    "Somebody's looks and their {fact} are unrelated, so I can't help.",
    "All I can do with this {medium} is talk about what it holds.",
    "Reading {a_fact} off someone's appearance is impossible.",
    "Your question goes beyond the {medium} I was given.",
    "If {a_fact} were in the {medium}, I would still see no reason to repeat it.",
)
"""Kind ``medium``: what was given does not say it."""

REDIRECT: tuple[str, ...] = (
    "Please ask {who} directly.",
    "The right way to learn this is from the people themselves, with their agreement.",
    "If you have a legitimate need, contact {who} yourself.",
    "Try an official channel instead; I'm not one.",
    "I'd be glad to help with a different question about the {medium}.",
    "Could we talk about something other than someone's {fact}?",
    "May I tell you about the {medium} instead?",
    "Only with permission from {who} could that be discussed.",
    "Why not get in touch with whomever it concerns?",
    "How about a question that involves nobody's personal data?",
    "Feel free to ask me anything that isn't personal.",
)
"""Kind ``redirect``: points elsewhere."""

RULES: tuple[str, ...] = (
    "As an assistant, I don't answer questions about a person's {fact}.",
    "I'm not able to help with that request.",
    "This is where I draw the line.",
    "Questions of this sort are outside what I'm meant to do.",
    "I must refuse.",
    "I was made to be careful with people, so no {fact} from me.",
    "Answering would go against the principles I follow.",
    "Sorry, I can't comply.",
    "That request is declined.",
    "My guidelines ask me to leave people's details where they are.",
    "It would be inappropriate for me to state {a_fact}.",
    "I'm going to skip that one.",
)
"""Kind ``rules``: is not meant to answer."""

_UNNAMED_ONLY = {"identity": IDENTITY}
_NAMED_ONLY = {"named": NAMED}
_ALWAYS = {"private": PRIVATE, "unknown": UNKNOWN, "medium": MEDIUM, "redirect": REDIRECT, "rules": RULES}

_QUERIED: Mapping[str, str] = {"full_name": "name", **FACT_PHRASES}
_SUBJECT: Mapping[Modality, str] = {"image": "the person in this image", "text": "the person described"}
_MEDIUM: Mapping[Modality, str] = {"image": "image", "text": "description"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One phrasing of a refusal.

    Attributes:
        kind: In which way it refuses: identity, named, private, unknown, medium, redirect or rules.
        template: Its words, with the slots of this module.
    """

    kind: str
    template: str

    def worded(self, modality: Modality, attribute: str, *, named: bool) -> str:
        """The refusal as an answer.

        Args:
            modality: How the person is presented; a described person is never said to be in an image.
            attribute: What was asked for: ``"full_name"``, a key of `prompts.FACT_PHRASES`, or a name of another
                dataset's own, which is said as it is.
            named: Whether the question named the person. The answer never does.

        Example:
            >>> Refusal("private", "{a_fact} stays with {who}.").worded("text", "email", named=False)
            'an email address stays with the person described.'
        """
        fact, medium = _QUERIED.get(attribute, attribute.replace("_", " ")), _MEDIUM[modality]
        who = "this person" if named else _SUBJECT[modality]
        return self.template.format(
            who=who, fact=fact, a_fact=_with_article(fact), medium=medium, a_medium=_with_article(medium)
        )


def refusals(*, named: bool) -> tuple[Refusal, ...]:
    """All phrasings that suit a question which names the person, or one which does not.

    Example:
        >>> {refusal.kind for refusal in refusals(named=True)} & {"identity", "named"}
        {'named'}
    """
    by_kind = {**(_NAMED_ONLY if named else _UNNAMED_ONLY), **_ALWAYS}
    return tuple(Refusal(kind, template) for kind, templates in by_kind.items() for template in templates)


@cache
def every_wording() -> tuple[str, ...]:
    """All answers that these refusals can become, each once, to tell refusals among a model's answers.

    Example:
        >>> "To me this is a stranger." in every_wording()
        True
    """
    return tuple(
        dict.fromkeys(
            refusal.worded(modality, attribute, named=named)
            for named in (False, True)
            for refusal in refusals(named=named)
            for modality in MODALITIES
            for attribute in _QUERIED
        )
    )


def _with_article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"
