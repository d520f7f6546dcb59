# SPDX-License-Identifier: Apache-2.0
"""Checks that likelihoods and answers do not depend on how rows are batched, padded, packed or ordered. They do not
look at training."""

from typing import Any

import numpy as np

from crossmem_hf.conformance.conversation import first_special
from crossmem_hf.conformance.report import Finding, within
from crossmem_hf.conformance.subject import Subject, plain_greedy
from crossmem_hf.models.chat import tokenizer_of
from crossmem_hf.models.families import has_cross_attention
from crossmem_hf.models.turns import answer_tokens
from crossmem_hf.scoring.candidates import Scores, score_candidates
from crossmem_hf.scoring.continuations import shares_cache
from crossmem_hf.scoring.generation import generate_answers

NATS = "nats a token"
_STEPS = 6
_TIE = 1e-3  # logits; who is likeliest is then a matter of rounding
_FLOAT = "Load the model in float32 to see whether it is rounding; else "
_ALONE = _FLOAT + "the model reads its own inputs in another way: report it to crossmem_hf."
_PADS = _FLOAT + "its attention does not leave out padding: pass batch_size=1, and report it to transformers."
_LEAKS = _FLOAT + "candidates see each other: set attn_implementation='eager', and report it to crossmem_hf."
_STALE = _FLOAT + "the model keeps something from one call to the next: report it to transformers."


def likelihoods(subject: Subject) -> Finding:
    """Candidates' likelihoods are those of a plain forward pass over the processor's own encoding, row by row."""
    return within("likelihoods", _off(subject, _scores(subject, batch_size=1)), subject.close, NATS, _ALONE)


def padding(subject: Subject) -> Finding:
    """The same with all rows in one batch, left-padded: pictures together, texts together."""
    return within("padded batches", _off(subject, _scores(subject, batch_size=8)), subject.close, NATS, _PADS)


def shared_cache(subject: Subject) -> Finding:
    """What questions and candidates share is computed once, or whole sequences are scored with the same result."""
    name = "shared cache"
    ids, _ = answer_tokens(subject.processor, subject.rows[0], subject.answers)
    rows = list(subject.rows)
    finding = within(name, _off(subject, _scores(subject)), subject.close, NATS, _LEAKS)
    if finding.status == "fails" or shares_cache(subject.model, subject.processor, rows, [ids] * len(rows)):
        return finding
    across = has_cross_attention(subject.model.config)
    why = "its layers look across at pictures" if across else "a packed pass gives other scores"
    return Finding(
        check=name,
        status="falls back",
        found=f"{why}; whole sequences are scored, {finding.found}",
        value=finding.value,
        remedy="Nothing need be done; scoring many candidates takes longer.",
    )


def candidates_apart(subject: Subject) -> Finding:
    """A candidate's likelihood is the same among others and alone."""
    together, rows = _scores(subject), list(subject.rows)
    alone = [
        score_candidates(subject.model, subject.processor, rows, [answer]).nll_nats[:, 0] for answer in subject.answers
    ]
    off = np.abs(together.nll_nats - np.stack(alone, axis=1)) / together.num_tokens
    return within("candidates apart", float(off.max()), subject.close, NATS, _LEAKS)


def no_memory(subject: Subject) -> Finding:
    """A row's likelihoods are the same before and after other rows were asked."""
    rows, candidates = list(subject.rows), list(subject.answers)
    prompts = [rows[0], rows[-1], rows[0]]
    first, _, last = (
        score_candidates(subject.model, subject.processor, [row], candidates).nll_nats for row in prompts
    )
    counts = [len(ids) for ids in answer_tokens(subject.processor, rows[0], candidates)[0]]
    return within("no memory", float((np.abs(first - last) / counts).max()), subject.close, NATS, _STALE)


def generation(subject: Subject) -> Finding:
    """Answers in a batch, and alone, are the likeliest tokens of plain passes one after the other."""
    name, rows = "generation", list(subject.rows)
    words = tokenizer_of(subject.processor)
    (ids,), (num_end,) = answer_tokens(subject.processor, rows[0], subject.answers[:1])
    known = subject.model.generation_config.eos_token_id
    ends = {words.eos_token_id, *(known if isinstance(known, list) else [known])}
    ends.add(first_special(subject.processor, ids[len(ids) - num_end :]))
    made = [plain_greedy(subject, row, _STEPS, {end for end in ends if end is not None}) for row in rows]
    expected = [words.decode(tokens, skip_special_tokens=True).strip() for tokens, _ in made]
    wrong, close = [], 0
    for batch_size in (1, 8):
        answers = generate_answers(
            subject.model, subject.processor, rows, max_new_tokens=_STEPS, batch_size=batch_size
        )
        for got, want, (_, lead) in zip(answers, expected, made, strict=True):
            if got != want:
                close += lead <= max(_TIE, subject.close)
                wrong += [] if lead <= max(_TIE, subject.close) else [(batch_size, got, want)]
    if wrong:
        size, got, want = wrong[0]
        return Finding(
            check=name,
            status="fails",
            found=f"{len(wrong)} of {2 * len(rows)} answers differ; with batch_size={size} {got!r} and not {want!r}",
            value=float(len(wrong)),
            remedy="Compare the model's generate with its forward pass; pass batch_size=1 if only batches differ.",
        )
    found = f"{2 * len(rows)} answers of up to {_STEPS} tokens" + (f", {close} of them ties" if close else "")
    return Finding(check=name, status="holds", found=found, value=0.0)


def _scores(subject: Subject, **sizes: Any) -> Scores:
    return score_candidates(subject.model, subject.processor, list(subject.rows), list(subject.answers), **sizes)


def _off(subject: Subject, scores: Scores) -> float:
    """The largest difference from the plain path, in nats a token."""
    expected, counts = subject.plain
    if (scores.num_tokens != counts).any():
        return float("inf")
    off = np.abs(scores.nll_nats - expected) / counts
    return float("inf") if np.isnan(off).any() else float(off.max())
