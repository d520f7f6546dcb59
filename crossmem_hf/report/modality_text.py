# SPDX-License-Identifier: Apache-2.0
"""What crosses from one modality to the other, in words, each sentence computed from a record. It knows nothing of
layout or color.

A finding is claimed only where a 95 % interval supports it; otherwise the sentence says that the run cannot tell.
"""

from dataclasses import dataclass
from typing import Final, Literal

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.numbers import amount, fixed, interval, joined, percent
from crossmem_hf.report.record import Measurement, Record

STAGES: Final = ("base", "memorized", "unlearned")
MODALITY_NAMES: Final[dict[Modality, str]] = {"image": "portraits", "text": "descriptions"}
STAGE_WORDS: Final = {
    "base": "before learning",
    "memorized": "after learning",
    "unlearned": "after unlearning",
}
GROUP_WORDS: Final = {"forget": "forget set", "retain": "retain set"}
Trace = Literal["named", "partly", "ranked", "avoided", "none", "unmeasured"]
TRACE_WORDS: Final[dict[Trace, str]] = {
    "named": "recalled above guessing",
    "partly": "partly recalled",
    "ranked": "ranked above guessing",
    "avoided": "ranked below guessing",
    "none": "no trace found",
    "unmeasured": "not measured",
}


def other(modality: Modality) -> Modality:
    """The modality that `modality` is not."""
    return "text" if modality == "image" else "image"


def ends(m: Measurement) -> tuple[float, float]:
    """The interval; without one, the value twice."""
    return m.ci or (m.value, m.value)


def memorization_failures(record: Record) -> tuple[Measurement, ...]:
    """Recall in the source modality after learning, where it is below what the run asked for (``min_recall``).

    Raises:
        CrossmemError: What it asked for is no number.
    """
    least = record.config.get("min_recall", 0.0)
    if isinstance(least, bool) or not isinstance(least, int | float):
        raise CrossmemError(f"The record's setting min_recall={least!r:.80} is no number.", "Correct the record.")
    return tuple(m for m in _learned(record) if m.value < least)


def is_interpretable(record: Record) -> bool:
    """Whether personas were memorized well enough to speak about unlearning, or the user overrode that."""
    enough = bool(_learned(record)) and not memorization_failures(record)
    return enough or record.config.get("allow_unmemorized") is True


def _learned(record: Record) -> list[Measurement]:
    found = record.find("recall", stage="memorized", group=None)
    plain = [m for m in found if {*m.where} <= {"stage", "source", "target", "seed"}]
    return [m for m in plain if m.where.get("source") == m.where.get("target")]


def gap_sign(m: Measurement) -> Literal["worse", "better", "open"]:
    """How the other modality fares, as far as the interval tells; ``"open"`` where it includes zero."""
    if ends(m)[0] > 0:
        return "worse"
    return "better" if ends(m)[1] < 0 else "open"


def pooled_gaps(record: Record) -> dict[Modality, Measurement]:
    """Source modality -> gap after learning, for the sources that have one."""
    found = {source: record.one("gap", stage="memorized", source=source) for source in MODALITIES}
    return {source: gap for source, gap in found.items() if gap is not None}


def headline(record: Record) -> str:
    """The one sentence that a reader should take away; empty without a gap to speak of."""
    gaps = pooled_gaps(record)
    if memorization_failures(record) and not is_interpretable(record):
        return "The personas were not memorized well enough to say what unlearning did."
    if not gaps:
        return ""
    worse = [MODALITY_NAMES[source] for source, gap in gaps.items() if gap_sign(gap) == "worse"]
    better = [MODALITY_NAMES[source] for source, gap in gaps.items() if gap_sign(gap) == "better"]
    if len(worse) == len(MODALITIES):
        return "What was learned through one modality is recalled worse through the other, in both directions."
    if worse:
        first = f"What was learned from {worse[0]} is recalled worse through the other modality"
        return f"{first}; {_rest(gaps, worse[0])}."
    if better:
        return f"What was learned from {joined(better)} is recalled better through the other modality."
    return "This run cannot tell recall in one modality from recall in the other."


