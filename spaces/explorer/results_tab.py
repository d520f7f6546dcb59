# SPDX-License-Identifier: Apache-2.0
"""The explorer's tab of results: records from files or from the Hub, figures side by side, and every number.

Owns the layout, how many records are held, and what is said of a file that is none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from comparing import GROUPS, HEADERS, metrics_of, results_html, table
from hub_records import records_of_repo
from look import error_html
from records import MAX_BYTES, Run, read_record

MAX_RUNS = 20


def with_files(runs: Mapping[str, Run], files: Sequence[tuple[str, bytes]]) -> tuple[dict[str, Run], str]:
    """The runs and those of further files, and the faults of those that are no records, as HTML."""
    kept, faults = dict(runs), []
    for name, raw in files:
        try:
            run = read_record(raw, name)
            if name not in kept and len(kept) >= MAX_RUNS:
                raise ValueError(f"{name}: {MAX_RUNS} records are loaded, as many as the page holds. Reload the page.")
            kept[name] = run
        except ValueError as fault:
            faults.append(str(fault))
    return kept, "".join(error_html(fault, "This record cannot be shown.") for fault in faults)


def file_names(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    """Short names that tell the files apart, and what is in them; of a file that is too large, one byte too many.

    Raises:
        OSError: One cannot be read.
    """
    paths = [str(Path(path) / "record.json") if Path(path).is_dir() else path for path in paths]
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


def results_tab(gr: Any, first: Mapping[str, Run], fault: str) -> None:
    """The tab with some records loaded; `fault` is HTML that says what went wrong with others."""
    metrics = metrics_of(list(first.values()))
    html, rows = compared(first, list(first), metrics[0] if metrics else "", "forget")
    runs = gr.State(dict(first))
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            files = gr.File(
                file_count="multiple",
                file_types=[".json"],
                label="record.json of any crossmem command",
                height=130,
                elem_id="cm-files",
            )
            with gr.Accordion("From the Hub", open=False):
                repo = gr.Textbox(
                    label="Repository with a record.json, like owner/model", max_lines=1, elem_id="cm-hub"
                )
                load = gr.Button("Load results", size="md", elem_id="cm-hub-load")
            status = gr.HTML(fault, elem_id="cm-status")
        with gr.Column(scale=1, min_width=300):
            chosen = gr.CheckboxGroup(list(first), value=list(first), label="Runs to compare", elem_id="cm-runs")
            metric = gr.Dropdown(metrics, value=metrics[0] if metrics else None, label="Metric", elem_id="cm-metric")
            groups = [(said, name) for name, said in GROUPS.items()]
            group = gr.Radio(groups, value="forget", label="About", elem_id="cm-group")
    out = gr.HTML(html, elem_id="cm-out")
    listed = gr.Dataframe(
        rows,
        headers=list(HEADERS),
        interactive=False,
        max_height=520,
        show_search="search",
        label="Every number: click a header to sort, type to search",
        elem_id="cm-numbers",
    )
    _react(gr, runs, (files, repo, load), (chosen, metric, group), (status, out, listed))


def _react(
    gr: Any, runs: Any, sources: tuple[Any, ...], choice: tuple[Any, Any, Any], shown: tuple[Any, Any, Any]
) -> None:
    """Add records, and draw what is chosen."""
    (files, repo, load), (chosen, metric, group), (status, out, listed) = sources, choice, shown

    def added(runs: Mapping[str, Run], found: Sequence[tuple[str, bytes]], was: str, about: str) -> Any:
        kept, faults = with_files(runs, found)
        metrics = metrics_of(list(kept.values()))
        now = was if was in metrics else next(iter(metrics), "")
        return (
            kept,
            faults,
            gr.CheckboxGroup(choices=list(kept), value=list(kept)),
            gr.Dropdown(choices=metrics, value=now or None),
            *compared(kept, list(kept), now, about),
        )

    def uploaded(runs: Mapping[str, Run], paths: Sequence[str] | None, was: str, about: str) -> Any:
        return added(runs, file_names(paths or []), was, about)

    def fetched(runs: Mapping[str, Run], repo: str, was: str, about: str) -> Any:
        try:
            return added(runs, records_of_repo(repo), was, about)
        except ValueError as fault:
            return (gr.skip(), error_html(str(fault), "These results cannot be shown."), *(gr.skip(),) * 4)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    everything = [runs, status, chosen, metric, out, listed]
    files.upload(uploaded, [runs, files, metric, group], everything, **quiet)
    load.click(fetched, [runs, repo, metric, group], everything, **quiet)
    triggers = [chosen.input, metric.input, group.input]
    gr.on(triggers, compared, [runs, chosen, metric, group], [out, listed], **quiet)
