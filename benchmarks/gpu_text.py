# SPDX-License-Identifier: Apache-2.0
"""The record of `gpu` in the words of the README. It measures nothing."""

from typing import Any

from contest import table


def readme_lines(record: dict[str, Any]) -> str:
    """A sentence on what ran where, the table of contests, a line for each launched part and each that did not end."""
    what = "A toy" if record["toy"] else "LLaVA-1.5-7B's shape"
    said = f"{what} with {record['parameters'] / 1e9:.2g} G random parameters in {record['dtype']}, on "
    said += f"{record['device']}, in {record['seconds'] / 60:.1f} minutes (`make gpu`):"
    said += " its ratios mean nothing." if record["toy"] else ""
    contests, lines = [], []
    for name, part in record["parts"].items():
        contests += [result for result in part["results"] if "case" in result]
        lines += [_launched(result) for result in part["results"] if "config" in result]
        if part["status"] != "done":
            lines.append(f"- {name}: {part['status']} ({part['why'].splitlines()[0]})")
    return "\n\n".join([said, *([table(contests)] if contests else []), *(["\n".join(lines)] if lines else [])])


def _launched(result: dict[str, Any]) -> str:
    peak = result["peak_bytes"]
    memory = "" if peak is None else f", at most {peak / 1e9:.1f} GB"
    spread = "" if result["sharded"] else "; nothing was spread"
    step = f"{result['seconds_a_step']:.2g} s a step of {result['rows_a_step']} rows"
    return f"- `{result['config']}.yaml`, one process: {step}{memory}{spread}"
