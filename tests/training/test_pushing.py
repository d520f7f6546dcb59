# SPDX-License-Identifier: Apache-2.0
"""Which repository a run will push to, and when it asks; how the Hub answers is in tests/hub."""

import pytest
from huggingface_hub import HfApi
from transformers import TrainingArguments

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training import pushing
from crossmem_hf.training.pushing import check_push


@pytest.fixture
def requested(monkeypatch):
    requested = []
    monkeypatch.setattr(HfApi, "whoami", lambda self: {"name": "ada"})
    monkeypatch.setattr(pushing, "ready_repository", lambda *args, **how: requested.append((args, how)) or "ADDRESS")
    return requested


def config(tmp_path, **how):
    return TrainingArguments(output_dir=str(tmp_path / "unlearned"), use_cpu=True, report_to="none", **how)


def test_a_run_that_stays_at_home_asks_nothing(tmp_path, requested):
    assert check_push(config(tmp_path)) is None
    assert not requested


@pytest.mark.parametrize(
    ("name", "repo_id"), [(None, "ada/unlearned"), ("mine", "ada/mine"), ("crossmem/mine", "crossmem/mine")]
)
def test_the_repository_is_the_one_that_the_trainer_will_push_to(tmp_path, requested, name, repo_id):
    assert check_push(config(tmp_path, push_to_hub=True, hub_model_id=name, hub_private_repo=True)) == "ADDRESS"
    assert requested == [((repo_id, "model"), {"private": True})]


def test_without_a_token_it_stops(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(CrossmemError, match="hf auth login"):
        check_push(config(tmp_path, push_to_hub=True))
