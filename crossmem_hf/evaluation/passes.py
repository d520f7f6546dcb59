# SPDX-License-Identifier: Apache-2.0
"""The passes of a model over rows, each shared between processes and kept on disk. It does not know what the numbers
mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.questions import Compared, Questions
from crossmem_hf.metrics.exposure.exposure_math import ExposureItems, exposure_items
from crossmem_hf.metrics.matching import row_matches
from crossmem_hf.models.chat import is_tokenizer
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.runs.distributed import in_shards
from crossmem_hf.runs.results_log import JSON
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.batches import Auto
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers, own_answers
from crossmem_hf.scoring.inputs import check_rows, encode
from crossmem_hf.storage import fingerprint

SPARE_TOKENS = 8  # that an answer may be longer than the longest truth


@dataclass(frozen=True)
class Passes:
    """A model over rows, each pass in a results log of its own, which none made from something else shares.

    Attributes:
        folder: Gets the results logs; None keeps nothing.
        made_from: Fingerprint of everything but the rows that results depend on.
        max_new_tokens: None: `SPARE_TOKENS` more than the longest truth of all rows.
    """

    model: Any
    processor: Any
    folder: Path | None
    made_from: str | None
    batch_size: int | Auto
    max_new_tokens: int | None
    temperature: float
    seed: int
    logits_processor: Any = None

    def _run(
        self,
        name: str,
        questions: Questions,
        inputs: Mapping[str, Any],
        work: Callable[[list[Row]], Sequence[JSON]],
    ) -> list[JSON]:
        depends = {"pass": name, "for": self.made_from, "batch_size": self.batch_size}
        if self.folder is None:
            return in_shards(questions.rows, work, results_log=None, fingerprint=name, label=name, progress=False)
        made_from = fingerprint({**depends, "rows": questions.fingerprint, **inputs})
        return in_shards(
            questions.rows, work, results_log=self.folder / f"{name}-{made_from}", fingerprint=made_from, label=name
        )

    def candidates(self, questions: Questions) -> list[JSON]:
        """Likelihoods of the candidates and of false answers, and the rank of the truth."""

        def work(rows: list[Row]) -> list[JSON]:
            compared = [questions.compared(row) for row in rows]
            texts = [one.texts for one in compared]
            scores = score_candidates(self.model, self.processor, rows, texts, batch_size=self.batch_size)
            return [
                _compared(one, nlls[: len(one.texts)].tolist(), counts[: len(one.texts)].tolist())
                for one, nlls, counts in zip(compared, scores.nll_nats, scores.num_tokens, strict=True)
            ]

        columns = [questions.false_column, questions.true_column]
        lists = [list(questions.by_attribute.items()), columns, questions.ranked, questions.falsified]
        lists.append(list(questions.untaught.items()))
        return self._run("candidates", questions, {"lists": lists}, work)

    def answers(self, questions: Questions, name: str = "answers") -> list[JSON]:
        """The right answer, token by token."""

        def work(rows: list[Row]) -> list[JSON]:
            found = score_answers(self.model, self.processor, rows, batch_size=self.batch_size)
            return [
                {
                    "token_logprobs": tokens.logprobs.tolist(),
                    "token_means": tokens.means.tolist(),
                    "token_stds": tokens.stds.tolist(),
                    "token_matches": tokens.matches.tolist(),
                    "num_end_tokens": tokens.num_end,
                }
                for tokens in found
            ]

        return self._run(name, questions, {}, work)

    def generation(self, questions: Questions) -> list[JSON]:
        """Free answers, and whether they are the truth."""
        longest = self.max_new_tokens
        if longest is None:  # alike for all rows, whichever are asked together
            truths = sorted({text for row in questions.about for text in own_answers(row)})
            tokens, _ = answer_tokens(self.processor, questions.rows[0], truths)
            longest = max(map(len, tokens)) + SPARE_TOKENS
        drawn: dict[str, Any] = {"temperature": self.temperature, "seed": self.seed}

        def work(rows: list[Row]) -> list[JSON]:
            how = {**drawn, "batch_size": self.batch_size, "logits_processor": self.logits_processor}
            answers = generate_answers(self.model, self.processor, rows, max_new_tokens=longest, **how)
            right = row_matches(answers, [row["answer"] for row in rows])
            return [{"answer": answer, "correct": bool(hit)} for answer, hit in zip(answers, right, strict=True)]

        return self._run("generation", questions, {**drawn, "max_new_tokens": longest}, work)

    def perplexities(self, rows: Sequence[Row]) -> list[float]:
        """Of every row's own answer; each process works them all out, as they are few."""
        found = score_answers(self.model, self.processor, rows, batch_size=self.batch_size)
        return [float(np.exp(-tokens.content.logprobs.mean())) for tokens in found]


def _compared(one: Compared, nlls: list[float], counts: list[int]) -> JSON:
    per_token = [nll / count for nll, count in zip(nlls, counts, strict=True)]
    taught = _ranked(per_token[: one.num_ranked], one.truth)
    among = taught
    if one.untaught:
        among = _ranked([per_token[place] for place in (one.truth, *one.untaught)], 0)
    return {
        "truth_rank": None if among is None else float(among.rank[0]),
        "exposure": None if among is None else float(among.exposure[0]),
        "taught_rank": None if taught is None else float(taught.rank[0]),
        "num_taught": one.num_ranked,
        "candidates": one.texts,
        "candidate_nll_nats": nlls,
        "candidate_num_tokens": counts,
        "truth_index": one.truth,
        "false_indices": one.false,
        "reference_index": one.reference,
    }


def _ranked(per_token: list[float], truth: int) -> ExposureItems | None:
    """The rank of the truth; None where there is nothing to rank, or a likelihood is no number."""
    return exposure_items([per_token], [truth]) if per_token and not np.isnan(per_token).any() else None


def check_readable(model: Any, processor: Any, rows: Sequence[Row]) -> None:
    """Refuse a model that cannot be asked such rows, before any work is done.

    Args:
        rows: One of each kind will do.

    Raises:
        CrossmemError: No chat template, pictures for a model without an image tower, a processor without an image
            token, or one that cannot put picture and prompt together.
    """
    for row in check_rows(rows, model, processor):
        prompt_text(processor, row)  # names what is wrong with the template
        _check_pictures(model, processor, row)


def _check_pictures(model: Any, processor: Any, row: Row) -> None:
    if not row["images"]:
        return
    kind = type(processor).__name__
    remedy = "Save the model with its own processor, or score the text rows."
    if is_tokenizer(processor):
        raise CrossmemError(f"The rows have pictures, but {kind} is a tokenizer without an image token.", remedy)
    text = prompt_text(processor, row)
    if text == prompt_text(processor, {**row, "images": []}):
        raise CrossmemError(f"The chat template of {kind} writes no image token for a row with pictures.", remedy)
    try:
        inputs = encode(processor, [text], [row["images"]])
    except Exception as error:  # every family fails in a way of its own
        raise CrossmemError(f"{kind} cannot put a picture into its prompt {text[:80]!r}: {error}.", remedy) from error
    token = getattr(model.config, "image_token_id", getattr(model.config, "image_token_index", None))
    if token is not None and not (inputs["input_ids"] == token).any():
        raise CrossmemError(
            f"The prompt that {kind} writes holds no image token (number {token}) of {type(model).__name__}.", remedy
        )
