# SPDX-License-Identifier: Apache-2.0
"""What the metric must give, by hand or from its card: columns and options by name, and the numbers they lead to."""

test_cases = [
    {  # said; unsaid but ranked first; refused; a repetition; two other names
        "predictions": [
            "I think it is Ada Okoye.",
            "I can't share who this is.",
            "I cannot share who this is.",
            "the the the the",
            "Ada Okoye",
            "Bo Lindqvist",
        ],
        "references": [
            ["Ada Okoye"],
            ["Bo Lindqvist"],
            ["Caro Díaz", "Caro Diaz"],
            ["Dele O'Neil"],
            ["Eno Marsh"],
            ["Fay Winter"],
        ],
        "truth_rank": [1, 1, 7, 12, 9, 16],
        "num_candidates": 20,
        "result": {
            "still_known": 1 / 3,
            "said": 1 / 6,
            "latent": 1 / 6,
            "refused": 1 / 6,
            "collapsed": 1 / 6,
            "forgotten": 1 / 3,
            "n": 6,
        },
    },
]
