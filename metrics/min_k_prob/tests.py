# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {  # the lowest fifth of so few tokens is the lowest one: -0.2, -3.5, -3.0, -4.0
        "predictions": [[-0.1, -0.2, -0.1], [-0.3, -3.5], [-2.0, -3.0, -1.0, -2.5], [-4.0]],
        "references": [1, 1, 0, 0],
        "persona_id": ["ada", "bo", "caro", "dele"],
        "result": {"min_k": -2.675, "auroc_min_k": 0.75, "auroc_perplexity": 1.0, "n": 4, "n_members": 2},
    },
]
