# SPDX-License-Identifier: Apache-2.0
"""Values that a shell offers for an option. It knows no option."""

from collections.abc import Callable, Iterable

Complete = Callable[[str], list[str]]


def one_of(names: Callable[[], Iterable[str]]) -> Complete:
    """Offers the names that begin like what was typed.

    Args:
        names: Called when a shell asks, so that nothing is loaded before.
    """

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def some_of(names: Callable[[], Iterable[str]], between: str = ",") -> Complete:
    """The same behind the last comma, without those that stand there already.

    Args:
        between: What separates the names.
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(between)
        taken = {name.strip() for name in before.split(between)}
        return [f"{before}{comma}{name}" for name in names() if name.startswith(last.strip()) and name not in taken]

    return complete


def _bases() -> Iterable[str]:
    from crossmem_hf.models.embedded import BASES

    return BASES


BASE_MODELS = one_of(_bases)
DTYPES = one_of(lambda: ("auto", "float32", "bfloat16", "float16"))
