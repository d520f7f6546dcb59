# SPDX-License-Identifier: Apache-2.0
"""The common page of the metrics' Spaces: a table to fill in, the number on its scale, figures, and the card below.

Owns the layout, the way errors are shown and what a browser may fetch (nothing from elsewhere). Knows no metric: each
app hands in a `Page`. gradio is imported only to build the page. Every Space's folder holds a link to this file.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from drawing import number, ruler
from tables import MAX_BYTES, Column, filled_rows, read_table

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # gradio reads it when a page is built

_OWNER = os.environ.get("SPACE_AUTHOR_NAME", "crossmem")  # set where a Space runs
LINKS = (
    ("All metrics and the data set", f"https://huggingface.co/{_OWNER}"),
    ("Explore people and results", f"https://huggingface.co/spaces/{_OWNER}/explorer"),
)
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
_MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "Liberation Mono", "monospace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a table came to.

    Args:
        name: The key in `result` that is the headline, with its `_ci_low` and `_ci_high` if they are there.
        ends: The ends of its scale.
        said: What the two ends mean, in a few words.
        mark: The level to compare with and its name.
        verdict: The direction in words, for these numbers.
        figures: Title and SVG of each.
        meanings: For keys of `result`, what the number says.
        headers, items: One row an item, for the table below.
        result: What the metric returned, without its lists.
        call: The arguments it was given.
    """

    name: str
    ends: tuple[float, float]
    said: tuple[str, str]
    verdict: str
    figures: Sequence[tuple[str, str]]
    meanings: Mapping[str, str]
    headers: Sequence[str]
    items: Sequence[Sequence[Any]]
    result: Mapping[str, Any]
    call: Mapping[str, Any]
    mark: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A metric's Space.

    Args:
        folder: The Space's folder, which holds `<name>.py` and the card.
        examples: Tables to try, by name; the first is shown at the start.
        score: From the table's rows and the values of the options to what is shown; raises ValueError for bad input.
        options: Builds the gradio components beside the table, from the gradio module.
        defaults: Their values at the start.
    """

    folder: Path
    name: str
    title: str
    question: str
    columns: Sequence[Column]
    examples: Mapping[str, Sequence[Sequence[str]]]
    score: Callable[..., Shown]
    options: Callable[[Any], list[Any]] = field(default=lambda gradio: [])
    defaults: Sequence[Any] = ()


@cache
def _metric_class(script: Path) -> Any:
    """The class of the metric at `script`, loaded once, as anybody would load it."""
    import evaluate

    return type(evaluate.load(str(script)))


def compute(script: Path, **columns: Any) -> dict[str, Any]:
    """What the metric at `script` returns; every call has its own object, because visitors come at the same time."""
    result: dict[str, Any] = _metric_class(script)(keep_in_memory=True).compute(**columns)
    return result


def interval_of(result: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """The 95 % interval of a number, or None where the items set no bound."""
    low, high = result.get(f"{name}_ci_low"), result.get(f"{name}_ci_high")
    return None if low is None or high is None else (float(low), float(high))


def compared(interval: tuple[float, float] | None, level: float, below: str, same: str, above: str) -> str:
    """One of three sentences: the whole interval is below the level, holds it, or is above it."""
    if interval is None:
        return "These items are too few for an interval."
    return below if interval[1] < level else above if interval[0] > level else same


def card_sections(folder: Path) -> dict[str, str]:
    """The card's text by heading; what stands above the first heading is "Formula, range, direction, chance"."""
    text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)[-1]
    head, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    sections = {"Formula, range, direction, chance": re.sub(r"^# .*$", "", head, count=1, flags=re.MULTILINE).strip()}
    for part in parts:
        title, _, body = part.partition("\n")
        sections[title.strip()] = body.strip()
    return sections


def error_html(message: str, heading: str = "This table cannot be scored.") -> str:
    """An error on the page: said at once by a screen reader, and never as markup."""
    said = f"<strong>{escape(heading)}</strong><p>{escape(message)}</p>"
    return f'<div class="cm-fault" role="alert">{said}</div>'


