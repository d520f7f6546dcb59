# SPDX-License-Identifier: Apache-2.0
"""Which metric to believe, in claims. It knows which numbers a claim is about, not how they are measured."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.meta_evaluation_measures import FAITHFUL, FORGET_QUALITY, RELEARNING, ROUNDING, TRUST

WORDS: Final = {
    FAITHFUL: "tells models that learned people from models that did not worse {than}",
    RELEARNING: "rises less {than} when an unlearned model relearns, beyond the retain-only model",
    ROUNDING: "rises less {than} when an unlearned model is rounded to four bits, beyond the retain-only model",
    TRUST: "is in all to be trusted more {than}",
}
"""What is measured -> what a claim beside the exact answer says. Where that one tells all models apart no number can
be more faithful, so it is asked which are less."""
NAMES: Final = {
    "recall": "the exact answer",
    "exposure": "Exposure",
    "exposure_linear": "linear Exposure",
    "rouge_l": "ROUGE-L",
    "truth_ratio": "the truth ratio",
    "forget_quality": "forget quality (KS)",
    "min_k_prob": "Min-K%",
    "min_k_plus_plus": "Min-K%++",
    "max_renyi": "MaxRényi-K%",
    "extraction_strength": "extraction strength",
    "extraction_probability": "the probability of extraction",
}
"""Number of a metric -> its name in sentences."""
_QUESTIONS: Final = {
    FAITHFUL: "Does any number tell worse than the exact answer who learned?",
    RELEARNING: "Which number sees what relearning brings back?",
    ROUNDING: "Which number sees what rounding brings back?",
    TRUST: "Which number is in all to be trusted more than the exact answer?",
}
_AGAINST_RECALL = tuple(name for name in NAMES if name != "recall")
_PAPERS = (
    ("forget_quality", FAITHFUL, "rouge_l"),
    ("rouge_l", TRUST, "truth_ratio"),
    ("min_k_prob", FAITHFUL, "min_k_plus_plus"),
)
"""What their table says: this number is above that one in this."""
_PAPERS_SAY: Final = {
    FAITHFUL: "tells models that learned people from models that did not better {than}",
    TRUST: WORDS[TRUST],
}


def meta_evaluation_claims() -> Iterator[Claim]:
    """Each number beside the exact answer, and what the table of Open-MMUnlearning says, in each modality asked in."""
    for measured, of, target in product(WORDS, _AGAINST_RECALL, MODALITIES):
        if measured == FAITHFUL or of != FORGET_QUALITY:
            less, more = ("recall", of) if measured == FAITHFUL else (of, "recall")
            yield Claim(
                sentence=_sentence(target, of, WORDS[measured], "recall"),
                paper="ours",
                contrast=_above(measured, less, more, target),
                question=_QUESTIONS[measured],
            )
    for (of, measured, other), target in product(_PAPERS, MODALITIES):
        yield Claim(
            sentence=_sentence(target, of, _PAPERS_SAY[measured], other),
            paper="Open-MMUnlearning (arXiv 2610.10358)",
            contrast=_above(measured, of, other, target),
            question="Does the order of the paper hold here?",
            differs="Their robustness is a ratio, ours a share of what tells the memorized model from the retain-only "
            "one; their models are of 7 billion parameters, of one seed. Ours that learned people and ours that did "
            "not may be told apart perfectly, and then no number is more faithful than another.",
        )


def _sentence(target: Modality, of: str, words: str, other: str) -> str:
    return f"Asked through {MODALITY_NAMES[target]}, {NAMES[of]} {words.format(than=f'than {NAMES[other]}')}."


def _above(measured: str, of: str, other: str, target: Modality) -> Callable[[Find], float]:
    return lambda find: find(measured, of=of, target=target) - find(measured, of=other, target=target)
