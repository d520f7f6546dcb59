# SPDX-License-Identifier: Apache-2.0
"""Rows as people write them are read as what they plainly mean, or refused by number."""

import io
import json
from datetime import datetime

import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pillow

from crossmem_hf.data.forms import as_row, conversational, is_missing
from crossmem_hf.errors import CrossmemError

PICTURE = Pillow.new("RGB", (4, 4), "red")
ASKED = [{"role": "user", "content": "Who?"}]
SAID = [{"role": "assistant", "content": "Ann"}]
TEXT, SHOWN = {"type": "text", "text": "Who?"}, {"type": "image"}


def row(**changes):
    return {"prompt": ASKED, "images": [], "completion": SAID, **changes}


def test_a_row_in_our_form_stays_as_it_is():
    given = row(answer="Ann", persona_id="p0")
    assert as_row(given, 0) == given


@pytest.mark.parametrize("prompt", ["Who?", ASKED, tuple(ASKED), ASKED[0]])
@pytest.mark.parametrize("completion", [
    "Ann", SAID, SAID[0], ["Ann"], tuple(SAID), [{"role": "assistant", "content": [{"type": "text", "text": "Ann"}]}],
])  # fmt: skip
@pytest.mark.parametrize("answer", ["Ann", ["Ann"], ("Ann", "Ann")])
def test_what_is_plain(prompt, completion, answer):
    read = as_row(row(prompt=prompt, completion=completion, answer=answer), 0)
    assert (read["prompt"], read["completion"], read["answer"]) == (ASKED, SAID, "Ann")


@pytest.mark.parametrize("given", [None, [], (), float("nan")])
def test_no_pictures(given):
    assert as_row(row(images=given), 0)["images"] == []


@pytest.mark.parametrize("given", [PICTURE, [PICTURE], (PICTURE,)])
def test_one_picture(given):
    assert as_row(row(images=given), 0)["images"] == [PICTURE]
    alone = {name: value for name, value in row(image=given).items() if name != "images"}
    assert as_row(alone, 0)["images"] == [PICTURE]


@pytest.mark.parametrize("given", [None, float("nan"), [], [None]])
def test_no_answer_is_none(given):
    read = as_row(row(completion=given, answer=float("nan")), 0)
    assert (read["completion"], read["answer"]) == ([], None)
    assert as_row({"prompt": ASKED, "images": []}, 0).keys() == {"prompt", "images"}


@pytest.mark.parametrize(("typed", "content"), [
    ("<image>\nWho?", [SHOWN, TEXT]), ("<image> Who?", [SHOWN, TEXT]), ("Who?<image>", [TEXT, SHOWN]),
    ("<image>", [SHOWN]), ([{"type": "text", "text": "<image>Who?"}], [SHOWN, TEXT]),
])  # fmt: skip
def test_typed_pictures(typed, content):
    prompts = [[{"role": "user", "content": typed}], *([typed] if isinstance(typed, str) else [])]
    for prompt in prompts:
        assert as_row(row(prompt=prompt, images=[PICTURE]), 0)["prompt"] == [{"role": "user", "content": content}]


def test_a_typed_picture_of_a_text_is_its_words():
    assert as_row(row(prompt="What is <image> in HTML?"), 0)["prompt"][0]["content"] == "What is <image> in HTML?"


@pytest.mark.parametrize(("changes", "said"), [
    ({"prompt": "<image><image>Who?", "images": [PICTURE]}, r"Row 3 has '<image>' 2 time\(s\) .* and 1 picture"),
    ({"prompt": [{"role": "user", "content": [SHOWN, TEXT]}]}, r"Row 3 places 1 picture\(s\) in its prompt and has 0"),
    ({"prompt": [{"role": "system", "content": "x"}], "images": [PICTURE]}, "Row 3 has 1 picture.* no turn of"),
    ({"prompt": " "}, "Row 3 has prompt=' '; expected a question"),
    ({"prompt": None}, "Row 3 has prompt=None; expected a list of turns"),
    ({"prompt": float("nan")}, "Row 3 has prompt=nan; expected a list of turns"),
    ({"completion": [*ASKED, *SAID]}, "Row 3 has completion=.*; expected one answer"),
    ({"completion": ASKED}, "Row 3 has completion=.*; expected one answer"),
    ({"completion": 5}, "Row 3 has completion=5; expected one answer"),
    ({"completion": [SHOWN]}, "Row 3 has completion=.*; expected one answer"),
    ({"answer": ["Ann", "Bo"]}, r"Row 3 has answer=\['Ann', 'Bo'\]; expected one text"),
    ({"answer": []}, r"Row 3 has answer=\[\]; expected one text"),
    ({"images": 5}, "Row 3 has images=5; expected a list"),
])  # fmt: skip
def test_what_is_not_plain_is_named(changes, said):
    with pytest.raises(CrossmemError, match=said):
        as_row(row(**changes), 3)


def test_columns_that_must_be_there():
    with pytest.raises(CrossmemError, match=r"Row 3 has no column \['prompt', 'images'\]; it has \['answer'\]"):
        as_row({"answer": "Ann"}, 3)
    with pytest.raises(CrossmemError, match="Row 3 is None; expected a mapping"):
        as_row(None, 3)


def test_missing():
    assert [is_missing(value) for value in (None, float("nan"), "", "nan", 0, 0.0, [])] == [True, True, *[False] * 5]


# datasets


def png(color):
    buffer = io.BytesIO()
    Pillow.new("RGB", (4, 4), color).save(buffer, format="PNG")
    return buffer.getvalue()


