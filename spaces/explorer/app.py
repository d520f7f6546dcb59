# SPDX-License-Identifier: Apache-2.0
"""The explorer's page: fictitious people, and results of runs side by side. Run it with `python app.py`.

    python app.py --people FOLDER --records a/record.json b/record.json

Owns the layout and what happens on a click. A folder is named here only, never by a visitor.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from comparing import GROUPS, HEADERS, metrics_of, results_html, table
from hub_records import records_of_repo
from look import LINKS, build_head, fault_html, launch
from people import Part, Profile, parts_of_folder, parts_of_repo, person, portraits, profiles
from records import MAX_BYTES, Run, read_record

PAGE_SIZE = 24
MOST_RUNS = 20
EXAMPLE = Path(__file__).with_name("example_record.json")
DATASET = f"{os.environ.get('SPACE_AUTHOR_NAME', 'crossmem')}/personas"
QUESTION_HEADERS = ("config", "split", "hops", "shown", "question", "answer")
SPLITS = ("everyone", "forget", "retain")


class People:
    """The people on show: their files, and who is in them.

    Args:
        parts: As `parts_of_folder` or `parts_of_repo` return them.

    Raises:
        ValueError: The files are not the data set.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.profiles = profiles(parts)

    def found(self, split: str, sought: str) -> list[Profile]:
        """People of a split whose name or id holds what is sought."""
        sought = sought.strip().casefold()
        return [
            profile
            for profile in self.profiles
            if split in ("everyone", profile.split)
            and (sought in profile.full_name.casefold() or sought in profile.persona_id.casefold())
        ]


