# SPDX-License-Identifier: Apache-2.0
"""The one error type users meet. It knows nothing about who raises it."""


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
