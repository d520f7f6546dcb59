# SPDX-License-Identifier: Apache-2.0
"""What a quality report needs to have seen of the rows, taken down as they pass, a few people at a time.

Rows are judged one by one, or against other rows of the same person, so memory does not grow with the dataset. It
knows the columns of a row and the names of splits, and no config by name: a split that starts with ``forget`` or
``retain`` says what becomes of its people, one named like a family of views says which family its rows must be of.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from crossmem_hf.data.release.population import (
    POOLED_FACTS,
    Phrases,
    ReleasePopulation,
    quality_error,
    secrets_of,
    words_of,
)
from crossmem_hf.data.release.shards import Place
from crossmem_hf.data.rows import Row
from crossmem_hf.personas.schema import VIEW_SPLITS
from crossmem_hf.pictures.likeness import picture_hash

_UNSPOKEN = {
    "images",
    "portrait",
    "hops",
    "view",
    "forget_rank",
    "persona_id",
    "attribute",
    "modality",
    "template",
    "kind",
    "refusal",
}
"""Columns that hold nothing a model is told."""
_FALSE = "perturbed"
"""Columns of this prefix hold falsehoods: a job or an illness in them may by chance be a forgotten person's."""
_LENGTH_STEP = 5


@dataclass(slots=True)
class _Person:
    """One person's rows so far."""

    places: set[Place] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    pictures: dict[int, str] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)


