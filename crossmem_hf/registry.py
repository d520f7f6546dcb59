# SPDX-License-Identifier: Apache-2.0
"""Names of things that are loaded from their own modules when they are first asked for. It does not know which."""

from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from typing import Generic, TypeVar

from crossmem_hf.errors import unknown

Thing = TypeVar("Thing")


class Registry(Mapping[str, Thing], Generic[Thing]):
    """A mapping to which a new thing is added by one line; `runs.sources` follows these lines as it follows imports.

    Args:
        kind: What the things are, for errors.
        places: Name -> "module:object".

    Example:
        >>> Registry("error", {"ours": "crossmem_hf.errors:CrossmemError"})["ours"].__name__
        'CrossmemError'
    """

    def __init__(self, kind: str, places: Mapping[str, str]) -> None:
        self.kind, self.places = kind, dict(places)

    def __getitem__(self, name: str) -> Thing:
        found: Thing = resolve_name(self.places[name])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def find(self, name: str) -> Thing:
        """The thing of that name.

        Raises:
            CrossmemError: There is none; the message lists those that there are.
        """
        if name not in self.places:
            raise unknown(self.kind, [name], self.places)
        return self[name]
