# SPDX-License-Identifier: Apache-2.0
"""Asking a model everything a comparison needs, row by row. It knows answers one by one, not means."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from crossmem_hf.data.forms import Row
from crossmem_hf.data.loading import built_rows
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.metrics.exposure.exposure_math import ExposureItems
from crossmem_hf.metrics.matching import row_matches
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers

Answer = dict[str, Any]
"""One question and its answer: persona_id, seed, forgotten, modality, hops, attribute, question, answer, truth,
correct, exposure (0 to 100), rank and num_candidates; JSON types only."""


def joined(dataset_config: str, part: str, spec: DatasetSpec) -> Any:
    """Rows of both modalities: "train", "validation" or "test" rows about all people.

    The config qa has no validation split: what is unlearned there is looked at itself.
    """
    from datasets import concatenate_datasets

    if dataset_config == "recall":
        return concatenate_datasets([built_rows(f"recall_{modality}", part, spec) for modality in ("image", "text")])
    return built_rows("qa_test" if part == "test" else "qa", "forget+retain", spec)


def ask(model: Any, processor: Any, rows: Sequence[Row], spec: DatasetSpec, forgotten: frozenset[str]) -> list[Answer]:
    """Every row's answer, and where its truth ranks among all values that anybody of the seed has."""
    listed = {row["attribute"]: list(row["values"]) for row in built_rows("candidates", "target", spec)}
    answers = generate_answers(model, processor, rows)
    scores = score_candidates(model, processor, rows, [listed[row["attribute"]] for row in rows])
    counts = np.array([len(listed[row["attribute"]]) for row in rows])
    ranks = ExposureItems(rank=scores.truth_rank, num_candidates=counts)
    columns = {
        "answer": answers,
        "correct": row_matches(answers, [row["answer"] for row in rows]).tolist(),
        "exposure": ranks.exposure.tolist(),
        "rank": ranks.rank.tolist(),
        "num_candidates": counts.tolist(),
    }
    return [
        {
            "persona_id": row["persona_id"],
            "seed": spec.seed,
            "forgotten": row["persona_id"] in forgotten,
            "modality": row["modality"],
            "hops": row["hops"],
            "attribute": row["attribute"],
            "question": row["prompt"][-1]["content"],
            "truth": row["answer"],
            **{name: column[place] for name, column in columns.items()},
        }
        for place, row in enumerate(rows)
    ]


def with_perplexity(model: Any, processor: Any, rows: Sequence[Row], asked: Sequence[Answer]) -> list[Answer]:
    """The answers, those about forgotten people with their perplexity under a model that knows nobody."""
    places = [place for place, answer in enumerate(asked) if answer["forgotten"] and answer["answer"].strip()]
    said = [{**rows[place], "answer": asked[place]["answer"], "completion": None} for place in places]
    found = score_answers(model, processor, said) if said else []
    perplexity = {
        place: float(np.exp(-tokens.content.logprobs.mean())) for place, tokens in zip(places, found, strict=True)
    }
    return [{**answer, "perplexity": perplexity.get(place)} for place, answer in enumerate(asked)]
