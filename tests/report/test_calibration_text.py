# SPDX-License-Identifier: Apache-2.0
"""A calibration as lines for a terminal."""

from crossmem_hf.report.calibration_text import calibration_text

RATE = {"value": 0.25, "low": 0.1, "high": 0.5, "num_pairs": 4}
NONE = {"value": 0.0, "low": None, "high": None, "num_pairs": 9}
RECORD = {
    "face_model": "planted 1", "num_personas": 2, "num_pictures": 5, "no_face": ["a/1.png"], "several_faces": [],
    "within": {"num_pairs": 4, "quantiles": [0.5, 0.6, 0.7, 0.8, 0.9], "counts": [1, 3]},
    "between": {"num_pairs": 9, "quantiles": [0.1] * 5, "counts": [9, 0]},
    "edges": [0.0, 0.5, 1.0], "missing": None, "warnings": ["2 people are few"], "own": None,
    "suggested": {"threshold": 0.45, "false_reject": RATE, "false_accept": NONE},
}  # fmt: skip


def test_calibration_text_says_everything_once():
    lines = calibration_text(RECORD).splitlines()
    assert lines[0] == "planted 1 on 5 faces of 2 people"
    assert "left out: 1 pictures without a face that is looking ahead (a/1.png)" in lines[1]
    assert lines[2].endswith("4 pairs, lowest, quartiles, highest 0.500 0.600 0.700 0.800 0.900")
    bars = [line.split() for line in lines[5:7]]
    assert bars == [["0.000", "0.500", "1", "#" * 8, "9", "#" * 24], ["0.500", "1.000", "3", "#" * 24, "0"]]
    assert lines[7] == "suggested threshold 0.4500"
    assert "25.0 % of 4 pairs (95 % 10.0 to 50.0 %, over people; 0 is best)" in lines[8]
    assert "0.0 % of 9 pairs (no interval" in lines[9]
    assert lines[10:] == ["note: 2 people are few"]


def test_calibration_text_has_no_histogram_without_pairs():
    empty = {"num_pairs": 0, "quantiles": [], "counts": []}
    text = calibration_text({**RECORD, "within": empty, "between": empty, "edges": [], "suggested": None})
    assert "cosines of one person: 0 pairs\ncosines of two people: 0 pairs\nnote: " in text
