# SPDX-License-Identifier: Apache-2.0
"""What is claimed of private records in an album that has nothing to do with the task. It knows which numbers a claim
is about, not how they are measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossmem_hf.report.record import Value
from crossmem_hf.studies.claims import Claim, Find
from crossmem_hf.studies.watermark_cells import CHANGES, LISTS

PAPER: Final = "Ju et al. 2025 (arXiv 2503.01208)"
MARGIN: Final = 0.05
"""What counts as no difference between users that were seen and others."""
_GRADIENTS: Final = "Do private records change what small batches learn?"
_PROBES: Final = "Do hidden states know users that answers do not?"
_BATCHES: Final = "Do larger batches help?"
_DIFFERS: Final = (
    "Their pictures are photographs and their records have six lines; ours are drawn portraits of 64 pixels with a "
    "user's id. Probes are held out by user, theirs by picture."
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How a model of the study was trained, as its cells have it."""

    rate: float
    users: str
    batch_size: int
    accumulation: int

    def place(self, **more: Value) -> dict[str, Value]:
        """In keys of `Measurement.where`."""
        place: dict[str, Value] = {"part": "trained", "rate": self.rate, "list": self.users}
        return place | {"batch_size": self.batch_size, "accumulation": self.accumulation, **more}


def watermark_claims(
    *,
    rates: Sequence[float],
    usual: int,
    compared: float,
    trained_with: Sequence[tuple[int, int]],
    gradients_of: Sequence[int],
    accumulations: Sequence[int],
) -> Iterator[Claim]:
    """All claims of some settings.

    Args:
        rates: Of watermarked rows.
        usual: Batch size at which rates are compared.
        compared: Rate at which batch sizes are.
        trained_with: Batch sizes and accumulations compared there, the smallest batch first.
        gradients_of, accumulations: Batch sizes and accumulations of gradients, the smallest first.
    """
    small, large = gradients_of[0], gradients_of[-1]
    if small != large:
        for change in CHANGES:
            yield _means(change, small, large)
            yield _variances(change, small, large)
    if accumulations[-1] > 1:
        yield _accumulated(small, accumulations[-1])
    for other in CHANGES[1:]:
        yield _beside(other, small)
    for users in LISTS:
        for rate in rates:
            if rate > 0:
                yield _gain(Trained(rate=rate, users=users, batch_size=usual, accumulation=1))
                yield _unsaid(Trained(rate=rate, users=users, batch_size=usual, accumulation=1))
                yield _not_prompted(Trained(rate=rate, users=users, batch_size=usual, accumulation=1))
        yield _control(Trained(rate=0.0, users=users, batch_size=usual, accumulation=1))
    first = trained_with[0]
    for batch, batches in trained_with[1:]:
        yield _mitigated(compared, first, (batch, batches))


def _cosine(find: Find, metric: str, change: str, size: int, batches: int = 1) -> float:
    return find(metric, change=change, batch_size=size, accumulation=batches)


def _means(change: str, small: int, large: int) -> Claim:
    return Claim(
        sentence=f"Gradients of batches of {small} are changed more by {_what(change)} than those of {large}.",
        paper=PAPER,
        contrast=lambda find: (
            _cosine(find, "gradient_cosine", change, large) - _cosine(find, "gradient_cosine", change, small)
        ),
        unit="cosine",
        question=_GRADIENTS,
        differs=_DIFFERS,
    )


def _variances(change: str, small: int, large: int) -> Claim:
    metric = "gradient_cosine_variance"
    return Claim(
        sentence=f"How far {_what(change)} change gradients varies more between batches of {small} than of {large}.",
        paper=PAPER,
        contrast=lambda find: _cosine(find, metric, change, small) - _cosine(find, metric, change, large),
        unit="cosine²",
        question=_GRADIENTS,
        differs=_DIFFERS,
    )


def _what(change: str) -> str:
    return {"watermark": "users' records", "picture": "mirrored, darker pictures", "words": "other words"}[change]


def _accumulated(size: int, batches: int) -> Claim:
    return Claim(
        sentence=f"Records change the gradient of {batches} accumulated batches of {size} less than that of one.",
        paper=PAPER,
        contrast=lambda find: (
            _cosine(find, "gradient_cosine", "watermark", size, batches)
            - _cosine(find, "gradient_cosine", "watermark", size)
        ),
        unit="cosine",
        question=_BATCHES,
        differs=_DIFFERS,
    )


def _beside(other: str, size: int) -> Claim:
    return Claim(
        sentence=f"Records change gradients of batches of {size} more than {_what(other)} do.",
        paper="ours",
        contrast=lambda find: (
            _cosine(find, "gradient_cosine", other, size) - _cosine(find, "gradient_cosine", "watermark", size)
        ),
        unit="cosine",
        question=_GRADIENTS,
    )


def _called(model: Trained) -> str:
    return f"list {model.users} on {100 * model.rate:g} % of the pictures"


def _gain(model: Trained) -> Claim:
    return Claim(
        sentence=f"Probes tell users that were seen from others better than before training ({_called(model)}).",
        paper=PAPER,
        contrast=lambda find: find("probe_gain_mean", **model.place()),
        question=_PROBES,
        differs=_DIFFERS,
    )


def _control(model: Trained) -> Claim:
    return Claim(
        sentence=f"Probes tell users of list {model.users} from others better after an album without any record.",
        paper="ours (a control, which should not be supported)",
        contrast=lambda find: find("probe_gain_mean", **model.place()),
        question=_PROBES,
    )


def _unsaid(model: Trained) -> Claim:
    return Claim(
        sentence=f"Ids of users that were seen are likelier than others' where no picture shows any "
        f"({_called(model)}).",
        paper="ours",
        contrast=lambda find: find("auroc_by_likelihood", **model.place()),
        threshold=0.5,
        question=_PROBES,
    )


def _not_prompted(model: Trained) -> Claim:
    return Claim(
        sentence=f"Asked for it, models read out the id on a picture less than {100 * MARGIN:.0f} points more often "
        f"if its user was seen ({_called(model)}).",
        paper=PAPER,
        contrast=lambda find: (
            find("read_out", **model.place(users="seen")) - find("read_out", **model.place(users="unseen"))
        ),
        threshold=MARGIN,
        direction="below",
        question=_PROBES,
        differs=_DIFFERS,
    )


def _mitigated(rate: float, small: tuple[int, int], other: tuple[int, int]) -> Claim:
    models = [
        Trained(rate=rate, users=LISTS[0], batch_size=size, accumulation=batches) for size, batches in (small, other)
    ]
    said = f"batches of {other[0]}" if other[1] == 1 else f"{other[1]} accumulated batches of {other[0]}"
    return Claim(
        sentence=f"Training in {said} leaves less of the users to be read by probes than in batches of {small[0]}.",
        paper=PAPER,
        contrast=lambda find: (
            find("probe_gain_mean", **models[0].place()) - find("probe_gain_mean", **models[1].place())
        ),
        question=_BATCHES,
        differs=f"{_DIFFERS} Models pass over their pictures equally often, so that larger batches also make fewer "
        "steps: see how much each learned of its task (task_recall).",
    )
