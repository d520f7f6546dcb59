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

FILLERS: tuple[str, ...] = (
    *("about", "after", "again", "almost", "along", "also", "always", "another", "any", "anyway"),
    *("because", "behind", "beside", "better", "between", "bit", "bring", "by", "certain"),
    *("clear", "come", "common", "corner", "could", "day", "deep", "do", "early", "easy", "either", "end"),
    *("enough", "even", "ever", "every", "far", "few", "find", "first", "follow", "found", "further"),
    *("get", "go", "good", "half", "here", "hold", "if", "indeed", "inside", "just", "keep"),
    *("kind", "known", "large", "last", "late", "lead", "leave", "left", "less", "like", "line", "little", "look"),
    *("many", "matter", "maybe", "mean", "might", "more", "most", "much", "must", "near", "new", "next"),
    *("now", "off", "often", "old", "once", "other", "ought", "outside", "part"),
    *("perhaps", "place", "point", "put", "quite", "rather", "ready", "really", "rest", "right", "same", "second"),
    *("seem", "set", "several", "shall", "side", "since", "small", "some", "somehow", "soon", "sort", "still", "such"),
    *("sure", "take", "than", "then", "there", "thing", "think", "though", "thus", "today", "together"),
    *("too", "toward", "true", "turn", "under", "until", "upon", "us", "usual", "very", "want", "way", "well"),
    *("when", "where", "whether", "while", "whole", "why", "within", "work", "world", "would", "yet"),
)
"""Words without meaning here, strewn into what base models read, so that an unknown sentence does not confuse them."""

TRAIT_PHRASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "wide": {
        "skin": (
            "skin in a tone of {skin_tone}",
            "{skin_tone} skin tone",
            "skin colored {skin_tone}",
            "the skin {skin_tone}",
            "a {skin_tone} shade of skin",
        ),
        "hair": (
            "{hair_color} hair, {cut}",
            "{hair_color} locks {cut}",
            "hair of {hair_color}, {cut}",
            "the hair {cut} and {hair_color}",
            "{cut}, {hair_color} hair",
            "{hair_color} strands {cut}",
        ),
        "eyes": (
            "{eye_color} irises",
            "open {eye_color} eyes",
            "two {eye_color} eyes",
            "the eyes {eye_color}",
            "eyes colored {eye_color}",
        ),
        "eyewear": (
            "{eyewear} on the nose",
            "{eyewear} to see through",
            "a face with {eyewear}",
            "{eyewear} in front",
            "the use of {eyewear}",
        ),
        "facial_hair": (
            "a {facial_hair} on the face",
            "a {facial_hair} below the nose",
            "the face with a {facial_hair}",
            "a grown {facial_hair}",
            "one {facial_hair}",
        ),
        "headwear": (
            "a {headwear} up high",
            "a {headwear} in the hair",
            "one {headwear} on the hair",
            "a {headwear} as decoration",
            "the head with a {headwear}",
        ),
        "earrings": (
            "{earrings} on the ears",
            "{earrings} for the ears",
            "{earrings} hanging from the ears",
            "{earrings} as jewelry",
            "both ears in {earrings}",
        ),
        "clothing": (
            "{garment}, {clothing_color} in color",
            "{garment} colored {clothing_color}",
            "{garment}, all {clothing_color}",
            "the clothes {clothing_color}, {garment}",
            "{garment} in a {clothing_color} tone",
        ),
        "face": (
            "a face of {face_shape} shape",
            "a {face_shape} head",
            "the face {face_shape}",
            "{face_shape} features",
            "a face drawn {face_shape}",
        ),
        "cheeks": (
            "{cheeks} on the skin",
            "{cheeks} on the face",
            "a face showing {cheeks}",
            "the cheeks have {cheeks}",
            "{cheeks} visible",
        ),
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
