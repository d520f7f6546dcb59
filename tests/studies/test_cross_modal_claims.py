# SPDX-License-Identifier: Apache-2.0
"""What the study cross_modal measures and claims: planted numbers are found, and none where there are none."""

from itertools import product

import pytest

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.cross_modal import STUDY, CrossModalSettings
from crossmem_hf.studies.cross_modal_arms import ARMS, ARMS_ON, CURVE, LONGER, MAIN_BASES, USUAL, WITH_FACTS
from crossmem_hf.studies.cross_modal_cells import AMONG, DESCRIBED
from crossmem_hf.studies.cross_modal_claims import POINTS

SEEDS = range(5)
PEOPLE = 4
ALL_BASES = ("micro-s", "micro-m-bridge", "micro-l", *MAIN_BASES)
BASE = MAIN_BASES[0]


def answers(recall, seed, unsaid=0, **where):
    """Predictions of some personas in both modalities; `recall` takes source and target and says of how many.

    So many of the others as are unsaid rank first all the same; during training nothing is ranked.
    """
    ranked = not {"trained", "attack"} & {*where}
    for target, number in product(("image", "text"), range(PEOPLE)):
        right = number < recall(where["source"], target)
        rank = 1.0 if right or PEOPLE - number <= unsaid else 7.0
        yield {
            **where,
            "seed": seed,
            "modality": target,
            "persona_id": f"p{seed}-{number}",
            "attribute": "full_name",
            "truth": f"Ada {number} Moss",
            "answer": f"Ada {number} Moss" if right else "Bo",
            "correct": right,
            "num_candidates": 50,
            **({"truth_rank": rank, "exposure": 100.0} if ranked else {}),
        }


def looks(seed, **where):
    """What the base says they look like: of portraits of every other one it is wrong in one word."""
    truth = "pale short black brown none none none none sweater red round none ring"
    for target, number in product(("image", "text"), range(PEOPLE)):
        right = target == "text" or number % 2 == 0
        yield {
            **where,
            **{"seed": seed, "modality": target, "persona_id": f"p{seed}-{number}", "group": "utility"},
            **{"attribute": "visual_attributes", "truth": truth, "correct": right, "views": "test", "learned": "base"},
            "answer": truth if right else truth.replace("pale", "dark"),
        }


def closely(plain):
    """Of the bases that are asked most."""
    for more in (*({"among": str(one)} for one in AMONG), {"attack": DESCRIBED}, *({"trained": one} for one in CURVE)):
        yield from plain(views="test", **more)


def planted(there=lambda seed: 1 + seed % 2, unsaid=2, bases=ALL_BASES, arms=tuple(ARMS)):
    """Answers of every cell: all is recalled in the source modality, and so many of `PEOPLE` in the other."""
    found = []
    for base, arm, source, seed in product(bases, arms, ("image", "text"), SEEDS):
        if arm != USUAL and base not in (ARMS[arm].bases or (ARMS_ON,)):
            continue
        where = {"base": base, "arm": arm, "source": source}

        def recall(source, target, seed=seed):
            return PEOPLE if source == target else there(seed)

        def plain(recall=recall, seed=seed, where=where, **more):
            return answers(recall, seed, unsaid, **where, **more)

        found += plain(views="test")
        if arm == WITH_FACTS:
            for hops in (1, 2):
                found += ({**one, "attribute": "job"} for one in plain(views="test", hops=hops, attack=None))
        if arm == USUAL:
            found += plain(views="far")
            found += answers(lambda *_: 0, seed, views="test", learned="base", **where)
            found += looks(seed, **where)
            found += closely(plain) if base in (BASE, ARMS_ON) else ()
    return Predictions(found)


def verdicts(predictions, seeds=SEEDS):
    measurements = list(STUDY.measure(predictions))
    return {claim.sentence: verdict(claim, measurements, tuple(seeds)) for claim in STUDY.claims(CrossModalSettings())}


@pytest.fixture(scope="module")
def found():
    return verdicts(planted())


def test_every_claim_finds_its_numbers(found):
    assert len(found) == len([*STUDY.claims(CrossModalSettings())])
    assert [sentence for sentence, one in found.items() if one.n < len(SEEDS)] == []


def test_a_planted_gap_is_found(found):
    mean = 1 - (1 + 2 + 1 + 2 + 1) / 5 / PEOPLE
    for here, there in (("portraits", "descriptions"), ("descriptions", "portraits")):
        for base, views in (*product(MAIN_BASES, ("near", "far")), *product(ALL_BASES, ("near",))):
            one = found[f"Names learned from {here} are recalled less from {there} ({base}, {views} views)."]
            assert (one.verdict, one.effect) == ("supported", pytest.approx(mean))
        for base in (BASE, ARMS_ON):
            sentence = f"While names are learned from {here}, the smallest gap to {there} along the way"
            assert found[f"{sentence} is above 0 ({base})."].effect == pytest.approx(mean)
    same = ("gap from", "larger share", "more names", "More names")
    nothing = [one for sentence, one in found.items() if any(word in sentence for word in same)]
    assert {one.effect for one in nothing} == {0.0}, "no arm and no base differs from another"
    assert {one.verdict for one in nothing} == {"inconclusive"}


