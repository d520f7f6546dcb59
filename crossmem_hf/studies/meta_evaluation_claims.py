# SPDX-License-Identifier: Apache-2.0
"""Which metric to believe, in claims. It knows which numbers a claim is about, not how they are measured."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.meta_evaluation_measures import FAITHFUL, FORGET_QUALITY, RELEARNING, ROUNDING, TRUST

WORDS: Final = {
    FAITHFUL: "tells models that learned people from models that did not better",
    RELEARNING: "changes less when an unlearned model relearns",
    ROUNDING: "changes less when an unlearned model is rounded to four bits",
    TRUST: "is in all to be trusted more",
}
"""What is measured -> what more of it is."""
NAMES: Final = {
    "recall": "the exact answer",
    "exposure": "Exposure",
    "exposure_linear": "linear Exposure",
    "rouge_l": "ROUGE-L",
    "truth_ratio": "the truth ratio",
    "forget_quality": "forget quality (KS)",
    "min_k_prob": "Min-K%",
    "min_k_plus_plus": "Min-K%++",
    "extraction_strength": "extraction strength",
    "extraction_probability": "the probability of extraction",
}
"""Number of a metric -> its name in sentences."""
_AGAINST_RECALL = tuple(name for name in NAMES if name != "recall")
_PAPERS = (
    ("forget_quality", FAITHFUL, "rouge_l"),
    ("rouge_l", TRUST, "truth_ratio"),
    ("min_k_prob", FAITHFUL, "min_k_plus_plus"),
)
"""What their table says: this number is above that one in this."""


def meta_evaluation_claims() -> Iterator[Claim]:
    """Each number beside the exact answer, and what the table of Open-MMUnlearning says, in each modality asked in."""
    for better, of, target in product(WORDS, _AGAINST_RECALL, MODALITIES):
        if better == FAITHFUL or of != FORGET_QUALITY:
            yield _claim(of, better, "recall", target)
    for (of, better, other), target in product(_PAPERS, MODALITIES):
        yield replace(
            _claim(of, better, other, target),
            paper="Open-MMUnlearning (arXiv 2610.10358)",
            question="Does the order of the paper hold here?",
            differs="Their robustness is a ratio, ours a share of what tells the memorized model from the retain-only "
            "one; their models are of 7 billion parameters, of one seed.",
        )


def _claim(of: str, better: str, other: str, target: Modality) -> Claim:
    def contrast(find: Find) -> float:
        return find(better, of=of, target=target) - find(better, of=other, target=target)

    return Claim(
        sentence=f"Asked through {MODALITY_NAMES[target]}, {NAMES[of]} {WORDS[better]} than {NAMES[other]}.",
        paper="ours",
        contrast=contrast,
        question="Is another number to be believed rather than the exact answer?",
    )