def shown_page(people: People | None, split: str, sought: str, page: float) -> tuple[list[Any], list[str], str]:
    """A page of the gallery, the ids on it, and a line that says how many there are."""
    if people is None:
        return [], [], "No people are loaded."
    found = people.found(split, sought)
    pages = max(1, -(-len(found) // PAGE_SIZE))
    place = min(max(int(page or 1), 1), pages)
    chosen = found[(place - 1) * PAGE_SIZE : place * PAGE_SIZE]
    images = portraits(people.parts, [profile.persona_id for profile in chosen])
    pictured = [profile for profile in chosen if profile.persona_id in images]
    gallery = [(images[one.persona_id], one.full_name) for one in pictured]
    return gallery, [one.persona_id for one in pictured], f"{len(found):,} people, page {place} of {pages}"


def person_html(found: Mapping[str, Any]) -> str:
    """Name, split, description, looks and facts of one person; every value is text, never markup."""
    profile = found["profile"]
    facts, looks = (
        "".join(
            f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(value[:300])}</dd></div>"
            for name, value in found[part].items()
        )
        for part in ("facts", "looks")
    )
    return (
        f'<div class="cm-shown"><div class="cm-headline"><code>{escape(str(profile["persona_id"]))}, {escape(found["split"])}</code>'
        f'<span class="cm-name" id="cm-name">{escape(str(profile["full_name"])[:200])}</span>'
        f'<p class="cm-verdict">{escape(str(profile.get("description", ""))[:2_000])}</p>'
        f'<h3>Private facts, all invented</h3><dl class="cm-facts">{facts}</dl>'
        f'<h3>Looks</h3><dl class="cm-facts">{looks}</dl></div></div>'
    )


def shown_person(people: People | None, persona_id: str) -> tuple[str, list[Any], list[list[str]]]:
    """The person's page, views and questions; or the fault."""
    if people is None:
        return fault_html("No people are loaded.", "Nobody to show."), [], []
    try:
        found = person(people.parts, persona_id)
    except ValueError as fault:
        return fault_html(str(fault), "This person cannot be shown."), [], []
    return person_html(found), found["views"], found["rows"]


def with_files(runs: Mapping[str, Run], files: Sequence[tuple[str, bytes]]) -> tuple[dict[str, Run], str]:
    """The runs and those of further files, and the faults of those that are no records, as HTML."""
    kept, faults = dict(runs), []
    for name, raw in files:
        try:
            run = read_record(raw, name)
            if name not in kept and len(kept) >= MOST_RUNS:
                raise ValueError(f"{name}: {MOST_RUNS} records are loaded, as many as the page holds. Reload the page.")
            kept[name] = run
        except ValueError as fault:
            faults.append(str(fault))
    return kept, "".join(fault_html(fault, "This record cannot be shown.") for fault in faults)


def file_names(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    """Short names that tell the files apart, and what is in them; of a file that is too large, one byte too many."""
    shown = {path: Path(path).name for path in paths}
    if len(set(shown.values())) < len(shown):
        shown = {path: "/".join(Path(path).parts[-2:]) for path in paths}
    found = []
    for path, name in shown.items():
        with open(path, "rb") as file:
            found.append((name[-80:], file.read(MAX_BYTES + 1)))
    return found


def compared(runs: Mapping[str, Run], chosen: Sequence[str], metric: str, group: str) -> tuple[str, list[list[Any]]]:
    """Figures and table of the chosen runs."""
    picked = [runs[name] for name in chosen or () if name in runs]
    return results_html(picked, metric, group), table(picked, metric)


def _people_tab(gr: Any, first: People | None, fault: str) -> None:
    """Gallery on the left, the chosen person on the right."""
    gallery, ids, said = shown_page(first, SPLITS[0], "", 1)
    html, views, rows = shown_person(first, ids[0]) if ids else ("", [], [])
    people, shown_ids = gr.State(first), gr.State(ids)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            with gr.Row():
                split = gr.Radio(SPLITS, value=SPLITS[0], label="Split", elem_id="cm-split")
                sought = gr.Textbox(label="Name or id", elem_id="cm-sought", max_lines=1)
            grid = gr.Gallery(
                gallery, columns=3, height="auto", allow_preview=False, label="People", elem_id="cm-people", buttons=[]
            )
            with gr.Row():
                count = gr.HTML(f'<p class="cm-soft">{said}</p>')
                number = gr.Number(1, label="Page", minimum=1, precision=0, elem_id="cm-page")
            with gr.Accordion("Another data set", open=first is None):
                repo = gr.Textbox(DATASET, label="Data set on the Hub", max_lines=1, elem_id="cm-repo")
                load = gr.Button("Load people", size="md", elem_id="cm-load")
                status = gr.HTML(fault)
        with gr.Column(scale=1, min_width=300):
            about = gr.HTML(html, elem_id="cm-person")
            seen = gr.Gallery(
                views, columns=4, height="auto", label="Views: trained on, and held out", buttons=[], elem_id="cm-views"
            )
    with gr.Accordion("Questions about this person", open=True):
        asked = gr.Dataframe(
            rows, headers=list(QUESTION_HEADERS), interactive=False, wrap=True, max_height=420, show_search="search",
            label="Click a header to sort", column_widths=["14%", "12%", "8%", "12%", "34%", "20%"],
        )  # fmt: skip

    def turned(people: People | None, split: str, sought: str, page: float) -> Any:
        gallery, ids, said = shown_page(people, split, sought, page)
        return gr.Gallery(gallery, selected_index=None), ids, f'<p class="cm-soft">{said}</p>'

    def loaded(repo: str) -> Any:
        try:
            found = People(parts_of_repo(repo))
        except ValueError as fault:
            return gr.skip(), fault_html(str(fault), "This data set cannot be shown."), gr.skip()
        return found, f'<p class="cm-soft">{len(found.profiles):,} people of {escape(repo.strip())}.</p>', 1

    def picked(people: People | None, ids: Sequence[str], event: gr.SelectData) -> Any:
        place = event.index if isinstance(event.index, int) else 0
        return shown_person(people, ids[place]) if place < len(ids) else (gr.skip(),) * 3

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    pages, inputs = [grid, shown_ids, count], [people, split, sought, number]
    gr.on([split.change, sought.change], turned, [people, split, sought, gr.State(1)], pages, **quiet)
    number.change(turned, inputs, pages, **quiet)
    load.click(loaded, repo, [people, status, number], **quiet).then(turned, inputs, pages, **quiet)
    grid.select(picked, [people, shown_ids], [about, seen, asked], **quiet)


def _results_tab(gr: Any, first: Mapping[str, Run], fault: str) -> None:
    """What is loaded above, figures and table below."""
    names, metrics = list(first), metrics_of(list(first.values()))
    metric_first = metrics[0] if metrics else ""
    html, rows = compared(first, names, metric_first, "forget")
    runs = gr.State(dict(first))
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            files = gr.File(
                file_count="multiple", file_types=[".json"], label="record.json of crossmem run, compare or score",
                height=130, elem_id="cm-files",
            )  # fmt: skip
            with gr.Accordion("From the Hub", open=False):
                repo = gr.Textbox(label="Repository with a record.json, like owner/model", max_lines=1)
                load = gr.Button("Load results", size="md")
            status = gr.HTML(fault, elem_id="cm-status")
        with gr.Column(scale=1, min_width=300):
            chosen = gr.CheckboxGroup(names, value=names, label="Runs to compare", elem_id="cm-runs")
            metric = gr.Dropdown(metrics, value=metric_first or None, label="Metric", elem_id="cm-metric")
            group = gr.Radio([(said, name) for name, said in GROUPS.items()], value="forget", label="About")
    out = gr.HTML(html, elem_id="cm-out")
    listed = gr.Dataframe(
        rows, headers=list(HEADERS), interactive=False, max_height=520, show_search="search",
        label="Every number: click a header to sort, type to search", elem_id="cm-numbers",
    )  # fmt: skip

    def added(runs: Mapping[str, Run], files: Sequence[tuple[str, bytes]], was: str, group: str) -> Any:
        kept, faults = with_files(runs, files)
        metrics = metrics_of(list(kept.values()))
        metric = was if was in metrics else next(iter(metrics), "")
        return (
            kept,
            faults,
            gr.CheckboxGroup(choices=list(kept), value=list(kept)),
            gr.Dropdown(choices=metrics, value=metric or None),
            *compared(kept, list(kept), metric, group),
        )

    def uploaded(runs: Mapping[str, Run], paths: Sequence[str] | None, was: str, group: str) -> Any:
        return added(runs, file_names(paths or []), was, group)

    def fetched(runs: Mapping[str, Run], repo: str, was: str, group: str) -> Any:
        try:
            return added(runs, records_of_repo(repo), was, group)
        except ValueError as fault:
            return (gr.skip(), fault_html(str(fault), "These results cannot be shown."), *(gr.skip(),) * 4)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    everything = [runs, status, chosen, metric, out, listed]
    files.upload(uploaded, [runs, files, metric, group], everything, **quiet)
    load.click(fetched, [runs, repo, metric, group], everything, **quiet)
    gr.on(
        [chosen.input, metric.input, group.input], compared, [runs, chosen, metric, group], [out, listed], **quiet
    )


def build(people: People | None, runs: Mapping[str, Run], faults: tuple[str, str] = ("", "")) -> Any:
    """The gradio page, not yet launched.

    Args:
        people: Who is shown at the start; None for nobody.
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
            _results_tab(gr, runs, faults[1])
        with gr.Tab("People"):
            _people_tab(gr, people, faults[0])
    return blocks


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, load what it names, serve the page."""
    parser = argparse.ArgumentParser(description="Browse people and compare results.")
    parser.add_argument("--people", help=f"a folder that crossmem materialize filled, or a data set (default {DATASET})")
    parser.add_argument("--records", nargs="*", default=[], help="record.json files; default: the example")
    chosen = parser.parse_args(arguments)
    people, fault = None, ""
    try:
        named = chosen.people or DATASET
        people = People(parts_of_folder(named) if os.path.isdir(named) else parts_of_repo(named))
    except ValueError as error:
        fault = fault_html(str(error), "The people cannot be shown.")
    given = file_names(chosen.records) if chosen.records else [("first_light", EXAMPLE.read_bytes())]
    runs, faults = with_files({}, given)
    launch(build(people, runs, (fault, faults)), MAX_BYTES)


if __name__ == "__main__":
    main()
