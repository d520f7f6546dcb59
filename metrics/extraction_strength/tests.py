# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {  # all of it; half of it (from the third token on); nothing, for the last token is wrong
        "predictions": [[512, 87, 1034, 9], [512, 13, 2201, 9], [512, 61, 18, 4]],
        "references": [[512, 87, 1034, 9], [512, 40, 2201, 9], [733, 61, 18, 9]],
        "persona_id": ["ada", "bo", "caro"],
        "result": {"extraction_strength": 0.5, "token_match": 0.75, "all_match": 1 / 3, "n": 3},
    },
    {  # likely half of the time, so in one of two samples with 3 / 4
        "predictions": [[512, 87]],
        "references": [[512, 87]],
        "logprobs": [[-0.6931471805599453, 0.0]],
        "num_samples": 2,
        "probability": 0.8,
        "result": {"extraction_probability": 0.75, "discoverable": 0.0},
    },
]