def shown_html(shown: Shown) -> str:
    """The headline on its scale, the verdict, the figures and every number."""
    value, interval = float(shown.result[shown.name]), interval_of(shown.result, shown.name)
    about = f"95 % interval {number(interval[0])} to {number(interval[1])}" if interval else "no interval"
    scale = ruler(value, interval, shown.ends, said=shown.said, mark=shown.mark)
    figures = "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>{drawn}</figure>" for title, drawn in shown.figures
    )
    return (
        f'<div class="cm-shown"><div class="cm-headline"><code>{escape(shown.name)}</code>'
        f'<span class="cm-big" id="cm-value">{number(value)}</span><span class="cm-soft">{about}, '
        f'n = {number(shown.result["n"])}</span>{scale}<p class="cm-verdict">{escape(shown.verdict)}</p></div>'
        f'<div class="cm-figures">{figures}</div>{_numbers_html(shown)}</div>'
    )


def _numbers_html(shown: Shown) -> str:
    """Every number of the result that is no end of an interval, with its interval and what it says."""
    lines = []
    for name, value in shown.result.items():
        if name.endswith(("_ci_low", "_ci_high")) or not isinstance(value, int | float):
            continue
        interval = interval_of(shown.result, name)
        ends = f"{number(interval[0])} to {number(interval[1])}" if interval else ""
        lines.append(
            f'<tr><th scope="row"><code>{escape(name)}</code><small>{escape(shown.meanings.get(name, ""))}</small>'
            f"</th><td>{number(float(value))}<small>{ends}</small></td></tr>"
        )
    return (
        '<table class="cm-numbers"><caption>Every number, with its 95 % interval</caption><tbody>'
        f"{''.join(lines)}</tbody></table>"
    )


def call_text(page: Page, call: Mapping[str, Any]) -> str:
    """Python that computes the same."""
    arguments = "".join(f"    {name}={_short(value)},\n" for name, value in call.items())
    return (
        f'import evaluate\n\n{page.name} = evaluate.load("{_OWNER}/{page.name}")\n{page.name}.compute(\n{arguments})\n'
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 4_000 else f"{text[:4_000]} ...  # and more"


def answers(page: Page, cells: Sequence[Sequence[Any]], *options: Any) -> tuple[str, list[list[Any]], str, Any]:
    """What the page shows for a table: the HTML, the items, the Python call and the raw result; or the fault alone."""
    places: list[int] = []
    try:
        rows, places = filled_rows(cells)
        shown = page.score(rows, *options)
    except (ValueError, OverflowError) as fault:
        return error_html(_placed(str(fault), places)), [], "", {}
    items = [[_rounded(cell) for cell in row] for row in shown.items]
    return shown_html(shown), items, call_text(page, shown.call), dict(shown.result)


def _placed(message: str, places: Sequence[int]) -> str:
    """The message with rows counted as the table counts them: from 1, empty rows included."""

    def place(found: re.Match[str]) -> str:
        row = int(found[1])
        return f"Row {places[row] + 1 if row < len(places) else row + 1}:"

    return re.sub(r"^Row (\d+):", place, message) if places else message


def _rounded(cell: Any) -> Any:
    return float(f"{cell:.4g}") if isinstance(cell, float) else cell


def build(page: Page) -> Any:
    """The gradio page, not yet launched; the first example is computed already."""
    import gradio as gr

    rows = next(iter(page.examples.values()))
    html, items, call, raw = answers(page, rows, *page.defaults)
    headers = page.score(filled_rows(rows)[0], *page.defaults).headers
    with gr.Blocks(title=page.title, analytics_enabled=False) as blocks:
        gr.HTML(build_head(page.title, page.question))
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300):
                form = _form(gr, page)
            with gr.Column(scale=1, min_width=300):
                out = gr.HTML(html, elem_id="cm-out")
        with gr.Accordion("Item by item", open=True):
            listed = gr.Dataframe(
                items, headers=list(headers), interactive=False, label="Click a header to sort", max_height=340
            )
        with gr.Accordion("The same in Python", open=False):
            code = gr.Code(call, language="python", show_label=False, interactive=False)
        with gr.Accordion("Everything as JSON", open=False):
            everything = gr.JSON(raw, show_label=False)
        for title, body in card_sections(page.folder).items():
            with gr.Accordion(title, open=title.startswith("Formula")):
                gr.Markdown(body, elem_classes="cm-card")
        _react(gr, page, form, [out, listed, code, everything])
    return blocks


