# SPDX-License-Identifier: Apache-2.0
"""Lines from answers made by hand."""

import pytest

from crossmem_hf.report.compare_record import EXPOSURE, PARTIAL, RECALL, ROUGE
from crossmem_hf.studies.compare_summary import compare_arms, compare_lines, fluent_perplexity


def answer(said, *, person="p0", forgotten=True, modality="image", hops=1, rank=3.0, perplexity=5.0, truth="Ada Moss"):
    return {
        "persona_id": person,
        "seed": 0,
        "forgotten": forgotten,
        "modality": modality,
        "hops": hops,
        "attribute": "full_name",
        "question": "Who?",
        "answer": said,
        "truth": truth,
        "correct": said == truth,
        "exposure": 50.0,
        "rank": rank,
        "num_candidates": 10,
        "perplexity": perplexity,
    }


def result(arm, *answers, through=None, seed=0, **more):
    cost = {"wall_s": 2.0, "cpu_s": 1.0, "peak_mib": 100.0}
    done = {"arm": arm, "through": through, "seed": seed, "asked": list(answers), "steps": 7, "reached_floor": True}
    return done | {"cost": cost} | more


def lines_of(*results):
    return {(line.arm, line.metric, line.group, line.modality, line.hops): line for line in compare_lines(results)}


def test_recall_partial_recall_rouge_and_exposure():
    asked = [answer("Ada Moss"), answer("Ada Ferris"), answer("Bo", person="p1"), answer("Ada Moss", person="p1")]
    lines = lines_of(result("npo", *asked))
    line = lines["npo", RECALL, "forget", "image", None]
    assert (line.value, line.n, line.chance) == (0.5, 4, pytest.approx(0.1))
    assert lines["npo", PARTIAL, "forget", "image", None].value == 0.75
    assert lines["npo", ROUGE, "forget", "image", None].value == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert lines["npo", EXPOSURE, "forget", "image", None].value == 50.0


def test_groups_modalities_and_hops_are_told_apart():
    asked = [
        answer("Ada Moss"),
        answer("x", hops=2),
        answer("Ada Moss", modality="text"),
        answer("y", forgotten=False),
    ]
    lines = lines_of(result("npo", *asked))
    assert lines["npo", RECALL, "forget", "image", None].value == 0.5
    assert lines["npo", RECALL, "forget", "image", 1].value == 1.0
    assert lines["npo", RECALL, "forget", "image", 2].value == 0.0
    assert lines["npo", RECALL, "forget", "text", None].n == 1
    assert lines["npo", RECALL, "retain", "image", None].value == 0.0
    assert ("npo", "forgotten", "retain", "image", None) not in lines


def test_what_became_of_forgotten_facts():
    """Said, refused, repeated, another name, known though unsaid: by the rules of forget_diagnosis."""
    asked = [
        answer("Ada Moss"),
        answer("I do not know this person."),
        answer("Bo Bo Bo Bo Bo Bo"),
        answer("Bo Ferris"),
        answer("Bo Ferris", rank=1.0),
    ]
    lines = lines_of(result("npo", *asked))
    shares = {
        name: lines["npo", name, "forget", "image", None].value for name in ("forgotten", "refused", "collapsed")
    }
    assert shares == {"forgotten": 0.2, "refused": 0.2, "collapsed": 0.2}
    assert lines["npo", "still_known", "forget", "image", None].value == 0.4


def test_noise_is_what_the_retrained_model_never_says():
    fluent = [answer("Bo Ferris", perplexity=float(n)) for n in range(1, 101)]
    results = [result("retrained", *fluent), result("npo", answer("Zyx Qw", perplexity=500.0), answer("Cy Oz"))]
    assert fluent_perplexity(results) == pytest.approx(99.01)
    lines = lines_of(*results)
    assert lines["npo", "collapsed", "forget", "image", None].value == 0.5
    assert fluent_perplexity(results[1:]) is None


def test_costs_are_kept_a_seed_and_failures_named():
    arms = list(
        compare_arms(
            [
                result("npo", answer("x"), through="both"),
                result("npo", answer("x"), through="both", seed=1, steps=9, reached_floor=False),
                {"arm": "npo", "through": "both", "seed": 2, "failed": "NaN"},
                {"arm": "base", "through": None, "seed": 0, "asked": [answer("x")]},
            ]
        )
    )
    assert (arms[0].steps, arms[0].reached_floor, arms[0].failed) == ((7, 9), (True, False), ("seed 2: NaN",))
    assert arms[0].peak_mib == (100.0, 100.0)
    assert (arms[1].steps, arms[1].wall_s) == ((0,), (0.0,))
