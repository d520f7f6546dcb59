# SPDX-License-Identifier: Apache-2.0
"""The one error type users meet. It knows nothing about who raises it."""

from collections.abc import Iterable
from difflib import get_close_matches


class CrossmemError(ValueError):
    """Bad input, said so that the reader can fix it.

    Args:
        fault: What was got and what was expected, values shown with ``!r``; one sentence.
        remedy: What to do about it; one sentence.

    Example:
        >>> str(CrossmemError("n=0 personas; expected at least 1.", "Pass a positive number."))
        'n=0 personas; expected at least 1. Pass a positive number.'
    """

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault} {remedy}")
        self.fault = fault
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["CrossmemError"], tuple[str, str]]:
        return type(self), (self.fault, self.remedy)


def unknown(what: str, names: Iterable[object], known: Iterable[str], remedy: str = "") -> CrossmemError:
    """The error about names that do not exist: all of them, each with the known one that is most like it.

    Args:
        what: What a name would name, in the singular.
        remedy: Empty lists all that are known.

    Example:
        >>> str(unknown("metric", ["recal", "bleu"], ["recall", "exposure"]))
        "Unknown metrics: 'recal' (did you mean 'recall'?), 'bleu'. Choose from recall, exposure."
    """
    found, every = [], list(known)
    for name in names:
        alike = get_close_matches(str(name), every, 1)
        found.append(f"{name!r} (did you mean {alike[0]!r}?)" if alike else repr(name))
    begin = f"Unknown {what}" if len(found) == 1 else f"Unknown {what}s:"
    return CrossmemError(f"{begin} {', '.join(found)}.", remedy or f"Choose from {', '.join(every)}.")
