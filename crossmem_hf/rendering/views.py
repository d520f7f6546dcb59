# SPDX-License-Identifier: Apache-2.0
"""How a portrait is taken: pose, framing, light, background, expression, noise. It does not know who sits for it.

Layout families are disjoint between splits: a background seen in training never occurs in a held-out view.
"""

from colorsys import hsv_to_rgb
from dataclasses import dataclass

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.seeding import rng_for

LAYOUTS: dict[ViewSplit, tuple[str, ...]] = {
    "train": ("plain", "gradient", "halo", "halves"),
    "validation": ("horizon", "bars"),
    "test": ("stripes", "dots", "frame"),
}
EXPRESSIONS = ("smile", "neutral", "open", "smirk")
Color = tuple[int, int, int]


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
    first = _muted(rng.random(), rng.uniform(0.12, 0.4), rng.uniform(0.62, 0.92))
    second = _muted(rng.random(), rng.uniform(0.12, 0.4), rng.uniform(0.5, 0.8))
    return View(
        split=split,
        index=index,
        layout=LAYOUTS[split][index % len(LAYOUTS[split])] if split != "train" else rng.choice(LAYOUTS[split]),
        expression=rng.choice(EXPRESSIONS),
        tilt=rng.uniform(-7, 7),
        zoom=rng.uniform(0.93, 1.07),
        shift=(rng.uniform(-0.03, 0.03), rng.uniform(-0.02, 0.03)),
        turn=rng.uniform(-0.02, 0.02),
        light=rng.uniform(0.9, 1.07),
        warmth=rng.uniform(-1, 1),
        grain=rng.choice((0, 4, 8, 12)),
        colors=(first, second),
        noise_seed=rng.getrandbits(62),
    )


def _muted(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
