# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {
        "predictions": [[2.0, 2.4, 2.8], [1.1, 0.9], [0.7, 0.9, 0.8], [1.5, 1.7]],
        "references": [0.4, 1.0, 1.8, 1.6],
        "persona_id": ["ada", "ada", "bo", "caro"],
        "retain_only": [0.8, 1.3, 0.9, 1.1, 1.0],
        "result": {"ks_statistic": 0.25, "n": 4, "n_retain_only": 5},
    },
    {  # false answers a factor e less likely: R = 1/e, and the truth has e / (1 + e)
        "predictions": [[2.0, 2.0]],
        "references": [1.0],
        "result": {"truth_ratio": 0.36787944117144233, "truth_probability": 0.7310585786300049},
    },
    {  # false answers with 1/2 and 1/4, the truth with 1/2: R = 3/4, not sqrt(1/2)
        "predictions": [[0.6931471805599453, 1.3862943611198906]],
        "references": [0.6931471805599453],
        "mean": "arithmetic",
        "result": {"truth_ratio": 0.75, "truth_ratio_retain": 0.25},
    },
]
