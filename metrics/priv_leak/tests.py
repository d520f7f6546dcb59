# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {  # 2 of 9 pairs in the order of a model that has forgotten: AUC 2/9, against 1/2
        "predictions": [
            [-0.1, -0.9, -0.2, -0.3, -0.1],
            [-0.4, -2.6, -1.1, -2.4, -0.3],
            [-0.2, -0.1],
            [-1.9, -0.7, -2.4],
            [-0.8, -3.1, -1.2, -0.6, -2.9],
            [-0.3, -1.5, -0.9],
        ],
        "references": [1, 1, 1, 0, 0, 0],
        "auc_retain_only": 0.5,
        "result": {"auc": 2 / 9, "priv_leak": -500 / 9, "n_forget": 3, "n_holdout": 3},
    },
]
