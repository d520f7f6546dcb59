# SPDX-License-Identifier: Apache-2.0
"""Work on all prompts in batches that fit: sized by their tokens, halved when memory runs out. It does not know the
work."""

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any, Literal, TypeVar

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.cross_attention import rows_apart
from crossmem_hf.models.modes import evaluating
from crossmem_hf.scoring.prefill import PromptBatch, PromptQueue

T = TypeVar("T")
Auto = Literal["auto"]

TOKENS_PER_PASS = {"cpu": 4096}
TOKENS_PER_PASS_ON_DEVICES = 16384
MAX_PROMPTS = 64
MAX_LOGITS = 2**29  # numbers: 1 GiB in bfloat16
_FIRST_BATCH = 4  # where nothing is known about the length of the prompts


def check_size(name: str, value: Any) -> None:
    """Refuse what is not a whole number of at least one.

    Raises:
        CrossmemError: Names the setting.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise CrossmemError(f"{name}={value!r}; expected a whole number, at least 1.", "Pass one, or leave it out.")


class Room:
    """How much goes into one forward pass.

    Args:
        batch_size: Prompts at a time; "auto" fits them into `tokens_per_pass`.
        tokens_per_pass: Tokens fed at a time, over all prompts; "auto" is 4,096 on a CPU and 16,384 elsewhere, and
            behind prompts, where each token has logits, no more than have `MAX_LOGITS` together.
        vocabulary: How many logits a token has.

    Raises:
        CrossmemError: Neither "auto" nor a whole number of at least one.
    """

    def __init__(
        self, device: Any, batch_size: int | Auto, tokens_per_pass: int | Auto, *, vocabulary: int = 1
    ) -> None:
        for name, value in (("batch_size", batch_size), ("tokens_per_pass", tokens_per_pass)):
            if value != "auto":
                check_size(name, value)
        known = TOKENS_PER_PASS.get(device.type, TOKENS_PER_PASS_ON_DEVICES)
        self.tokens = known if tokens_per_pass == "auto" else tokens_per_pass
        self._behind = max(1, MAX_LOGITS // vocabulary) if tokens_per_pass == "auto" else self.tokens
        self._max_prompts = MAX_PROMPTS if batch_size == "auto" else batch_size
        self._length = 0 if batch_size == "auto" else 1
        self._fits = batch_size == "auto"

    @property
    def prompts(self) -> int:
        """How many to take next."""
        if not self._fits:
            return self._max_prompts
        return max(1, min(self._max_prompts, self.tokens // self._length if self._length else _FIRST_BATCH))

    def nodes(self, prompts: int) -> int:
        """How many tokens may follow each of so many prompts in one pass."""
        return max(1, min(self.tokens, self._behind) // prompts)

    def saw(self, length: int) -> None:
        """Prompts of so many tokens were taken; the next are seldom longer."""
        self._length = length

    def shrink(self, error: Exception, prompts: int) -> None:
        """Halve everything after an error with so many prompts, if it was for want of memory.

        Raises:
            CrossmemError: Nothing is left to halve. Any other error is raised again.
        """
        from accelerate.utils.memory import should_reduce_batch_size

        if not should_reduce_batch_size(error):
            raise error
        if prompts == 1 and self.tokens == 1:
            raise CrossmemError(
                "Out of memory with a single prompt and a single token.",
                "Load the model in bfloat16, use smaller pictures, or a larger device.",
            ) from error
        self._max_prompts, self.tokens = max(1, prompts // 2), max(1, self.tokens // 2)


def in_batches(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    work: Callable[[PromptBatch, Room], T],
    *,
    share: bool,
    batch_size: int | Auto,
    tokens_per_pass: int | Auto = "auto",
    held_back: int = 0,
) -> Iterator[T]:
    """What `work` makes of each batch of prompts, the model in evaluation mode and without gradients meanwhile.

    Args:
        rows: Checked rows.
        work: Gets a batch and the room there is; is called again with less of both when it runs out of memory.
        share: Whether prompts that start alike come as a group.
        held_back: As for `PromptQueue`.

    Raises:
        CrossmemError: A size below one, or no memory for a single prompt.
    """
    from accelerate.utils.memory import clear_device_cache

    vocabulary = model.config.get_text_config().vocab_size
    room = Room(model.device, batch_size, tokens_per_pass, vocabulary=vocabulary)
    queue = PromptQueue(processor, rows, share=share, device=model.device, held_back=held_back)
    if batch_size == "auto" and len(queue) > room.prompts:
        first = queue.take(1)
        room.saw(first.inputs["input_ids"].shape[1])
        queue.give_back(first)
    while queue:
        with evaluating(model), rows_apart(model):
            batch = queue.take(room.prompts)
            room.saw(batch.inputs["input_ids"].shape[1])
            if len(batch.groups) > room.prompts:  # they are longer than those before
                queue.give_back(batch)
                continue
            try:
                done = [work(batch, room)]
            except RuntimeError as error:
                room.shrink(error, len(batch.groups))
                queue.give_back(batch)
                done = []
        if done:
            yield done[0]
        else:
            clear_device_cache(garbage_collection=True)
