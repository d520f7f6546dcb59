# SPDX-License-Identifier: Apache-2.0
"""Every English word said to an image model: visual attributes and scenes. It does not know whose they are.

Clothes are visual attributes: they tell people apart, so scenes vary pose, place and light only.
"""

from crossmem_hf.personas.schema import ViewSplit

ANCHOR_PROMPT = "photograph of an adult with {attributes}, facing the camera, plain gray background, soft even light"
"""The portrait that all views of a person are made from."""

VIEW_PROMPT = "photograph of an adult with {attributes}, {pose}, {place}, {light}"
"""Looks come first: what an image model cannot read to its end must not be what tells people apart."""

NEGATIVE_PROMPT = "several people, cropped face, covered face, deformed, blurry, drawing, text, watermark"

HAIR = {
    "short": "short {hair_color} hair",
    "long": "long {hair_color} hair",
    "curly": "curly {hair_color} hair",
    "spiky": "spiky {hair_color} hair",
    "bun": "{hair_color} hair in a bun",
    "braids": "{hair_color} hair in braids",
    "bob": "{hair_color} hair in a bob",
}
CLOTHES = {
    "sweater": "a {clothing_color} sweater",
    "striped shirt": "a {clothing_color} striped shirt",
    "scarf": "a {clothing_color} scarf",
    "suit": "a {clothing_color} suit",
    "overalls": "{clothing_color} overalls",
}
TRAITS: dict[str, str] = {
    "skin": "{skin_tone} skin",
    "hair": "{hair}",
    "eyes": "{eye_color} eyes",
    "face": "a {face_shape} face",
    "eyewear": "{eyewear}",
    "facial_hair": "a {facial_hair}",
    "headwear": "a {headwear} on the head",
    "cheeks": "{cheeks}",
    "earrings": "{earrings} in the ears",
    "clothing": "{clothes}",
}
"""Trait -> how it is asked for, in this order; a trait whose value is ``"none"`` is not mentioned."""

EYEWEAR = {"round glasses": "round glasses", "square glasses": "square glasses", "monocle": "a monocle"}
CHEEKS = {"freckles": "freckles", "blush": "a blush", "scar": "a scar on the cheek"}

POSES: dict[ViewSplit, tuple[str, ...]] = {
    "train": ("smiling", "looking to the left", "looking to the right", "laughing", "chin raised", "serious"),
    "validation": ("head tilted", "mouth slightly open"),
    "test": ("leaning forward", "raised eyebrows", "looking over the shoulder"),
}

PLACES: dict[ViewSplit, dict[str, str]] = {
    "train": {
        "kitchen": "in a kitchen",
        "street": "on a city street",
        "library": "in a library",
        "garden": "in a garden",
        "wall": "before a brick wall",
        "office": "in an office",
        "train": "on a train",
        "beach": "on a beach",
    },
    "validation": {
        "museum": "in a museum",
        "field": "in a wheat field",
        "stairs": "on stone stairs",
    },
    "test": {
        "workshop": "in a workshop",
        "harbor": "at a harbor",
        "mountain": "on a mountain path",
        "theater": "in a theater",
    },
}
"""Split -> name of the layout -> the place; no layout, pose or light occurs in two splits."""

LIGHTS: dict[ViewSplit, tuple[str, ...]] = {
    "train": ("daylight", "lamp light", "overcast sky", "window light"),
    "validation": ("candle light", "morning sun"),
    "test": ("neon light", "low evening sun", "bright studio light"),
}
