# SPDX-License-Identifier: Apache-2.0
"""The embedded model on the Hub of the tests."""

import pytest

from crossmem_hf.models.loading import EMBEDDED, EMBEDDED_NAME
from crossmem_hf.publishing.base_model import publish_base_model
from tests.hub.here import contents

pytestmark = pytest.mark.hub


def test_base_model_is_there_whole(hub, log_in):
    assert publish_base_model().changed
    assert contents(hub, "model", EMBEDDED_NAME) == {path.name: path.read_bytes() for path in EMBEDDED.iterdir()}
    assert not publish_base_model().changed
