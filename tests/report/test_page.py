# SPDX-License-Identifier: Apache-2.0
"""The page holds every number, needs no other file, trusts no text, and says what it does not know."""

import re
from html.parser import HTMLParser

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report import text
from crossmem_hf.report.page import report_html, write_report
from crossmem_hf.report.run_record import CastMember, Example, Gate

VOID = {"meta", "link", "img", "br", "source", "col"}
LOADS = {"src", "srcset", "href", "poster", "data", "action"}


class Reader(HTMLParser):
    """Visible text, attributes that load something, and whether all tags close."""

    def __init__(self, html):
        super().__init__()
        self.words, self.loaded, self.open, self.tags = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [(tag, value) for name, value in attrs if name in LOADS]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def html(record, portraits, descriptions):
    return report_html(record, portraits, descriptions)


@pytest.fixture(scope="module")
def read(html):
    return Reader(html)


def test_every_measurement_is_on_the_page(record, read):
    for m in record.measurements:
        seed = "all" if m.seed is None else m.seed
        row = (
            f"{m.metric} {m.stage} {text.MODALITY_NAMES[m.source]} {text.MODALITY_NAMES[m.target]} {m.group} {seed} "
            f"{m.value:.3f} {m.ci_low:.3f} to {m.ci_high:.3f} {m.n}"
        )
        assert row in read.text


def test_the_main_cells_are_told_with_value_interval_and_n(record, read):
    for source in ("image", "text"):
        for target in ("image", "text"):
            m = record.cell("recall", "memorized", source, target)
            assert f"{text.amount(m)} {text.interval(m)} n {m.n}".replace("\u00a0", " ") in read.text
        gap = record.cell("gap", "memorized", source, text.other(source))
        told = f"{text.amount(gap)} [{text.interval(gap)}], {text.gap_claim(gap)}"
        assert told.replace("\u00a0", " ") in read.text
    shown, told = (text.amount(record.cell("exposure", "base", "image", modality)) for modality in ("image", "text"))
    means = f"{shown} with portraits and {told} with descriptions."
    assert f"Before learning, the mean over everyone was {means}" in read.text
    assert text.headline(record) in read.text
    assert all(sentence.replace("\u00a0", " ") in read.text for sentence in text.summary(record))


def test_settings_versions_seeds_and_fingerprint_are_on_the_page(record, read):
    for wanted in ("num_personas 50", "torch 2.13.0", "seeds 0, 1, 2", "data fingerprint 0123456789abcdef"):
        assert wanted in read.text
    assert record.notes[0] in read.text


def test_nothing_is_loaded_from_elsewhere_and_no_script_runs(html, read):
    assert read.loaded
    assert all(value.startswith(("data:", "#")) for _, value in read.loaded)
    assert "script" not in read.tags
    assert "iframe" not in read.tags
    assert not re.search(r"@import|url\((?!['\"]?data:)", html)
    assert read.open == []


def test_equal_records_give_equal_pages(record, portraits, descriptions, html):
    assert report_html(record, portraits, descriptions) == html


def test_all_given_text_is_escaped(make_record, portraits):
    nasty = "<script>alert('x')</script>&\"><img src=http://evil.test>"
    person = CastMember(persona_id="t0-00000", full_name=nasty, forgotten=True, seed=0)
    example = Example(
        persona_id="t0-00000", full_name=nasty, stage="base", source="image", target="text", question=nasty,
        answer=nasty, truth=nasty, correct=False, forgotten=True,
    )  # fmt: skip
    given = {"cast": (person,), "examples": (example,), "notes": (nasty,), "config": {nasty: nasty}}
    given |= {"data_fingerprint": nasty, "versions": {nasty: nasty}, "exposure_items": ()}
    run = make_record(seeds=(0,), **given)
    page = report_html(run, {"t0-00000": portraits["t0-00000"]}, {"t0-00000": nasty})
    assert "<script" not in page
    assert "<img src=http" not in page
    reader = Reader(page)
    assert reader.text.count("alert('x')") >= 8
    assert all(value.startswith("data:") for _, value in reader.loaded)


