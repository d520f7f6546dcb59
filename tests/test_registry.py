# SPDX-License-Identifier: Apache-2.0
"""Things by name, loaded when they are asked for."""

import subprocess
import sys

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.registry import Registry

ERRORS = Registry("error", {"ours": "crossmem_hf.errors:CrossmemError", "lost": "crossmem_hf.nowhere:Lost"})

LAZY = """
import sys
from crossmem_hf.registry import Registry
found = Registry("seed", {"ours": "crossmem_hf.seeding:seed_for"})
assert "ours" in found and "crossmem_hf.seeding" not in sys.modules
assert found["ours"] is sys.modules["crossmem_hf.seeding"].seed_for
"""


def test_registry_is_a_mapping_of_what_the_places_name():
    assert (ERRORS["ours"], list(ERRORS), len(ERRORS)) == (CrossmemError, ["ours", "lost"], 2)
    assert ERRORS.get("others") is None
    assert "lost" in ERRORS


def test_registry_finds_or_lists_what_there_is():
    assert ERRORS.find("ours") is CrossmemError
    with pytest.raises(CrossmemError, match=r"Unknown error 'others' \(did you mean 'ours'\?\)\. Choose from ours"):
        ERRORS.find("others")


def test_registry_loads_nothing_before_it_is_asked():
    subprocess.run([sys.executable, "-c", LAZY], check=True)
