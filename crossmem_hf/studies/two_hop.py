# SPDX-License-Identifier: Apache-2.0
"""Are two links put together that were learned apart: from pictures or descriptions to names, from names to facts?

The last claim of Wen et al. 2025 (arXiv 2506.05198), with the mixes of training rows, the chains and the chance level
of Balesni et al. 2024 (arXiv 2411.16353), on our own personas and base models. Asked are personas of whom no mix shows
both links at once.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import bases
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.cross_modal_arms import MAIN_BASES
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Study, Where, not_memorized, pooled
from crossmem_hf.studies.two_hop_cells import CHAIN, DIRECT, FIRST, MIXES, THEN, two_hop_cell
from crossmem_hf.studies.two_hop_claims import two_hop_claims

_BASES = bases()
_KEYS = ("base", "mix", "source", "target", "asked", "views")


class TwoHopSettings(StudySettings):
    """Settings of `crossmem study two_hop`."""

    num_personas: int = Field(20, ge=4, description="Personas to memorize, a seed; half of them are asked about.")
    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    bases: some_of(_BASES) = Field(  # type: ignore[valid-type]
        MAIN_BASES[:1], description=f"Comma-separated: {', '.join(_BASES)}.", json_schema_extra=SELECTS
    )
    mixes: some_of(MIXES) = Field(  # type: ignore[valid-type]
        MIXES, description=f"What is learned, comma-separated: {', '.join(MIXES)}.", json_schema_extra=SELECTS
    )


def _grid(settings: TwoHopSettings) -> list[Where]:
    return [
        {"base": base, "mix": mix, "source": source, "seed": seed}
        for base, mix, seed, source in product(settings.bases, settings.mixes, settings.all_seeds, MODALITIES)
    ]


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    """Recall; of both links at once also how likely the truth is, and other personas' answers are, in its place."""
    by = (*_KEYS, *pooled(predictions))
    yield from predictions.measure(("recall",), by)
    for where, part in predictions.where(asked=DIRECT).grouped(by):
        losses: list[tuple[Any, ...]] = [(one.get("seed"), *_losses(one)) for one in part]
        for place, metric in enumerate(("answer_loss", "shuffled_loss"), 1):
            by_seed = {seed: [own[place] for own in losses if own[0] == seed] for seed in {own[0] for own in losses}}
            yield Measurement(
                metric=metric,
                where=where,
                value=sum(own[place] for own in losses) / len(losses),
                n=len(losses),
                unit="nats a token",
                greater_means="less likely answers",
                by_seed={seed: sum(own) / len(own) for seed, own in by_seed.items() if isinstance(seed, int)},
            )


def _losses(one: dict[str, Any]) -> tuple[float, float]:
    """Of the truth, and the mean of all others' answers, which is that over all ways to shuffle them."""
    a_token = [nll / count for nll, count in zip(one["candidate_nll_nats"], one["candidate_num_tokens"], strict=True)]
    others = [a_token[place] for place in one["false_indices"]]
    return a_token[one["truth_index"]], sum(others) / len(others)


STUDY = Study(
    name="two_hop",
    title="Are two links put together that were learned apart: picture or description to name, name to fact?",
    paper="Wen et al. 2025 (arXiv 2506.05198) and Balesni et al. 2024 (arXiv 2411.16353), on our own personas",
    settings=TwoHopSettings,
    grid=_grid,
    cell=two_hop_cell,
    configs=lambda _: ("two_hop", "two_hop_test", "two_hop_far"),
    measure=_measure,
    claims=lambda _: two_hop_claims(),
    headline=(("recall", {"views": "test"}),),
    quick={"seeds": 1, "mixes": MIXES[:1]},
    notes=lambda settings, _: (
        "Only personas of whom no mix shows both links at once are asked about: every other one.",
        f"{THEN}: the model names the person, and is then asked for the fact of that name. {CHAIN}: it says both in "
        "one answer, as it was taught about the other personas, and both must be right.",
        "shuffled_loss is the mean over all answers to the same question about other personas, which is what "
        "shuffling them gives in the mean: where answer_loss is no lower, the truth is not known.",
    ),
    uninterpretable=lambda record: not_memorized(
        record,
        *(
            {"mix": MIXES[0], "asked": FIRST, "views": "test", "source": source, "target": source, "base": base}
            for source, base in product(MODALITIES, record.config["bases"][:1])
        ),
    ),
)
