# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from itertools import combinations, product

import pytest

from crossmem_hf.data.configs.qa import num_questions_by_hops, question_plan
from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.values import FACT_ATTRIBUTES

FORGET_CONFIGS = ("qa", "qa_test", "qa_far", "profiles", "robust", "perturbed", "preference")

HELD_BY_PERSONAS = ("qa_test", "qa_far", "robust", "perturbed", "preference")


def ids(config, split, spec):
    return {person.id for person in personas_of(config, split, spec)}


def rows(config, split, spec):
    return list(rows_of(config, split, personas_of(config, split, spec), spec))


def said(row):
    turns = [turn for name in ("prompt", "completion", "chosen", "rejected") for turn in row.get(name, ())]
    return " ".join(turn["content"] for turn in turns)


def test_forget_and_retain_are_disjoint_exhaustive_and_the_same_in_every_config(spec):
    for config in FORGET_CONFIGS:
        forget, retain = ids(config, "forget", spec), ids(config, "retain", spec)
        assert forget == ids("qa", "forget", spec)
        assert not forget & retain
        assert forget | retain == ids("recall_image", "train", spec)
    assert ids("qa", "retain_eval", spec) == ids("qa", "retain", spec)


def test_rows_hold_the_people_of_their_split_and_no_others(spec):
    for config in SPLITS.keys() - {"candidates"}:
        for split in SPLITS[config]:
            assert {row["persona_id"] for row in rows(config, split, spec)} == ids(config, split, spec)


def test_background_shares_no_persona_and_no_name_word_with_targets(spec):
    background = personas_of("captions", "background", spec)
    targets = personas_of("captions", "target", spec)
    assert not {person.id for person in background} & {person.id for person in targets}
    words = {word for person in targets for word in person.full_name.split()}
    assert not words & {word for person in background for word in person.full_name.split()}


def test_secrets_of_forgotten_people_alone_never_occur_in_a_retain_row(spec):
    forgotten, retained = personas_of("qa", "forget", spec), personas_of("qa", "retain", spec)
    common = {value for person in retained for value in person.facts.values()}
    secrets = {value for person in forgotten for value in (*person.facts.values(), person.full_name)} - common
    assert len(secrets) > 6 * len(forgotten)
    for config, split in (("qa", "retain"), ("qa", "retain_eval"), *product(HELD_BY_PERSONAS, ["retain"])):
        for row in rows(config, split, spec):
            text = said(row)
            assert not [secret for secret in secrets if secret in text]


def test_a_row_holds_no_secret_of_anyone_else(spec):
    personas = {person.id: person for person in personas_of("recall_image", "train", spec)}
    for row in rows("qa", "retain", spec):
        own = personas[row["persona_id"]]
        others = {
            name for other in personas.values() if other is not own for name in (other.full_name, other.facts["email"])
        }
        assert not [secret for secret in others if secret in said(row)]


@pytest.mark.parametrize("config", ["recall_image", "recall_text"])
def test_splits_of_recall_share_people_and_nothing_else(spec, config):
    views = {split: rows(config, split, spec) for split in SPLITS[config]}
    personas = ids(config, "train", spec)
    assert Counter(row["persona_id"] for row in views["train"]) == dict.fromkeys(personas, spec.num_views)
    for split in set(views) - {"train"}:
        assert Counter(row["persona_id"] for row in views[split]) == dict.fromkeys(personas, NUM_HELD_OUT_VIEWS)
    for one, other in combinations(views, 2):
        assert not {row["template"] for row in views[one]} & {row["template"] for row in views[other]}
        shown = [{str(row["images"] or row["prompt"]) for row in views[split]} for split in (one, other)]
        assert not shown[0] & shown[1]


def test_held_out_questions_share_no_wording_and_no_view_with_others(spec):
    made = {
        config: [row for split in SPLITS[config] for row in rows(config, split, spec)]
        for config in ("qa", "qa_test", "qa_far")
    }
    families = {config: {row["template"].split("-")[0] for row in part} for config, part in made.items()}
    assert families == {"qa": {"train"}, "qa_test": {"test"}, "qa_far": {"far"}}
    pictures = [{picture["bytes"] for row in part for picture in row["images"]} for part in made.values()]
    queried = [{row["prompt"][0]["content"] for row in part} for part in made.values()]
    for part in (pictures, queried):
        assert all(part)
        assert all(not one & other for one, other in combinations(part, 2))


def test_far_questions_are_as_many_as_near_ones(spec):
    for config in ("qa", "two_hop"):
        for split in SPLITS[f"{config}_test"]:
            near, far = (
                Counter(
                    (row["persona_id"], row["modality"], row["hops"], row["attribute"], row["view"])
                    for row in rows(f"{config}_{family}", split, spec)
                )
                for family in ("test", "far")
            )
            assert near == far


def test_questions_are_seventy_to_thirty_and_evenly_split_when_held_out():
    assert num_questions_by_hops(DatasetSpec(qa_per_persona=100)) == {1: 70, 2: 30}
    assert num_questions_by_hops(DatasetSpec(qa_per_persona=2)) == {1: 1, 2: 1}


