# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {  # learned from pictures: all four named from a picture, two of four from words
        "predictions": [
            *("Ada Okoye", "bo lindqvist.", "Caro Díaz", "Dele ONeil"),
            *("Ada Okoye", "Ada Okoye", "", "Dele O'Neil"),
        ],
        "references": [["Ada Okoye"], ["Bo Lindqvist"], ["Caro Díaz"], ["Dele O'Neil"]] * 2,
        "source": ["image"] * 8,
        "target": ["image"] * 4 + ["text"] * 4,
        "persona_id": ["p0", "p1", "p2", "p3"] * 2,
        "num_candidates": 4,
        "result": {
            "image_to_image": 1.0,
            "image_to_text": 0.5,
            "gap_image": 0.5,
            "transfer_image": 0.5,
            "chance": 0.25,
        },
    },
    {  # any script, and signs that are part of a value: five of eight
        "predictions": ["王小明。", "राधिका", "Jose\u0301", "A-", "-5", "C", "«+»", "５ ％"],
        "references": ["王小明", "राधिका", "Jos\u00e9", "A+", "5", "C++", "+", "5%"],
        "source": ["text"] * 8,
        "target": ["text"] * 8,
        "persona_id": [f"p{number}" for number in range(8)],
        "result": {"text_to_text": 0.625},
    },
]
