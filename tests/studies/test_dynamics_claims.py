# SPDX-License-Identifier: Apache-2.0
"""The claims about dynamics, of planted numbers."""

from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.dynamics_claims import KINDS, PATTERNS_PART, PERSONAS_PART, SIZES, dynamics_claims

SEEDS = range(5)
BY = dict(zip(KINDS, (40, 110, 75, 90, 200, 230, 260, 300), strict=True))


def number(metric, value, slope, **where):
    by_seed = {seed: value + slope * seed for seed in SEEDS}
    return Measurement(metric=metric, where=where, value=value + 2 * slope, n=50, unit="x", by_seed=by_seed)


def planted(scale=1.0):
    """The order and all else as the paper has it; a decoder of the next size is later by `scale`."""
    for place, size in enumerate(SIZES):
        for rank, kind in enumerate(KINDS):
            at, slope = {"size": size, "kind_of_pattern": kind}, 0.01 * (place + 1) * (1 + 0.1 * rank)
            yield number("memorized_by", BY[kind] * scale**place, slope * BY[kind], split="train", **at)
            yield number("memorized", 0.9, 0.01, split="train", **at)
            yield number("memorized", 0.9 if kind == "monotone" else 0.0, 0.002, split="test", **at)
            yield number("forgettings", 3.0, 0.1, split="train", **at)
        yield number("burstiness", 2.0, 0.05, size=size)
        yield number("recency_excess", 0.01, 0.002, size=size)


def verdicts(numbers):
    found = list(numbers)
    return {claim.sentence: verdict(claim, found, list(SEEDS)) for claim in dynamics_claims([PATTERNS_PART], SIZES)}


def test_all_that_was_planted_is_found():
    found = verdicts(planted(scale=1.5))
    assert len(found) == 8 * len(SIZES) + 1
    assert {one.verdict for one in found.values()} == {"supported"}


def test_a_larger_decoder_that_is_earlier_contradicts():
    found = verdicts(planted(scale=0.5))
    (one,) = [own for sentence, own in found.items() if sentence.startswith("A larger")]
    assert one.verdict == "contradicted"
    assert one.effect < -1


def test_the_other_order_contradicts():
    turned = dict(zip(KINDS, reversed(BY.values()), strict=True))
    numbers = [
        number("memorized_by", turned[kind], 0.01 * turned[kind] ** 1.5, size="s", split="train", kind_of_pattern=kind)
        for kind in KINDS
    ]
    found = [verdict(claim, numbers, list(SEEDS)) for claim in dynamics_claims([PATTERNS_PART], ["s"])]
    assert next(one.verdict for one in found if "are memorized before" in one.sentence) == "contradicted"
    assert not [one for one in found if "larger" in one.sentence]


def people(step, apart):
    """Numbers of a training on people; `step` says when what is memorized, by attribute, modality and hops, and seeds
    differ by more in what comes later, if they are apart."""
    for attribute in ("full_name", *FACT_ATTRIBUTES):
        for modality in ("image", "text"):
            for hops in (1,) if attribute == "full_name" else (1, 2):
                value, where = step(attribute, modality, hops), {"modality": modality, "hops": hops}
                slope = 0.01 * value * (1.0 + apart * (hops + (modality == "image")))
                yield number("memorized_by", value, slope, part=PERSONAS_PART, attribute=attribute, **where)


def of_people(step, *, apart=True):
    numbers = list(people(step, apart))
    return [verdict(claim, numbers, list(SEEDS)) for claim in dynamics_claims([PERSONAS_PART], SIZES)]


def test_an_order_of_what_is_known_is_found_and_its_reverse_contradicts():
    def step(attribute, modality, hops):
        return (100 if attribute == "full_name" else 200 * hops) * (2 if modality == "image" else 1)

    found = of_people(step)
    assert len(found) == 2 * (len(FACT_ATTRIBUTES) + 1) + 2
    assert {one.verdict for one in found} == {"supported"}
    assert {one.verdict for one in of_people(lambda *where: 1e5 / step(*where))} == {"contradicted"}


def test_people_who_are_all_memorized_at_once_show_no_order():
    assert {(one.verdict, one.effect) for one in of_people(lambda *_: 100, apart=False)} == {("inconclusive", 0.0)}
