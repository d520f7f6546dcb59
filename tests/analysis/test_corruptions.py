# SPDX-License-Identifier: Apache-2.0
"""A corrupted row has as many tokens in each group as its clean one, and differs where it is meant to alone."""

import pytest
from PIL import Image

from crossmem_hf.analysis.corruptions import Corruption, corrupted_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.pictures.keys import pictures_key
from crossmem_hf.scoring.inputs import encode
from tests.analysis.circuits import NAMES, rows
from tests.scoring.families import families, model_of

NAME = "llava_siglip"


def corrupted(given, name=NAME, **options):
    return corrupted_rows(model_of(name), families()[name].processor, given, Corruption(**options))


def ids_of(row, name=NAME):
    processor = families()[name].processor
    return encode(processor, [prompt_text(processor, row)], [row["images"]])["input_ids"][0].tolist()


@pytest.mark.parametrize("name", [NAME, "gemma3", "qwen2_5_vl"])
def test_names_are_swapped_for_names_of_other_personas(name):
    for number, one in enumerate(corrupted(rows(4), name)):
        clean, other = ids_of(one.clean, name), ids_of(one.corrupted, name)
        assert one.by in NAMES[:4]
        assert one.by != NAMES[number]
        assert one.corrupted["prompt"][0]["content"] == f"This is {one.by}. What is their number?"
        assert one.clean["prompt"][0]["content"] == f"This is {NAMES[number]}. What is their number?"
        assert len(clean) == len(other)
        differ = {place for place, (a, b) in enumerate(zip(clean, other, strict=True)) if a != b}
        assert differ
        assert differ <= set(one.groups["subject"])
        assert one.changed == "subject"


def test_a_persona_alone_becomes_a_thing_with_as_many_tokens():
    asked = "This is the bridge. What is their number?"
    (one,) = corrupted([{**rows(1)[0], "prompt": [{"role": "user", "content": asked}]}], subject="the bridge")
    assert "bridge" not in one.by
    assert len(ids_of(one.clean)) == len(ids_of(one.corrupted))


def test_replacements_of_the_users_own_are_taken_and_nothing_else():
    one, _ = corrupted(rows(2), replacements=("much too long for it", "Zij"))
    assert one.by == "Zij"
    with pytest.raises(CrossmemError, match=r"None of 1 entities has the \d+ tokens of 'Zoq' in row 0"):
        corrupted(rows(2), replacements=("much too long for it",))


def test_pictures_are_those_of_another_persona_and_of_as_many_tokens():
    first, second, third = rows(3)
    again = {**first, "images": [Image.new("RGB", (48, 48), "red")]}
    one = corrupted([first, again, third], kind="picture")[0]
    assert one.by == "pictures of p2"
    assert one.changed == "image"
    assert pictures_key(one.corrupted["images"]) == pictures_key(third["images"])
    assert one.corrupted["prompt"] == first["prompt"]
    assert ids_of(one.clean) == ids_of(one.corrupted)
    twice = {**second, "images": second["images"] * 2}
    with pytest.raises(CrossmemError, match="No row about another persona than 'p1' has pictures"):
        corrupted([first, twice, third], kind="picture")


def test_noise_leaves_the_row_as_it_is():
    for kind, group in (("subject_noise", "subject"), ("picture_noise", "image")):
        (one,) = corrupted(rows(1), kind=kind)
        assert one.corrupted is one.clean
        assert one.changed == group


def test_the_answer_goes_without_the_end_of_its_turn():
    (one,) = corrupted(rows(1), kind="subject_noise")
    assert families()[NAME].tokenizer.decode(list(one.answer)) == "1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "letters"}, "Unknown corruption 'letters'"),
        ({"noise": 0.0}, r"noise=0\.0; expected a positive number"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"kind": "picture", "replacements": ("Ann",)}, "'picture' replaces no words"),
    ],
)
def test_a_corruption_that_cannot_be(options, said):
    with pytest.raises(CrossmemError, match=said):
        Corruption(**options)


def test_rows_that_cannot_be_corrupted_are_named():
    unknown = {**rows(1)[0], "prompt": [{"role": "user", "content": "Who?"}]}
    with pytest.raises(CrossmemError, match=r"Row 1 asks 'Who\?', and no words are known that say whom"):
        corrupted([rows(1)[0], unknown])
    with pytest.raises(CrossmemError, match=r"Row 0 asks 'This is Zoq.*', and 'this person' is not in it"):
        corrupted(rows(1), subject="this person")
    with pytest.raises(CrossmemError, match="Row 0 has no picture, and the corruption is 'picture'"):
        corrupted([{**rows(1)[0], "images": []}], kind="picture")
    with pytest.raises(CrossmemError, match="looks at pictures by cross-attention"):
        corrupted(rows(1), "mllama", kind="picture_noise")
