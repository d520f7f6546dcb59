# SPDX-License-Identifier: Apache-2.0
"""The page holds every number, needs no other file, trusts no text, and says what it does not know."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report import modality_text as words
from crossmem_hf.report import text
from crossmem_hf.report.numbers import amount, interval, significant
from crossmem_hf.report.page import page_html, write_page
from crossmem_hf.report.record import CastMember, Example, Failure, Verdict
from tests.report.test_record import measurement
from tests.report.test_record import record as record_of

VOID = {"meta", "link", "img", "br", "source", "col", "input"}
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
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def html(record, portraits, descriptions):
    return page_html(record, portraits=portraits, descriptions=descriptions)


@pytest.fixture(scope="module")
def read(html):
    return Reader(html)


def test_page_holds_every_measurement(record, read):
    for m in record.find(seed=None):
        keys = [name for name in ("stage", "source", "target", "group") if m.metric != "gap" or name != "target"]
        about = " ".join(str(m.where.get(name, "–")) for name in keys)
        value, low, high = map(significant, (m.value, *m.ci))
        seeds = [record.one(m.metric, **m.where, seed=seed) for seed in record.seeds]
        by_seed = " · ".join(significant(one.value) for one in seeds)
        assert f"{about} {value} {low} to {high} {m.n} {by_seed}" in read.text


def test_page_shows_main_cells_with_value_interval_and_n(record, read):
    for source in ("image", "text"):
        for target in ("image", "text"):
            m = record.one("recall", stage="memorized", source=source, target=target)
            assert f"{amount(m)} {interval(m)} n {m.n}".replace("\u00a0", " ") in read.text
        gap = record.one("gap", stage="memorized", source=source)
        reported = f"{amount(gap)} [{interval(gap)}], {words.gap_claim(gap)}"
        assert reported.replace("\u00a0", " ") in read.text
    shown, reported = (
        amount(record.one("exposure", stage="base", source="image", target=modality)) for modality in ("image", "text")
    )
    means = f"{shown} with portraits and {reported} with descriptions."
    assert f"Before learning, the mean over all personas was {means}" in read.text
    assert text.headline(record) in read.text
    assert all(sentence.replace("\u00a0", " ") in read.text for sentence in text.summary(record))


def test_page_shows_settings_versions_seeds_and_fingerprint(record, read):
    for wanted in ("num_personas 50", "torch 2.13.0", "seeds 0, 1, 2", "data fingerprint 0123456789abcdef"):
        assert wanted in read.text
    assert record.notes[0] in read.text


def test_page_loads_nothing_and_runs_one_script_of_its_own(html, read):
    assert read.loaded
    assert all(value.startswith(("data:", "#")) for _, value in read.loaded)
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert "<script " not in html
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\"" in html
    assert "iframe" not in read.tags
    assert not re.search(r"@import|url\((?!['\"]?data:)", html)
    assert read.open == []


def test_page_is_equal_for_equal_records(make_record):
    one, two = (make_record(seeds=(0,), sources=("text",), stages=("memorized",), items=()) for _ in range(2))
    assert page_html(one) == page_html(two)


def test_page_escapes_all_given_text(make_record, portraits):
    nasty = "<script>alert('x')</script>&\"><img src=http://evil.test>"
    person = CastMember(persona_id="t0-00000", full_name=nasty, forgotten=True, seed=0)
    example = Example(
        persona_id="t0-00000", full_name=nasty, where={"stage": "base", "source": "image", "target": "text"},
        question=nasty, answer=nasty, truth=nasty, correct=False, forgotten=True,
    )  # fmt: skip
    given = {"cast": (person,), "examples": (example,), "notes": (nasty,), "config": {nasty: nasty}}
    given |= {"fingerprints": {nasty: nasty}, "versions": {nasty: nasty}, "items": (), "study": nasty}
    given |= {"failures": (Failure(where={nasty: nasty}, error=nasty),)}
    given |= {"measurements": (measurement(nasty, where={nasty: nasty}, unit=nasty, greater_means=nasty),)}
    page = page_html(
        make_record(seeds=(0,), **given),
        portraits={"t0-00000": portraits["t0-00000"]},
        descriptions={"t0-00000": nasty},
    )
    assert page.count("<script") == 1
    assert "<img src=http" not in page
    reader = Reader(page)
    assert reader.text.count("alert('x')") >= 13
    assert all(value.startswith("data:") for _, value in reader.loaded)


def test_page_holds_unlearning_back_without_memorization_and_says_so(make_record):
    poor = {("memorized", "text", "text"): 0.55}
    read = Reader(page_html(make_record(seeds=(0,), recall=poor, items=())))
    assert "Unlearning is not interpreted in this run" in read.text
    assert "at least 90% is needed" in read.text
    assert "What unlearning left" not in read.text
    given = {"seeds": (0,), "recall": poor, "items": (), "config": {"min_recall": 0.9, "allow_unmemorized": True}}
    override = Reader(page_html(make_record(**given)))
    assert "below what was asked for; unlearning is shown because you asked" in override.text
    assert "What unlearning left" in override.text


def test_page_has_no_banner_where_memorization_passed(read):
    assert "is not interpreted" not in read.text
    assert "below what was asked for" not in read.text


@pytest.mark.parametrize(
    "fields",
    [
        {"stages": ("base", "memorized"), "sources": ("text",)},
        {"measurements": (), "items": (), "examples": (), "cast": ()},
    ],
)
def test_page_is_whole_with_parts_missing(make_record, fields):
    read = Reader(page_html(make_record(seeds=(0,), **fields)))
    assert read.open == []
    assert "How to read this" in read.text
    assert "What unlearning left" not in read.text
    assert "None" not in read.text


def test_page_of_an_unknown_study_has_claims_figures_and_tables():
    places = [{"attack": attack, "layer": layer} for attack in ("none", "soft prompt") for layer in (1, 2)]
    claim = Verdict(
        sentence="Attacks recover names.", paper="arXiv 1", effect=0.3, ci=(0.2, 0.4), n=5, threshold=0.1,
        unit="proportion", verdict="supported",
    )  # fmt: skip
    unknown = record_of(
        *[measurement("recovered", where=where, chance=0.1) for where in places],
        measurement("cost", ci=None, unit="seconds", value=3.0),
        verdicts=(claim,),
        failures=(Failure(where={"attack": "gcg"}, error="out of memory"),),
        config={"steps": 3},
        study="attacks",
    )
    page = page_html(unknown)
    read = Reader(page)
    assert (read.open, read.text.count("Of 1 claim: 1 supported.")) == ([], 2)
    assert "Attacks recover names. arXiv 1 supported 0.3 0.2 to 0.4 0.1 proportion 5" in read.text
    assert (
        "recovered proportion, guessing 0.1; 4 rows All numbers of recovered attack layer value 95 % interval n"
        in read.text
    )
    assert "soft prompt 2 0.5 0.4 to 0.6 20" in read.text
    assert page.count('<details class="listed" data-metric="recovered" open>') == 1, "a few numbers are not folded"
    assert "Failed: attack gcg: out of memory" in read.text
    assert [m for m in ("recovered", "cost") if f'alt="Each value of {m}' in page] == ["recovered", "cost"]
    for only_of_personas in ("The personas", "tiny model", "Invented personas", "None"):
        assert only_of_personas not in read.text


def test_page_of_methods_has_their_table_and_figure():
    where = {"group": "forget", "target": "image"}
    methods = [measurement(where={"method": name, **where}, n=60) for name in ("base", "npo")]
    page = page_html(record_of(*methods, failures=(Failure(where={"method": "ga", "seed": 0}, error="NaN"),)))
    read = Reader(page)
    assert (
        "Forget set Methods: Forget set method forgotten through recall, image base – 50 [40, 60] npo – 50 [40, 60]"
        in read.text
    )
    assert read.text.count("Failed: method ga, seed 0: NaN") == 1
    assert "What is left of forget and retain set after each method" in page


def test_page_shows_the_result_before_the_personas(html):
    places = [html.index(f'<section id="{name}">') for name in ("recall", "gap", "unlearning", "people", "numbers")]
    assert places == sorted(places)


def test_page_of_methods_asks_for_no_stage():
    run = record_of(measurement(where={"method": "npo"}), config={"min_recall": 0.9})
    assert "is not interpreted" not in Reader(page_html(run)).text


def test_page_is_dark_where_the_reader_is(html):
    assert "@media screen and (prefers-color-scheme: dark)" in html


def test_page_counts_personas_per_seed(make_record, record):
    other_seed = tuple(CastMember(persona_id=f"t1-{i}", full_name="A", forgotten=False, seed=1) for i in range(9))
    run = make_record(measurements=(), items=(), cast=record.cast + other_seed)
    assert "Personas per seed 50 In the forget set 10" in Reader(page_html(run)).text


def test_page_counts_people_without_portraits(record, portraits, read):
    assert f"{len(portraits)} of {len(record.cast)} personas are shown" in read.text


def test_page_shows_base_answers_beside_every_source(make_record):
    shared = {"persona_id": "t0-00000", "full_name": "Mira", "truth": "Mira", "question": "Who?", "forgotten": False}
    shared |= {"correct": False}
    places = [{"stage": "memorized", "source": source, "target": "image"} for source in ("image", "text")]
    before = Example(where={**places[0], "stage": "base"}, answer="something else", **shared)
    after = [Example(where=where, answer="Mira", **shared) for where in places]
    run = make_record(measurements=(), items=(), examples=(before, *after))
    assert Reader(page_html(run)).text.count("something else") == 2


def test_page_calls_no_other_model_tiny(make_record):
    bare = {"seeds": (0,), "measurements": (), "items": ()}
    assert "tiny model" in page_html(make_record(**bare))
    assert "tiny model" not in page_html(make_record(**bare, config={"model_name_or_path": "some/vlm"}))


def test_write_page_writes_page_and_figures_and_removes_stale_ones(tmp_path):
    learned = measurement(where={"stage": "memorized", "source": "image", "target": "image"})
    assert write_page(record_of(learned), tmp_path) == tmp_path / "report.html"
    figures = tmp_path / "figures"
    assert {f.name for f in figures.iterdir()} == {"matrix.png", "matrix.pdf"}
    write_page(record_of(measurement("cost")), tmp_path)
    assert {f.name for f in figures.iterdir()} == {"forest_cost.png", "forest_cost.pdf"}


def test_write_page_refuses_other_pictures_before_writing(record, tmp_path):
    with pytest.raises(CrossmemError, match=r"'t0-00000' starts with b'GIF89a'; expected a PNG"):
        write_page(record, tmp_path, portraits={"t0-00000": [b"GIF89a"]})
    assert list(tmp_path.iterdir()) == []
