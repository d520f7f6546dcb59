# SPDX-License-Identifier: Apache-2.0
"""The passes of a model over rows, each shared between processes and kept on disk, and the items they give.

An item is one row without its pictures, as JSON: who was asked what, the truth, and everything measured of it. It does
not know what the numbers mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.rows import Questions
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.models.chat import is_tokenizer
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.runs.distributed import in_shards
from crossmem_hf.runs.results_log import JSON
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers, own_answers
from crossmem_hf.scoring.inputs import check_rows, encode
from crossmem_hf.storage import fingerprint

Item = dict[str, Any]
SPARE_TOKENS = 8  # that an answer may be longer than the longest truth
_ABOUT = ("persona_id", "attribute", "modality", "hops", "view", "template")


@dataclass(frozen=True)
class Passes:
    """A model, and where what it says of rows is kept.

    Attributes:
        folder: Gets a results log a pass.
        mark: Fingerprint of model, code, versions and device, which every pass depends on.
    """

    model: Any
    processor: Any
    settings: ScoreSettings
    folder: Path
    mark: str

    def items(self, questions: Questions) -> list[Item]:
        """An item a row, with what the settings' metrics need.

        Candidates give ``candidates``, ``candidate_nll_nats``, ``candidate_num_tokens``, ``num_candidates`` (the
        first so many are those of Exposure), ``truth_index``, ``false_indices`` and ``told_index`` (what those are
        set against); the right answer
        ``token_logprobs``, ``token_means``, ``token_stds``, ``token_matches`` and ``num_end_tokens``, of the last
        tokens; generation ``answer``.

        Raises:
            CrossmemError: Whatever a pass refuses; passes that are done are kept.
        """
        items = [_item(row, key) for row, key in zip(questions.about, questions.keys, strict=True)]
        for item, row in zip(items, questions.about, strict=True):
            item["num_choices"] = len(questions.by_attribute[row["attribute"]])
        if self.settings.needs("candidates"):
            self._add(items, self._candidates(questions))
        if self.settings.needs("answers"):
            self._add(items, self._answers(questions.rows, questions.fingerprint))
        if self.settings.needs("generation"):
            self._add(items, self._generation(questions))
        return items

    def holdout_items(self, rows: Any, about: Sequence[Row], keys: Sequence[str]) -> list[Item]:
        """An item a row that no model saw, with the right answer token by token."""
        items = [_item(row, key) for row, key in zip(about, keys, strict=True)]
        self._add(items, self._answers(rows, fingerprint(keys), "holdout"))
        return items

    def _add(self, items: Sequence[Item], found: Sequence[Item]) -> None:
        for item, more in zip(items, found, strict=True):
            item.update(more)

    def _run(
        self, name: str, rows: Any, inputs: Mapping[str, Any], work: Callable[[list[Row]], Sequence[JSON]]
    ) -> list[JSON]:
        """A pass in a results log of its own, so that what was made from something else is never met."""
        mark = fingerprint({"pass": name, "for": self.mark, "batch_size": self.settings.batch_size, **inputs})
        return in_shards(rows, work, results_log=self.folder / f"{name}-{mark}", fingerprint=mark, label=name)

    def _candidates(self, questions: Questions) -> list[Item]:
        def work(rows: list[Row]) -> list[Item]:
            compared = [questions.compared(row) for row in rows]
            texts = [one.texts for one in compared]
            scores = score_candidates(self.model, self.processor, rows, texts, batch_size=self.settings.batch_size)
            return [
                {
                    "candidates": one.texts,
                    "candidate_nll_nats": scores.nll_nats[place, : len(one.texts)].tolist(),
                    "candidate_num_tokens": scores.num_tokens[place, : len(one.texts)].tolist(),
                    "num_candidates": one.num_candidates,
                    "truth_index": one.truth,
                    "false_indices": one.false,
                    "told_index": one.told,
                }
                for place, one in enumerate(compared)
            ]

        columns = [questions.false_column, questions.true_column]
        lists = [questions.by_attribute, columns, questions.ranked, questions.falsified]
        return self._run("candidates", questions.rows, {"rows": questions.fingerprint, "lists": lists}, work)

    def _answers(self, rows: Any, made_from: str, name: str = "answers") -> list[Item]:
        def work(rows: list[Row]) -> list[Item]:
            return [
                {
                    "token_logprobs": tokens.logprobs.tolist(),
                    "token_means": tokens.means.tolist(),
                    "token_stds": tokens.stds.tolist(),
                    "token_matches": tokens.matches.tolist(),
                    "num_end_tokens": tokens.num_end,
                }
                for tokens in score_answers(self.model, self.processor, rows, batch_size=self.settings.batch_size)
            ]

        return self._run(name, rows, {"rows": made_from}, work)

    def _generation(self, questions: Questions) -> list[Item]:
        drawn = {"temperature": self.settings.temperature, "seed": self.settings.seed}
        truths = sorted({text for row in questions.about for text in own_answers(row)})
        tokens, _ = answer_tokens(self.processor, questions.rows[0], truths)
        longest = max(map(len, tokens)) + SPARE_TOKENS  # alike for all rows, whichever are asked together

        def work(rows: list[Row]) -> list[Item]:
            answers = generate_answers(
                self.model,
                self.processor,
                rows,
                max_new_tokens=longest,
                batch_size=self.settings.batch_size,
                temperature=self.settings.temperature,
                seed=self.settings.seed,
            )
            return [{"answer": answer} for answer in answers]

        return self._run("generation", questions.rows, {"rows": questions.fingerprint, **drawn}, work)


def _item(row: Row, key: str) -> Item:
    about = {name: row.get(name) for name in _ABOUT}
    return {"row": key, **about, "question": row["prompt"][-1]["content"], "truth": row["answer"]}


def check_askable(model: Any, processor: Any, rows: Sequence[Row]) -> None:
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
