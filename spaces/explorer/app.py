# SPDX-License-Identifier: Apache-2.0
"""The explorer's page: fictitious people, and results of runs side by side. Run it with `python app.py`.

    python app.py --personas FOLDER --records a/record.json b/record.json

Without a named data set, where the usual one cannot be reached, the page shows the personas of `people/` and says so.
A folder is named here only, by whoever starts the app; a visitor names repositories of the Hub and hands in files.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from look import LINKS, build_head, error_html, launch
from personas import parts_of_folder, parts_of_repo
from personas_tab import DATASET, Personas, personas_tab, soft
from records import MAX_BYTES, Run
from results_tab import file_names, results_tab, with_files

EXAMPLE = Path(__file__).with_name("example_record.json")
EMBEDDED = Path(__file__).with_name("people")


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


def first_personas(named: str | None) -> tuple[Personas | None, str]:
    """Who is shown at the start, and HTML that says what went wrong: nobody if a data set was named and cannot be
    shown, the embedded personas if none was named and the usual one cannot."""
    chosen = named or DATASET
    try:
        return Personas(parts_of_folder(chosen) if os.path.isdir(chosen) else parts_of_repo(chosen)), ""
    except ValueError as error:
        if named:
            return None, error_html(str(error), "The personas cannot be shown.")
        few = Personas(parts_of_folder(EMBEDDED))
        said = f"{DATASET} cannot be reached; {len(few.profiles)} embedded personas are shown."
        return few, soft(f"{said} Another data set can be loaded below.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, load what it names, serve the page."""
    parser = argparse.ArgumentParser(description="Browse people and compare results.")
    parser.add_argument(
        "--personas",
        help=f"a folder that crossmem materialize filled, or a data set (default {DATASET}, else a few embedded)",
    )
    parser.add_argument(
        "--records", nargs="*", default=[], help="record.json files or their folders; default: the example"
    )
    chosen = parser.parse_args(arguments)
    personas, fault = first_personas(chosen.personas)
    try:
        given = file_names(chosen.records) if chosen.records else [("first_light", EXAMPLE.read_bytes())]
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}; expected a record.json, or the folder that holds it")
    runs, faults = with_files({}, given)
    launch(build(personas, runs, (fault, faults)), MAX_BYTES)


if __name__ == "__main__":
    main()
