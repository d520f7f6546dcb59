# SPDX-License-Identifier: Apache-2.0
"""Which values exist: data, no logic. It does not know how a value is drawn, worded or sampled."""

VISUAL_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "skin_tone": ("pale", "rosy", "golden", "olive", "brown", "dark"),
    "hair_style": ("short", "long", "curly", "spiky", "bun", "braids", "bob"),
    "hair_color": ("black", "brown", "blond", "red", "gray", "blue", "green"),
    "eye_color": ("brown", "blue", "green", "gray", "violet"),
    "eyewear": ("none", "round glasses", "square glasses", "monocle"),
    "facial_hair": ("none", "moustache", "beard", "goatee"),
    "headwear": ("none", "headband", "flower", "bow", "crown"),
    "earrings": ("none", "studs", "hoops"),
    "clothing": ("sweater", "striped shirt", "scarf", "suit", "overalls"),
    "clothing_color": ("red", "orange", "yellow", "green", "blue", "purple", "white"),
    "face_shape": ("round", "long", "square"),
    "cheeks": ("none", "freckles", "blush", "scar"),
}
"""Visual attribute -> its values, in a fixed order. ``"none"`` means nothing is shown and nothing is said."""

FACT_ATTRIBUTES: tuple[str, ...] = (
    "email",
    "date_of_birth",
    "job",
    "address",
    "phone",
    "medical_condition",
    "financial_tag",
)
"""The private attributes, after ReMem (arXiv 2605.03759); never shown by a portrait or a description."""

MEDICAL_CONDITIONS: tuple[str, ...] = (
    "asthma",
    "migraine",
    "celiac disease",
    "type 1 diabetes",
    "type 2 diabetes",
    "hypertension",
    "epilepsy",
    "psoriasis",
    "eczema",
    "hypothyroidism",
    "hyperthyroidism",
    "lactose intolerance",
    "peanut allergy",
    "sleep apnea",
    "scoliosis",
    "osteoarthritis",
    "anemia",
    "glaucoma",
    "tinnitus",
    "gout",
    "chronic sinusitis",
    "irritable bowel syndrome",
    "rheumatoid arthritis",
    "vertigo",
)

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

FIRST_SYLLABLES = ("Ba", "De", "Fi", "Go", "Ha", "Je", "Ki", "Lu", "Mo", "Nu", "Pa", "Re", "So", "Ti", "Vu", "Ze")
FIRST_ENDINGS = ("dris", "fenn", "go", "lix", "mer", "nok", "phar", "qui", "sha", "tuv", "vek", "wy", "zan")
LAST_SYLLABLES = (
    *("Brak", "Chel", "Dorv", "Esk", "Frim", "Glon", "Hesk", "Ilv", "Jund"),
    *("Krel", "Lomb", "Murg", "Nesk", "Ovr", "Plin", "Quorn", "Rusk", "Threl"),
)
UNWANTED_NAMES = ("Eskimo",)
"""Words that the syllables happen to make and that nobody should be called."""

LAST_ENDINGS = ("aby", "acho", "adim", "eko", "ettu", "ilar", "imo", "ondi", "othe", "ovar", "ulk", "une")
