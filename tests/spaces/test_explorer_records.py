# SPDX-License-Identifier: Apache-2.0
"""The explorer's reading of records: what we write, and what strangers may hand in."""

import json
from xml.etree import ElementTree

import pytest

from crossmem_hf.report.record import Measurement, Record

ATTACK = "<script>alert(1)</script>"


def measured(metric, value, **where):
    known = {"n": 40, "chance": 0.02, "unit": "proportion", "greater_means": "more memorized"}
    return Measurement(metric=metric, where=where, value=value, ci=(value / 2, value), **known)


def written(tmp_path, study, *measurements):
    record = Record(study=study, config={}, versions={}, fingerprints={"data": "d"}, measurements=measurements)
    return record.write(tmp_path / f"{study}.json").read_bytes()


@pytest.fixture
def compare_json(tmp_path):
    lines = [
        measured("recall", value, method=method, forget_modality="image", group=group, target=target)
        for method, value in (("ga", 0.1), ("npo", 0.4))
        for group in ("forget", "retain")
        for target in ("image", "text")
    ]
    costs = [measured("steps", 30, method="ga", forget_modality="image", seed=seed) for seed in (0, 7)]
    apart = [measured("recall", 0.2, method="ga", forget_modality="image", group="forget", target="text", seed=7)]
    return written(tmp_path, "compare", *lines, *costs, *apart)


@pytest.fixture
def score_json(tmp_path):
    theirs = measured("exposure", 61.5, model="memorized", target="image", hops=2)
    return written(tmp_path, "score", measured("exposure", 61.5), measured("exposure", 61.5, model="base"), theirs)


def run_json(root):
    return (root / "results/first_light/record.json").read_bytes()


def test_a_run_is_read_pooled_over_its_seeds(explorer, root):
    run = explorer.records.read_record(run_json(root), "first_light")
    entries = json.loads(run_json(root))["measurements"]
    pooled = [entry for entry in entries if "seed" not in entry["where"]]
    assert 0 < len(pooled) == len(entries)
    assert len(run.lines) == len(pooled)
    for line, entry in zip(run.lines, pooled, strict=True):
        where = entry["where"]
        what = where["stage"] + (f", hops {where['hops']}" if "hops" in where else "")
        assert (line.metric, line.what, line.stage) == (entry["metric"], what, where["stage"])
        assert (line.source, line.target) == (where["source"], where.get("target", ""))
        assert line.group == where.get("group", "all")
        assert (line.value, line.interval, line.n) == (entry["value"], entry["ci"] and tuple(entry["ci"]), entry["n"])
    assert run.notes


