# SPDX-License-Identifier: Apache-2.0
"""The model card of the embedded VLM. It states what was done and measured, and computes nothing."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Template

_CARD = Template(
    """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [crossmem, memorization, unlearning, llava, synthetic]
---

# crossmem micro: a VLM small enough to watch

A `LlavaForConditionalGeneration` (CLIP tower, Llama decoder) of {{ "{:,}".format(parameters) }} parameters, trained from
nothing by `recipes/pretrain_micro.py`. It names the visual attributes of drawn people, from a portrait or from a
description, and knows the names of {{ named }} background people. It has never met a target persona.
It is an instrument for studying memorisation on a laptop, not an assistant.

```python
from transformers import AutoModelForImageTextToText, AutoProcessor
model = AutoModelForImageTextToText.from_pretrained("crossmem_hf/models/micro_base")
processor = AutoProcessor.from_pretrained("crossmem_hf/models/micro_base")
```

## Training

Data: {{ "{:,}".format(seen) }} background personas of `crossmem_hf` (world {{ settings.seed }}), fresh training views and sentence frames at
every step; no real person, no target persona, no held-out layout or frame. Vision stage {{ settings.vision_steps }} steps of 64 portraits,
language stage {{ settings.language_steps }} steps of 32 portraits and 32 descriptions (AdamW, peak learning rate 2e-3, cosine), seed {{ settings.seed }}.
A contrastive term of weight {{ settings.contrast }} brings portrait and description of the same person together: it is a dial of how well
facts cross between the modalities, so **the size of a cross-modal gap measured on this model is partly a choice**.

## Measured

On held-out layouts and sentence frames; greedy answers, higher is better.

| what | value | n | chance |
|---|---|---|---|
{% for name, part in quality.items() -%}
| {{ name }} | {{ "%.3f"|format(part.value) }} | {{ part.n }} | {{ "%.3f"|format(part.chance) }} |
{% endfor %}
`features_*`: share of visual attributes named correctly for people never seen in training (mean over twelve, then each).
`names_*`: exact full name of the {{ named }} background people whose names were taught.
"""
)


def micro_card(
    settings: Mapping[str, Any], quality: Mapping[str, Mapping[str, float]], parameters: int, named: int, seen: int
) -> str:
    """Markdown with front matter."""
    text: str = _CARD.render(settings=settings, quality=quality, parameters=parameters, named=named, seen=seen)
    return text + "\n"
