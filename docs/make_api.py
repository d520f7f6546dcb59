# SPDX-License-Identifier: Apache-2.0
"""Write docs/api.md from the docstrings of the public names and from the tables of methods and metrics.

python docs/make_api.py
"""

import inspect
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from textwrap import dedent
from types import FunctionType
from typing import Any

from pydantic import BaseModel

import crossmem_hf
from crossmem_hf.evaluation.measures import METRICS
from crossmem_hf.training.config import RunConfig, UnlearnConfig, VisionSFTConfig
from crossmem_hf.training.methods import METHODS

PAGE = Path(__file__).parent / "api.md"
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example|Reference):\n", re.MULTILINE)
_BULLETS = ("Args", "Attributes", "Raises")


def api_page() -> str:
    """The whole page."""
    parts = [
        "# Public names",
        "Made from the docstrings by `python docs/make_api.py`; a test holds it to them. All of it imports from "
        "`crossmem_hf`; what is not here may change without notice.",
        "The whole way in ten lines: [README](../README.md#ten-lines).",
        *(_entry(name) for name in sorted(crossmem_hf.__all__, key=str.lower)),
        "## Methods",
        "What `UnlearnConfig(method=...)` fills in; more in [unlearning.md](unlearning.md).",
        _methods(),
        "## Metrics",
        "What an evaluator and `crossmem score --metrics` take, and the measurements that each gives.",
        _metrics(),
    ]
    return "\n\n".join(parts) + "\n"


def _entry(name: str) -> str:
    thing: Any = getattr(crossmem_hf, name)
    parts = [f"## {name}"]
    if not is_dataclass(thing) and not issubclass(thing if inspect.isclass(thing) else object, BaseModel):
        parts.append(f"```text\n{_signature(name, thing)}\n```")
    parts.append(_prose(inspect.getdoc(thing) or ""))
    if thing is UnlearnConfig:
        parts.append(_settings())
    parts += [
        f"`{name}.{method}`\n\n{_prose(inspect.getdoc(getattr(thing, method)) or '')}"
        for method in _methods_to_show(thing)
    ]
    return "\n\n".join(parts)


def _methods_to_show(thing: Any) -> list[str]:
    """The public methods that a class of ours defines itself, if it is made to be called."""
    if not inspect.isclass(thing) or thing in (UnlearnConfig, crossmem_hf.UnlearnTrainer):
        return []
    own = [name for name, member in vars(thing).items() if isinstance(member, FunctionType | classmethod)]
    return [name for name in own if not name.startswith("_") and getattr(thing, name).__doc__]


def _signature(name: str, thing: Any) -> str:
    signature = str(inspect.signature(thing))
    signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", signature)  # annotations that were given as texts
    signature = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", signature).replace(" -> None", "")
    line = f"{name}{signature}"
    if len(line) <= 100:
        return line
    inside, _, result = line.removeprefix(f"{name}(").rpartition(")")
    return f"{name}(\n    " + ",\n    ".join(_arguments(inside)) + f",\n){result}"


def _arguments(text: str) -> list[str]:
    """A signature's arguments, apart."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [one.strip() for one in found]


def _prose(docstring: str) -> str:
    """A docstring of Google's style as Markdown."""
    summary, *sections = _SECTION.split(docstring)
    parts = [_words(summary)]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        text = dedent(body).strip()
        if title == "Example":
            parts.append(f"```pycon\n{text}\n```")
        elif title in _BULLETS:
            parts.append(f"{title}:\n\n" + "\n".join(f"- {_words(one)}" for one in _items(text)))
        else:
            parts.append(f"{title}: {_words(text)}")
    return "\n\n".join(parts)


def _items(text: str) -> list[str]:
    """The entries of a section, each on one line, its name in code."""
    items = re.split(r"\n(?=\S)", text)
    return [re.sub(r"^(\w+):", r"`\1`:", " ".join(one.split())) for one in items]


def _words(text: str) -> str:
    paragraphs = [" ".join(one.split()) for one in re.split(r"\n\s*\n", text.strip())]
    return "\n\n".join(paragraphs).replace("``", "`")


def _settings() -> str:
    """The settings that are not TRL's, with defaults and help."""
    own = {one.name for one in fields(UnlearnConfig)} - {one.name for one in fields(VisionSFTConfig)}
    names = [*(one.name for one in fields(RunConfig) if one.name in own), "learning_rate", "weight_decay"]
    known = {one.name: one for one in fields(UnlearnConfig)}
    names += [name for name in known if name in own and name not in names]
    lines = [f"| `{name}` | `{known[name].default}` | {known[name].metadata['help']} |" for name in names]
    return "\n".join(["| setting | default | |", "|---|---|---|", *lines])


def _methods() -> str:
    lines = [
        f"| `{name}` | {one.name} | `{one.forget_loss}` | `{one.retain_loss}` | {_defaults(one.defaults)} | "
        f"[{one.paper}](https://arxiv.org/abs/{one.arxiv}) |"
        for name, one in METHODS.items()
    ]
    head = ["| method | | forget loss | retain loss | settings | paper |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *lines])


def _defaults(settings: Any) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in settings.items())


def _metrics() -> str:
    lines = []
    for name, metric in METRICS.items():
        numbers = ", ".join(f"`{one.metric or one.name}` ({one.unit})" for one in metric.readings)
        senses = dict.fromkeys(one.greater_means or one.sense or "neither" for one in metric.readings)
        lines.append(f"| `{name}` | {numbers} | {', '.join(senses)} |")
    return "\n".join(["| metric | measurements (unit) | a greater value says |", "|---|---|---|", *lines])


if __name__ == "__main__":
    PAGE.write_text(api_page())