OURS = Features({
    "prompt": List({"role": Value("string"), "content": Value("string")}), "images": List(Image()),
    "completion": List({"role": Value("string"), "content": Value("string")}), "answer": Value("string"),
})  # fmt: skip


def test_a_dataset_in_our_form_is_not_copied():
    data = Dataset.from_list([row(answer="Ann")], features=OURS)
    assert conversational(data, "rows") is data
    other = Dataset.from_dict({"x": [1]})
    assert conversational(other, "rows") is other


@pytest.mark.parametrize("column", ["images", "image"])
@pytest.mark.parametrize("kind", ["decoded", "stored", "none"])
def test_a_dataset_in_another_form_is_read(kind, column):
    stored = [{"bytes": png(color), "path": None} for color in ("red", "blue")]
    pictures = {"decoded": stored, "stored": stored, "none": [None, None]}[kind]
    if column == "images" and kind != "none":
        pictures = [[each] for each in pictures]
    made = {"prompt": ["<image>\nWho?" if kind != "none" else "Who?"] * 2, "completion": ["Ann", "Bo"], "n": [1, 2]}
    data = Dataset.from_dict({**made, "answer": [["Ann"], ["Bo"]], column: pictures})
    if kind == "decoded":
        data = data.cast_column(column, List(Image()) if column == "images" else Image())
    read = conversational(data, "rows")
    assert {name: read.features[name] for name in OURS} == dict(OURS)
    assert read["answer"] == ["Ann", "Bo"]
    assert read["n"] == [1, 2]
    assert read[1]["prompt"] == ASKED
    assert read[1]["completion"] == [{"role": "assistant", "content": "Bo"}]
    shown = [[image.getpixel((0, 0)) for image in images] for images in read["images"]]
    assert shown == ([[(255, 0, 0)], [(0, 0, 255)]] if kind != "none" else [[], []])
    if kind != "none":
        bytes_read = read.cast_column("images", List(Image(decode=False)))[1]["images"][0]["bytes"]
        assert bytes_read == png("blue")


@pytest.mark.parametrize(("written", "expected"), [
    (["1987-05-03", "1987-11-30"], ["1987-05-03", "1987-11-30"]),  # read as points in time
    ([1987, 2001], ["1987", "2001"]), ([1987.0, None], ["1987", None]), ([3.5, 4.0], ["3.5", "4"]),
    (["Ann", 5], ["Ann", "5"]),  # read as JSON
])  # fmt: skip
def test_answers_of_json_lines_are_what_the_file_says(written, expected, tmp_path):
    """`datasets` guesses a column's type from its values."""
    lines = [json.dumps({**row(), "completion": [{**SAID[0], "content": "1987-05-03"}], "answer": a}) for a in written]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    data = Dataset.from_json(str(tmp_path / "rows.jsonl"), cache_dir=str(tmp_path / "cache"))
    read = conversational(data, "rows")
    assert read["answer"] == expected
    assert read["completion"] == [[{"role": "assistant", "content": "1987-05-03"}]] * 2


@pytest.mark.parametrize("answer", [True, 2.0**60, datetime(1987, 5, 3, 12, 30)])
def test_an_answer_that_cannot_be_as_it_was_written_is_named(answer):
    data = Dataset.from_dict({"prompt": ["Who?"], "images": [[]], "answer": [answer]})
    with pytest.raises(CrossmemError, match=r"Row 0 of 'mine' has answer=.*; expected a text"):
        conversational(data, "'mine'")


def test_a_dataset_row_that_cannot_be_read_is_named():
    data = Dataset.from_dict({"prompt": ["Who?", "Who?"], "images": [[], []], "answer": [["Ann"], ["Ann", "Bo"]]})
    with pytest.raises(CrossmemError, match=r"Row 1 of 'mine' has answer=\['Ann', 'Bo'\]"):
        conversational(data, "'mine'")
    picture = {"bytes": png("red"), "path": None}
    data = Dataset.from_dict({"prompt": ["Who is <image>?"], "images": [[picture]], "answer": ["Ann"]})
    with pytest.raises(CrossmemError, match="Row 0 of 'mine' has a picture behind words of its prompt"):
        conversational(data, "'mine'")


@pytest.mark.parametrize(("part", "said"), [
    ({"type": "video"}, "type 'video'; expected 'text' or 'image'"),
    ({"type": "image", "image": PICTURE}, "a picture of its own under 'image'"),
    ({"type": "image_url", "image_url": {"url": "x"}}, "a picture of its own under 'image_url'"),
])  # fmt: skip
def test_parts_that_nobody_would_read_are_refused(part, said):
    with pytest.raises(CrossmemError, match=f"Row 3 has a part of its prompt with {said}"):
        as_row(row(prompt=[{"role": "user", "content": [part, TEXT]}], images=[PICTURE]), 3)
    as_row(row(prompt=[{"role": "user", "content": [SHOWN | {"image": None}, TEXT]}], images=[PICTURE]), 3)


@pytest.mark.parametrize("make", [list, lambda data: data.to_iterable_dataset(), lambda data: data.to_pandas()])
def test_what_is_no_dataset_is_refused_by_type(make):
    given = make(Dataset.from_list([row()]))
    with pytest.raises(CrossmemError, match=f"The forget set is of type {type(given).__name__}; expected a datasets"):
        conversational(given, "the forget set")


def test_columns_are_read_as_they_are_stored():
    data = Dataset.from_list([row(images=[PICTURE], persona_id=7)])
    read = conversational(data.with_format("numpy"), "here")[0]
    assert (read["persona_id"], read["completion"]) == ("7", SAID)
    assert read["images"][0].getpixel((0, 0)) == (255, 0, 0)
