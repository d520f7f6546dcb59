# SPDX-License-Identifier: Apache-2.0
"""The model card of an embedded VLM. It states what was done and measured, and computes nothing."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from crossmem_hf.models.micro.tasks import PORTRAITS, SHARES
from crossmem_hf.personas.background import NUM_NAMED, NUM_SEEN, NUM_WITH_FACTS


def micro_card(
    name: str, settings: Mapping[str, Any], quality: Mapping[str, Mapping[str, float]], parameters: int
) -> str:
    """Markdown with front matter.

    Args:
        name: What `load_model` knows the model by.
        settings: What the pre-training recipe trained with: seed, vision_steps, plan.
        quality: What `quality.measured_quality` returned.
        parameters: How many the model has.
    """
    environment = Environment(
        loader=PackageLoader("crossmem_hf.models.micro", "."),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, and nothing in it comes from outside
    )
    whom = {"seen": NUM_SEEN, "named": NUM_NAMED, "with_facts": NUM_WITH_FACTS, "portraits": PORTRAITS}
    return environment.get_template("micro_card.md.j2").render(
        name=name, settings=settings, quality=quality, parameters=parameters, shares=SHARES, **whom
    )
