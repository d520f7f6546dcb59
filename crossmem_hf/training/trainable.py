# SPDX-License-Identifier: Apache-2.0
"""What trains: which parts of a model, which modules, how many parameters. It changes nothing."""

from collections import defaultdict

from torch import nn

from crossmem_hf.models.modules import PARTS, part_of
from crossmem_hf.training.reference import REFERENCE


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
