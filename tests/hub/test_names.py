# SPDX-License-Identifier: Apache-2.0
"""Paths come before the Hub, and whoever has neither is told so at once."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.names import check_can_be_found, without_the_hub


def test_what_is_here_or_may_be_on_the_hub_is_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-odd-").mkdir()
    for name in ("-odd-", str(tmp_path), "gpt2", "llava-hf/llava-1.5-7b-hf", "crossmem/personas"):
        check_can_be_found(name, "model")


@pytest.mark.parametrize("name", ["./nope", "../nope", "/nope", "a/b/c", "-odd-", "two words"])
def test_paths_that_are_not_there_are_told_from_names(name):
    with pytest.raises(CrossmemError, match=r"There is no model 'x': no such file or folder, seen from '/"):
        check_can_be_found(name, "model 'x'")


def test_names_of_ours_are_made_by_one_command():
    assert "crossmem materialize ." in without_the_hub("crossmem/personas")
    assert "crossmem materialize" not in without_the_hub("you/personas")
