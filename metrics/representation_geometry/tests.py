# SPDX-License-Identifier: Apache-2.0
"""What the measurement must give, by hand or from its card: columns and options by name, and what they lead to."""

test_cases = [
    {  # variances 9, 4, 1 along the axes: shares 9/14, 4/14, 1/14
        "predictions": [
            [3.0, 0.0, 0.0],
            [-3.0, 0.0, 0.0],
            [0.0, 2.0, 0.0],
            [0.0, -2.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, 0.0, -1.0],
        ],
        "rank_range": None,
        "result": {"participation_ratio": 2.0, "rankme": 2.294401, "n": 6, "dim": 3},
    },
]
