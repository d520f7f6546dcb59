# SPDX-License-Identifier: Apache-2.0
"""A model small enough to run the whole job in seconds; it learns nothing in two steps, and need not."""

import pytest

from crossmem_hf.studies.settings import FirstLightSettings


@pytest.fixture(scope="session")
def tiny_settings(tiny_model):
    """Settings for it."""
    return FirstLightSettings(
        num_personas=5,
        num_views=2,
        seeds=1,
        model_name_or_path=str(tiny_model),
        memorize_steps=2,
        memorize_batch_size=4,
        unlearn_steps=2,
        unlearn_batch_size=2,
        stop_every_steps=1,
        stop_threshold=0.0,
    )
