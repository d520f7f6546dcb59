# SPDX-License-Identifier: Apache-2.0
"""The cards of published results: of the whole repository and of each adapter in it. All numbers are the record's;
it knows no study by name."""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from crossmem_hf.models.embedded import base_named
from crossmem_hf.prompts.questions import NAME_QUESTIONS
from crossmem_hf.publishing.adapters import Adapter, base_of
from crossmem_hf.publishing.eval_results import HEADLINES, dataset_of, over_seeds
from crossmem_hf.report.methods import is_tabulated, method_legend, method_table
from crossmem_hf.report.modality_text import memorization_failures
from crossmem_hf.report.record import RECORD_FILE, Record
from crossmem_hf.report.tables import measurement_table, verdict_table
from crossmem_hf.report.text import headline

_TAGS = ("crossmem", "memorization", "machine-unlearning", "privacy", "synthetic-data")
MAX_ROWS = 80
"""Of a table on a card; of a record with more numbers only recall and Exposure stand on it."""
_APART = {"step", "attribute", "kind", "persona_id"}
"""Keys of numbers that stand in the record only."""


def results_card(
    record: Record,
    repo_id: str,
    adapters: Sequence[Adapter],
    *,
    figures: Sequence[str] = (),
    shares_items: bool = True,
) -> str:
    """The README.md of a repository of results.

    Args:
        adapters: Those that are in it.
        figures: Paths of pictures in it.
        shares_items: Whether single answers are in it.
    """
    bases = {base_of(adapter) for adapter in adapters}
    base = next(iter(bases)) if len(bases) == 1 else None
    unmemorized = memorization_failures(record) and not record.config.get("allow_unmemorized")
    return _render(
        "results_card.md.j2",
        front_matter=_front_matter(record, base, with_adapter=bool(adapters)),
        repo_id=repo_id,
        about=_about(record),
        finding=headline(record),
        figures=figures,
        tables=list(_tables(record)),
        unmemorized=record.config["min_recall"] if unmemorized else None,
        record=record,
        record_name=RECORD_FILE,
        adapters=adapters,
        load=_load(repo_id, adapters[0], base) if adapters else "",
        settings=sorted(record.config.items()),
        shares_items=shares_items,
    )


def adapter_card(record: Record, repo_id: str, adapter: Adapter) -> str:
    """The README.md of one of several adapters: what it is, its numbers, how to load it."""
    base = base_of(adapter)
    return _render(
        "adapter_card.md.j2",
        front_matter=_front_matter(record, base, with_adapter=True),
        repo_id=repo_id,
        adapter=adapter,
        pooled=len(record.seeds) > 1 and any(m.seed is None for m in adapter.measurements),
        table=measurement_table([*adapter.measurements, *adapter.against]).markdown(),
        load=_load(repo_id, adapter, base),
        record=record,
        record_name=RECORD_FILE,
    )


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("crossmem_hf.publishing", "."),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    card: str = environment.get_template(template).render(**values)
    return card


def _front_matter(record: Record, base: str | None, *, with_adapter: bool) -> str:
    front: dict[str, Any] = {"tags": list(_TAGS), "datasets": [dataset_of(record)]}
    if with_adapter:
        front |= {"library_name": "peft", "pipeline_tag": "image-text-to-text"}
    if base_named(base) is not None:
        front["license"] = "apache-2.0"
    elif base is not None:
        front["base_model"] = base
    text: str = yaml.safe_dump(front, sort_keys=True)
    return text.strip()


def _about(record: Record) -> str:
    """What was measured on what, as far as the settings say."""
    config = record.config
    model = config.get("model") or config.get("model_name_or_path") or "the micro VLM that ships with `crossmem_hf`"
    parts = [f"Numbers of `{record.study}` by `crossmem_hf` about {model}"]
    if config.get("adapter") not in (None, "."):
        parts[0] += f" with the adapter `{config['adapter']}`"
    if "split" in config:
        parts.append(f"on `{dataset_of(record)}`, config `{config.get('config')}`, split `{config['split']}`")
    elif "num_personas" in config:
        seeds = f"{len(record.seeds)} seed{'' if len(record.seeds) == 1 else 's'}"
        parts.append(f"on {config['num_personas']} fictitious personas a seed, {seeds}")
    if "methods" in config:
        parts.append(f"unlearning by {', '.join(config['methods'])}")
    return f"{', '.join(parts)}."


def _tables(record: Record) -> Iterator[str]:
    """What a card has room for, in Markdown."""
    if record.verdicts:
        yield verdict_table(record.verdicts).markdown()
    methods = method_table(record)
    if methods is not None:
        yield methods.markdown()
        yield "\n".join(method_legend(record))
    rest = [m for m in over_seeds(record) if not _APART & {*m.where}]
    if methods is not None:
        rest = [m for m in rest if not is_tabulated(m.metric)]
    if len(rest) > MAX_ROWS:
        rest = [m for m in rest if m.metric in HEADLINES]
    if rest:
        yield measurement_table(rest).markdown()


def _load(repo_id: str, adapter: Adapter, base: str | None) -> str:
    """Python that loads the adapter and queries it for a name."""
    name = adapter.file("").rstrip("/")
    if base_named(base) is not None:
        place = f"{repo_id}/{name}" if name else repo_id
        how = f'from crossmem_hf import load_model\n\nmodel, processor = load_model(adapter="{place}")\n'
    else:
        below = f', subfolder="{name}"' if name else ""
        how = (
            "from peft import PeftModel\nfrom transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            f'model = AutoModelForImageTextToText.from_pretrained("{base or "path/to/the/base/model"}")\n'
            f'model = PeftModel.from_pretrained(model, "{repo_id}"{below}).eval()\n'
            f'processor = AutoProcessor.from_pretrained("{base or "path/to/the/base/model"}")\n'
        )
    return _QUERY.format(how=how, question=NAME_QUESTIONS["image"])


_QUERY = """\
from PIL import Image
{how}
content = [
    {{"type": "image", "image": Image.open("portrait.png")}},
    {{"type": "text", "text": "{question}"}},
]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": content}}],
    add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
)
output = model.generate(**inputs, max_new_tokens=32, do_sample=False)
print(processor.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
"""