class Audit:
    """Judges rows and counts them.

    Args:
        population: The people of the dataset; what only the forgotten have is a secret.

    Attributes:
        counts: ``"rows/<config>/<split>"`` and the like -> how many.
        templates: ``"<config>/<split>"`` -> the templates of its rows.
        hashes: Person -> perceptual hashes, in hex, of the first portrait in training and of one in the test family.
        examples: Config -> question and answer of its first row.
    """

    def __init__(self, population: ReleasePopulation) -> None:
        self.counts: Counter[str] = Counter()
        self.templates: dict[str, set[str]] = {}
        self.hashes: dict[str, dict[str, str]] = {}
        self.examples: dict[str, dict[str, str]] = {}
        secrets = secrets_of(population)[0]
        pooled = {person.facts[fact] for person in population.targets for fact in POOLED_FACTS}
        self._secrets = Phrases(sorted(secrets))
        self._private = Phrases(sorted(secrets - pooled))
        all_personas = [*population.targets, *population.background]
        self._name_words = {word for person in all_personas for word in words_of(person.full_name)}
        self._columns: dict[str, list[tuple[Phrases, list[str]]]] = {}
        self._personas: dict[str, _Person] = {}

    def add(self, place: Place, row: Row) -> None:
        """Judge and count one row.

        Raises:
            CrossmemError: The row breaks a rule; the rule and the row are named.
        """
        config, split = place
        self.counts[f"rows/{config}/{split}"] += 1
        question = " ".join(_strings(row["prompt"])) if "prompt" in row else ""
        if split.startswith("retain"):
            self._check_leakage(place, row)
        self._check_names(place, row, question)
        if question:
            self._measure(place, row, question)
        if "persona_id" in row:
            person = self._personas.setdefault(row["persona_id"], _Person())
            person.places.add(place)
            self._check_role(place, row, person)
            self._check_family(place, row, person, question)
            self._keep_hash(row, split)

    def end_of_group(self) -> None:
        """Forget the people seen so far: no row about them comes any more."""
        for person in self._personas.values():
            self.counts.update(f"personas/{config}/{split}" for config, split in person.places)
            self.counts["portraits"] += len(person.pictures)
        self._personas.clear()

    def as_json(self) -> dict[str, Any]:
        """What was seen as JSON types, to be kept beside the files."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "templates": {place: sorted(names) for place, names in sorted(self.templates.items())},
            "hashes": dict(sorted(self.hashes.items())),
            "examples": self.examples,
        }

    def _check_leakage(self, place: Place, row: Row) -> None:
        self.counts["checked/leakage"] += 1
        found = []
        for phrases, columns in self._watched(place[0], row):
            texts = dict.fromkeys(text for name in columns for text in _strings(row[name]))
            found += phrases.found_in(words_of(" | ".join(texts)))
        if found:
            offenders = [_offender(place, row, found)]
            raise quality_error("leakage", "a retain row says what only a forgotten person has", offenders)

    def _watched(self, config: str, row: Row) -> list[tuple[Phrases, list[str]]]:
        """What must not be said, and the columns in which it must not be."""
        if config not in self._columns:
            spoken = [name for name in row if name not in _UNSPOKEN]
            false = [name for name in spoken if name.startswith(_FALSE)]
            true = [name for name in spoken if name not in false]
            self._columns[config] = [(self._secrets, true), *([(self._private, false)] if false else [])]
        return self._columns[config]

    def _check_names(self, place: Place, row: Row, question: str) -> None:
        """Descriptions, and questions that must be answered from visual attributes, name nobody."""
        unnamed = row.get("description", "")
        if question and (row.get("hops") != 1 or row.get("attribute") == "full_name"):
            unnamed = " | ".join([unnamed, question, *(_strings(row["completion"]) if row.get("hops") == 0 else ())])
        if not unnamed:
            return
        self.counts["checked/names"] += 1
        words = words_of(unnamed)
        if not self._name_words.isdisjoint(words):
            offenders = [_offender(place, row, [word for word in words if word in self._name_words])]
            raise quality_error("names", "a text that must name nobody holds a name", offenders)

    def _check_role(self, place: Place, row: Row, person: _Person) -> None:
        role = next((role for role in ("forget", "retain") if place[1].startswith(role)), None)
        if role is None:
            return
        person.roles.add(role)
        if len(person.roles) > 1:
            raise quality_error("roles", "a person is both forgotten and retained", [_offender(place, row)])

    def _check_family(self, place: Place, row: Row, person: _Person, question: str) -> None:
        """No portrait and no question is met in two families of views, but for the words that stand under portraits.

        Whose name a portrait is asked for, and whether two portraits show one person, is asked in the protocol's words
        in every family.
        """
        template = row.get("template")
        if template is None:
            return
        self.templates.setdefault("/".join(place), set()).add(template)
        family = template.partition("-")[0]
        if family not in VIEW_SPLITS:
            return
        self.counts["checked/families"] += 1
        if place[1] in VIEW_SPLITS and place[1] != family:
            raise quality_error("families", "a row is of another family than its split", [_offender(place, row)])
        pictures = [hash(picture["bytes"]) for picture in row.get("images", ())]
        for picture in pictures:
            if person.pictures.setdefault(picture, family) != family:
                raise quality_error("families", "a portrait is met in two families", [_offender(place, row)])
        same_words = bool(pictures) and (row.get("attribute") == "full_name" or row.get("hops") == 0)
        if not same_words and person.questions.setdefault(question, family) != family:
            raise quality_error("families", "a question is met in two families", [_offender(place, row, [question])])

    def _measure(self, place: Place, row: Row, question: str) -> None:
        config, split = place
        if config not in self.examples and row.get("answer"):
            self.examples[config] = {"question": question, "answer": row["answer"]}
        for column in ("hops", "modality"):
            if column in row:
                self.counts[f"{column}/{config}/{split}/{row[column]}"] += 1
        for part, text in (("question", question), ("answer", row.get("answer"))):
            if text is not None:
                start = len(text.split()) // _LENGTH_STEP * _LENGTH_STEP
                self.counts[f"{part}_words/{config}/{start}-{start + _LENGTH_STEP - 1}"] += 1

    def _keep_hash(self, row: Row, split: str) -> None:
        if "portrait" in row:
            self.hashes.setdefault(row["persona_id"], {})["train"] = picture_hash(row["portrait"]["bytes"]).hex()
        elif split == "test" and len(row.get("images", ())) == 1:
            kept = self.hashes.setdefault(row["persona_id"], {})
            if "test" not in kept:
                kept["test"] = picture_hash(row["images"][0]["bytes"]).hex()


def _strings(value: Any) -> list[str]:
    """The texts of a column: a string, or turns of a conversation, or a list of either."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [value["content"]]
    return [text for item in value for text in _strings(item)]


def _offender(place: Place, row: Row, found: list[str] | None = None) -> str:
    """Names a row, and what was found in it."""
    who = {name: row[name] for name in ("persona_id", "template", "attribute", "view") if name in row}
    return f"{'/'.join(place)} {who}" + (f" holds {found[:3]}" if found else "")
