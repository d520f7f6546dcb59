# SPDX-License-Identifier: Apache-2.0
"""Nobody waits for a Hub that cannot be reached."""

import httpx2
import huggingface_hub
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.reach import check_within_reach


def test_offline_nobody_waits_for_the_hub(tmp_path, monkeypatch):
    with pytest.raises(CrossmemError, match=r"no model 'you/it' here.*\(offline mode is on\).*unset HF_HUB_OFFLINE"):
        check_within_reach("you/it", "config.json", "model 'you/it'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "you" / "it").mkdir(parents=True)
    check_within_reach("you/it", "config.json", "model 'you/it'")


def test_whatever_else_is_wrong_is_left_to_the_loader(monkeypatch):
    def refused(*_, **__):
        raise httpx2.ReadTimeout("slow")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refused)
    check_within_reach("you/it", "config.json", "model 'you/it'")
