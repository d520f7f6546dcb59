# SPDX-License-Identifier: Apache-2.0
"""The model card of the embedded VLM. It states what was done and measured, and computes nothing."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def micro_card(
    settings: Mapping[str, Any], quality: Mapping[str, Mapping[str, float]], parameters: int, named: int, seen: int
) -> str:
    """Markdown with front matter.

    Args:
        settings: The arguments of the pre-training recipe.
        quality: What `quality.measured_quality` returned.
        parameters: How many the model has.
        named: Background people whose names were taught.
        seen: Background people whose looks were seen.
    """
    environment = Environment(
        loader=PackageLoader("crossmem_hf.models", "."),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, and nothing in it comes from outside
    )
    card = environment.get_template("micro_card.md.j2")
    return card.render(settings=settings, quality=quality, parameters=parameters, named=named, seen=seen)
