# SPDX-License-Identifier: Apache-2.0
"""Faults planted in a sound model or its processor, and the checks that then fail."""

import copy
from functools import partial

from crossmem_hf.conformance.check import check_model
from tests.scoring.families import families, model_of


def failing(model, processor):
    """Names of the checks that fail."""
    return {finding.check for finding in check_model(model, processor).findings if finding.status == "fails"}


def planted(change, name="llava_clip"):
    """A family's model, and its processor changed."""
    processor = copy.copy(families()[name].processor)
    change(processor)
    return model_of(name), processor


def broken(forward, name="llava_clip"):
    """Checks that fail for a family's model with another forward pass, which gets the right one."""
    model = families()[name].model()
    model.forward = partial(forward, model.forward)
    return failing(model, families()[name].processor)
