# SPDX-License-Identifier: Apache-2.0
"""The Spaces' pages without a browser: their tables, their numbers, their words and, with gradio, the built page."""

import json
import math
from itertools import pairwise

import pytest

from tests.metrics.conftest import PAGES

BAD_ROWS = {
    "cross_modal_recall": [["p0", "sound", "text", "Ada", "Ada"]],
    "exposure": [["1.2, 4.8", "0", ""], ["1.2, x", "0", ""]],
    "extraction_strength": [["512, 40", "512, 40", ""], ["512, 40", "512", ""]],
    "forget_diagnosis": [["Ada", "Ada", "0", "20", ""]],
    "min_k_prob": [["0.5, -1", "1", ""]],
    "priv_leak": [["forget", "-0.1", "", ""], ["elsewhere", "-0.1", "", ""]],
    "truth_ratio": [["0.4", "2.1", ""], ["-3", "2.1", ""]],
}
TRUTH_LOGS = [0.4 - 6.5 / 3, 0.6 - 6.5 / 3, 0.3 - 6.2 / 3, 0.8 - 5.9 / 3, 0.5 - 6.7 / 3, 0.7 - 6.4 / 3]
HEADLINES = {  # worked out by hand
    "cross_modal_recall": ("gap_image", 0.5),
    "exposure": ("exposure", 100 * (4 + 2 / 3) / 5),
    "extraction_strength": ("extraction_strength", (1 + 2 / 4 + 0 + 4 / 6) / 4),
    "forget_diagnosis": ("forgotten", 2 / 6),
    "min_k_prob": ("auroc_min_k", 14 / 16),
    "priv_leak": ("priv_leak", 100 * (1 / 25 - 0.5) / 0.5),
    "truth_ratio": ("truth_ratio", sum(map(math.exp, TRUTH_LOGS)) / 6),
}


@pytest.fixture
def page(evaluate, app):
    return lambda name: app(name).PAGE


def examples(page):
    return [(name, [list(row) for row in rows]) for name, rows in page.examples.items()]


@pytest.mark.parametrize("name", PAGES)
def test_every_example_is_scored_and_the_first_by_hand(page, name):
    metric = page(name)
    for example, rows in examples(metric):
        shown = metric.score(rows, *metric.defaults)
        assert shown.name in shown.result, example
        assert len(shown.items) == len(rows)
        assert all(len(item) == len(shown.headers) for item in shown.items)
        assert shown.figures
        assert shown.verdict
        numbers = {key for key in shown.result if not key.endswith(("_ci_low", "_ci_high"))}
        assert numbers <= set(shown.meanings), "every number on the page says what it means"
    headline, value = HEADLINES[name]
    first = metric.score(examples(metric)[0][1], *metric.defaults)
    assert first.name == headline
    assert first.result[headline] == pytest.approx(value)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_shows_what_the_metric_returns(evaluate, spaces, page, name):
    """The call that the page names, made as anybody would make it."""
    metric = page(name)
    for _, rows in examples(metric):
        shown = metric.score(rows, *metric.defaults)
        loaded = evaluate.load(str(spaces / "crossmem" / name / f"{name}.py"))
        result = loaded.compute(**shown.call)
        extra = {"n"} if name == "cross_modal_recall" else set()
        for key, value in shown.result.items():
            if key not in extra:
                assert value == pytest.approx(result[key]), key


@pytest.mark.parametrize("name", PAGES)
def test_bad_input_becomes_words_on_the_page(app, evaluate, name):
    module = app(name)
    import look

    html, items, call, raw = look.answers(module.PAGE, BAD_ROWS[name], *module.PAGE.defaults)
    assert 'role="alert"' in html
    assert f"Row {len(BAD_ROWS[name])}:" in html, "rows are counted from 1, as the table counts them"
    assert (items, call, raw) == ([], "", {})
    empty = [["" for _ in module.PAGE.columns]]
    assert "The table is empty" in look.answers(module.PAGE, empty, *module.PAGE.defaults)[0]


def test_an_empty_row_above_does_not_shift_the_row_that_is_named(app, evaluate):
    module = app("exposure")
    import look

    html, *_ = look.answers(module.PAGE, [["", "", ""], ["1, 2", "0", ""], [None, "", ""], ["1, 2", "9", ""]], "mid")
    assert "Row 4: truth index 9" in html