@pytest.mark.parametrize(("share", "by_hops"), [(0.0, {1: 0, 2: 20}), (0.5, {1: 10, 2: 10}), (1.0, {1: 20, 2: 0})])
def test_the_share_of_single_hop_questions_is_a_knob(share, by_hops):
    spec = DatasetSpec(num_personas=5, image_size=48, single_hop_share=share)
    assert num_questions_by_hops(spec) == by_hops
    queried = Counter(row["hops"] for row in rows("qa", "forget", spec))
    assert queried == {hops: 2 * count for hops, count in by_hops.items() if count}
    evaluated = Counter(row["hops"] for row in rows("qa", "retain_eval", spec))
    most = min(14, *filter(None, by_hops.values()))
    assert evaluated == {hops: 4 * 2 * most for hops, count in by_hops.items() if count}


def test_with_enough_views_every_question_has_its_own():
    few, many = (DatasetSpec(num_personas=5, num_views=views, qa_per_persona=10, image_size=48) for views in (9, 10))
    for spec, own in ((few, False), (many, True)):
        views = [row["view"] for row in rows("qa", "forget", spec) if row["modality"] == "image"]
        assert (sorted(views) == list(range(10))) == own
        assert {str(row) for row in rows("qa", "retain_eval", spec)} < {str(row) for row in rows("qa", "retain", spec)}


def test_the_sizes_of_remem():
    """2,560 questions about portraits, on rows really made, of whom is forgotten and one of the others."""
    spec = DatasetSpec.remem(image_size=48)
    made, views = {}, set()
    for config in ("qa", "qa_test"):
        for split, most in (("forget", None), ("retain", 1)):
            counts = made[config, split] = Counter()
            for row in rows_of(config, split, list(personas_of(config, split, spec))[:most], spec):
                counts[row["modality"], row["hops"]] += 1
                if config == "qa" and row["images"]:
                    views.add((row["persona_id"], row["view"]))
    assert [len(ids("qa", split, spec)) for split in ("forget", "retain")] == [4, 16]
    for modality in ("image", "text"):
        assert [made["qa", "forget"][modality, hops] for hops in (1, 2)] == [280, 120]
        assert [made["qa_test", "forget"][modality, hops] for hops in (1, 2)] == [56, 56]
        for config in ("qa", "qa_test"):
            assert [4 * made[config, "retain"][modality, hops] for hops in (1, 2)] == [
                made[config, "forget"][modality, hops] for hops in (1, 2)
            ]
    assert len(views) == (4 + 1) * 100
    evaluated = Counter(row["hops"] for row in rows("qa", "retain_eval", spec) if row["modality"] == "image")
    assert evaluated == {1: 224, 2: 224}


def test_forget_sets_of_remem_are_nested():
    five, ten, twenty = (ids("qa", "forget", DatasetSpec.remem(forget_fraction=part)) for part in (0.05, 0.1, 0.2))
    assert (len(five), len(ten), len(twenty)) == (1, 2, 4)
    assert five < ten < twenty


def test_counts_of_questions(spec):
    by_hops = num_questions_by_hops(spec)
    one = ids("qa", "forget", spec).pop()
    trained = Counter((row["modality"], row["hops"]) for row in rows("qa", "forget", spec) if row["persona_id"] == one)
    assert trained == {(modality, hops): by_hops[hops] for modality in ("image", "text") for hops in (1, 2)}
    held_out = Counter(
        (row["modality"], row["hops"], row["attribute"])
        for row in rows("qa_test", "forget", spec)
        if row["persona_id"] == one
    )
    assert set(held_out.values()) == {2}
    assert len(held_out) == 2 * 2 * len(FACT_ATTRIBUTES)


def test_retain_eval_is_an_evenly_split_part_of_retain(spec):
    retained = {str(row) for row in rows("qa", "retain", spec)}
    evaluated = rows("qa", "retain_eval", spec)
    assert {str(row) for row in evaluated} < retained
    by_hops = Counter(row["hops"] for row in evaluated)
    assert by_hops[1] == by_hops[2] > 0


def test_no_question_is_asked_twice():
    spec = DatasetSpec(num_personas=2, num_views=3, forget_fraction=0.5, qa_per_persona=60, image_size=48)
    queried = Counter(
        (row["persona_id"], row["attribute"], row["template"], row["modality"], row["view"])
        for row in rows("qa", "forget", spec)
    )
    assert len(queried) == 120
    assert set(queried.values()) == {1}


def test_people_asked_few_multi_hop_questions_cover_all_facts_together(spec):
    queried = {row["attribute"] for row in rows("qa", "retain", spec) if row["hops"] == 2}
    assert queried == set(FACT_ATTRIBUTES)


def test_asking_for_more_questions_than_exist_says_how_many_do():
    assert len({*question_plan(28, 1, "train", 1)}) == 28
    with pytest.raises(CrossmemError, match=r"29 questions of 1 hop\(s\) a person; 28 different ones exist"):
        list(question_plan(29, 1, "train", 1))
