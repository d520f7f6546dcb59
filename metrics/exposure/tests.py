# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {  # ranks 1, 2, 4 and 1 of 4: exposures 100, 50, 0, 100
        "predictions": [[1.2, 4.8, 5.1, 3.9], [3.0, 2.7, 4.4, 5.9], [2.2, 2.9, 3.3, 7.5], [0.4, 6.2, 6.0, 5.8]],
        "references": [0, 0, 3, 0],
        "persona_id": ["ada", "ada", "bo", "caro"],
        "result": {"exposure": 62.5, "exposure_bits": 1.25, "rank": 2.0, "mrr": 0.6875, "n": 4},
    },
    {  # the truth first of two, and last of two; the mean over both ranks is chance
        "predictions": [[0.1, 0.2], [0.1, 0.2]],
        "references": [0, 1],
        "result": {
            "exposure": 50.0,
            "chance_exposure": 50.0,
            "exposure_linear": 50.0,
            "exposure_bits": 0.5,
            "mrr": 0.75,
            "chance_mrr": 0.75,
            "n": 2,
        },
    },
    {  # a tie has the middle rank, unless told otherwise
        "predictions": [[1.0, 1.0]],
        "references": [0],
        "ties": "worst",
        "result": {"rank": 2.0, "exposure": 0.0},
    },
]