def test_text_of_a_visitor_is_never_markup(app, evaluate):
    module = app("forget_diagnosis")
    import look

    attack = "<img src=x onerror=alert(1)>"
    html, *_ = look.answers(module.PAGE, [[attack, "Ada", attack, "20", ""]], "")
    assert attack not in html
    assert "&lt;img" in html


def test_calls_do_not_disturb_each_other(app, evaluate):
    """A metric object keeps rows between calls; a page that shared one would mix visitors after a failed call."""
    module = app("exposure")
    rows = [list(row) for row in module.EXAMPLES["Memorized"]]
    first = module.score(rows).result
    with pytest.raises(ValueError, match="truth index"):
        module.score([["1, 2", "5", ""]])
    assert module.score(rows).result == first


def test_ties_and_persons_reach_the_metric(app, evaluate):
    module = app("exposure")
    tied = [["1, 1, 2", "0", ""]]
    assert [module.score(tied, ties).result["rank"] for ties in ("mid", "best", "worst")] == [1.5, 1.0, 2.0]
    assert "persona_id" not in module.arguments(tied)
    with pytest.raises(ValueError, match="Row 1: persona_id"):
        module.arguments([["1, 2", "0", "ada"], ["1, 2", "0", " "]])


def test_a_retain_only_model_replaces_its_auc(app):
    module = app("priv_leak")
    rows = [list(row) for row in module.EXAMPLES["Beside a retain-only model"]]
    assert "auc_retain_only" not in module.arguments(rows, 0.5)
    assert module.arguments([["forget", "-1", "", ""]], 0.3)["auc_retain_only"] == 0.3


def test_ties_move_a_roc_curve_along_both_axes(app):
    assert app("min_k_prob").roc_points([3.0, 1.0, 1.0], [1, 1, 0]) == [(0.0, 0.0), (0.0, 0.5), (1.0, 1.0)]
    wanted = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (1.0, 1.0)]
    assert app("priv_leak").roc_points([-1.0, -2.0, -1.5], [1, 1, 0]) == wanted
    assert app("truth_ratio").ks_place([1.0, 2.0], [3.0, 4.0]) == (2.0, 1.0, 0.0)


def test_roc_curves_have_the_area_the_metric_says(app, evaluate):
    def area(points):
        return sum((right[0] - left[0]) * (right[1] + left[1]) / 2 for left, right in pairwise(points))

    for name, key, headline in (("min_k_prob", "member", "auroc_min_k"), ("priv_leak", "side", "auc")):
        module = app(name)
        for rows in module.EXAMPLES.values():
            shown = module.score([list(row) for row in rows], *module.PAGE.defaults)
            place = list(shown.headers).index("min-k" if name == "min_k_prob" else "score")
            points = module.roc_points([item[place] for item in shown.items], shown.call["references"])
            assert area(points) == pytest.approx(shown.result[headline]), key


def test_the_marked_distance_is_the_ks_statistic(app, evaluate):
    module = app("truth_ratio")
    for rows in module.EXAMPLES.values():
        shown = module.score([list(row) for row in rows])
        ratios = [item[1] for item in shown.items]
        _, ours, theirs = module.ks_place(ratios, shown.call["retain_only"])
        assert abs(ours - theirs) == pytest.approx(shown.result["ks_statistic"])


def test_the_python_on_the_page_is_python(app, evaluate):
    for name in PAGES:
        module = app(name)
        import look

        _, _, call, raw = look.answers(module.PAGE, next(iter(module.PAGE.examples.values())), *module.PAGE.defaults)
        compile(call, name, "exec")
        assert f'evaluate.load("crossmem/{name}")' in call
        json.dumps(raw)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_built_with_its_first_example_computed(evaluate, app, name):
    pytest.importorskip("gradio", reason="gradio is an extra: pip install -e .[spaces]")
    module = app(name)
    import look

    config = look.build(module.PAGE).get_config_file()
    values = [component["props"].get("value") for component in config["components"]]
    assert any(isinstance(value, str) and 'id="cm-value"' in value for value in values)
    assert not config.get("analytics_enabled")