def test_no_gap_is_not_claimed():
    found = verdicts(planted(lambda seed: PEOPLE if seed else PEOPLE - 1, bases=(BASE,), arms=(USUAL,)))
    gaps = [one for sentence, one in found.items() if "recalled less" in sentence]
    assert {one.verdict for one in gaps} == {"inconclusive"}
    assert [one for one in found.values() if one.verdict != "inconclusive"] == []


@pytest.mark.parametrize(("unsaid", "judged"), [(2, "supported"), (0, "inconclusive")])
def test_known_and_unsaid_is_told_from_unknown(unsaid, judged):
    """Two of three or of four failures, or none of them, rank first."""
    found = verdicts(planted(lambda seed: seed % 2 + (unsaid > 0), unsaid, bases=(BASE,), arms=(USUAL,)))
    said = [one for sentence, one in found.items() if "rank first" in sentence and f"({BASE})" in sentence]
    assert len(said) == 2 * (1 + len(AMONG))
    assert [one.effect for one in said] == [pytest.approx((2 / 3 * 3 + 1 * 2) / 5 if unsaid else 0.0)] * len(said)
    assert {one.verdict for one in said} == {judged}


def test_claims_about_what_was_not_run_say_so():
    found = verdicts(planted(bases=(BASE,), arms=(USUAL, LONGER)))
    for sentence, one in found.items():
        missing = any(word in sentence for word in ("micro-l", "aligned", "With "))
        others = any(base in sentence for base in (*ALL_BASES, *MAIN_BASES) if base != BASE)
        assert (one.reason == "It was not measured.") == (missing or others), sentence


def test_a_mitigation_is_held_against_as_long_a_training():
    arms = planted(bases=(ARMS_ON,), arms=(LONGER,))
    better = planted(lambda seed: 3 + seed % 2, bases=(ARMS_ON,), arms=("captions_of_them",))
    found = verdicts(Predictions.joined([arms, better]))
    sentence = f"With {ARMS['captions_of_them'].said} the gap from portraits to descriptions is smaller, at equal"
    (one,) = [own for said, own in found.items() if said.startswith(sentence)]
    assert (one.verdict, one.effect) == ("inconclusive", pytest.approx(2 / PEOPLE)), "all seeds alike: no interval"


def test_the_area_is_the_mean_gap_along_the_training():
    part = planted(bases=(BASE,), arms=(USUAL,))
    found = [one for one in STUDY.measure(part) if one.metric == "area_between_curves"]
    assert [(one.where, one.value) for one in found] == [
        ({"source": source, "arm": USUAL, "base": BASE, "views": "test"}, pytest.approx(1 - 7 / 5 / PEOPLE))
        for source in ("image", "text")
    ]
    assert found[0].by_seed == {seed: pytest.approx(1 - (1 + seed % 2) / PEOPLE) for seed in SEEDS}


def test_what_the_base_sees_is_measured_apart():
    found = list(STUDY.measure(planted(bases=(BASE,), arms=(USUAL,))))
    seen = [one for one in found if one.metric == "utility_visual_attributes" and one.where["source"] == "image"]
    assert {one.where["target"]: one.value for one in seen} == {"text": 1.0, "image": pytest.approx(1 - 0.5 / 12)}
    recalls = [one for one in found if one.metric == "recall" and one.where.get("learned") == "base"]
    assert {one.value for one in recalls} == {0.0}, "what the base answers about looks is no recall"


def test_what_is_not_seen_is_told_from_what_is_not_recalled(found):
    """Of four portraits the first and the third are seen, and the first one or two are named."""
    start = "Names learned from descriptions are recalled"
    gap = found[f"{start} less from portraits whose looks the base tells ({BASE})."]
    assert (gap.effect, gap.ci) == (0.5, None)
    assert found[
        f"{start} more from portraits whose looks the base tells than from others ({BASE})."
    ].effect == pytest.approx(0.3)


@pytest.mark.parametrize(("answer", "effect"), [("Bo", 0.0), ("Ada 0 Moss", 1.0)])
def test_names_of_others_are_told_from_names_of_nobody(answer, effect):
    taken = Predictions(
        one if one["correct"] else {**one, "answer": answer} for one in planted(bases=(BASE,), arms=(USUAL,))
    )
    said = [one for sentence, one in verdicts(taken).items() if "taken for another" in sentence and BASE in sentence]
    assert [one.effect for one in said] == [pytest.approx(effect)] * 2


def test_claims_about_points_need_no_folder():
    """A record is held to them where the points are not."""
    points = planted(lambda seed: 1, bases=POINTS[:1], arms=(USUAL,))
    last = planted(lambda seed: 2 + seed % 2, bases=POINTS[-1:], arms=(USUAL,))
    measurements = list(STUDY.measure(Predictions.joined([points, last])))
    claims = STUDY.claims(CrossModalSettings(checkpoints="not/here"))
    found = {claim.sentence: verdict(claim, measurements, tuple(SEEDS)) for claim in claims}
    more = [one for sentence, one in found.items() if f"than after {POINTS[0]}" in sentence]
    assert [(one.verdict, one.effect) for one in more] == [("supported", pytest.approx(1.4 / PEOPLE))] * 2
    assert [one.effect for sentence, one in found.items() if f"({POINTS[-1]}," in sentence] == [1 - 2.4 / PEOPLE] * 2
    assert not [claim for claim in STUDY.claims(CrossModalSettings()) if "step-" in claim.sentence]
