# SPDX-License-Identifier: Apache-2.0
"""What is tried for each unlearning method in the search of its settings. It tries nothing."""

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from crossmem_hf.training.micro import REFUSALS, TUNED

_WEIGHTS = (1.0, 5.0, 20.0)


def _tried(**values: tuple[float, ...]) -> tuple[dict[str, float], ...]:
    """Every combination."""
    return tuple(dict(zip(values, found, strict=True)) for found in product(*values.values()))


_USUAL = _tried(learning_rate=(2.5e-4, 5e-4, 1e-3, 2e-3), retain_weight=_WEIGHTS)
_REFUSING = tuple({**one, "refusals": [*REFUSALS]} for one in _USUAL)
_ALONE = (2e-5, 5e-5, 1e-4, 1.5e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3, 4e-3)
TRIALS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = MappingProxyType(
    dict.fromkeys(TUNED, _USUAL)
    | {
        "ga": _tried(learning_rate=_ALONE),
        "idk": _REFUSING,
        "dpo": _REFUSING,
        "undial": _tried(learning_rate=(2.5e-4, 5e-4, 1e-3, 2e-3), forget_beta=(3.0, 10.0, 30.0)),
        "rmu": tuple(
            {"rmu_layer": 1, **one}
            for one in _tried(
                rmu_coefficient=(20.0, 100.0), learning_rate=(5e-4, 2e-3), retain_weight=(20.0, 100.0, 500.0)
            )
        ),
    }
)
"""Method -> what is tried, in the place of `micro.UNLEARNING`; equally many for each."""

_FACTOR = (0.25, 0.5, 1.0, 2.0)
FACT_TRIALS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = MappingProxyType(
    {
        method: tuple({**chosen, "learning_rate": factor * chosen["learning_rate"]} for factor in _FACTOR)
        for method, chosen in TUNED.items()
    }
)
"""The same where facts are unlearned, which more of the model has learned: other learning rates than names have."""