def test_the_gate_blocks_unlearning_and_says_so(make_record):
    poor = {("memorized", "text", "text"): 0.55}
    read = Reader(report_html(make_record(seeds=(0,), recall=poor, exposure_items=()), {}, {}))
    assert "Unlearning is not interpreted in this run" in read.text
    assert "at least 90% is needed" in read.text
    assert "What unlearning left" not in read.text
    given = {"seeds": (0,), "recall": poor, "exposure_items": (), "gate": Gate(overridden=True)}
    override = Reader(report_html(make_record(**given), {}, {}))
    assert "below the gate; unlearning is shown because you asked" in override.text
    assert "What unlearning left" in override.text


def test_no_banner_where_memorization_passed(read):
    assert "is not interpreted" not in read.text
    assert "below the gate" not in read.text


@pytest.mark.parametrize(
    "fields",
    [
        {"seeds": (0,)},
        {"seeds": (0,), "stages": ("base", "memorized")},
        {"seeds": (0,), "stages": ("base",)},
        {"seeds": (0,), "sources": ("text",)},
        {"measurements": (), "exposure_items": (), "examples": (), "cast": ()},
        {"seeds": (0,), "examples": (), "exposure_items": ()},
    ],
)
def test_a_run_with_parts_missing_still_has_a_whole_page(make_record, fields):
    read = Reader(report_html(make_record(**fields), {}, {}))
    assert read.open == []
    assert "How to read this" in read.text
    assert ("What unlearning left" in read.text) == ("unlearned" in fields.get("stages", "unlearned")
                                                     and fields.get("measurements") is None)  # fmt: skip
    assert "None" not in read.text


def test_people_are_counted_per_seed(make_record, record):
    other_seed = tuple(CastMember(persona_id=f"t1-{i}", full_name="A", forgotten=False, seed=1) for i in range(9))
    run = make_record(measurements=(), exposure_items=(), cast=record.cast + other_seed)
    assert "People per seed 50 To be forgotten 10" in Reader(report_html(run, {}, {})).text


def test_people_without_portraits_are_counted(record, portraits, read):
    assert f"{len(portraits)} of {len(record.cast)} people are shown" in read.text


def test_an_answer_from_before_learning_stands_beside_every_source(make_record):
    shared = {"persona_id": "t0-00000", "full_name": "Mira", "truth": "Mira", "question": "Who?", "forgotten": False}
    shared |= {"target": "image", "correct": False}
    before = Example(stage="base", source="image", answer="something else", **shared)
    after = [Example(stage="memorized", source=source, answer="Mira", **shared) for source in ("image", "text")]
    run = make_record(measurements=(), exposure_items=(), examples=(before, *after))
    assert Reader(report_html(run, {}, {})).text.count("something else") == 2


def test_another_model_is_not_called_tiny(make_record):
    bare = {"seeds": (0,), "measurements": (), "exposure_items": ()}
    assert "tiny model" in report_html(make_record(**bare), {}, {})
    assert "tiny model" not in report_html(make_record(**bare, config={"model_name_or_path": "some/vlm"}), {}, {})


def test_write_report_writes_page_and_figures_and_removes_stale_ones(make_record, tmp_path):
    path = write_report(make_record(seeds=(0,)), tmp_path, {}, {})
    assert path == tmp_path / "report.html"
    figures = tmp_path / "figures"
    assert {f.name for f in figures.iterdir()} == {"matrix.png", "gap.png", "exposure.png", "forgetting.png"}
    write_report(make_record(seeds=(0,), stages=("base", "memorized"), exposure_items=()), tmp_path, {}, {})
    assert {f.name for f in figures.iterdir()} == {"matrix.png", "gap.png"}


def test_a_portrait_that_is_no_png_is_refused_before_anything_is_written(record, tmp_path):
    with pytest.raises(CrossmemError, match=r"'t0-00000' starts with b'GIF89a'; expected a PNG"):
        write_report(record, tmp_path, {"t0-00000": [b"GIF89a"]}, {})
    assert list(tmp_path.iterdir()) == []
