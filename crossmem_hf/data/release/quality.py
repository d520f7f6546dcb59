# SPDX-License-Identifier: Apache-2.0
"""The quality report of a dataset: what was checked, and what is in it. It does not know how files are written.

It exists only if every check passed: personas (`data.release.population`) are checked before anything is written, rows
(`data.release.audit`) while they are, and what takes all of them together here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.release.population import check_balance, check_unique, population_of, quality_error, secrets_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import VIEW_SPLITS
from crossmem_hf.pictures.likeness import NUM_BITS, distance, nearest
from crossmem_hf.storage import file_digest, fingerprint

FILE_NAME = "quality.json"
_BESIDE = ("README.md", "eval.yaml", "samples.png", ".gitattributes")
NEAR_DUPLICATE_BITS = 2
"""Portraits of two people that differ in no more bits of 192 count as the same picture."""

CHECKS = {
    "uniqueness": "no two people share an id, a name, all visual attributes, an e-mail address or an account number",
    "balance": "no visual value is far more common than a fair draw would make it",
    "roles": "nobody is both in a forget and in a retain split",
    "leakage": "no retain row says what only a forgotten person has",
    "names": "no description, caption or question about visual attributes holds a word of anybody's name",
    "families": "no portrait, no description and no question about a fact is met in two families of views",
    "templates": "no template (layout, sentence frame or question number) is both in training and in held-out splits",
    "duplicates": "no two people have first portraits that look the same",
}
"""Check -> what holds once it has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """What was checked, and what the dataset holds.

    Attributes:
        content: Fingerprint of the Parquet files that the report is about.
        spec: The knobs.
        checks: Check -> how many people, rows, texts or pictures it looked at.
        personas: How many are forgotten, retained, and in the background.
        unique: Attribute -> different values among the target people.
        shared: Private fact -> forgotten people whose value a retained person has too, so that it is no secret.
        balance: Visual attribute -> its most common value, that one's share, and chi-square against equal shares.
        splits: Config -> split -> rows, people, and rows by hops and by modality.
        lengths: Config -> ``question`` and ``answer`` -> words, in steps of five -> rows.
        portraits: How many were drawn, and perceptual distances: to the nearest other person, and between two views of
            the same.
        examples: Config -> question and answer of its first row.
    """

    content: str
    spec: Mapping[str, Any]
    checks: Mapping[str, int]
    personas: Mapping[str, int]
    unique: Mapping[str, int]
    shared: Mapping[str, int]
    balance: Mapping[str, Mapping[str, Any]]
    splits: Mapping[str, Mapping[str, Mapping[str, Any]]]
    lengths: Mapping[str, Mapping[str, Mapping[str, int]]]
    portraits: Mapping[str, Any]
    examples: Mapping[str, Mapping[str, str]]

    def as_json(self) -> str:
        """The text of ``quality.json``; equal reports give equal text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def content_fingerprint(digests: Mapping[str, str]) -> str:
    """Names the contents of a dataset by its Parquet files: path -> SHA-256."""
    return fingerprint(digests)


def check_personas(spec: DatasetSpec) -> None:
    """Accept the people of a spec, before any row is made.

    Raises:
        CrossmemError: They are not unique or not balanced; the first offenders are named.
    """
    population = population_of(spec)
    check_unique(population)
    check_balance(population)


def quality_report(spec: DatasetSpec, audits: Sequence[Mapping[str, Any]], content: str) -> QualityReport:
    """The report of a dataset whose rows were all audited.

    Args:
        audits: What `audit.Audit.as_json` gave for each block, in their order.
        content: Fingerprint of the Parquet files.

    Raises:
        CrossmemError: A check failed; it and the first offenders are named.
    """
    population = population_of(spec)
    counts: dict[str, int] = {}
    templates: dict[str, set[str]] = {}
    hashes: dict[str, Mapping[str, str]] = {}
    examples: dict[str, Mapping[str, str]] = {}
    for audit in audits:
        for name, count in audit["counts"].items():
            counts[name] = counts.get(name, 0) + count
        for place, names in audit["templates"].items():
            templates.setdefault(place, set()).update(names)
        hashes |= audit["hashes"]
        examples = {**audit["examples"], **examples}
    personas = {name: len(getattr(population, name)) for name in ("forgotten", "retained", "background")}
    num_targets = personas["forgotten"] + personas["retained"]
    num_templates = check_templates(templates)
    portraits = {"drawn": counts.get("portraits", 0), **check_duplicates(hashes)}
    return QualityReport(
        content=content,
        spec=spec.described(),
        unique=check_unique(population),
        balance=(balance := check_balance(population)),
        checks={
            "uniqueness": num_targets + personas["background"],
            "balance": len(balance),
            "roles": num_targets,
            "leakage": counts.get("checked/leakage", 0),
            "names": counts.get("checked/names", 0),
            "families": counts.get("checked/families", 0),
            "templates": num_templates,
            "duplicates": portraits["personas"],
        },
        personas=personas,
        shared=secrets_of(population)[1],
        splits={config: {split: _split(counts, config, split) for split in SPLITS[config]} for config in SPLITS},
        lengths={config: lengths for config in SPLITS if (lengths := _lengths(counts, config))},
        portraits=portraits,
        examples={config: examples[config] for config in SPLITS if config in examples},
    )


def check_templates(templates: Mapping[str, set[str]]) -> int:
    """How many templates there are, once those of training and of held-out splits are seen to share none.

    Args:
        templates: ``"<config>/<split>"`` -> the templates of its rows.

    Raises:
        CrossmemError: A template is met in two of training, validation, test and far.
    """
    stages: dict[str, dict[str, str]] = {}
    for place, names in sorted(templates.items()):
        stage = stage_of(*place.split("/"))
        for name in names if stage else ():
            stages.setdefault(name, {}).setdefault(stage, place)
    twice = [f"{name!r} in {' and '.join(met.values())}" for name, met in sorted(stages.items()) if len(met) > 1]
    if twice:
        raise quality_error("templates", f"{len(twice)} templates are met in training and in held-out splits", twice)
    return len(set().union(*templates.values())) if templates else 0


def stage_of(config: str, split: str) -> str:
    """Whether a split is trained on (``train``) or held out, and in which family; empty where it is neither by name.

    Example:
        >>> stage_of("recall_text", "far"), stage_of("qa_far", "forget"), stage_of("qa", "forget")
        ('far', 'far', 'train')
    """
    if split in VIEW_SPLITS:
        return split
    name, _, held_out = config.rpartition("_")
    if name in SPLITS and held_out in VIEW_SPLITS:
        return held_out
    return "train" if f"{config}_test" in SPLITS else ""


def check_duplicates(hashes: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """How far apart portraits are: of different people, and of one person in two families of views.

    Args:
        hashes: Person -> ``train`` and ``test`` -> perceptual hash in hex.

    Raises:
        CrossmemError: Portraits of two people differ in no more than `NEAR_DUPLICATE_BITS`.
    """
    portrayed = {person: bytes.fromhex(kept["train"]) for person, kept in hashes.items() if "train" in kept}
    both = [kept for kept in hashes.values() if len(kept) > 1]
    same = [distance(bytes.fromhex(kept["train"]), bytes.fromhex(kept["test"])) for kept in both]
    found: dict[str, Any] = {"personas": len(portrayed), "bits": NUM_BITS}
    if len(portrayed) > 1:
        names = list(portrayed)
        others, bits = nearest(list(portrayed.values()))
        alike = [f"{names[k]} and {names[others[k]]}" for k, apart in enumerate(bits) if apart <= NEAR_DUPLICATE_BITS]
        if alike:
            raise quality_error("duplicates", f"{len(alike)} people look like another", alike)
        found["nearest_other"] = {"smallest": min(bits), "median": median(bits)}
    if same:
        found["same_person"] = {"smallest": min(same), "median": median(same), "largest": max(same)}
    return found


def _split(counts: Mapping[str, int], config: str, split: str) -> dict[str, Any]:
    found: dict[str, Any] = {name: counts.get(f"{name}/{config}/{split}", 0) for name in ("rows", "personas")}
    for name in ("hops", "modality"):
        start = f"{name}/{config}/{split}/"
        by_value = {key.removeprefix(start): count for key, count in sorted(counts.items()) if key.startswith(start)}
        found |= {name: by_value} if by_value else {}
    return found


def _lengths(counts: Mapping[str, int], config: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for part in ("question", "answer"):
        start = f"{part}_words/{config}/"
        steps = {key.removeprefix(start): count for key, count in counts.items() if key.startswith(start)}
        if steps:
            found[part] = dict(sorted(steps.items(), key=lambda step: int(step[0].partition("-")[0])))
    return found


def check_written(folder: Path) -> str:
    """The content fingerprint of a written dataset, once its Parquet files are seen to be those that passed.

    Raises:
        CrossmemError: There is no quality report, it is about other files, or other files lie beside them.
    """
    try:
        content = str(json.loads((folder / FILE_NAME).read_text())["content"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CrossmemError(
            f"{str(folder)!r} has no readable {FILE_NAME}, so nobody checked what it holds.",
            "Write the dataset anew; nothing is published without the report.",
        ) from error
    files = sorted(folder.rglob("*.parquet"))
    own = {*files, *(folder / name for name in (FILE_NAME, *_BESIDE))}
    foreign = sorted(path for path in folder.rglob("*") if path.is_file() and path not in own)
    if foreign:
        raise CrossmemError(
            f"{str(foreign[0])!r} is no part of the dataset ({len(foreign)} such files), and would be published.",
            "Move it away.",
        )
    found = content_fingerprint({path.relative_to(folder).as_posix(): file_digest(path) for path in files})
    if found != content:
        raise CrossmemError(
            f"The Parquet files in {str(folder)!r} are not those that were checked ({found!r}, not {content!r}).",
            "Write the dataset anew; a file was changed, added or removed.",
        )
    return content
