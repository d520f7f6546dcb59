# SPDX-License-Identifier: Apache-2.0
from io import BytesIO

import pytest
from PIL import Image

from crossmem_hf.data.configs.table import SPLITS, features_of
from crossmem_hf.data.rows import caption_row, profile_row, qa_row, recall_row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import VIEW_SPLITS
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.questions import FACT_PHRASES
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for

ROW_CONFIGS = [config for config in SPLITS if config not in ("profiles", "candidates", "perturbed", "preference")]


def all_kinds(person):
    yield recall_row(person, "image", "train", 0)
    yield recall_row(person, "text", "test", 1)
    yield caption_row(person, "train", 0)
    for modality in ("image", "text"):
        for hops in (1, 2):
            yield qa_row(person, modality, "train", 0, attribute="job", hops=hops)


def test_configs_of_rows_share_one_schema():
    assert len({str(features_of(config)) for config in ROW_CONFIGS}) == 1


def test_perturbed_rows_have_more_columns_and_preferences_two_answers():
    shared = set(features_of("qa"))
    more = {"perturbed_answer", "paraphrased_answer", "perturbed_paraphrase"}
    assert set(features_of("perturbed")) == shared | more
    assert set(features_of("preference")) == (shared - {"completion"}) | {"chosen", "rejected", "refusal"}


def test_every_kind_of_row_has_exactly_the_columns_of_the_schema(person):
    assert all(set(row) == set(features_of("qa")) for row in all_kinds(person))
    assert set(profile_row(person, 3)) == set(features_of("profiles"))


def test_rows_are_conversational_with_plain_strings_and_no_placeholder(person):
    for row in all_kinds(person):
        assert [turn["role"] for turn in row["prompt"]] == ["user"]
        assert [turn["role"] for turn in row["completion"]] == ["assistant"]
        (queried,), (said,) = row["prompt"], row["completion"]
        assert isinstance(queried["content"], str)
        assert "<image>" not in queried["content"]
        assert "{" not in queried["content"]
        assert said["content"] == row["answer"]


def test_an_image_row_has_one_portrait_and_a_text_row_none(person):
    for row in all_kinds(person):
        assert len(row["images"]) == (row["modality"] == "image")


def test_the_stored_portrait_is_the_rendered_one(person):
    stored = recall_row(person, "image", "test", 2, 80)["images"][0]["bytes"]
    drawn = render_portrait(person, view_for(person, "test", 2), 80)
    assert Image.open(BytesIO(stored)).tobytes() == drawn.tobytes()


def test_personas_of_equal_id_and_other_attributes_share_no_portrait(person):
    from dataclasses import replace

    other = replace(
        person,
        visual_attributes={
            **person.visual_attributes,
            "hair_color": "blue" if person.visual_attributes["hair_color"] != "blue" else "red",
        },
    )
    first, second = (recall_row(who, "image", "train", 0)["images"][0]["bytes"] for who in (person, other))
    assert first != second


def test_recall_asks_for_the_name_and_never_tells_it(person):
    for split in VIEW_SPLITS:
        for modality in ("image", "text"):
            row = recall_row(person, modality, split, 0)
            assert (row["attribute"], row["hops"], row["answer"]) == ("full_name", 1, person.full_name)
            assert not any(word in row["prompt"][0]["content"] for word in person.full_name.split())


def test_a_text_row_shows_the_description_of_its_view(person):
    for row in (
        recall_row(person, "text", "test", 1),
        qa_row(person, "text", "test", 1, attribute="job", hops=2),
    ):
        assert describe(person, "test", 1).text in row["prompt"][0]["content"]


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("fact", FACT_ATTRIBUTES)
def test_a_far_question_calls_the_fact_by_its_other_name(person, fact, hops):
    near, far = (qa_row(person, "image", split, 0, attribute=fact, hops=hops) for split in ("test", "far"))
    assert FACT_PHRASES[fact] in near["prompt"][0]["content"]
    assert FACT_SYNONYMS[fact] in far["prompt"][0]["content"]
    assert (near["answer"], far["template"].split("-")[0]) == (far["answer"], "far")


@pytest.mark.parametrize("fact", FACT_ATTRIBUTES)
@pytest.mark.parametrize("modality", ["image", "text"])
def test_single_hop_names_the_person_and_multi_hop_does_not(person, fact, modality):
    single, multi = (qa_row(person, modality, "train", 0, attribute=fact, hops=hops) for hops in (1, 2))
    assert person.full_name in single["prompt"][0]["content"]
    assert not any(word in multi["prompt"][0]["content"] for word in person.full_name.split())
    assert single["answer"] == multi["answer"] == person.facts[fact]
    assert person.facts[fact] not in single["prompt"][0]["content"] + multi["prompt"][0]["content"]


def test_a_caption_holds_neither_name_nor_fact(person):
    row = caption_row(person, "train", 0)
    said = row["prompt"][0]["content"] + row["answer"]
    assert not any(secret in said for secret in (*person.full_name.split(), *person.facts.values()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"attribute": "shoe_size"}, "Unknown attribute 'shoe_size'; expected one of email, date_of_birth"),
        ({"attribute": "full_name"}, "Unknown attribute 'full_name'"),
        ({"modality": "audio"}, r"Unknown modality 'audio'; expected one of \('image', 'text'\)"),
        ({"hops": 3}, "No question 0 of 3 hop"),
        ({"question": 99}, "No question 99 of 1 hop"),
        ({"question": -1}, "No question -1"),
        ({"split": "wide"}, "in split 'wide'; 0 exist there"),
    ],
)
def test_bad_questions_are_errors(person, change, says):
    changed = {
        "modality": "image",
        "split": "train",
        "index": 0,
        "attribute": "job",
        "hops": 1,
        "question": 0,
    } | change
    with pytest.raises(CrossmemError, match=says):
        qa_row(person, **changed)


def test_bad_recall_is_an_error(person):
    with pytest.raises(CrossmemError, match="Unknown modality 'video'"):
        recall_row(person, "video", "train", 0)
    with pytest.raises(CrossmemError, match="'dev'"):
        recall_row(person, "image", "dev", 0)
    with pytest.raises(CrossmemError, match="size=10"):
        recall_row(person, "image", "train", 0, 10)
