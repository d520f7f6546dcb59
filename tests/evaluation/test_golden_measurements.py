# SPDX-License-Identifier: Apache-2.0
"""Numbers to the bit: what made the shipped records, written down once, from predictions that are drawn."""

import json
import math
import random
from itertools import product
from pathlib import Path

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.summaries import Against, fluent_perplexity
from crossmem_hf.prompts.questions import REFUSALS


def golden_predictions():
    """Two kinds of runs, as the studies record them, of answers that are drawn."""
    draws = random.Random(0)
    names = ["Ada Moss", "Ada Brisk", "Bo Ferris Lind", "Cy", "Dee Oz", "Eve Moss"]
    runs = [
        {"stage": stage, "source": source, "modality": target}
        for stage in ("base", "memorized", "unlearned")
        for source in ("image", "text")
        for target in ((source,) if stage == "base" else ("image", "text"))
    ]
    methods = ({"method": "retain_only"}, {"method": "npo", "forget_modality": "both"})
    runs += [{**method, "modality": target} for method in methods for target in ("image", "text")]
    for seed, run, (place, truth), view in product((0, 1), runs, enumerate(names), (0, 1)):
        kinds = (truth, truth.upper(), draws.choice(names), truth.split()[0], "I do not know this person.", "Bo " * 6)
        answer = kinds[min(int(draws.random() * 8), 7) % 6]
        rank = draws.randrange(2, 13) / 2
        yield {
            **run,
            "seed": seed,
            "persona_id": f"p{seed}-{place}",
            "group": "forget" if place % 3 == 0 else "retain",
            "hops": 1 + view,
            "attribute": "full_name",
            "truth": truth,
            "answer": answer,
            "correct": answer.lower() == truth.lower(),
            "truth_rank": rank,
            "exposure": 100 * (1 - math.log(rank) / math.log(6)),
            "num_candidates": 6,
            "perplexity": 1 + 30 * draws.random() if place % 3 == 0 else None,
        }


def test_numbers_are_to_the_bit_those_of_the_first_records():
    """Value, interval and n, as the code that made results/first_light and results/compare computes them."""
    every = Predictions(golden_predictions())
    base = [every.where(stage="base", source=one).with_columns(source=two) for one, two in _SOURCES]
    ours = Predictions.joined([*(every.where(stage=stage) for stage in ("base", "memorized", "unlearned")), *base])
    metrics = ("recall", "gap", "transfer", "exposure", "partial_recall", "name_shaped")
    found = ours.measure(metrics, ("stage", "source", "target"))
    found += ours.measure(metrics, ("stage", "source", "target", "group"))
    compared = Predictions.joined(every.where(method=method) for method in ("retain_only", "npo"))
    where = ("method", "forget_modality", "target", "group")
    for by in (where, (*where, "hops")):
        found += compared.measure(("recall", "partial_recall", "rouge", "exposure"), by)
        limit = fluent_perplexity(compared.where(method="retain_only"))
        noise = Against(perplexity_limit=limit, refusals=REFUSALS)
        found += compared.where(group="forget").measure(("forget_diagnosis",), by, against=noise)
    ours = {f"{one.metric} ({one.place})": [one.value, *(one.ci or ()), one.n] for one in found}
    golden = json.loads((Path(__file__).parent / "golden_measurements.json").read_text())
    assert {name: ours.get(name) for name in golden} == golden


_SOURCES = (("image", "text"), ("text", "image"))
