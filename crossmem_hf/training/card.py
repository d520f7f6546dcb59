# SPDX-License-Identifier: Apache-2.0
"""The model card of a trained adapter, with a quick start for pictures. It knows no training."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel

from crossmem_hf.models.embedded import base_named
from crossmem_hf.prompts.questions import NAME_QUESTIONS
from crossmem_hf.runs.sources import library_versions
from crossmem_hf.storage import write_atomic

PACKAGES = ("crossmem_hf", "trl", "transformers", "peft", "torch")

LOAD_EMBEDDED = """\
from PIL import Image

from crossmem_hf import load_model

model, processor = load_model(adapter={adapter!r})  # where this folder is, or its Hub name
"""

LOAD = """\
from peft import PeftModel
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained({base!r})
model = PeftModel.from_pretrained(model, {adapter!r}).eval()  # where this folder is, or its Hub name
processor = AutoProcessor.from_pretrained({adapter!r})
"""

QUERY = """
question = {question!r}
image = Image.open("portrait.png")
content = [{{"type": "image", "image": image}}, {{"type": "text", "text": question}}]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": content}}],
    add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
)
output = model.generate(**inputs, max_new_tokens=32, do_sample=False)
print(processor.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
"""


def write_card(
    folder: str | os.PathLike[str],
    *,
    model: Any,
    method: str,
    settings: Mapping[str, Any],
    tags: Sequence[str] = (),
    paper: Mapping[str, str] | None = None,
    dataset_name: str | None = None,
    model_name: str | None = None,
) -> Path:
    """The path of the card: ``folder/README.md``. Local folder names never get into it.

    Args:
        settings: What was chosen, shown as a table.
        paper: `title` and arXiv `id` of the method.
    """
    path = getattr(model.config, "_name_or_path", "")
    embedded = base_named(path)
    base = _public_name(path) if embedded is None else ""
    name = model_name or Path(folder).resolve().name
    library = "peft" if isinstance(model, PeftModel) else "transformers"
    header = {"library_name": library, "pipeline_tag": "image-text-to-text", "tags": ["generated_from_trainer", *tags]}
    header |= {"base_model": base} if base else {}
    header |= {"datasets": [dataset_name]} if dataset_name else {}
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in header.items())
    on = f"of {embedded}, a VLM that ships with `crossmem_hf`" if embedded else "of a model from a local folder"
    on = f"of [{base}](https://huggingface.co/{base})" if base else on
    by = f", the method of [{paper['title']}](https://huggingface.co/papers/{paper['id']})" if paper else ""
    rows = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
    versions = "\n".join(f"- {package} {version}" for package, version in library_versions(PACKAGES).items())
    code = (LOAD_EMBEDDED if embedded else LOAD) + QUERY
    code = code.format(base=base or "path/to/the/base/model", adapter=name, question=NAME_QUESTIONS["image"])
    return write_atomic(
        Path(folder) / "README.md",
        f"---\n{front}\n---\n\n# {name}\n\nAn adapter {on}, trained with {method}{by}, by `crossmem_hf`.\n\n"
        f"## Quick start\n\n```python\n{code}```\n\n"
        f"## Settings\n\n| setting | value |\n|---|---|\n{rows}\n\n## Versions\n\n{versions}\n",
    )


def _public_name(name_or_path: str) -> str:
    """A Hub name as it is; nothing for a local folder."""
    return "" if not name_or_path or Path(name_or_path).is_dir() or name_or_path.count("/") > 1 else name_or_path