def _rest(gaps: dict[Modality, Measurement], named: str) -> str:
    """What the headline says about the direction that is not `named`."""
    signs = {MODALITY_NAMES[source]: gap_sign(gap) for source, gap in gaps.items() if MODALITY_NAMES[source] != named}
    if not signs:
        return "the other direction was not measured"
    modality, sign = next(iter(signs.items()))
    return f"from {modality} " + ("it is recalled better" if sign == "better" else "the run cannot tell")


def summary(record: Record) -> list[str]:
    """One sentence a source: recall in both modalities, and whether the gap excludes zero."""
    sentences = []
    for source in MODALITIES:
        same = record.one("recall", stage="memorized", source=source, target=source)
        cross = record.one("recall", stage="memorized", source=source, target=other(source))
        if same is None or cross is None:
            continue
        gap = pooled_gaps(record).get(source)
        claim = "" if gap is None else f" The gap, {amount(gap)} [{interval(gap)}], {gap_claim(gap)}."
        sentences.append(
            f"A model that learned names from {MODALITY_NAMES[source]} alone recalls them for {amount(same)} of new "
            f"{MODALITY_NAMES[source]} and for {amount(cross)} of {MODALITY_NAMES[other(source)]}.{claim}"
        )
    return sentences


def gap_claim(gap: Measurement) -> str:
    """Whether the interval excludes zero, in words."""
    return "does not exclude zero" if gap_sign(gap) == "open" else "excludes zero"


def seed_gaps(record: Record, source: Modality) -> list[float]:
    """The gap after learning in each seed."""
    found = record.find("gap", stage="memorized", source=source, group=None, hops=None)
    return [value for gap in found for value in (gap.by_seed.values() if gap.seed is None else (gap.value,))]


