# SPDX-License-Identifier: Apache-2.0
"""What trains: which parts of a model, which modules, how many parameters. It changes nothing."""

from collections import defaultdict

from torch import nn

from crossmem_hf.training.reference import REFERENCE

PARTS = {  # part -> the words that mark its modules, tried in this order
    "vision tower": ("vision_tower", "vision_model", "visual"),
    "projector": ("multi_modal_projector", "connector", "merger"),
    "language model": ("language_model", "text_model", "lm_head", "transformer", "model."),
}


def part_of(parameter_name: str) -> str:
    """The part of a vision-language model that a parameter belongs to."""
    for part, marks in PARTS.items():
        if any(mark in parameter_name for mark in marks):
            return part
    return "other"


def count_trainable(model: nn.Module) -> dict[str, int]:
    """Part -> number of parameters that train; parts that do not train are 0."""
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            counts[part_of(name)] = counts.get(part_of(name), 0) + parameter.numel()
    return counts


def describe_trainable(model: nn.Module) -> str:
    """What trains, in a few lines for people: a line a part, with the kinds of modules in it."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            module = name.split(".lora_")[0] if ".lora_" in name else name.rsplit(".", 1)[0]
            kinds[part_of(name)].add(module.rsplit(".", 1)[-1])
    counts = count_trainable(model)
    total = sum(parameter.numel() for name, parameter in model.named_parameters() if f".{REFERENCE}." not in name)
    lines = [f"Trains {sum(counts.values()):,} of {total:,} parameters:"]
    for part, count in counts.items():
        lines.append(f"  {part:<15}{count:>14,}  {', '.join(sorted(kinds[part])) or 'frozen'}")
    return "\n".join(lines)
