# SPDX-License-Identifier: Apache-2.0
"""The knobs of the dataset, each written down once. It does not know which rows there are or where they are kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, make_dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from crossmem_hf.data.splits import check_fraction
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.runs.sources import ROW_LIBRARIES, code_fingerprint, library_versions
from crossmem_hf.storage import fingerprint

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
        "clear": MappingProxyType({"num_views": 20, "qa_per_persona": 20}),
        "fiubench": MappingProxyType({"num_views": 1, "qa_per_persona": 20}),
        "mllmu": MappingProxyType({"num_views": 1, "qa_per_persona": 1}),
    }
)
"""Name -> the knobs it sets; all others keep their defaults.

``remem`` has the sizes of ReMem (arXiv 2605.03759): 20 people, 100 portraits and 100 questions each, 2,560 questions
about portraits together with the 28 held-out ones a person; here descriptions are asked about as often. ``wen`` has
the 100 people of Wen et al. 2025 (arXiv 2506.05198), whose number of variants a modality is not known: `num_views`.
``clear``, ``fiubench`` and ``mllmu`` have pictures and questions a person of CLEAR, FIUBench and MLLMU-Bench, as
Table 1 of ReMem compares them; neither their people nor how many.
"""

NUM_HELD_OUT_VIEWS = 4
"""Views a person in each of the splits ``validation``, ``test`` and ``far``."""


def knob(default: Any, text: str, lowest: int = 0, highest: int | None = None) -> Any:
    """A field of `DatasetSpec`: builder, command lines and recipes offer it with this help and this default.

    Args:
        lowest: Of a whole number.
        highest: Of a whole number; None where the value is something else.
    """
    return field(default=default, metadata={"help": text, "range": (lowest, highest)})


class Knob(NamedTuple):
    """A field of a spec, as builder, command lines and recipes offer it; `kind` is its type or None."""

    name: str
    kind: Any
    default: Any
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """Everything the dataset depends on; equal specs give equal bytes under equal versions.

    Raises:
        CrossmemError: A value out of range; the message says which values exist.

    Example:
        >>> DatasetSpec.remem(num_views=10).num_personas, DatasetSpec.wen().num_views
        (20, 8)
    """

    num_personas: int = knob(50, "Target personas, and as many background ones in captions.", 1, 10_500)
    num_views: int = knob(
        8,
        "Training views (portraits and descriptions) a persona. With at least as many as questions, no two training "
        "questions of qa share a view.",
        1,
        10_000,
    )
    seed: int = knob(0, "Which population the personas come from, and the order of forgetting.", 0, 2**31 - 1)
    image_size: int = knob(64, "Side of a portrait in pixels, 48 to 512.", 48, 512)
    forget_fraction: float = knob(0.2, "Share of the personas in the forget splits, above 0 and below 1.")
    qa_per_persona: int = knob(20, "Training questions a persona and modality in qa.", 1, 1_000)
    single_hop_share: float = knob(
        0.7, "Share of them that name the persona, 0 to 1; 0.7 is the best in ReMem's toy experiment."
    )
    portraits: str | None = knob(None, "Folder of portraits that `crossmem portraits` made (default: drawn).")

    def __post_init__(self) -> None:
        for one in fields(self):
            lowest, highest = one.metadata["range"]
            if highest is not None:
                _check_whole(one.name, getattr(self, one.name), lowest, highest)
        check_fraction(self.forget_fraction)
        share = self.single_hop_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise CrossmemError(
                f"single_hop_share={share!r}; expected a share from 0 to 1.",
                "Pass 0.7 for seven questions of ten that name the person.",
            )
        if self.portraits is not None:
            self.described()

    @classmethod
    def preset(cls, name: str | None, **knobs: Any) -> "DatasetSpec":
        """The spec with the knobs of one of `PRESETS`, other knobs on top.

        Args:
            name: None sets nothing.
            knobs: Those that are None are left as they are.

        Raises:
            CrossmemError: An unknown preset or knob, or a value out of range.
        """
        if name is not None and name not in PRESETS:
            raise unknown("preset", [name], PRESETS)
        known = [one.name for one in cls.knobs()]
        others = [knob for knob in knobs if knob not in known]
        if others:
            raise unknown("knob", others, known)
        given = {name: value for name, value in knobs.items() if value is not None}
        return cls(**{**PRESETS.get(name or "", {}), **given})

    @classmethod
    def remem(cls, **knobs: Any) -> "DatasetSpec":
        """The sizes of ReMem, other knobs on top."""
        return cls.preset("remem", **knobs)

    @classmethod
    def wen(cls, **knobs: Any) -> "DatasetSpec":
        """The number of people of Wen et al. 2025, other knobs on top."""
        return cls.preset("wen", **knobs)

    @classmethod
    def knobs(cls) -> tuple[Knob, ...]:
        """All fields, in order."""
        optional: Any = None
        return tuple(Knob(one.name, one.type | optional, one.default, one.metadata["help"]) for one in fields(cls))

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any knob and with the code that makes the rows."""
        return fingerprint({"spec": self.described(), "source": rows_fingerprint()})

    def as_dict(self) -> dict[str, Any]:
        """The knobs by name, for a builder; portraits are named only where they are not drawn."""
        return {name: value for name, value in asdict(self).items() if name != "portraits" or value is not None}

    def described(self) -> dict[str, Any]:
        """The knobs by name, for a card or a fingerprint: a folder of portraits goes by its contents."""
        knobs = self.as_dict()
        if self.portraits is None:
            return knobs
        from crossmem_hf.data.albums.album import album_fingerprint

        return {**knobs, "portraits": album_fingerprint(self.portraits)}


def knob_options(renamed: Mapping[str, str], *, keep_defaults: bool, **how: Any) -> Any:
    """A dataclass with the knobs of `DatasetSpec` as fields, for settings that are more than a spec to inherit.

    Its method `knobs` gives them back by the names that the spec has.

    Args:
        renamed: Knob -> what its field is called, where the settings have another field of that name.
        keep_defaults: Whether defaults are the spec's, or None, which leaves them to a preset.
        how: As for `dataclasses.make_dataclass`.
    """
    own = {one.name: renamed.get(one.name, one.name) for one in DatasetSpec.knobs()}

    def knobs(self: Any) -> dict[str, Any]:
        """The knobs, by the names that `DatasetSpec` has."""
        return {name: getattr(self, called) for name, called in own.items()}

    options = [
        (
            own[one.name],
            one.kind,
            field(default=one.default if keep_defaults else None, metadata={"help": one.help}),
        )
        for one in DatasetSpec.knobs()
    ]
    namespace = {"knobs": knobs, "__module__": __name__, "__doc__": "The knobs of `DatasetSpec`."}
    return make_dataclass("KnobOptions", options, namespace=namespace, **how)


def _check_whole(name: str, value: object, smallest: int, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise CrossmemError(
            f"{name}={value!r}; expected a whole number from {smallest} to {largest}.",
            "Pass one in that range.",
        )


def rows_fingerprint() -> str:
    """Sixteen hex digits of what decides a row's bytes besides the knobs: our code, and versions of libraries."""
    return fingerprint([code_fingerprint("crossmem_hf.data.contents"), library_versions(ROW_LIBRARIES)])