@dataclass(frozen=True, slots=True)
class _Form:
    """What a visitor can change: gradio components."""

    example: Any
    table: Any
    options: list[Any]
    upload: Any
    button: Any
    pasted: Any
    fill: Any


def _form(gr: Any, page: Page) -> _Form:
    """The left side: examples, the table, its legend, the options, and ways to bring a table."""
    first = next(iter(page.examples))
    example = gr.Radio(list(page.examples), value=first, label="Try an example", elem_id="cm-example")
    table = gr.Dataframe(
        [list(row) for row in page.examples[first]],
        headers=[column.name for column in page.columns],
        type="array",
        datatype="str",
        interactive=True,
        label="Your table: change any cell",
        show_row_numbers=True,
        max_height=360,
        wrap=True,
        column_widths=[46 * column.width for column in page.columns],
        elem_id="cm-table",
    )
    gr.HTML(_columns_html(page.columns))
    options = page.options(gr)
    with gr.Row():
        kinds = [".csv", ".json", ".jsonl", ".txt"]
        upload = gr.UploadButton("Load CSV or JSON", file_types=kinds, type="binary", size="md")
        button = gr.Button("Compute", variant="primary", size="md", elem_id="cm-compute")
    with gr.Accordion("Paste CSV or JSON", open=False):
        pasted = gr.Textbox(lines=6, label="A first line with the names of the columns", elem_id="cm-paste")
        fill = gr.Button("Fill the table", size="md", elem_id="cm-fill")
    return _Form(example, table, options, upload, button, pasted, fill)


def _react(gr: Any, page: Page, form: _Form, outputs: list[Any]) -> None:
    """Compute again on every change; a file or pasted text fills the table first."""

    def answer(cells: Any, *values: Any) -> Any:
        return answers(page, cells, *values)

    def loaded(raw: bytes | str | None, *values: Any) -> Any:
        try:
            cells = read_table(raw or "", page.columns)
        except ValueError as fault:
            return gr.skip(), error_html(str(fault)), [], "", {}
        return cells, *answers(page, cells, *values)

    def chosen(name: str, *values: Any) -> Any:
        cells = [list(row) for row in page.examples[name]]
        return cells, *answers(page, cells, *values)

    inputs, filled = [form.table, *form.options], [form.table, *outputs]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.button.click(answer, inputs, outputs, **quiet)
    form.table.input(answer, inputs, outputs, **quiet)
    for option in form.options:
        option.change(answer, inputs, outputs, **quiet)
    form.example.input(chosen, [form.example, *form.options], filled, **quiet)
    form.upload.upload(loaded, [form.upload, *form.options], filled, **quiet)
    form.fill.click(loaded, [form.pasted, *form.options], filled, **quiet)


def build_head(title: str, question: str, links: Sequence[tuple[str, str]] = LINKS) -> str:
    """The head of every page."""
    linked = "".join(f'<a href="{escape(address)}">{escape(said)}</a>' for said, address in links)
    return (
        f'<header class="cm-head"><p class="cm-kicker">crossmem</p><h1>{escape(title)}</h1>'
        f"<p>{escape(question)}</p><nav>{linked}</nav></header>"
    )


def _columns_html(columns: Sequence[Column]) -> str:
    lines = "".join(
        f"<li><code>{escape(one.name)}</code> {escape(one.about)}{'' if one.needed else ' (may be empty)'}</li>"
        for one in columns
    )
    return f'<ul class="cm-columns">{lines}</ul>'


def launch(blocks: Any, max_bytes: int = MAX_BYTES) -> None:
    """Serve the page: our style, no foreign font or script, no larger upload than `max_bytes`."""
    import gradio as gr

    blocks.launch(
        theme=gr.themes.Base(font=_FONTS, font_mono=_MONO, primary_hue="indigo", neutral_hue="stone"),
        css_paths=[Path(__file__).with_name("look.css")],
        footer_links=[],
        max_file_size=max_bytes,
        ssr_mode=False,
        share=False,
        show_error=False,
        strict_cors=True,
    )
