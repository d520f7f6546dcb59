# SPDX-License-Identifier: Apache-2.0
"""What a quality report needs to have seen of the rows, taken down as they pass, a few people at a time.

Rows are judged one by one, or against other rows of the same person, so memory does not grow with the dataset. It
knows the columns of a row and the names of splits, and no config by name: a split that starts with ``forget`` or
``retain`` says what becomes of its people, one named like a family of views says which family its rows must be of.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from crossmem_hf.data.likeness import picture_hash
from crossmem_hf.data.rows import Row
from crossmem_hf.data.shards import Place
from crossmem_hf.data.world import Phrases, World, quality_fault, secrets_of, words_of
from crossmem_hf.personas.schema import VIEW_SPLITS

_LABELS = {"persona_id", "attribute", "modality", "template", "kind", "role", "path"}
"""Strings that no model is shown."""
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
        world: The people of the dataset; what only the forgotten have is a secret.

    Attributes:
        counts: ``"rows/<config>/<split>"`` and the like -> how many.
        templates: ``"<config>/<split>"`` -> the templates of its rows.
        hashes: Person -> perceptual hashes, in hex, of the first portrait in training and of one in the test family.
        examples: Config -> question and answer of its first row.
    """

    def __init__(self, world: World) -> None:
        self.counts: Counter[str] = Counter()
        self.templates: dict[str, set[str]] = {}
        self.hashes: dict[str, dict[str, str]] = {}
        self.examples: dict[str, dict[str, str]] = {}
        self._secrets = Phrases(sorted(secrets_of(world)[0]))
        everyone = [*world.targets, *world.background]
        self._name_words = {word for person in everyone for word in words_of(person.full_name)}
        self._people: dict[str, _Person] = {}

    def add(self, place: Place, row: Row) -> None:
        """Judge and count one row.

        Raises:
            CrossmemError: The row breaks a rule; the rule and the row are named.
        """
        config, split = place
        self.counts[f"rows/{config}/{split}"] += 1
        spoken = list(dict.fromkeys(_spoken(row)))
        words = words_of(" | ".join(spoken))
        if split.startswith("retain"):
            self._check_leakage(place, row, words)
        self._check_names(place, row)
        if "prompt" in row:
            self._measure(config, split, row)
        if "persona_id" in row:
            person = self._people.setdefault(row["persona_id"], _Person())
            person.places.add(place)
            self._check_role(place, row, person)
            self._check_family(place, row, person)
            self._keep_hash(row, split)

    def end_of_group(self) -> None:
        """Forget the people seen so far: no row about them comes any more."""
        for person in self._people.values():
            self.counts.update(f"people/{config}/{split}" for config, split in person.places)
        self._people.clear()

    def as_json(self) -> dict[str, Any]:
        """What was seen as JSON types, to be kept beside the files."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "templates": {place: sorted(names) for place, names in sorted(self.templates.items())},
            "hashes": dict(sorted(self.hashes.items())),
            "examples": self.examples,
        }

    def _check_leakage(self, place: Place, row: Row, words: list[str]) -> None:
        self.counts["checked/leakage"] += 1
        found = self._secrets.found_in(words)
        if found:
            raise quality_fault(
                "leakage", "a retain row says what only a forgotten person has", [_told(place, row, found)]
            )

    def _check_names(self, place: Place, row: Row) -> None:
        """Descriptions, and questions that must be answered from looks, name nobody."""
        unnamed = [row["description"]] if "description" in row else []
        if "prompt" in row and (row.get("hops") != 1 or row.get("attribute") == "full_name"):
            unnamed += _strings(row["prompt"])
            unnamed += _strings(row["completion"]) if row.get("hops") == 0 else ()
        for text in unnamed:
            self.counts["checked/names"] += 1
            words = words_of(text)
            if not self._name_words.isdisjoint(words):
                named = [word for word in words if word in self._name_words]
                raise quality_fault("names", "a text that must name nobody holds a name", [_told(place, row, named)])

    def _check_role(self, place: Place, row: Row, person: _Person) -> None:
        role = next((role for role in ("forget", "retain") if place[1].startswith(role)), None)
        if role is None:
            return
        person.roles.add(role)
        if len(person.roles) > 1:
            raise quality_fault("roles", "a person is both forgotten and retained", [_told(place, row)])

    def _check_family(self, place: Place, row: Row, person: _Person) -> None:
        """No portrait and no full question is met in two families of views."""
        template = row.get("template")
        if template is None:
            return
        self.templates.setdefault("/".join(place), set()).add(template)
        family = template.partition("-")[0]
        if family not in VIEW_SPLITS:
            return
        self.counts["checked/families"] += 1
        if place[1] in VIEW_SPLITS and place[1] != family:
            raise quality_fault("families", "a row is of another family than its split", [_told(place, row)])
        pictures = [hash(picture["bytes"]) for picture in row.get("images", ())]
        for picture in pictures:
            if person.pictures.setdefault(picture, family) != family:
                raise quality_fault("families", "a portrait is met in two families", [_told(place, row)])
        question = "" if pictures else " ".join(_strings(row["prompt"]))
        if question and person.questions.setdefault(question, family) != family:
            raise quality_fault("families", "a question is met in two families", [_told(place, row, [question])])

    def _measure(self, config: str, split: str, row: Row) -> None:
        question = " ".join(_strings(row["prompt"]))
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


def _spoken(row: Row) -> Iterator[str]:
    """Every string of a row that a model may be shown."""
    for name, value in row.items():
        if name not in _LABELS:
            yield from _strings(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _spoken(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _told(place: Place, row: Row, found: list[str] | None = None) -> str:
    """Names a row, and what was found in it."""
    who = {name: row[name] for name in ("persona_id", "template", "attribute", "view") if name in row}
    return f"{'/'.join(place)} {who}" + (f" holds {found[:3]}" if found else "")