def seeds_that_agree(record: Record, source: Modality) -> tuple[int, int]:
    """Seeds whose gap is above zero, and seeds that have a gap."""
    gaps = seed_gaps(record, source)
    return sum(gap > 0 for gap in gaps), len(gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityAfter:
    """The forget set asked through one modality after unlearning through `source`."""

    source: Modality
    target: Modality
    recall_before: Measurement | None
    recall_after: Measurement | None
    exposure_before: Measurement | None
    exposure_after: Measurement | None
    exposure_base: Measurement | None = None
    partial_before: Measurement | None = None
    partial_after: Measurement | None = None
    names_after: Measurement | None = None

    @property
    def trace(self) -> Trace:
        """What is left, as far as intervals tell: recall or partial recall above guessing, or else Exposure
        above guessing and above where it was before learning, or below guessing. Where learning had not raised
        Exposure, a high one says nothing."""
        if self.recall_after is None and self.exposure_after is None:
            return "unmeasured"
        if _above_chance(self.recall_after):
            return "named"
        if _above_chance(self.partial_after):
            return "partly"
        learned, left = (self._is_above_base(m) for m in (self.exposure_before, self.exposure_after))
        if _above_chance(self.exposure_after) and learned and left:
            return "ranked"
        return "avoided" if _below_chance(self.exposure_after) else "none"

    def _is_above_base(self, m: Measurement | None) -> bool:
        return self.exposure_base is None or m is None or ends(m)[0] > self.exposure_base.value

    @property
    def exposure_words(self) -> str:
        """Exposure after unlearning beside all it is read against; empty without it.

        E.g. ``"Exposure 60; memorized 98, base 32, guessing 24"``.
        """
        after = self.exposure_after
        if after is None:
            return ""
        levels = {"memorized": self.exposure_before, "base": self.exposure_base}
        against = [f"{name} {'not measured' if m is None else amount(m)}" for name, m in levels.items()]
        against += [] if after.chance is None else [f"guessing {fixed(after.chance, 0)}"]
        return f"Exposure {amount(after)}; {', '.join(against)}"


def _above_chance(m: Measurement | None) -> bool:
    return m is not None and m.chance is not None and ends(m)[0] > m.chance


def _below_chance(m: Measurement | None) -> bool:
    return m is not None and m.chance is not None and ends(m)[1] < m.chance


def modalities_after(record: Record, source: Modality) -> list[ModalityAfter]:
    """The unlearned modality first, then the other; empty if it was not unlearned or may not be interpreted."""
    if not is_interpretable(record) or not record.find(stage="unlearned", source=source):
        return []
    return [
        ModalityAfter(
            source=source,
            target=target,
            recall_before=record.one("recall", stage="memorized", source=source, target=target, group="forget"),
            recall_after=record.one("recall", stage="unlearned", source=source, target=target, group="forget"),
            exposure_before=record.one("exposure", stage="memorized", source=source, target=target, group="forget"),
            exposure_after=record.one("exposure", stage="unlearned", source=source, target=target, group="forget"),
            exposure_base=record.one("exposure", stage="base", source=source, target=target, group="forget"),
            partial_before=record.one(
                "partial_recall", stage="memorized", source=source, target=target, group="forget"
            ),
            partial_after=record.one(
                "partial_recall", stage="unlearned", source=source, target=target, group="forget"
            ),
            names_after=record.one("name_shaped", stage="unlearned", source=source, target=target, group="forget"),
        )
        for target in (source, other(source))
    ]


def residue(record: Record, source: Modality) -> str:
    """What unlearning through `source` left in the other modality, in a sentence or two; empty if not interpreted."""
    modalities = modalities_after(record, source)
    if not modalities:
        return ""
    here, there = modalities
    behind = MODALITY_NAMES[there.target]
    if there.recall_after is None or here.recall_after is None:
        return f"What is left behind {behind} was not measured."
    first = (
        f"Recall of the forget set is {amount(here.recall_after)} for {MODALITY_NAMES[source]} and "
        f"{amount(there.recall_after)} [{interval(there.recall_after)}] for {behind}. "
    )
    left = {
        "named": f"In the other modality names are still recalled: the interval lies above guessing{_guess(there)}.",
        "partly": f"From {behind} recall can no longer be told from guessing, but partial recall, a first or last "
        f"name, is still above it{_partly(there)}.",
        "ranked": f"From {behind} recall can no longer be told from guessing, yet the model still ranks the names "
        f"higher than guessing would ({there.exposure_words}).",
        "avoided": f"From {behind} the names are not recalled, and they rank lower than guessing would put them "
        f"({there.exposure_words}): the model now avoids them, which is a trace of its own.",
        "none": "Neither answers nor ranks in the other modality can be told from guessing.",
        "unmeasured": "",
    }
    return first + left[there.trace]


def residue_claim(record: Record) -> str:
    """One sentence for the top of the page on what is left in the other modality; empty if not interpreted."""
    kept = {source: modalities[1] for source in MODALITIES if (modalities := modalities_after(record, source))}
    named = [
        f"for {amount(modality.recall_after)} of {MODALITY_NAMES[modality.target]} "
        f"once unlearned through {MODALITY_NAMES[source]}"
        for source, modality in kept.items()
        if modality.trace == "named" and modality.recall_after is not None
    ]
    if named:
        return f"After unlearning, forgotten names are still recalled through the other modality: {joined(named)}."
    if any(modality.trace == "partly" for modality in kept.values()):
        return "After unlearning, this run no longer sees forgotten names recalled, but still a first or last name."
    if any(modality.trace == "ranked" for modality in kept.values()):
        return (
            "After unlearning, this run no longer sees forgotten names recalled, but they still rank above guessing."
        )
    if any(modality.trace == "avoided" for modality in kept.values()):
        return "After unlearning, forgotten names rank below guessing in the other modality: avoided, not unknown."
    return "After unlearning, this run finds no trace through the other modality." if kept else ""


def _partly(modality: ModalityAfter) -> str:
    m = modality.partial_after
    return "" if m is None or m.chance is None else f" ({amount(m)} of answers, guessing {percent(m.chance)})"


def _guess(modality: ModalityAfter) -> str:
    chance = modality.recall_after.chance if modality.recall_after else None
    return "" if chance is None else f" ({percent(chance)})"


def retained_cost(record: Record, source: Modality) -> str:
    """What unlearning through `source` cost the retain set, in one sentence; empty if not interpreted."""
    parts = []
    for target in (source, other(source)):
        before = record.one("recall", stage="memorized", source=source, target=target, group="retain")
        after = record.one("recall", stage="unlearned", source=source, target=target, group="retain")
        if is_interpretable(record) and before and after:
            parts.append(f"from {amount(before)} to {amount(after)} for {MODALITY_NAMES[target]}")
    return f"Recall of the retain set went {joined(parts)}." if parts else ""
