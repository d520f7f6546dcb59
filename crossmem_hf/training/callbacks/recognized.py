# SPDX-License-Identifier: Apache-2.0
"""Which of known rows a model trains on, recognized by their tokens. It does not know what is asked of them."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossmem_hf.runs.distributed import together


def token_keys(batch: Mapping[str, Any]) -> list[str]:
    """A key for each row of a batch: of its tokens without padding, wherever that is."""
    ids_BT = batch["input_ids"].detach().cpu()
    mask_BT = batch.get("attention_mask")
    mask_BT = torch.ones_like(ids_BT) if mask_BT is None or mask_BT.shape != ids_BT.shape else mask_BT.detach().cpu()
    rows = (ids[mask != 0].long().numpy() for ids, mask in zip(ids_BT, mask_BT, strict=True))
    return [hashlib.blake2b(tokens.tobytes(), digest_size=8).hexdigest() for tokens in rows]


class RecognizedRows:
    """Watches what goes through a model in training mode, and says which of some rows were there.

    A row's tokens are all that it is recognized by: of rows with the same tokens, such as two portraits of one
    persona, it is not known which was there. As long as no row at all was recognized, nothing is known: batches may be
    packed or cut, and the rows never whole.

    Args:
        keys: `token_keys` of the rows.
        seen: Places of rows that were there before, in the run that is gone on with.
        recognized: Whether one was, at any time.
    """

    def __init__(self, keys: Sequence[str], seen: Iterable[int] = (), recognized: bool = False) -> None:
        counts = Counter(keys)
        self._known = set(counts)
        self._place = {key: place for place, key in enumerate(keys) if counts[key] == 1}
        self._ambiguous = [place for place, key in enumerate(keys) if counts[key] > 1]
        self._num_rows = len(keys)
        self._handle: Any = None
        self._seen, self._recognized = set(seen), recognized

    def watch(self, model: torch.nn.Module) -> None:
        """Look at each batch that this model gets from now on."""
        self._handle = model.register_forward_pre_hook(self._look, with_kwargs=True)

    def leave(self) -> None:
        """Look no longer."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _look(self, model: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if model.training and isinstance(kwargs.get("input_ids"), torch.Tensor):
            keys = self._known.intersection(token_keys(kwargs))
            self._recognized = self._recognized or bool(keys)
            self._seen.update(self._place[key] for key in keys if key in self._place)

    def so_far(self) -> tuple[list[int], bool]:
        """What all processes together have seen since `taken`: places, and whether any row was recognized ever.

        Every process must call it, and has all of it afterwards.
        """
        for seen, recognized in together(lambda: (sorted(self._seen), self._recognized)):
            self._seen.update(seen)
            self._recognized = self._recognized or recognized
        return sorted(self._seen), self._recognized

    def taken(self) -> NDArray[np.float64]:
        """(rows,) 1 where a row was in a batch since the last call, 0 where not, NaN where that is not known.

        Every process must call it.
        """
        seen, recognized = self.so_far()
        self._seen.clear()
        found = np.zeros(self._num_rows) if recognized else np.full(self._num_rows, math.nan)
        found[seen] = 1.0
        found[self._ambiguous] = math.nan
        return found