def test_comparisons_and_scores_are_read(explorer, compare_json, score_json):
    run = explorer.records.read_record(compare_json, "c")
    assert (run.lines[0].what, run.lines[0].way, run.lines[0].value) == ("ga", "image → image", 0.1)
    assert [line.what for line in run.lines[8:]] == ["ga, seed 0", "ga, seed 7"], "apart only where nothing is pooled"
    run = explorer.records.read_record(score_json, "s")
    assert (run.lines[0].what, run.lines[0].group, run.lines[0].chance) == ("scored", "all", 0.02)
    assert [line.what for line in run.lines[1:]] == ["base model", "memorized model, hops 2"]
    assert run.lines[2].target == "image"


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"", "not JSON"),
        (b"\x89PNG\r\n", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "no schema_version"),
        (b'{"schema_version": true}', "no schema_version"),
        (b'{"schema_version": 99}', "version 99; this page reads 2"),
        (b'{"schema_version": 1, "measurements": []}', "version 1; this page reads 2"),
        (b'{"schema_version": 2, "lines": []}', "has measurements"),
        (b'{"schema_version": 2, "measurements": {}}', "no list"),
        (b'{"schema_version": 2, "measurements": []}', "without numbers"),
        (b'{"schema_version": 2, "measurements": [{"value": 1}]}', "number 0 misses 'where'"),
        (b'{"schema_version": 2, "measurements": [{"where": {"a": [1]}}]}', "number 0 has a"),
        (b'{"schema_version": 2, "measurements": [{"where": {}, "ci": [1]}]}', "number 0 has ci"),
        (b'{"schema_version": 2, "measurements": [' + b"{}," * 20_000 + b"{}]}", "numbers; expected at most"),
        (b" " * 20_000_001, "bytes; expected at most"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_what_is_no_record_is_named(explorer, raw, named):
    with pytest.raises(ValueError, match=named) as caught:
        explorer.records.read_record(raw, "theirs.json")
    assert str(caught.value).startswith("theirs.json: ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "true", '"1"', "null", "[1]", "1" + "0" * 400])
def test_a_number_that_is_none_is_refused(explorer, compare_json, value):
    broken = compare_json.decode().replace('"value": 0.1', f'"value": {value}', 1).encode()
    assert broken != compare_json
    with pytest.raises(ValueError, match="number 0"):
        explorer.records.read_record(broken, "c")


def test_text_of_a_record_is_never_markup(explorer, root):
    record = json.loads(run_json(root))
    record["notes"] = [ATTACK]
    for entry in record["measurements"]:
        where = entry["where"]
        entry["unit"] = entry["greater_means"] = where[ATTACK] = ATTACK
        where["stage"] = f"{ATTACK}{where['stage']}"
        where["group"] = "forget"
    run = explorer.records.read_record(json.dumps(record).encode(), ATTACK)
    html = explorer.comparing.results_html([run], "recall", "forget")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    ElementTree.fromstring(html)  # well-formed, so nothing broke out of its place


def test_the_matrix_is_what_the_record_says(explorer, root):
    """Before unlearning everyone is shown, afterwards the two groups apart."""
    run = explorer.records.read_record(run_json(root), "r")
    drawn = dict(explorer.comparing.matrices([run]))
    asked = ("", ", hops 1", ", hops 2")
    assert set(drawn) == {
        "r: nearest row, everyone",
        *(f"r: {stage}{hops}, everyone" for stage in ("base", "memorized") for hops in asked),
        *(f"r: unlearned{hops}, people to {what}" for hops in asked for what in ("forget", "keep")),
    }
    said = ElementTree.fromstring(drawn["r: memorized, everyone"]).get("aria-label")
    cells = {
        (line.source, line.target): line.value
        for line in run.lines
        if (line.metric, line.what, line.group) == ("recall", "memorized", "all")
    }
    assert len(cells) == 4
    for (source, target), value in cells.items():
        assert f"learned from {source}, asked in {target}: {100 * value:.0f} %" in said


def test_forget_is_plotted_against_retain(explorer, compare_json):
    run = explorer.records.read_record(compare_json, "c")
    points = list(explorer.comparing._points([run], "recall"))
    assert [(point.name, point.x, point.y) for point in points] == [
        ("ga: image → image", 0.1, 0.1),
        ("ga: image → text", 0.1, 0.1),
        ("npo: image → image", 0.4, 0.4),
        ("npo: image → text", 0.4, 0.4),
    ]
    assert explorer.comparing.forget_retain([run], "no such metric") == ""


def test_the_table_holds_every_number(explorer, root, compare_json, score_json):
    read = explorer.records.read_record
    runs = [read(run_json(root), "r"), read(compare_json, "c"), read(score_json, "s")]
    rows = explorer.comparing.table(runs)
    assert len(rows) == sum(len(run.lines) for run in runs)
    assert all(len(row) == len(explorer.comparing.HEADERS) for row in rows)
    assert {row[2] for row in explorer.comparing.table(runs, "exposure")} == {"exposure"}
    assert explorer.comparing.metrics_of(runs)[:2] == ["recall", "exposure"]


def test_files_are_told_apart_and_limited(explorer, tmp_path, score_json):
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_bytes(score_json)
        paths.append(str(tmp_path / name / "record.json"))
    named = explorer.results_tab.file_names(paths)
    assert [name for name, _ in named] == ["a/record.json", "b/record.json"]
    kept, faults = explorer.results_tab.with_files({}, [*named, ("theirs", b"{")])
    assert list(kept) == ["a/record.json", "b/record.json"]
    assert "theirs: not JSON" in faults
    many = [(f"n{place}", score_json) for place in range(explorer.results_tab.MAX_RUNS + 1)]
    kept, faults = explorer.results_tab.with_files({}, many)
    assert len(kept) == explorer.results_tab.MAX_RUNS
    assert "as many as the page holds" in faults


@pytest.mark.parametrize(
    "repo", ["", "personas", "../etc/passwd", "a/b/c", "/etc", "a/..", "https://x/y", "a b/c", "-a/b"]
)
def test_a_visitor_names_repositories_only(explorer, repo):
    for asked in (explorer.hub_records.records_of_repo, explorer.personas.parts_of_repo):
        with pytest.raises(ValueError, match="expected a repository of the Hub"):
            asked(repo)


def test_a_hub_out_of_reach_is_said(explorer):
    """Offline, as all tests are."""
    with pytest.raises(ValueError, match=r"crossmem/results: no record\.json found"):
        explorer.hub_records.records_of_repo("crossmem/results")
    with pytest.raises(ValueError, match="crossmem/personas: "):
        explorer.personas.parts_of_repo("crossmem/personas")
