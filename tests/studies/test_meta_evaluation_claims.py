# SPDX-License-Identifier: Apache-2.0
"""Claims about metrics, of planted numbers."""

import pytest

from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.claims import verdicts
from crossmem_hf.studies.meta_evaluation_claims import NAMES, WORDS, meta_evaluation_claims
from crossmem_hf.studies.meta_evaluation_measures import FAITHFUL, TRUST

SEEDS = range(5)


def judged(values):
    """Sentence -> verdict, of a mean over seeds for each pair of number and modality."""
    numbers = [
        Measurement(
            metric=metric,
            where={"of": of, "target": target},
            value=value + 0.002 * place,
            n=5,
            unit="proportion",
            by_seed={seed: value + 0.001 * seed * place for seed in SEEDS},
        )
        for place, ((metric, of, target), value) in enumerate(values.items())
    ]
    return {one.sentence: one.verdict for one in verdicts(meta_evaluation_claims(), numbers, list(SEEDS))}


def test_each_number_is_held_against_the_exact_answer_in_each_modality():
    sentences = [one.sentence for one in meta_evaluation_claims()]
    assert len(sentences) == len({*sentences}) == 2 * (len(WORDS) * (len(NAMES) - 1) - 3 + 3)


@pytest.mark.parametrize(("exposure", "verdict"), [(0.3, "supported"), (0.9, "contradicted")])
def test_verdicts_are_those_of_the_numbers(exposure, verdict):
    found = judged({(FAITHFUL, "recall", "text"): 0.6, (FAITHFUL, "exposure", "text"): exposure})
    said = "Asked through descriptions, Exposure tells models that learned people from models that did not worse"
    assert found[f"{said} than the exact answer."] == verdict


def test_what_the_paper_says_is_judged_as_well():
    found = judged({(TRUST, "rouge_l", "image"): 0.9, (TRUST, "truth_ratio", "image"): 0.5})
    assert found["Asked through portraits, ROUGE-L is in all to be trusted more than the truth ratio."] == "supported"
