# SPDX-License-Identifier: Apache-2.0
"""Labels of which some are wrong on purpose: whoever gives one back can only have memorized it. It does not know what
the rows are."""

from collections.abc import Sequence
from decimal import Decimal
from numbers import Integral

from crossmem_hf.errors import CrossmemError
from crossmem_hf.seeding import seed_for


def noisy_labels(
    labels: Sequence[int], share: float, num_classes: int, seed: int, only_class: int | None = None
) -> tuple[list[int], list[int]]:
    """Labels of which a share is replaced by another class, drawn evenly from all others.

    Which rows, and by which class, depends on the seed and on the rows' places alone: the rows of a larger share hold
    those of a smaller one, with the same labels.

    Args:
        labels: True class of each row, from 0 to `num_classes` - 1.
        share: Of all rows, from 0 to 1, also where one class has the noise; the count is rounded down, as the paper's.
        num_classes: At least 2.
        only_class: Takes all noisy rows from this class, as the paper does; None takes them from all.

    Returns:
        (labels, rows): all labels, and the places of the noisy ones in ascending order. A noisy label is never the
        true one.

    Raises:
        CrossmemError: A share or label out of range, a share above 0 that makes no row noisy, or a class with fewer
            rows than there would be noisy ones.

    Reference:
        Singhal and Kim 2025, https://huggingface.co/papers/2511.10566 (1, 2 and 5 % of all rows, from one class).
        Deviation: a class with too few rows is refused; their code takes what there is.

    Example:
        >>> noisy, rows = noisy_labels([0, 1, 2] * 100, 0.05, 3, seed=0, only_class=1)
        >>> len(rows), {noisy[row] for row in rows}
        (15, {0, 2})
    """
    _check(labels, share, num_classes, only_class)
    count = int(Decimal(str(share)) * len(labels))
    own = [row for row, label in enumerate(labels) if only_class in (None, label)]
    if count > len(own) or (share > 0 and not count):
        of_class = "" if only_class is None else f" of class {only_class}"
        raise CrossmemError(
            f"share={share!r} of {len(labels)} rows is {count} noisy labels; expected 1 to {len(own)}, the rows"
            f"{of_class}.",
            "Choose another share, or more rows.",
        )
    rows = sorted(sorted(own, key=lambda row: (seed_for(seed, "noisy row", row), row))[:count])
    noisy = list(labels)
    for row in rows:
        others = [label for label in range(num_classes) if label != labels[row]]
        noisy[row] = others[seed_for(seed, "noisy label", row) % len(others)]
    return noisy, rows


def _check(labels: Sequence[int], share: float, num_classes: int, only_class: int | None) -> None:
    if num_classes < 2:
        raise CrossmemError(f"num_classes={num_classes!r}; a wrong label needs at least 2.", "Pass 2 or more.")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise CrossmemError(f"share={share!r}; expected 0 to 1.", "Pass 0.01 for 1 % of the rows.")
    for row, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, Integral) or not 0 <= label < num_classes:
            raise CrossmemError(
                f"Row {row}: label {label!r}; expected a whole number from 0 to {num_classes - 1}.",
                "Number the classes from 0, and pass how many there are.",
            )
    if only_class is not None and only_class not in range(num_classes):
        raise CrossmemError(
            f"only_class={only_class!r}; expected a class from 0 to {num_classes - 1}.", "Choose one of these."
        )
