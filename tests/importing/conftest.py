# SPDX-License-Identifier: Apache-2.0
"""Somebody's portraits, a folder a person."""

import pytest

from tests.data import picturing

PERSONAS = ("Ann_Lee", "Bob Ox", "Cyd Ray")


@pytest.fixture
def folders(tmp_path):
    """Three people with five pictures each."""
    root = tmp_path / "source"
    for place, person in enumerate(PERSONAS):
        (root / person).mkdir(parents=True)
        for number in range(5):
            (root / person / f"{number}.png").write_bytes(picturing.numbered(10 * place + number))
    (root / ".cache").mkdir()
    (root / "notes.txt").write_text("not a picture")
    return root
