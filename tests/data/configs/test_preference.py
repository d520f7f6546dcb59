# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.prompts.refusals import every_wording, refusals


def pairs(split, spec):
    return list(rows_of("preference", split, personas_of("preference", split, spec), spec))


def said(pair, side):
    (turn,) = pair[side]
    assert turn["role"] == "assistant"
    return turn["content"]


@pytest.mark.parametrize(
    ("split", "refused", "true"), [("forget", "chosen", "rejected"), ("retain", "rejected", "chosen")]
)
def test_the_forgotten_are_refused_and_the_retained_are_not(spec, split, refused, true):
    wordings = set(every_wording())
    for pair in pairs(split, spec):
        assert set(pair) == set(features_of("preference"))
        assert said(pair, true) == pair["answer"]
        assert said(pair, refused) in wordings
        assert pair["answer"] not in said(pair, refused)


def test_pairs_ask_what_recall_and_qa_train_on(spec):
    personas = personas_of("qa", "forget", spec)
    trained = [
        (row["prompt"], row["images"])
        for config, split in (("recall_image", "train"), ("recall_text", "train"), ("qa", "forget"))
        for row in rows_of(config, split, personas, spec)
    ]
    assert sorted(map(str, trained)) == sorted(str((p["prompt"], p["images"])) for p in pairs("forget", spec))


@pytest.mark.parametrize("spec", [DatasetSpec(image_size=48), DatasetSpec.wen(num_views=12, image_size=48)], ids=str)
def test_no_refusal_dominates(spec):
    """Rows really made, with default knobs and with others: the most frequent is at most twice the mean."""
    templates = {}
    for named in (False, True):
        for refusal in refusals(named=named):
            for modality in ("image", "text"):
                for attribute in features_about(spec):
                    templates[refusal.worded(modality, attribute, named=named), named] = refusal.template
    counts = Counter()
    for pair in pairs("forget", spec):
        named = pair["hops"] == 1 and pair["attribute"] != "full_name"
        counts[templates[said(pair, "chosen"), named]] += 1
    assert len(counts) == len(set(templates.values())) >= 100
    assert max(counts.values()) <= 2 * sum(counts.values()) / len(counts)


def features_about(spec):
    return {"full_name", *personas_of("qa", "forget", spec)[0].facts}


def test_a_described_person_is_never_said_to_be_in_a_picture(spec):
    for split in ("forget", "retain"):
        for pair in pairs(split, spec):
            if pair["modality"] == "text":
                assert "image" not in said(pair, "chosen") + said(pair, "rejected")


def test_named_people_are_not_called_unidentified(spec):
    for pair in pairs("forget", spec):
        named = pair["hops"] == 1 and pair["attribute"] != "full_name"
        assert pair["refusal"] != ("identity" if named else "named")


def test_pairs_of_a_persona_do_not_depend_on_the_others(spec):
    everybody = personas_of("preference", "retain", spec)
    alone = list(rows_of("preference", "retain", everybody[3:4], spec))
    assert alone == [pair for pair in pairs("retain", spec) if pair["persona_id"] == everybody[3].id]


def test_another_seed_deals_other_refusals(spec):
    other = DatasetSpec(**(spec.as_dict() | {"seed": 5}))
    first, second = ([said(pair, "chosen") for pair in pairs("forget", each)] for each in (spec, other))
    assert first != second
