# SPDX-License-Identifier: Apache-2.0
"""The explorer's tab of people: a gallery, the person that was chosen, and every question about them.

Owns the layout and what happens on a click. Every value of a data set is text, never markup.
"""

import os
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from unicodedata import normalize

from look import error_html
from personas import Part, Profile, parts_of_repo, person, portraits, profiles

PAGE_SIZE = 24
DATASET = f"{os.environ.get('SPACE_AUTHOR_NAME', 'crossmem')}/personas"
QUESTION_HEADERS = ("config", "split", "hops", "shown", "question", "answer")
SPLITS = ("everyone", "forget", "retain")


class Personas:
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
        sought = _folded(sought.strip())
        return [
            profile
            for profile in self.profiles
            if split in ("everyone", profile.split)
            and (sought in _folded(profile.full_name) or sought in _folded(profile.persona_id))
        ]


def _folded(text: str) -> str:
    return normalize("NFC", text.casefold())


def shown_page(personas: Personas | None, split: str, sought: str, page: float) -> tuple[list[Any], list[str], str]:
    """A page of the gallery, the ids on it, and a line that says how many there are."""
    if personas is None:
        return [], [], "No personas are loaded."
    found = personas.found(split, sought)
    pages = max(1, -(-len(found) // PAGE_SIZE))
    place = min(max(int(page or 1), 1), pages)
    chosen = found[(place - 1) * PAGE_SIZE : place * PAGE_SIZE]
    images = portraits(personas.parts, [profile.persona_id for profile in chosen])
    pictured = [profile for profile in chosen if profile.persona_id in images]
    gallery = [(images[one.persona_id], one.full_name) for one in pictured]
    return gallery, [one.persona_id for one in pictured], f"{len(found):,} personas, page {place} of {pages}"


def person_html(found: Mapping[str, Any]) -> str:
    """Name, split, description, visual attributes and facts of one person; every value is text, never markup."""
    profile = found["profile"]
    where = f"{profile['persona_id']}, {found['split']}"
    facts, visual_attributes = (
        "".join(
            f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(value[:300])}</dd></div>"
            for name, value in found[part].items()
        )
        for part in ("facts", "visual_attributes")
    )
    return (
        f'<div class="cm-shown"><div class="cm-headline"><code>{escape(where)}</code>'
        f'<span class="cm-name" id="cm-name">{escape(str(profile["full_name"])[:200])}</span>'
        f'<p class="cm-verdict">{escape(str(profile.get("description", ""))[:2_000])}</p>'
        f'<h3>Private facts, all invented</h3><dl class="cm-facts">{facts}</dl>'
        f'<h3>Visual attributes</h3><dl class="cm-facts">{visual_attributes}</dl></div></div>'
    )


def shown_person(personas: Personas | None, persona_id: str) -> tuple[str, list[Any], list[list[str]]]:
    """The person's page, views and questions; or the fault."""
    if personas is None:
        return error_html("No personas are loaded.", "Nobody to show."), [], []
    try:
        found = person(personas.parts, persona_id)
    except ValueError as fault:
        return error_html(str(fault), "This person cannot be shown."), [], []
    return person_html(found), found["views"], found["rows"]


def personas_tab(gr: Any, first: Personas | None, fault: str) -> None:
    """The tab; `fault` is HTML that says why nobody is loaded, or who is instead of the usual."""
    gallery, ids, said = shown_page(first, SPLITS[0], "", 1)
    html, views, rows = shown_person(first, ids[0]) if ids else ("", [], [])
    personas, shown_ids = gr.State(first), gr.State(ids)
    gr.HTML(fault, elem_id="cm-personas-source", visible=bool(fault))
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            with gr.Row():
                split = gr.Radio(SPLITS, value=SPLITS[0], label="Split", elem_id="cm-split")
                sought = gr.Textbox(label="Name or id", elem_id="cm-sought", max_lines=1)
            grid = gr.Gallery(
                gallery,
                columns=3,
                height="auto",
                allow_preview=False,
                label="Personas",
                elem_id="cm-personas",
                buttons=[],
            )
            with gr.Row():
                count = gr.HTML(soft(said), elem_id="cm-count")
                number = gr.Number(1, label="Page", minimum=1, precision=0, elem_id="cm-page")
            with gr.Accordion("Another data set", open=first is None):
                repo = gr.Textbox(DATASET, label="Data set on the Hub", max_lines=1, elem_id="cm-repo")
                load = gr.Button("Load personas", size="md", elem_id="cm-load")
                status = gr.HTML("", elem_id="cm-personas-status")
        with gr.Column(scale=1, min_width=300):
            about = gr.HTML(html, elem_id="cm-person")
            seen = gr.Gallery(
                views,
                columns=4,
                height="auto",
                label="Views: trained on, and held out",
                buttons=[],
                elem_id="cm-views",
            )
    with gr.Accordion("Questions about this person", open=True):
        asked = gr.Dataframe(
            rows,
            headers=list(QUESTION_HEADERS),
            interactive=False,
            wrap=True,
            max_height=420,
            show_search="search",
            label="Click a header to sort",
            column_widths=[110, 90, 60, 90, 330, 240],
            elem_id="cm-questions",
        )
    _react(gr, (personas, shown_ids), (split, sought, number), (repo, load, status), (grid, count, about, seen, asked))


def _react(
    gr: Any, states: tuple[Any, Any], search: tuple[Any, ...], source: tuple[Any, ...], shown: tuple[Any, ...]
) -> None:
    """Turn pages, search, load another data set, and show whom the visitor clicks."""
    (personas, shown_ids), (repo, load, status), (grid, count, about, seen, asked) = states, source, shown
    page = search[-1]

    def turned(personas: Personas | None, split: str, sought: str, page: float) -> Any:
        gallery, ids, said = shown_page(personas, split, sought, page)
        return gr.Gallery(gallery, selected_index=None), ids, soft(said)

    def sought_anew(personas: Personas | None, split: str, sought: str, page: float) -> Any:
        return 1, *turned(personas, split, sought, 1)

    def loaded(repo: str) -> Any:
        try:
            found = Personas(parts_of_repo(repo))
        except ValueError as fault:
            return gr.skip(), error_html(str(fault), "This data set cannot be shown.")
        return found, soft(f"{len(found.profiles):,} personas of {repo.strip()}.")

    def picked(personas: Personas | None, ids: Sequence[str], event: gr.SelectData) -> Any:
        place = event.index if isinstance(event.index, int) else 0
        return shown_person(personas, ids[place]) if place < len(ids) else (gr.skip(),) * 3

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    inputs, pages = [personas, *search], [grid, shown_ids, count]
    gr.on([search[0].input, search[1].input], sought_anew, inputs, [page, *pages], **quiet)
    page.input(turned, inputs, pages, **quiet)
    load.click(loaded, repo, [personas, status], **quiet).then(sought_anew, inputs, [page, *pages], **quiet)
    grid.select(picked, [personas, shown_ids], [about, seen, asked], **quiet)


def soft(said: str) -> str:
    """A remark on the page; text, never markup."""
    return f'<p class="cm-soft">{escape(said)}</p>'
