# SPDX-License-Identifier: Apache-2.0
"""The library's own checks on a user's model. It does not know the models, and changes none."""

from collections.abc import Callable
from typing import Any

from crossmem_hf.conformance import conversation, fit, likelihoods, training
from crossmem_hf.conformance.report import Finding, ModelReport
from crossmem_hf.conformance.subject import Subject, subject_of
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import check_template
from crossmem_hf.models.families import check_family

CHECKS: dict[str, Callable[[Subject], Finding]] = {
    "parts fit": fit.parts,
    "prompt is a prefix": conversation.template,
    "answer tokens": conversation.tokens,
    "end of turn": conversation.end_of_turn,
    "pictures": conversation.pictures,
    "likelihoods": likelihoods.likelihoods,
    "padded batches": likelihoods.padding,
    "shared cache": likelihoods.shared_cache,
    "candidates apart": likelihoods.candidates_apart,
    "no memory": likelihoods.no_memory,
    "generation": likelihoods.generation,
    "labels": training.labels,
    "answers alone count": training.answers_only,
    "mixed batches": training.gradients,
    "adapter": training.adapter,
    "unlearning step": training.unlearning,
}
"""Name -> check, in the order in which they are made; without the first, the others would say what it says."""


def check_model(model: Any, processor: Any) -> ModelReport:
    """Whether a model is scored, generated from, trained and unlearned here as its own plain forward pass says.

    It is asked about drawn portraits of people who do not exist, one at a time through the processor's own encoding
    of whole conversations, and then by every way that this library has: in padded batches, with a shared cache, with
    candidates packed together, in training batches of pictures and texts. Nothing is downloaded, and the model is
    given back as it was; random number generators are seeded.

    Args:
        model: A causal or image-text-to-text model, with or without adapter, on any device. In float32 differences
            are those of ways and not of rounding.
        processor: Its processor, or for text-only models its tokenizer.

    Returns:
        A report: `holds` says whether nothing fails; printed, it is a table.

    Example:
        >>> from crossmem_hf import check_model, load_model
        >>> report = check_model(*load_model())
        >>> report.holds, report.status_of("shared cache")
        (True, 'holds')
    """
    name = f"{type(model).__name__}, {str(model.dtype).removeprefix('torch.')}, {model.device}"
    try:
        check_family(model.config)
        check_template(processor)
    except CrossmemError as error:
        return ModelReport(name, (_refused("family", error),))
    subject = subject_of(model, processor)
    first, *others = CHECKS.items()
    findings = [_made(first[0], first[1], subject)]
    if findings[0].status != "fails":
        findings += [_made(check, what, subject) for check, what in others]
    return ModelReport(name, tuple(findings))


def _made(name: str, check: Callable[[Subject], Finding], subject: Subject) -> Finding:
    """A check's finding; what it could not get through is one too."""
    try:
        return check(subject)
    except CrossmemError as error:
        return _refused(name, error)
    except Exception as error:  # a user's model fails in ways of its own, and the other checks go on
        first = (str(error).strip().splitlines() or [""])[0]
        return Finding(
            check=name,
            status="fails",
            found=f"{type(error).__name__}: {first}",
            remedy="Ask the model one row at a time outside crossmem_hf; if that works, report this to crossmem_hf.",
        )


def _refused(name: str, error: CrossmemError) -> Finding:
    return Finding(check=name, status="fails", found=error.fault, remedy=error.remedy)
