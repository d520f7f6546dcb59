# SPDX-License-Identifier: Apache-2.0
"""How a portrait is taken: pose, framing, light, background, expression, noise. It does not know who sits for it.

Layout families are disjoint between splits: a background seen in training never occurs in a held-out view. Views of
train, validation and test differ little from each other (they are near); those of ``far`` and ``wide`` are turned,
cropped, tinted and partly covered. ``wide`` is for background personas, whom base models learn from: the same poses
and tints as ``far``, other layouts and other covers.
"""

from colorsys import hsv_to_rgb
from dataclasses import dataclass, replace
from random import Random

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.seeding import rng_for

LAYOUTS: dict[ViewSplit, tuple[str, ...]] = {
    "train": ("plain", "gradient", "halo", "halves"),
    "validation": ("horizon", "bars"),
    "test": ("stripes", "dots", "frame"),
    "far": ("checkers", "rings", "cross"),
    "wide": ("slope", "fade", "columns"),
}
COVERS: dict[ViewSplit, tuple[str, ...]] = {"far": ("band", "corner"), "wide": ("disc", "beam")}
"""Family -> what may hide a part of the person; none in the others."""
EXPRESSIONS = ("smile", "neutral", "open", "smirk")
Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """Within which a family's views vary; half widths, where one number is given."""

    tilt: float = 7
    zoom: tuple[float, float] = (0.93, 1.07)
    aside: float = 0.03
    upright: tuple[float, float] = (-0.02, 0.03)
    turn: float = 0.02
    light: tuple[float, float] = (0.9, 1.07)
    tint: float = 0


_NEAR = _Ranges()
_FAR = _Ranges(
    tilt=20, zoom=(0.77, 1.24), aside=0.095, upright=(-0.07, 0.085), turn=0.03, light=(0.82, 1.1), tint=0.09
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What hides a part of the picture: a shape, where and how large it is as a share of the frame, and its color."""

    shape: str
    place: tuple[float, float]
    size: float
    color: Color


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One way of taking a portrait.

    Attributes:
        split: Which family of layouts the view belongs to.
        index: Its number within persona and split, from 0.
        layout: Background family.
        expression: Shape of the mouth.
        tilt: Rotation in degrees, clockwise.
        zoom: Scale of the person; 1 fills the frame as usual.
        shift: Horizontal and vertical offset of the person, as a share of the frame.
        turn: Sideways offset of the face's features, as a share of the frame.
        light: Brightness factor of the person.
        warmth: Color cast, from -1 (cool) to 1 (warm).
        grain: Amplitude of the noise in gray levels, 0 to 255.
        colors: The two background colors.
        noise_seed: Seed of the grain.
        tint: Factors of the whole picture's red, green and blue.
        cover: What hides a part of the person, if anything does.
    """

    split: ViewSplit
    index: int
    layout: str
    expression: str
    tilt: float
    zoom: float
    shift: tuple[float, float]
    turn: float
    light: float
    warmth: float
    grain: int
    colors: tuple[Color, Color]
    noise_seed: int
    tint: tuple[float, float, float] = (1, 1, 1)
    cover: Cover | None = None


def view_for(persona: Persona, split: ViewSplit, index: int) -> View:
    """View number `index` of a persona in a split; the same on every machine.

    Raises:
        CrossmemError: Unknown split or a negative index.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> person = sample_personas(1)[0]
        >>> view_for(person, "test", 0).layout in LAYOUTS["test"]
        True
    """
    if split not in LAYOUTS or index < 0:
        raise CrossmemError(
            f"No view {index!r} in split {split!r}; expected an index from 0 and one of {tuple(LAYOUTS)}.",
            "Check both.",
        )
    rng = rng_for(persona.seed, "view", persona.id, split, index)
    ranges, layouts = _FAR if split in COVERS else _NEAR, LAYOUTS[split]
    first = _muted(rng.random(), rng.uniform(0.12, 0.4), rng.uniform(0.62, 0.92))
    second = _muted(rng.random(), rng.uniform(0.12, 0.4), rng.uniform(0.5, 0.8))
    view = View(
        split=split,
        index=index,
        layout=rng.choice(layouts) if split in ("train", "wide") else layouts[index % len(layouts)],
        expression=rng.choice(EXPRESSIONS),
        tilt=rng.uniform(-ranges.tilt, ranges.tilt),
        zoom=rng.uniform(*ranges.zoom),
        shift=(rng.uniform(-ranges.aside, ranges.aside), rng.uniform(*ranges.upright)),
        turn=rng.uniform(-ranges.turn, ranges.turn),
        light=rng.uniform(*ranges.light),
        warmth=rng.uniform(-1, 1),
        grain=rng.choice((0, 4, 8, 12)),
        colors=(first, second),
        noise_seed=rng.getrandbits(62),
    )
    return replace(view, tint=_tint(rng, ranges.tint), cover=_cover(rng, split)) if split in COVERS else view


def _tint(rng: Random, width: float) -> tuple[float, float, float]:
    return 1 + rng.uniform(-width, width), 1 + rng.uniform(-width, width), 1 + rng.uniform(-width, width)


def _cover(rng: Random, split: ViewSplit) -> Cover:
    color = _muted(rng.random(), rng.uniform(0.12, 0.6), rng.uniform(0.3, 0.9))
    place = rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85)
    return Cover(shape=rng.choice(COVERS[split]), place=place, size=rng.uniform(0.05, 0.11), color=color)


def _muted(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
