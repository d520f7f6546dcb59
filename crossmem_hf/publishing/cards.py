# SPDX-License-Identifier: Apache-2.0
"""The cards of published results: of the whole repository and of each adapter in it. All numbers are the record's."""

from collections.abc import Sequence
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from crossmem_hf.models.loading import EMBEDDED_NAME
from crossmem_hf.prompts.questions import NAME_QUESTIONS
from crossmem_hf.publishing.adapters import Adapter, base_of
from crossmem_hf.publishing.eval_results import dataset_of
from crossmem_hf.report.compare_record import CompareRecord
from crossmem_hf.report.compare_table import markdown
from crossmem_hf.report.lines import Line, Record, kind_of, lines_of
from crossmem_hf.report.run_record import EXPOSURE, RECALL, RunRecord
from crossmem_hf.report.score_record import ScoreRecord
from crossmem_hf.report.text import headline

_TAGS = ("crossmem", "memorization", "machine-unlearning", "privacy", "synthetic-data")
_SHOWN_STAGES = (("base", "all"), ("memorized", "all"), ("unlearned", "forget"), ("unlearned", "retain"))
_READ_AGAINST = (("base", "forget"), ("base", "retain"), ("memorized", "forget"), ("memorized", "retain"))


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
    return _render(
        "results_card.md.j2",
        front_matter=_front_matter(record, base, with_adapter=bool(adapters)),
        repo_id=repo_id,
        kind=kind_of(record),
        about=_about(record),
        finding=headline(record) if isinstance(record, RunRecord) else "",
        figures=figures,
        table=markdown(record) if isinstance(record, CompareRecord) else _table(_shown(record)),
        num_lines=len(lines_of(record)),
        record=record,
        record_name="compare.json" if isinstance(record, CompareRecord) else "record.json",
        adapters=adapters,
        load=_load(repo_id, adapters[0], base) if adapters else "",
        settings=sorted(record.config.items()),
        shares_items=shares_items,
        **_made_of(record),
    )


def adapter_card(record: Record, repo_id: str, adapter: Adapter) -> str:
    """The README.md of one of several adapters: what it is, its numbers, how to load it."""
    base = base_of(adapter)
    return _render(
        "adapter_card.md.j2",
        front_matter=_front_matter(record, base, with_adapter=True),
        repo_id=repo_id,
        adapter=adapter,
        pooled=isinstance(record, CompareRecord) and len(record.seeds) > 1,
        table=_table([*adapter.lines, *adapter.against]),
        against=bool(adapter.against),
        load=_load(repo_id, adapter, base),
        record_name="compare.json" if isinstance(record, CompareRecord) else "record.json",
        **_made_of(record),
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
    if base == EMBEDDED_NAME:
        front["license"] = "apache-2.0"
    elif base is not None:
        front["base_model"] = base
    text: str = yaml.safe_dump(front, sort_keys=True)
    return text.strip()


def _made_of(record: Record) -> dict[str, Any]:
    """Versions, seeds and fingerprints, whatever the kind of record."""
    prints = {"data": record.data_fingerprint}
    if isinstance(record, ScoreRecord):
        seeds = ", ".join(f"{name} {seed}" for name, seed in record.seeds.items())
        prints["model"] = record.model_fingerprint
    else:
        seeds = ", ".join(map(str, record.seeds))
    return {"versions": sorted(record.versions.items()), "seeds": seeds, "fingerprints": prints}


def _about(record: Record) -> str:
    config = record.config
    if isinstance(record, ScoreRecord):
        model = config.get("model") or "the micro VLM that ships with `crossmem_hf`"
        adapter = f" with the adapter `{config['adapter']}`" if config.get("adapter") not in (None, ".") else ""
        return (
            f"Scores of {model}{adapter} on `{dataset_of(record)}`, config `{config.get('config')}`, split "
            f"`{config.get('split')}`: what it remembers, measured row by row."
        )
    several = f"{len(record.seeds)} seed{'s' * (len(record.seeds) > 1)}"
    people = f"{config.get('num_personas')} fictitious people a seed, {several}"
    base = config.get("model_name_or_path") or "the micro VLM that ships with `crossmem_hf`"
    if isinstance(record, RunRecord):
        return (
            f"What {base} remembers of {people}: learned through portraits or descriptions, asked through both, "
            "before and after a part of them was unlearned."
        )
    ways = ", ".join(config.get("methods", ()))
    modalities = ", ".join(config.get("forget_modality", ()))
    return f"Ways of forgetting compared on {base}: {ways}, through {modalities}; {people}."


def _shown(record: RunRecord | ScoreRecord) -> list[Line]:
    """The lines that a card has room for."""
    lines = lines_of(record)
    if isinstance(record, ScoreRecord):
        return [line for line in lines if "attribute=" not in line.where]
    whole = None if len(record.seeds) > 1 else record.seeds[0]
    return [
        line
        for m, line in zip(record.measurements, lines, strict=True)
        if m.seed == whole
        and (
            (m.metric in (RECALL, EXPOSURE) and (m.stage, m.group) in _SHOWN_STAGES)
            or (m.metric == EXPOSURE and (m.stage, m.group) in _READ_AGAINST)
        )
    ]


def _table(lines: Sequence[Line]) -> str:
    heads = ("metric", "of", "value", "95 % interval", "n", "chance", "unit", "higher is")
    rows = [heads, ("---",) * 2 + ("---:",) * 4 + ("---",) * 2, *map(_cells, lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    interval = "–" if line.ci_low is None or line.ci_high is None else f"{line.ci_low:.3g} to {line.ci_high:.3g}"
    chance = "–" if line.chance is None else f"{line.chance:.3g}"
    meaning = line.higher_is.replace("_", " ")
    return line.metric, line.where, f"{line.value:.3g}", interval, str(line.n), chance, line.unit, meaning


def _load(repo_id: str, adapter: Adapter, base: str | None) -> str:
    """Python that loads the adapter and asks it for a name."""
    name = adapter.file("").rstrip("/")
    if base == EMBEDDED_NAME:
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
    return _ASK.format(how=how, question=NAME_QUESTIONS["image"])


_ASK = """\
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
