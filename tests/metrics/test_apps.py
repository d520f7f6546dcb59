# SPDX-License-Identifier: Apache-2.0
"""The Spaces' pages: their text formats, their answers, and, where gradio is installed, the pages themselves."""

import pytest

FORMS = [("exposure", "mid"), ("cross_modal_recall", "exact")]


def test_exposure_form_is_parsed(app):
    text = "# a comment\n\n0: 1.5, 2, 3e1 # the truth first\n 2 : 4 5 inf\n"
    assert app("exposure").parse_items(text) == ([[1.5, 2.0, 30.0], [4.0, 5.0, float("inf")]], [0, 2])


@pytest.mark.parametrize("line", ["1.5, 2, 3", "a: 1, 2", "0: 1, two", "0.5: 1, 2"])
def test_exposure_form_names_the_line(app, line):
    with pytest.raises(ValueError, match="Line 2: "):
        app("exposure").parse_items(f"0: 1, 2\n{line}\n")


def test_recall_form_is_parsed(app):
    text = (
        "source, target, persona_id, prediction, reference\n"
        'image, text, p0, "Okoye, Ada", Ada Okoye|Okoye Ada\n'
        "text,text,p1,,Bo Lindqvist\n"
    )
    assert app("cross_modal_recall").parse_rows(text) == {
        "persona_id": ["p0", "p1"],
        "source": ["image", "text"],
        "target": ["text", "text"],
        "predictions": ["Okoye, Ada", ""],
        "references": [["Ada Okoye", "Okoye Ada"], ["Bo Lindqvist"]],
    }


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "No column"),
        ("persona_id,source,target,prediction\np0,image,image,Ada", r"No column \['reference'\]"),
        ("persona_id,source,target,prediction,reference\np0,image,image,Ada", "Line 2: "),
        ("persona_id,source,target,prediction,reference\np0,image,image,Okoye, Ada,Ada Okoye", "Line 2: "),
    ],
)
def test_recall_form_names_what_is_wrong(app, text, named):
    with pytest.raises(ValueError, match=named):
        app("cross_modal_recall").parse_rows(text)


def test_exposure_page_answers_its_example(evaluate, app):
    module = app("exposure")
    result = module.score(module.EXAMPLE, "mid")
    assert result["item_rank"] == [1.0, 1.5, 5.0]
    assert module.score(module.EXAMPLE, "worst")["item_rank"] == [1.0, 2.0, 5.0]


def test_recall_page_answers_its_example(evaluate, app):
    module = app("cross_modal_recall")
    table, result = module.score(module.EXAMPLE, "exact")
    assert (result["image_to_image"], result["image_to_text"]) == (1.0, pytest.approx(1 / 3))
    assert [line[0] for line in table] == ["learnt from images", "learnt from text"]
    assert table[0][1].startswith("1.00 (")
    assert table[0][2].startswith("0.33 (")
    assert table[1][1:] == ["-", "-"]


@pytest.mark.parametrize(("name", "option"), FORMS)
def test_page_is_built_and_shows_errors(evaluate, app, name, option):
    gradio = pytest.importorskip("gradio")
    module = app(name)
    page = module.page()
    assert page.fn(module.EXAMPLE, option)
    with pytest.raises(gradio.Error, match="expected"):
        page.fn("nonsense", option)
