# SPDX-License-Identifier: Apache-2.0
"""What the study remem claims: a planted world is found, and nothing where there is nothing to find."""

import random
from itertools import product

import pytest

from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import verdict
from crossmem_hf.studies.remem import STUDY
from crossmem_hf.studies.remem_cells import (
    CHOSEN,
    CORRUPTED,
    HELD_OUT,
    KNOWN,
    MATCHED,
    STARTS,
    STATEMENT,
    TRAINING,
)
from crossmem_hf.studies.remem_measures import BEST, WITHOUT
from crossmem_hf.studies.remem_settings import EPOCHS, PARTS, RememSettings

SEEDS = range(5)
OPTIONS = {
    "methods": ("npo", "rmu"),
    "forget_percents": (5, 20),
    "questions": (10, 160, 200),
    "single_hop": "0,70,100",
}
SETTINGS = RememSettings(**OPTIONS)


def places():
    """Metric and place of all that claims are about."""
    for where in STUDY.grid(RememSettings(**OPTIONS, seeds=1)):
        where = {name: value for name, value in where.items() if name != "seed"}
        if where["part"] == "memorizing":
            along = {"epochs": EPOCHS[-1]} if where["budget"] == "epochs" else {}
            for asked, hops in product((TRAINING, HELD_OUT), ({}, {"hops": 1}, {"hops": 2})):
                for metric in ("recall", "logprob_per_token"):
                    yield metric, where | along | hops | {"asked": asked}
            continue
        if where["method"] not in STARTS:
            matched = where | {"read": MATCHED}
            yield "steps_read", matched
            yield "exposure", matched | {"asked": HELD_OUT, "group": "forget", "target": "image"}
            where = where | {"read": CHOSEN}
        yield "utility", where
        for asked, group, hops in product((TRAINING, HELD_OUT, STATEMENT), ("forget", "retain"), (None, 1, 2)):
            own = (
                where | {"asked": asked, "group": group, "target": "image"} | ({} if hops is None else {"hops": hops})
            )
            yield from ((metric, own) for metric in ("recall", "exposure", "min_k_prob"))
        yield "min_k_prob", where | {"asked": KNOWN, "group": KNOWN, "target": "image", "hops": 2}
        for part in ("mlp", "attention", WITHOUT):
            held = {"asked": HELD_OUT, "group": "forget", "target": "image", "transplanted": part, "layers": "all"}
            yield "recall", where | held
        for kind in CORRUPTED:
            yield "total_effect_logprob", where | {"corruption": kind}
            tokens = "subject" if kind == "subject" else "image"
            first = {"corruption": kind, "site": "hidden", "tokens": tokens, "layer": 0}
            yield "indirect_effect_logprob", where | first
    for hops in (1, 2):
        yield BEST, {"part": "memorizing", "base": SETTINGS.toy_base, "hops": hops}


def of_memorizing(metric, where):
    if metric == BEST:
        return 70.0
    if metric == "logprob_per_token":
        return -0.5 - where["questions"] / 400
    learned = where["questions"] * min(1, where["pictures"] / where["questions"]) / 200
    return 0.5 + 0.4 * learned - abs(where["single_hop"] - 70) / 500


def of_answers(where, unlearned, first):
    if where.get("transplanted", WITHOUT) != WITHOUT:
        return 0.8 if where["transplanted"] == "mlp" else 0.4
    if where["group"] == "forget":
        return 0.9 - unlearned * (0.6 + where["forget"] / 100)
    return 0.9 - unlearned * (0.01 if where.get("hops") == 1 else 0.05) * (1 if first else 0.5)


def as_the_papers_say(metric, where):
    """A number that bears out every sentence."""
    if where["part"] == "memorizing":
        return of_memorizing(metric, where)
    method, first = where["method"], where["base"] == SETTINGS.bases[0]
    unlearned = method not in STARTS
    if metric == "recall":
        return of_answers(where, unlearned, first)
    if metric == "exposure":
        asked = 20 if where["asked"] == HELD_OUT else 0
        return 50 + asked + (0 if method == "retain_only" else 10) + where["forget"] * unlearned
    if metric == "min_k_prob":
        return {"under_trained": 10.0, "retain_only": 10.0, "base": 5.0}.get(method, 40.0)
    if metric == "total_effect_logprob":
        return 10.0 if where["corruption"] == "picture" else 9.0
    return {
        "steps_read": 30.0,
        "utility": 0.8 - unlearned * (0.3 if first else 0.1),
        "indirect_effect_logprob": 8.0,
    }[metric]


def noise(metric, where, seed):
    """Small, of no sign, and its own for every place, so that no contrast is the same in all seeds."""
    return random.Random(f"{metric}{sorted(where.items())}{seed}").uniform(-1e-3, 1e-3)


def verdicts(world, settings=SETTINGS):
    measured = [
        Measurement(
            metric=metric,
            where=where,
            value=world(metric, where),
            n=10,
            unit="proportion",
            greater_means="more memorized",
            by_seed={seed: world(metric, where) + noise(metric, where, seed) for seed in SEEDS},
        )
        for metric, where in places()
    ]
    return {claim.sentence: verdict(claim, measured, SEEDS) for claim in STUDY.claims(settings)}


def test_a_world_that_is_as_the_papers_say_bears_out_every_claim():
    found = verdicts(as_the_papers_say)
    others = {sentence: (one.verdict, one.reason) for sentence, one in found.items() if one.verdict != "supported"}
    assert others == {}
    assert len(found) >= 39


def test_the_opposite_world_contradicts_what_compares_two_numbers():
    found = verdicts(lambda metric, where: 100.0 - as_the_papers_say(metric, where))
    assert not [sentence for sentence, one in found.items() if one.threshold == 0 and one.verdict == "supported"]


def test_nothing_is_found_where_all_is_alike():
    found = [one for one in verdicts(lambda metric, where: 1.0).values() if one.threshold == 0]
    missed = [one.sentence for one in found if one.verdict != "inconclusive"]
    assert len(missed) <= 0.15 * len(found), "of 95 % intervals one in twenty"


@pytest.mark.parametrize("part", PARTS)
def test_parts_have_claims_of_their_own(part):
    rest = tuple(one for one in PARTS if one != part)
    own, others = (
        {claim.sentence for claim in STUDY.claims(RememSettings(**OPTIONS, parts=parts))} for parts in ((part,), rest)
    )
    assert own
    assert not own & others
    assert {claim.sentence for claim in STUDY.claims(SETTINGS)} == own | others


def test_claims_are_about_the_methods_that_are_run():
    sentences = [claim.sentence for claim in STUDY.claims(RememSettings(methods=("npo",)))]
    assert any("NPO" in one for one in sentences)
    assert not any("RMU" in one for one in sentences)
