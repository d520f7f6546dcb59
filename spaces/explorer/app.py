# SPDX-License-Identifier: Apache-2.0
"""The explorer's page: fictitious people, and results of runs side by side. Run it with `python app.py`.

    python app.py --personas FOLDER --records a/record.json b/record.json

A folder is named here only, by whoever starts the app; a visitor names repositories of the Hub and hands in files.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from look import LINKS, build_head, error_html, launch
from personas import parts_of_folder, parts_of_repo
from personas_tab import DATASET, Personas, personas_tab
from records import MAX_BYTES, Run
from results_tab import file_names, results_tab, with_files

EXAMPLE = Path(__file__).with_name("example_record.json")


def build(personas: Personas | None, runs: Mapping[str, Run], faults: tuple[str, str] = ("", "")) -> Any:
    """The gradio page, not yet launched.

    Args:
        personas: Who is shown at the start; None for nobody.
        runs: Records loaded at the start, by name.
        faults: HTML of what went wrong with either.
    """
    import gradio as gr

    with gr.Blocks(title="crossmem explorer", analytics_enabled=False) as blocks:
        gr.HTML(
            build_head(
                "Explorer",
                "Meet the fictitious people that models are taught, and compare what models remember of them: through "
                "pictures and through text, before and after they were told to forget.",
                LINKS[:1],
            )
        )
        with gr.Tab("Results"):
            results_tab(gr, runs, faults[1])
        with gr.Tab("Personas"):
            personas_tab(gr, personas, faults[0])
    return blocks


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, load what it names, serve the page."""
    parser = argparse.ArgumentParser(description="Browse people and compare results.")
    parser.add_argument(
        "--personas", help=f"a folder that crossmem materialize filled, or a data set (default {DATASET})"
    )
    parser.add_argument("--records", nargs="*", default=[], help="record.json files; default: the example")
    chosen = parser.parse_args(arguments)
    personas, fault = None, ""
    try:
        named = chosen.personas or DATASET
        personas = Personas(parts_of_folder(named) if os.path.isdir(named) else parts_of_repo(named))
    except ValueError as error:
        fault = error_html(str(error), "The people cannot be shown.")
    given = file_names(chosen.records) if chosen.records else [("first_light", EXAMPLE.read_bytes())]
    runs, faults = with_files({}, given)
    launch(build(personas, runs, (fault, faults)), MAX_BYTES)


if __name__ == "__main__":
    main()
