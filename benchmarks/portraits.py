# SPDX-License-Identifier: Apache-2.0
"""How many portraits one core draws in a second.

    python benchmarks/portraits.py --size 96 --output portraits.json

Time is CPU time of this process, so other programs on the machine change it little; the clock stands beside it. Every
portrait is of another person in another view.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for
from crossmem_hf.storage import write_atomic

TARGET = 150  # portraits a second a core at 96 px


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="+", default=[64, 96, 256], help="sides in pixels")
    parser.add_argument("--num_portraits", type=int, default=200, help="portraits a repeat")
    parser.add_argument("--repeats", type=int, default=5, help="the median repeat counts")
    parser.add_argument("--output", type=Path, help="also write the numbers as JSON")
    arguments = parser.parse_args()
    results = [measured(size, arguments.num_portraits, arguments.repeats) for size in arguments.size]
    for result in results:
        print(f"{result['size']:4d} px  {result['portraits_per_second']:7.1f} portraits a second of one core")
        if result["size"] == 96:
            print(f"         {result['portraits_per_second'] / TARGET:.1f} times the target of {TARGET}")
    if arguments.output:
        where = {"python": platform.python_version(), "pillow": version("pillow"), "machine": platform.machine()}
        write_atomic(arguments.output, json.dumps({"versions": where, "results": results}, indent=2) + "\n")


def measured(size: int, num_portraits: int, repeats: int) -> dict[str, float]:
    """Portraits a CPU second at one size: the median of the repeats, with the slowest and the fastest."""
    personas = list(sample_personas(num_portraits))
    rates, wall_rates = [], []
    for repeat in range(repeats):
        start, wall = time.process_time(), time.perf_counter()
        for person in personas:
            render_portrait(person, view_for(person, "train", repeat), size)
        rates.append(num_portraits / (time.process_time() - start))
        wall_rates.append(num_portraits / (time.perf_counter() - wall))
    return {
        "size": size,
        "portraits_per_second": median(rates),
        "slowest": min(rates),
        "fastest": max(rates),
        "portraits_per_wall_second": median(wall_rates),
        "num_portraits": num_portraits,
        "repeats": repeats,
    }


if __name__ == "__main__":
    main()
