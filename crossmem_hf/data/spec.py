# SPDX-License-Identifier: Apache-2.0
"""The knobs of the dataset and its configs and splits. It does not know how a row looks or where the rows are kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from crossmem_hf.data.albums.album import album_fingerprint
from crossmem_hf.data.splits import check_fraction
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import capacity
from crossmem_hf.runs.sources import ROW_LIBRARIES, code_fingerprint, library_versions
from crossmem_hf.storage import fingerprint

SPLITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "recall_image": ("train", "validation", "test"),
        "recall_text": ("train", "validation", "test"),
        "captions": ("background", "target"),
        "qa": ("forget", "retain", "retain_eval"),
        "qa_test": ("forget", "retain"),
        "profiles": ("forget", "retain"),
        "candidates": ("target",),
        "two_hop": ("bridge_image", "bridge_text", "facts"),
        "two_hop_test": ("bridge", "facts", "two_hop"),
        "multi_image": ("train", "test"),
        "robust": ("forget", "retain"),
        "perturbed": ("forget", "retain"),
        "preference": ("forget", "retain"),
    }
)
"""Config -> its splits. Held-out questions are a config of their own: loading any split fetches its whole config."""

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "remem": MappingProxyType(
            {
                "num_personas": 20,
                "num_views": 100,
                "qa_per_persona": 100,
                "single_hop_share": 0.7,
                "forget_fraction": 0.2,
            }
        ),
        "wen": MappingProxyType({"num_personas": 100}),
    }
)
"""Name -> the knobs it sets; all others keep their defaults.

``remem`` has the sizes of ReMem (arXiv 2605.03759): 20 people, 100 portraits and 100 questions each, 2,560 questions
about portraits together with the 28 held-out ones a person; here descriptions are asked about as often. ``wen`` has
the 100 people of Wen et al. 2025 (arXiv 2506.05198), whose number of variants a modality is not known: `num_views`.
"""

DEFAULT_CONFIG = "recall_image"
NUM_HELD_OUT_VIEWS = 4
"""Views a person in each of the splits ``validation`` and ``test``."""

_LARGEST = {"num_views": 10_000, "image_size": 512, "qa_per_persona": 1_000}
_SMALLEST = {"num_views": 1, "image_size": 48, "qa_per_persona": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """Everything the dataset depends on; equal specs give equal bytes under equal versions.

    Attributes:
        num_personas: Target people, and as many background people in ``captions``.
        num_views: Training views (portraits and descriptions) a person. With at least as many as questions, no two
            training questions of ``qa`` share a view.
        seed: Which world the people come from, and the order in which they are forgotten.
        image_size: Side of a portrait in pixels, 48 to 512.
        forget_fraction: Share of the people in the forget splits, above 0 and below 1.
        qa_per_persona: Training questions a person and modality in ``qa``.
        single_hop_share: Share of them that name the person, 0 to 1; 0.7 is the best in ReMem's toy experiment.
        portraits: Folder of portraits that `crossmem portraits` made; None draws them.

    Raises:
        CrossmemError: A value out of range; the message says which values exist.

    Example:
        >>> DatasetSpec.remem(num_views=10).num_personas, DatasetSpec.wen().num_views
        (20, 8)
    """

    num_personas: int = 50
    num_views: int = 8
    seed: int = 0
    image_size: int = 64
    forget_fraction: float = 0.2
    qa_per_persona: int = 20
    single_hop_share: float = 0.7
    portraits: str | None = None

    def __post_init__(self) -> None:
        _check_whole("num_personas", self.num_personas, 1, capacity("target"))
        _check_whole("seed", self.seed, 0, 2**31 - 1)
        for name, smallest in _SMALLEST.items():
            _check_whole(name, getattr(self, name), smallest, _LARGEST[name])
        check_fraction(self.forget_fraction)
        share = self.single_hop_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise CrossmemError(
                f"single_hop_share={share!r}; expected a share from 0 to 1.",
                "Pass 0.7 for seven questions of ten that name the person.",
            )
        if self.portraits is not None:
            album_fingerprint(self.portraits)

    @classmethod
    def preset(cls, name: str | None, **knobs: Any) -> "DatasetSpec":
        """The spec with the knobs of one of `PRESETS`, other knobs on top.

        Args:
            name: None sets nothing.
            knobs: Those that are None are left as they are.

        Raises:
            CrossmemError: An unknown preset, or a value out of range.
        """
        if name is not None and name not in PRESETS:
            raise CrossmemError(
                f"Unknown preset {name!r}; expected one of {', '.join(PRESETS)}.", "Pick one of them, or leave it out."
            )
        given = {knob: value for knob, value in knobs.items() if value is not None}
        return cls(**{**PRESETS.get(name or "", {}), **given})

    @classmethod
    def remem(cls, **knobs: Any) -> "DatasetSpec":
        """The sizes of ReMem, other knobs on top."""
        return cls.preset("remem", **knobs)

    @classmethod
    def wen(cls, **knobs: Any) -> "DatasetSpec":
        """The number of people of Wen et al. 2025, other knobs on top."""
        return cls.preset("wen", **knobs)

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any knob and with the code that makes the rows."""
        return fingerprint({"spec": self.shown(), "source": rows_fingerprint()})

    def as_dict(self) -> dict[str, Any]:
        """The knobs by name, for a builder; portraits are named only where they are not drawn."""
        return {name: value for name, value in asdict(self).items() if name != "portraits" or value is not None}

    def shown(self) -> dict[str, Any]:
        """The knobs by name, for a card or a fingerprint: a folder of portraits goes by its contents."""
        knobs = self.as_dict()
        return knobs if self.portraits is None else {**knobs, "portraits": album_fingerprint(self.portraits)}


def _check_whole(name: str, value: object, smallest: int, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise CrossmemError(
            f"{name}={value!r}; expected a whole number from {smallest} to {largest}.",
            f"Pass a {name} in that range.",
        )


def check_config(config: str) -> None:
    """Accept a config that exists.

    Raises:
        CrossmemError: It does not; the message lists those that do.
    """
    if config not in SPLITS:
        raise CrossmemError(f"Unknown config {config!r}; expected one of {', '.join(SPLITS)}.", "Pick one of them.")


def check_split(config: str, split: str) -> None:
    """Accept a split that a config has; sums and slices such as ``"forget+retain"`` or ``"test[:10]"`` are fine.

    Raises:
        CrossmemError: It has none of that name; the message lists those it has.
    """
    check_config(config)
    for part in split.split("+"):
        if part.partition("[")[0].strip() not in SPLITS[config]:
            raise CrossmemError(
                f"Unknown split {split!r} of config {config!r}; expected one of {', '.join(SPLITS[config])}.",
                "Pick one of them, or join several with '+'.",
            )


def rows_fingerprint() -> str:
    """Sixteen hex digits of what decides a row's bytes besides the knobs: our code, and versions of libraries."""
    return fingerprint([code_fingerprint("crossmem_hf.data.contents"), library_versions(ROW_LIBRARIES)])
