# SPDX-License-Identifier: Apache-2.0
"""A record that means the same on another machine."""

import pytest

from crossmem_hf.publishing.portable import portable
from tests.publishing.conftest import measured, record_of


def published(**config):
    return portable(record_of("score", [measured("recall")], config=config)).config


@pytest.mark.parametrize(
    ("given", "shared"),
    [
        (None, None),
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"),
        ("gpt2", "gpt2"),
        ("/a/b/own", "own"),
    ],
)
def test_models_and_datasets_keep_their_names_on_the_hub(given, shared):
    assert published(model=given, dataset=given) == {"model": shared, "dataset": shared}


def test_folders_are_named_as_they_lie_beside_the_record(tmp_path):
    given = {"adapter": str(tmp_path), "retain_only": str(tmp_path / "theirs"), "k": 0.2}
    assert published(**given) == {"adapter": ".", "retain_only": "retain_only", "k": 0.2}
    shared = published(baseline=[f"base={tmp_path}", f"memorized={tmp_path / 'a=b'}"])
    assert shared == {"baseline": ["base=baseline_base", "memorized=baseline_memorized"]}
    assert published(baseline=[]) == {"baseline": []}
    assert published(adapter="you/npo", retain_only=None) == {"adapter": "you/npo", "retain_only": None}


def test_nobodys_server_is_told():
    assert published(judge_url="http://10.0.0.7:8000/v1", judge_model="judge") == {
        "judge_url": None,
        "judge_model": "judge",
    }
