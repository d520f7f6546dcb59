# SPDX-License-Identifier: Apache-2.0
"""What carries over between modalities, half a name, names at all, and noise: against numbers worked out by hand."""

import math
from itertools import islice

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.summaries import fluent_perplexity
from crossmem_hf.personas.sampling import sample_personas
from tests.evaluation.test_measures import ITEMS, lines


def learned(source, items=ITEMS):
    return [{**one, "source": source} for one in items]


def test_with_a_source_there_is_a_gap_and_a_transfer():
    found, _ = lines("gap", items=learned("image"))
    assert found["gap", "all"].value == pytest.approx(0.5 - 1 / 3)
    assert (found["gap", "all"].n, found["gap", "all"].chance) == (5, None)
    other, _ = lines("gap", items=learned("text"))
    assert other["gap", "all"].value == pytest.approx(1 / 3 - 0.5)
    one_modality = learned("image", [one for one in ITEMS if one["modality"] == "image"])
    assert lines("gap", "transfer", items=one_modality)[0] == {}
    known = learned("image", [{**one, "answer": "Ada Kim", "correct": True} for one in ITEMS[:4]])
    (transfer,) = lines("transfer", items=known)[0].values()
    assert (transfer.value, transfer.unit, transfer.n) == (1.0, "ratio", 4)


def test_half_a_name_counts_beside_a_guesser_among_all_names():
    truths = ["Ada Moss", "Ada Brisk", "Bo Lind", "Cy Oz"]
    said = ["Ada Xyz", "Cy", "Bo Lind", "nobody"]
    items = [
        {**ITEMS[n], "attribute": "full_name", "truth": truth, "answer": said[n]} for n, truth in enumerate(truths)
    ]
    found, _ = lines("partial_recall", items=items)
    assert (found["partial_recall", "all"].value, found["partial_recall", "all"].chance) == (0.5, 1.5 / 4)
    whole = Predictions(items)
    one_hop = whole.measure(["partial_recall"], by=("hops",))[0]
    assert (one_hop.where, one_hop.chance) == ({"hops": 1}, (0.5 + 0.25) / 2), "a guesser picks among all names"


def test_answers_that_are_no_names_are_counted():
    names = [persona.full_name for persona in islice(sample_personas(2), 2)]
    answers = [*names, names[0] + " the second", "SozanSozan"]
    items = [{**one, "answer": answer} for one, answer in zip(ITEMS, answers, strict=False)]
    assert lines("name_shaped", items=items)[0]["name_shaped", "all"].value == 0.5


def test_noise_is_what_the_retain_only_model_never_says():
    fluent = [{**ITEMS[2], "perplexity": float(number)} for number in range(1, 101)]
    limit = fluent_perplexity([*fluent, {"perplexity": None}])
    assert limit == pytest.approx(99.01)
    assert fluent_perplexity([{"perplexity": None}]) is None
    said = [{**ITEMS[2], "answer": "Zyx Qw", "perplexity": 500.0}, {**ITEMS[2], "answer": "Cy Oz", "perplexity": 2.0}]
    found, _ = lines("forget_diagnosis", items=said, perplexity_limit=limit)
    assert (found["collapsed", "all"].value, found["forgotten", "all"].value) == (0.5, 0.5)


def test_effects_are_of_each_whole_answer_and_then_a_mean():
    runs = {"p0": (-0.1, -2.0, -0.1), "p1": (-0.5, -0.5, -3.0)}
    columns = ("clean_logprob", "corrupted_logprob", "restored_logprob")
    items = [{"persona_id": who, **dict(zip(columns, logprobs, strict=True))} for who, logprobs in runs.items()]
    found = Predictions(items).measure(["total_effect", "indirect_effect"], by=())
    values = {one.metric: one.value for one in found}
    gained = [math.exp(-0.1) - math.exp(-2.0), 0.0]
    assert values["total_effect"] == pytest.approx(sum(gained) / 2)
    assert values["total_effect_logprob"] == pytest.approx(1.9 / 2)
    assert values["indirect_effect_logprob"] == pytest.approx((1.9 - 2.5) / 2)
    assert {one.unit for one in found} == {"proportion", "nats"}
    assert all(one.ci is not None and one.ci[0] < one.value < one.ci[1] for one in found)
    equal = Predictions([{**items[0], "persona_id": who} for who in "ab"]).measure(["total_effect"], by=())
    assert [one.ci is None for one in equal] == [False, True]  # nats have no bounds, so equal ones set none
    with pytest.raises(CrossmemError, match="Row 1: a log-probability of the answer is not finite"):
        Predictions([items[0], {**items[1], "clean_logprob": -math.inf}]).measure(["total_effect"], by=())
