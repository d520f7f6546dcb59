# SPDX-License-Identifier: Apache-2.0
"""Does a model that learns an album also memorize what stands on its pictures and has nothing to do with its task?
Claims of Ju et al. 2025, "Watch Out Your Album!" (https://huggingface.co/papers/2503.01208), on drawn portraits.

Parts: gradients of a fresh adapter on rows and on changed ones, by batch size; and models trained with the records of
users on a share of the pictures, in which probes and questions look for these users. What may be read there before
training, too, is taken away; the lists of users change places.
"""

from typing import Any

from pydantic import Field

from crossmem_hf.data.configs.watermark import RATES
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of, steps_of
from crossmem_hf.studies.study import Study, Where
from crossmem_hf.studies.watermark_cells import ASKED, GRADIENTS, LISTS, TRAINED, watermark_cell
from crossmem_hf.studies.watermark_claims import watermark_claims

USUAL = 16
"""Batch size at which rates are compared."""
COMPARED = 0.5
"""Rate at which batch sizes are."""
_RATES = tuple(f"{rate:g}" for rate in RATES)


class WatermarkSettings(StudySettings):
    """Settings of `crossmem study watermark_probes`."""

    seeds: int = Field(
        5, ge=1, le=100, description="How many persona seeds, from --seed upwards.", json_schema_extra=SELECTS
    )
    rates: some_of(_RATES) = Field(  # type: ignore[valid-type]
        _RATES, description="Shares of the pictures with a record, comma-separated.", json_schema_extra=SELECTS
    )
    train_batch_sizes: steps_of() = Field(  # type: ignore[valid-type]
        (4, USUAL, 64),
        description=f"Compared at a rate of {COMPARED}, rising, comma-separated.",
        json_schema_extra=SELECTS,
    )
    accumulation: int = Field(
        16, ge=1, description="Batches of the smallest size a step, in one more training.", json_schema_extra=SELECTS
    )
    train_epochs: int = Field(10, ge=1, description="Passes over the pictures.")
    train_learning_rate: float = Field(1e-3, gt=0, description="Cosine, whatever the batch.")
    gradient_batch_sizes: steps_of() = Field(  # type: ignore[valid-type]
        (1, 4, 16, 64), description="Rows of a gradient, rising, comma-separated."
    )
    accumulations: steps_of() = Field(  # type: ignore[valid-type]
        (1, 4), description="Passes of a gradient, rising, comma-separated."
    )
    num_batches: int = Field(100, ge=1, description="Gradients of a size.")

    @property
    def trained_with(self) -> list[tuple[int, int]]:
        """Batch sizes and accumulations that are compared, the smallest batch first."""
        sizes: Any = self.train_batch_sizes
        return [(size, 1) for size in sizes] + ([(sizes[0], self.accumulation)] if self.accumulation > 1 else [])


def _grid(settings: WatermarkSettings) -> list[Where]:
    found: list[Where] = [{"part": GRADIENTS, "seed": seed} for seed in settings.all_seeds]
    trained = [(float(rate), users, USUAL, 1) for rate in settings.rates for users in LISTS]
    trained += [(COMPARED, LISTS[0], size, batches) for size, batches in settings.trained_with]
    for rate, users, size, batches in dict.fromkeys(trained):
        place: dict[str, Any] = {
            "part": TRAINED,
            "rate": rate,
            "list": users,
            "batch_size": size,
            "accumulation": batches,
        }
        found += [{**place, "seed": seed} for seed in settings.all_seeds]
    return found


STUDY = Study(
    name="watermark_probes",
    title="Does a model that learns an album memorize the users on its pictures, whom nothing asks about?",
    paper='Ju et al. 2025, "Watch Out Your Album!" (https://huggingface.co/papers/2503.01208), on drawn portraits',
    settings=WatermarkSettings,
    grid=_grid,
    cell=watermark_cell,
    configs=lambda _: (),
    measure=lambda _: (),
    claims=lambda settings: watermark_claims(
        rates=[float(rate) for rate in settings.rates],
        usual=USUAL,
        compared=COMPARED,
        trained_with=settings.trained_with,
        gradients_of=settings.gradient_batch_sizes,
        accumulations=settings.accumulations,
    ),
    headline=(("probe_gain_mean", {}), ("gradient_cosine", {"change": "watermark"})),
    quick={
        "seeds": 1,
        "num_personas": 20,
        "rates": ("0", "1"),
        "train_batch_sizes": (4, 64),
        "accumulation": 1,
        "gradient_batch_sizes": (1, 16),
        "accumulations": (1,),
        "num_batches": 20,
    },
    notes=lambda settings, _: (
        "probe_accuracy is of users whom the probe never saw; probe_untuned is the same of the model before it; "
        "probe_gain is the difference row by row, which alone speaks of training; _mean is over layers.",
        f"read_out is the share of held-out pictures whose id is said when {ASKED!r} is asked; auroc_by_likelihood "
        "says whether ids that were seen are likelier than others' where no picture shows any, 0.5 by chance.",
        f"Every model passes over its pictures {settings.train_epochs} times, whatever the batch.",
    ),
)
