# SPDX-License-Identifier: Apache-2.0
"""An embedded model on the Hub of the tests."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE, hub_name
from crossmem_hf.publishing import materialize
from crossmem_hf.publishing.base_model import publish_base_model
from tests.hub.here import contents

pytestmark = pytest.mark.hub


def test_base_model_is_there_whole(hub, log_in):
    assert publish_base_model().changed
    ours = {path.name: path.read_bytes() for path in BASES[DEFAULT_BASE].iterdir()}
    assert contents(hub, "model", hub_name(DEFAULT_BASE)) == ours
    assert not publish_base_model(DEFAULT_BASE).changed


def test_which_base_is_published_is_said(hub, log_in, tmp_path, monkeypatch):
    (tmp_path / "quality.json").write_text("{}")
    bases = {"micro-s": tmp_path}
    monkeypatch.setattr(materialize, "BASES", bases)
    monkeypatch.setattr("crossmem_hf.publishing.base_model.BASES", bases)
    assert publish_base_model("micro-s").changed
    assert contents(hub, "model", "crossmem/micro-s") == {"quality.json": b"{}"}
    with pytest.raises(CrossmemError, match=r"Unknown base model 'micro-x'"):
        publish_base_model("micro-x")
