# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {  # probabilities 1/2, 1/4 and 0: two samples find them with 3/4, 7/16 and 0
        "predictions": [[-0.6931471805599453], [-0.6931471805599453, -0.6931471805599453], [float("-inf")]],
        "n": [1, 2],
        "p": [0.25, 0.75],
        "persona_id": ["ada", "bo", "caro"],
        "result": {
            "extraction_probability_n1": 0.25,
            "extraction_probability_n2": 19 / 48,
            "discoverable_n1_p0.25": 2 / 3,
            "discoverable_n2_p0.75": 1 / 3,
            "samples_p0.25": 1.0,
            "samples_p0.75": 5.0,
            "n": 3,
        },
    },
    {  # e^-800 is below the smallest float, and so is a billion times it
        "predictions": [[-400.0, -400.0]],
        "n": [1_000_000_000],
        "p": [0.5],
        "result": {
            "extraction_probability_n1000000000": 0.0,
            "log10_extraction_probability_n1000000000": -338.4355855,
            "log10_samples_p0.5": 347.2764100,
        },
    },
]
