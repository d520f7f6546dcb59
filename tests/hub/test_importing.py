# SPDX-License-Identifier: Apache-2.0
"""The importing commands on datasets of a Hub: configs become splits, labels names, stored bytes pictures."""

import sys

import pytest

from crossmem_hf.data.loading import load_rows

pytestmark = [pytest.mark.hub, pytest.mark.slow]

PUSHED = """
import json
from datasets import ClassLabel, Dataset, Features, Image, Value
from tests.data import picturing

clear = Features({"image": Image(), "caption": Value("string"), "name": Value("string")})
for first, (config, names) in enumerate((("forget05", ["Ann"]), ("retain95", ["Bob", "Cyd"]))):
    pictures = [{"bytes": picturing.photo((50 * number, 9, 9)), "path": None} for number, _ in enumerate(names, first)]
    rows = {"image": pictures, "caption": [f"{name} waves." for name in names], "name": names}
    Dataset.from_dict(rows, features=clear).push_to_hub("crossmem/clear", config, set_default=first == 0)
faces = Features({"image": Image(), "label": ClassLabel(names=["Ann Lee", "Bob Ox"])})
pictures = [{"bytes": picturing.numbered(number), "path": None} for number in range(6)]
Dataset.from_dict({"image": pictures, "label": [0, 1] * 3}, features=faces).push_to_hub("crossmem/faces")
print(json.dumps("pushed"))
"""


def test_a_benchmark_and_portraits_on_a_hub(clients):
    assert clients.python(PUSHED) == "pushed"
    reader = clients.afresh("reader")
    command = [sys.executable, "-m", "crossmem_hf"]
    parts = ["--part", "forget=forget05", "--part", "retain=retain95"]
    done = reader.run(
        *command, "import-qa", "crossmem/clear", "qa", "--mapping", "clear", *parts, "--image-size", "32"
    )
    assert done.returncode == 0, done.stderr
    rows = load_rows(str(clients.folder / "qa"), "recall_image", "forget+retain")
    assert rows["answer"][:] == ["Ann", "Bob", "Cyd"]
    assert rows[0]["images"][0].size == (32, 32)
    card = (clients.folder / "qa" / "README.md").read_text()
    assert "`crossmem/clear` on the Hub" in card
    reported = ["--name-column", "label", "--forget-fraction", "0.5"]
    done = reader.run(*command, "import-images", "crossmem/faces", "faces", *reported)
    assert done.returncode == 0, done.stderr
    assert sorted(load_rows(str(clients.folder / "faces"), "recall_image", "test")["answer"]) == ["Ann Lee", "Bob Ox"]
    done = reader.run(*command, "import-images", "crossmem/nobody", "none")
    assert done.returncode == 2
    assert "Could not load split 'train'" in done.stderr
    assert not (clients.folder / "none").exists()
