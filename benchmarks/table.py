# SPDX-License-Identifier: Apache-2.0
"""Results of benchmarks in Markdown: the table that each one prints, and all of them for docs/benchmarks.md.

    python benchmarks/table.py             # the generated part of docs/benchmarks.md
    python benchmarks/table.py --write     # puts it there, and draws the figures of growth again

It measures nothing; everything comes from results/benchmarks.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from growth import drawn

from crossmem_hf.storage import write_atomic

Result = Mapping[str, Any]
ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "results" / "benchmarks", ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
TITLES = {
    "scoring": "Candidates, questions, metrics",
    "scoring_metrics": "Five likelihood metrics, 256 rows",
    "generation": "Free answers",
    "run_exposure": "Exposure inside `crossmem run`",
    "scoring_micro": "Candidates, questions, metrics, on the embedded model",
    "generation_micro": "Free answers, on the embedded model",
    "attacks_micro": "Extraction and membership, 256 rows, on the embedded model",
    "unlearn_step": "A step of unlearning",
    "gpu": "LLaVA-1.5-7B's shape on a GPU",
    "dataset": "Writing the dataset",
    "portraits": "Drawing portraits",
}
"""File in results/benchmarks -> its heading, in the order of the page."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md, with its figures")
    text = sections(RESULTS)
    if not parser.parse_args().write:
        print(text)
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    write_atomic(PAGE, f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    for line in read(RESULTS / "scoring.json")["growth"]:
        drawn(line, PAGE.parent, "CPU seconds")


def read(path: Path) -> dict[str, Any]:
    """The record of a benchmark."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def sections(folder: Path) -> str:
    """A heading, what ran where, and a table, of each file in a folder that has a title."""
    paths = (folder / f"{name}.json" for name in TITLES)
    return "\n".join(section(path) for path in paths if path.exists())


def section(path: Path) -> str:
    """What one file says."""
    record = read(path)
    if "parts" in record:
        return f"### {TITLES[path.stem]}\n\n[Every run](../results/benchmarks/{path.name}).\n\n{gpu_lines(record)}\n"
    if "device" in record.get("settings", {}):
        where, rows = _contests(record)
    else:
        where, rows = _dataset(record) if "result" in record else _portraits(record)
    return f"### {TITLES[path.stem]}\n\n{where} ([every run](../results/benchmarks/{path.name})).\n\n{rows}"


def _contests(record: Result) -> tuple[str, str]:
    settings = record["settings"]
    on_gpu = settings["device"].startswith("cuda")
    place = settings["device"] if on_gpu else f"{settings['threads']} CPU threads"
    where = f"{settings['parameters'] / 1e6:.1f} M parameters, {place}, {_versions(record)}"
    lines = "".join(f"\nGrowth: {line['said']}.\n" for line in record["growth"])
    return where, table_of(record["results"], on_gpu=on_gpu) + lines


def _dataset(record: Result) -> tuple[str, str]:
    result, size = record["result"], record["settings"]["image_size"]
    rows = {
        "personas": f"{result['personas']:,}",
        "portraits": f"{result['portraits']:,}",
        "rows": f"{result['rows']:,}",
        "CPU s (wall s)": f"{result['processor_seconds']:,.0f} ({result['wall_seconds']:,.0f})",
        "wall s for 10,000 portraits": f"{result['seconds_for_10000_portraits']:.0f}",
        "target": f"≤ {result['target_seconds']}",
        "Parquet, GB": f"{result['parquet_megabytes'] / 1000:.1f}",
        "peak of parent, worker, GB": " / ".join(
            f"{result[f'peak_megabytes_{who}'] / 1000:.1f}" for who in ("parent", "worker")
        ),
        "runs": "one run" if result["num_runs"] == 1 else str(result["num_runs"]),
    }
    where = f"Every config, {size} px, {result['num_proc']} processes, {_versions(record)}"
    return where, markdown(list(rows), [list(rows.values())])


def _portraits(record: Result) -> tuple[str, str]:
    headings = ("side, px", "portraits a CPU second", "slowest, fastest run", "portraits a wall second", "runs")
    rows = [
        (
            str(result["size"]),
            f"{result['portraits_per_second']:.0f}",
            f"{result['slowest']:.0f}, {result['fastest']:.0f}",
            f"{result['portraits_per_wall_second']:.0f}",
            f"{result['repeats']} of {result['num_portraits']} portraits",
        )
        for result in record["results"]
    ]
    return f"One process, {_versions(record)}", markdown(headings, rows)


def _versions(record: Result) -> str:
    return ", ".join(f"{name} {number}" for name, number in record["versions"].items() if name != "machine")


def gpu_lines(record: Result) -> str:
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
    on_gpu = record["device_bytes"] is not None
    tables = [table_of(contests, on_gpu=on_gpu)] if contests else []
    return "\n\n".join([said, *tables, *(["\n".join(lines)] if lines else [])])


def _launched(result: Result) -> str:
    peak = result["peak_bytes"]
    memory = "" if peak is None else f", at most {peak / 1e9:.1f} GB"
    spread = "" if result["sharded"] else "; nothing was spread"
    step = f"{result['seconds_a_step']:.2g} s a step of {result['rows_a_step']} rows"
    return f"- `{result['config']}.yaml`, one process, one run: {step}{memory}{spread}"


def table_of(results: Sequence[Result], *, on_gpu: bool = False) -> str:
    """Contests in Markdown, without columns that are empty in every row.

    Args:
        on_gpu: Seconds of the process say nothing there; the clock alone is shown.
    """
    columns = [
        (heading, [cell(result) for result in results])
        for heading, cell in COLUMNS.items()
        if not on_gpu or not heading.startswith("CPU")
    ]
    columns = [(heading, cells) for heading, cells in columns if any(cells)]
    headings = [heading.replace("CPU s (wall s)", "s") if on_gpu else heading for heading, _ in columns]
    return markdown(headings, list(zip(*(cells for _, cells in columns), strict=True)))


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (headings, ["---"] * len(headings), *rows))


def _seconds(side: str) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        counted, clock = result[f"{side}_seconds"], result[f"{side}_wall_seconds"]
        if counted is None:
            return ""
        return _shown(counted) if counted == clock else f"{_shown(counted)} ({_shown(clock)})"

    return cell


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _target(result: Result) -> str:
    if result["target"] is None:
        return ""
    symbol = "≤" if result["lower_is_better"] else "≥"
    return f"{symbol} {result['target']:g}, {'met' if result['met'] else '**missed**'}"


def _runs(result: Result) -> str:
    """How many runs each side did, in words."""
    if result["num_runs"] is None:
        return ""
    ours, theirs = ("one run" if number == 1 else str(number) for number in result["num_runs"].values())
    return f"{ours} each" if ours == theirs else f"ours {ours}, opponent {theirs}"


def _ratio(name: str) -> Callable[[Result], str]:
    return lambda result: "" if result[name] is None else f"{result[name]:.{1 if result[name] >= 10 else 2}f}"


def _memory(result: Result) -> str:
    peaks = [result[f"{side}_peak_bytes"] for side in ("ours", "opponent")]
    return "" if None in peaks else " / ".join(f"{peak / 2**30:.2f}" for peak in peaks)


COLUMNS: dict[str, Callable[[Result], str]] = {
    "case": lambda result: str(result["case"]),
    "opponent": lambda result: str(result["opponent"]),
    "ours, CPU s (wall s)": _seconds("ours"),
    "opponent, CPU s (wall s)": _seconds("opponent"),
    "CPU ratio": lambda result: "" if result["wall_ratio"] is None else _ratio("ratio")(result),
    "wall ratio": _ratio("wall_ratio"),
    "memory, GiB": _memory,
    "memory ratio": lambda result: "" if result["wall_ratio"] is not None else _ratio("ratio")(result),
    "target": _target,
    "runs": _runs,
    "differ by": lambda result: "" if result["difference"] is None else f"{result['difference']:.1e}",
    "note": lambda result: str(result["note"]),
}
"""Heading -> the cell of a contest; empty where it has no such number, as one of memory has no seconds."""


if __name__ == "__main__":
    main()
