# SPDX-License-Identifier: Apache-2.0
"""What a callback has seen, kept in a run's checkpoints. It knows no callback.

`transformers` restores a callback by making a new one from JSON arguments (`ExportableState`), and only if
``restore_callback_states_from_checkpoint`` is set. A callback that holds rows or a function cannot be made so; it
keeps its state here, in the same place of ``trainer_state.json``, and takes it back when training begins.
"""

from typing import Any

from transformers import TrainerCallback, TrainerState

from crossmem_hf.errors import CrossmemError


def remember(state: TrainerState, callback: TrainerCallback, seen: dict[str, Any]) -> None:
    """Put what a callback has seen (JSON types) into every checkpoint from now on."""
    kept: Any = state.stateful_callbacks  # a dict, once the state is made
    kept[_key(callback)] = {"args": {}, "attributes": seen}


def remembered(state: TrainerState, callback: TrainerCallback) -> dict[str, Any]:
    """What was put there by the run that is gone on with; nothing when a run begins anew."""
    kept: Any = state.stateful_callbacks
    return dict(kept.get(_key(callback), {}).get("attributes", {}))


def check_name(trainer: Any, callback: TrainerCallback) -> None:
    """Nothing, if no other callback of a trainer would keep what it has seen in the same place.

    Raises:
        CrossmemError: One would.
    """
    kept = [_key(one) for one in trainer.callback_handler.callbacks if isinstance(one, type(callback))]
    if kept.count(_key(callback)) > 1:
        name = getattr(callback, "name", "")
        raise CrossmemError(f"Two of these callbacks have the name {name!r}.", "Give each another name=.")


def _key(callback: TrainerCallback) -> str:
    """Not the bare name of the class, which `transformers` would make a callback of; and its own name, if any."""
    own = getattr(callback, "name", "")
    return f"crossmem.{type(callback).__name__}" + (f".{own}" if own else "")
