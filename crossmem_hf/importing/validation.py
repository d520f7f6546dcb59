# SPDX-License-Identifier: Apache-2.0
"""What is wrong with what is to be imported, collected, so that ten bad rows take one attempt and not ten."""

from crossmem_hf.errors import CrossmemError

_NUM_LISTED = 5


class ValidationErrors:
    """Faults and where they are.

    Args:
        of: What is looked at, in the plural: "pictures".

    Example:
        >>> errors = ValidationErrors("pictures")
        >>> errors.add("ann/1.jpg", "it is empty")
        >>> errors.check(12)
        Traceback (most recent call last):
        crossmem_hf.errors.CrossmemError: 1 of 12 pictures cannot be imported: ann/1.jpg: it is empty. Correct...
    """

    def __init__(self, of: str) -> None:
        self._of = of
        self._found: list[str] = []

    def add(self, where: str, why: object) -> None:
        """Note one fault: a text, or an error, of a picture its bare reason."""
        self._found.append(f"{where}: {getattr(why, 'reason', why)}")

    def check(self, total: int) -> None:
        """Go on only if there are none.

        Raises:
            CrossmemError: The first five, and how many there are.
        """
        if not self._found:
            return
        shown = "; ".join(self._found[:_NUM_LISTED]) + ("; ..." if len(self._found) > _NUM_LISTED else "")
        raise CrossmemError(
            f"{len(self._found)} of {total} {self._of} cannot be imported: {shown}.",
            "Correct or remove them; nothing was written.",
        )
