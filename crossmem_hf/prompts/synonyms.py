# SPDX-License-Identifier: Apache-2.0
"""Other words for what a person looks like and for what is asked. It does not know who reads them.

A target persona's rows use these words in the split ``far`` only. Base models meet them on background personas, in the
frames and phrases called wide: as any pre-trained model they know the words, and not the sentences of ``far``.
"""

from collections.abc import Mapping

SYNONYMS: Mapping[str, Mapping[str, str]] = {
    "skin_tone": {
        "pale": "fair",
        "rosy": "pinkish",
        "golden": "honey",
        "olive": "sallow",
        "brown": "bronze",
        "dark": "ebony",
    },
    "hair_style": {
        "short": "cropped close",
        "long": "flowing down",
        "curly": "full of ringlets",
        "spiky": "sticking up",
        "bun": "pinned into a knot",
        "braids": "plaited",
        "bob": "at chin length",
    },
    "hair_color": {
        "black": "raven",
        "brown": "chestnut",
        "blond": "flaxen",
        "red": "ginger",
        "gray": "silver",
        "blue": "azure",
        "green": "emerald",
    },
    "eye_color": {"brown": "coffee", "blue": "sapphire", "green": "jade", "gray": "steel", "violet": "lilac"},
    "eyewear": {
        "round glasses": "circular spectacles",
        "square glasses": "angular spectacles",
        "monocle": "a single lens",
    },
    "facial_hair": {"moustache": "handlebar", "beard": "full growth of whiskers", "goatee": "chin tuft"},
    "headwear": {"headband": "sweatband", "flower": "blossom", "bow": "knotted ribbon", "crown": "tiara"},
    "earrings": {"studs": "pins", "hoops": "rings"},
    "clothing": {
        "sweater": "a pullover",
        "striped shirt": "a lined blouse",
        "scarf": "a shawl",
        "suit": "a jacket and tie",
        "overalls": "dungarees",
    },
    "clothing_color": {
        "red": "crimson",
        "orange": "tangerine",
        "yellow": "lemon",
        "green": "fern",
        "blue": "navy",
        "purple": "plum",
        "white": "ivory",
    },
    "face_shape": {"round": "moonlike", "long": "stretched", "square": "boxy"},
    "cheeks": {"freckles": "speckles", "blush": "a flush", "scar": "a gash"},
}
"""Visual attribute -> value -> another word for it, with its small words where the plain one has them in a phrase."""

FACT_SYNONYMS: Mapping[str, str] = {
    "email": "mail contact",
    "date_of_birth": "birthday",
    "job": "occupation",
    "address": "place of residence",
    "phone": "telephone",
    "medical_condition": "diagnosis",
    "financial_tag": "IBAN",
}
"""Private attribute -> another way to name it."""

TRAIT_PHRASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "wide": {
        "skin": ("skin in a tone of {skin_tone}",),
        "hair": ("{hair_color} hair, {cut}",),
        "eyes": ("{eye_color} irises",),
        "eyewear": ("{eyewear} on the nose",),
        "facial_hair": ("a {facial_hair} on the face",),
        "headwear": ("a {headwear} up high",),
        "earrings": ("{earrings} on the ears",),
        "clothing": ("{garment}, {clothing_color} in color",),
        "face": ("a face of {face_shape} shape",),
        "cheeks": ("{cheeks} on the skin",),
    },
    "far": {
        "skin": ("{skin_tone} in skin tone", "{skin_tone} skin all over"),
        "hair": ("a head of {hair_color} hair {cut}", "hair {cut}, {hair_color} throughout"),
        "eyes": ("a pair of {eye_color} eyes", "eyes in {eye_color}"),
        "eyewear": ("{eyewear} before the eyes", "the help of {eyewear}"),
        "facial_hair": ("a {facial_hair} around the mouth", "the {facial_hair}"),
        "headwear": ("a {headwear} above the hair", "the {headwear} worn on the head"),
        "earrings": ("{earrings} at both ears", "two ears with {earrings}"),
        "clothing": ("{garment} of {clothing_color} cloth", "{garment} dyed {clothing_color}"),
        "face": ("features in a {face_shape} outline", "the {face_shape} face"),
        "cheeks": ("{cheeks} below the eyes", "{cheeks} to be seen on the cheeks"),
    },
}
"""Family of descriptions -> trait -> ways to say it that no other family has."""
