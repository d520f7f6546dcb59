# SPDX-License-Identifier: Apache-2.0
"""The model card of the embedded VLM. It states what was done and measured, and computes nothing."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def micro_card(settings: Mapping[str, Any], quality: Mapping[str, Mapping[str, float]], parameters: int) -> str:
    """Markdown with front matter.

    Args:
        settings: What the pre-training recipe trained with: seed, vision_steps, seen, named, plan.
        quality: What `quality.measured_quality` returned.
        parameters: How many the model has.
    """
    environment = Environment(
        loader=PackageLoader("crossmem_hf.models.micro", "."),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, and nothing in it comes from outside
    )
    return environment.get_template("micro_card.md.j2").render(
        settings=settings, quality=quality, parameters=parameters
    )
