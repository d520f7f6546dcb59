# SPDX-License-Identifier: Apache-2.0
"""Faults planted in a sound model or its processor, and the checks that then fail."""

import copy
from functools import partial
from unittest.mock import patch

from crossmem_hf.conformance.check import CHECKS, check_model
from tests.scoring.families import families, model_of


def checked(model, processor, *checks):
    """The report of these checks alone; all of them are made on sound models, in test_check.py."""
    chosen = {name: CHECKS[name] for name in ("parts fit", *checks)}
    with patch.dict(CHECKS, chosen, clear=True):
        return check_model(model, processor)


def failing(model, processor, *checks):
    """Names of those of these checks that fail."""
    return {finding.check for finding in checked(model, processor, *checks).findings if finding.status == "fails"}


def planted(change, name="llava_clip"):
    """A family's model, and its processor changed."""
    processor = copy.copy(families()[name].processor)
    change(processor)
    return model_of(name), processor


def broken(forward, *checks, name="llava_clip"):
    """Those of these checks that fail for a family's model with another forward pass, which gets the right one."""
    model = families()[name].model()
    model.forward = partial(forward, model.forward)
    return failing(model, families()[name].processor, *checks)
