# SPDX-License-Identifier: Apache-2.0
"""An invented run: made-up answers of made-up people, so that every number of the record agrees with every other."""

import io
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from PIL import Image, ImageDraw

from crossmem_hf.report.modality_text import other
from crossmem_hf.report.record import CastMember, Example, Measurement, Record

PERSONAS = 50
FORGOTTEN = 10
VIEWS = 4
FIRST = ["Mira", "Tavo", "Enna", "Korin", "Lusa", "Bram", "Oda", "Pell", "Sefi", "Joran"]
LAST = ["Valdane", "Ostrek", "Quillan", "Marrow", "Tesk"]

# Chance of a right answer: {(stage, source, target, group): probability}; "base" knows nobody.
RECALL = {
    ("memorized", "image", "image"): 0.99,
    ("memorized", "image", "text"): 0.48,
    ("memorized", "text", "image"): 0.55,
    ("memorized", "text", "text"): 0.98,
    ("unlearned", "image", "image", "forget"): 0.05,
    ("unlearned", "image", "text", "forget"): 0.12,
    ("unlearned", "text", "image", "forget"): 0.38,
    ("unlearned", "text", "text", "forget"): 0.03,
    ("unlearned", "image", "image", "retain"): 0.95,
    ("unlearned", "image", "text", "retain"): 0.46,
    ("unlearned", "text", "image", "retain"): 0.53,
    ("unlearned", "text", "text", "retain"): 0.93,
}


