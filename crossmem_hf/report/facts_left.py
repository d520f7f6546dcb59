# SPDX-License-Identifier: Apache-2.0
"""What unlearning left of facts, in one sentence made of a record's verdicts. It judges nothing."""

from collections.abc import Mapping

from crossmem_hf.report.record import Record

_FOUND = {
    "leaves Exposure, asked by the question, above the retain-only model's.": "Exposure stays above the retain-only "
    "model's ({methods})",
    "of what is retained is still said.": "nine tenths of what is retained is still said ({methods})",
    "With the MLP weights of the memorized model, more than half": "more than half of what was taken is said again "
    "with the MLP weights of the memorized model ({methods})",
}
"""Words of a method's claim -> what its support says."""


def facts_left(record: Record, methods: Mapping[str, str]) -> str:
    """What is known to hold of which methods; those whose claim is open or contradicted are not named.

    Args:
        record: Of the study remem.
        methods: Name of a method -> its name in sentences.

    Example:
        >>> from crossmem_hf.report.record import Verdict
        >>> about = {"paper": "ours", "unit": "ratio", "verdict": "supported", "n": 5, "threshold": 0.9, "ci": None}
        >>> one = Verdict(sentence="After NPO at least 90% of what is retained is still said.", effect=0.95, **about)
        >>> record = Record(study="remem", config={}, versions={}, fingerprints={}, measurements=(), verdicts=(one,))
        >>> facts_left(record, {"npo": "NPO", "ga": "GA"}).split("; ")[1]
        'nine tenths of what is retained is still said (NPO)'
    """
    parts = []
    for words, said in _FOUND.items():
        held = [
            name
            for name in methods.values()
            if any(
                words in one.sentence and one.verdict == "supported" and name in one.sentence.replace(".", "").split()
                for one in record.verdicts
            )
        ]
        parts.append(said.format(methods=_listed(held)))
    return "; ".join(parts)


def _listed(names: list[str]) -> str:
    *before, last = names or ["shown of no method"]
    return f"{', '.join(before)} and {last}" if before else last