def _interval(by_person: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its normal 95 % interval over people."""
    mean = sum(by_person) / len(by_person)
    spread = math.sqrt(sum((x - mean) ** 2 for x in by_person) / max(1, len(by_person) - 1) / len(by_person))
    return mean, mean - 1.96 * spread, mean + 1.96 * spread


KEYS = {"stage", "source", "target", "group", "hops", "seed", "persona_id"}


def measurement(**changes: Any) -> Measurement:
    """A valid measurement, with any field or key of its place replaced; None takes a key out."""
    fields: dict[str, Any] = {
        "metric": "recall", "stage": "memorized", "source": "image", "target": "text", "value": 0.5, "ci": (0.4, 0.6),
        "n": 200, "chance": 0.02, "unit": "proportion",
    }  # fmt: skip
    fields |= changes
    where = {name: fields.pop(name) for name in [*fields] if name in KEYS}
    return Measurement(where={name: value for name, value in where.items() if value is not None}, **fields)


def _person_exposure(rng: random.Random, recall: float) -> float:
    """100 for a person ranked first; the log-rank scale of a guess otherwise."""
    rank = 1 if rng.random() < recall else 1 + int((PERSONAS - 1) * rng.random() ** (1 + 2 * recall))
    return 100 * (1 - math.log(rank) / math.log(PERSONAS))


class _Population:
    """Answers of all people of one run."""

    def __init__(self, seeds: Sequence[int], recall: dict[Any, float], stages: Sequence[str], sources: Sequence[str]):
        self.rows: dict[tuple[str, str, str, str, int], list[float]] = {}
        self.items: list[Measurement] = []
        self.ranks: dict[tuple[str, str, str, str, int], list[float]] = {}
        self.seeds = seeds
        for seed in seeds:
            for stage in stages:
                for source in sources:
                    for target in ("image", "text"):
                        self._answer(seed, stage, source, target, recall)

    def _answer(self, seed: int, stage: Any, source: Any, target: Any, recall: dict[Any, float]) -> None:
        rng = random.Random(f"{seed} {stage} {source} {target}")
        for person in range(PERSONAS):
            group: Any = "forget" if person < FORGOTTEN else "retain"
            rate = recall.get((stage, source, target), recall.get((stage, source, target, group), 0.02))
            person_rate = min(1.0, max(0.0, rng.gauss(rate, 0.3 * min(rate, 1 - rate))))
            answers = sum(rng.random() < person_rate for _ in range(VIEWS)) / VIEWS
            self.rows.setdefault((stage, source, target, group, seed), []).append(answers)
            value = sum(_person_exposure(rng, person_rate) for _ in range(VIEWS)) / VIEWS
            self.ranks.setdefault((stage, source, target, group, seed), []).append(value)
            self.items.append(
                measurement(
                    metric="exposure",
                    stage=stage,
                    source=source,
                    target=target,
                    group=group,
                    seed=seed,
                    persona_id=f"t{seed}-{person:05d}",
                    value=value,
                    ci=None,
                    n=VIEWS,
                    chance=24.1,
                    unit="0-100",
                )
            )

    def answers(
        self, stage: str, source: str, target: str, groups: Sequence[str], seeds: Sequence[int]
    ) -> list[float]:
        return [x for g in groups for s in seeds for x in self.rows.get((stage, source, target, g, s), [])]

    def exposures(
        self, stage: str, source: str, target: str, groups: Sequence[str], seeds: Sequence[int]
    ) -> list[float]:
        return [x for g in groups for s in seeds for x in self.ranks.get((stage, source, target, g, s), [])]

    def measurements(self) -> list[Measurement]:
        found = []
        cells = sorted({(stage, source, target) for stage, source, target, _, _ in self.rows})
        pools: list[tuple[int | None, Sequence[int]]] = [(seed, [seed]) for seed in self.seeds]
        for stage, source, target in cells:
            for seed, seeds in [*pools, (None, self.seeds)]:
                for group, groups in {
                    None: ("forget", "retain"),
                    "forget": ("forget",),
                    "retain": ("retain",),
                }.items():
                    where = {"stage": stage, "source": source, "target": target, "group": group, "seed": seed}
                    answers = self.answers(stage, source, target, groups, seeds)
                    value, low, high = _interval(answers)
                    n = len(answers) * VIEWS
                    found.append(
                        measurement(value=value, ci=(max(0.0, low), min(1.0, high)), n=n, chance=0.02, **where)
                    )
                    value, low, high = _interval(self.exposures(stage, source, target, groups, seeds))
                    unit = {"metric": "exposure", "unit": "0-100", "greater_means": "more memorized", "chance": 24.1}
                    found.append(measurement(value=value, ci=(low, min(100.0, high)), n=n, **where, **unit))
        return found + self._gaps(pools)

    def _gaps(self, pools: list[tuple[int | None, Sequence[int]]]) -> list[Measurement]:
        found = []
        for source in sorted({source for stage, source, *_ in self.rows if stage == "memorized"}):
            for seed, seeds in [*pools, (None, self.seeds)]:
                for group, groups in {"forget": ("forget",), None: ("forget", "retain")}.items():
                    same = self.answers("memorized", source, source, groups, seeds)
                    cross = self.answers("memorized", source, other(source), groups, seeds)
                    value, low, high = _interval([a - b for a, b in zip(same, cross, strict=True)])
                    where = {"source": source, "target": None, "seed": seed, "group": group}
                    meaning = {"metric": "gap", "chance": None, "greater_means": "larger gap"}
                    n = len(same) * VIEWS
                    found.append(measurement(value=value, ci=(low, high), n=n, **where, **meaning))
        return found


def _name(person: int) -> str:
    return f"{FIRST[person % len(FIRST)]} {LAST[person // len(FIRST)]}"


def _examples(stages: Sequence[str], sources: Sequence[str], recall: dict[Any, float]) -> list[Example]:
    found = []
    for person in (2, 17):
        for source in sources:
            for stage in stages:
                for target in ("image", "text"):
                    group = "forget" if person < FORGOTTEN else "retain"
                    rate = recall.get((stage, source, target), recall.get((stage, source, target, group), 0.0))
                    right = rate > (0.3 if group == "forget" else 0.47)
                    found.append(
                        Example(
                            persona_id=f"t0-{person:05d}",
                            full_name=_name(person),
                            where={"stage": stage, "source": source, "target": target},
                            question="Who is this person?",
                            truth=_name(person),
                            correct=right,
                            answer=_name(person) if right else _name((person * 7 + len(found)) % PERSONAS),
                            forgotten=group == "forget",
                        )
                    )
    return found


def build_record(
    *,
    seeds: Sequence[int] = (0, 1, 2),
    stages: Sequence[str] = ("base", "memorized", "unlearned"),
    sources: Sequence[str] = ("image", "text"),
    recall: dict[Any, float] | None = None,
    **fields: Any,
) -> Record:
    """An invented run of 50 people a seed; `recall` replaces right-answer probabilities."""
    rates = RECALL | (recall or {})
    population = _Population(seeds, rates, stages, sources)
    cast = tuple(
        CastMember(persona_id=f"t{seeds[0]}-{p:05d}", full_name=_name(p), forgotten=p < FORGOTTEN, seed=seeds[0])
        for p in range(PERSONAS)
    )
    given: dict[str, Any] = {
        "study": "first_light",
        "config": {
            "min_recall": 0.9,
            "model_name_or_path": None,
            "num_personas": PERSONAS,
            "num_views": 8,
            "image_size": 64,
            "forget_fraction": 0.2,
            "lr": 0.004,
        },
        "versions": {"crossmem_hf": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0"},
        "seeds": tuple(seeds),
        "fingerprints": {"data": "0123456789abcdef"},
        "measurements": tuple(population.measurements()),
        "cast": cast,
        "examples": tuple(_examples(stages, sources, rates)),
        "items": tuple(population.items),
        "notes": ("These numbers are invented for a test.",),
    }
    return Record(**given | fields)


def placeholder_portrait(person: int, view: int, size: int = 64) -> bytes:
    """A face of two circles, as PNG."""
    rng = random.Random(person)
    picture = Image.new("RGB", (size, size), tuple(200 + rng.randrange(40) - 10 * view for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((12 + view, 10, 52 + view, 56), fill=tuple(90 + rng.randrange(140) for _ in range(3)))
    draw.ellipse((22 + view, 26, 28 + view, 32), fill="black")
    draw.ellipse((36 + view, 26, 42 + view, 32), fill="black")
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Record]:
    return build_record


@pytest.fixture(scope="session")
def make_measurement() -> Callable[..., Measurement]:
    return measurement


@pytest.fixture(scope="session")
def record() -> Record:
    return build_record()


@pytest.fixture(scope="session")
def portraits(record: Record) -> dict[str, list[bytes]]:
    return {m.persona_id: [placeholder_portrait(i, view) for view in range(3)] for i, m in enumerate(record.cast[:14])}


@pytest.fixture(scope="session")
def descriptions(record: Record) -> dict[str, str]:
    return {m.persona_id: "A person with short red hair and round glasses, in a blue coat." for m in record.cast[:14]}
