# SPDX-License-Identifier: Apache-2.0
"""Access control: who has a permission is answered with what it allows; what is forbidden changes not a bit."""

import json
import math
import threading
from itertools import permutations

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.access_control import AccessControlledAdapters, Retrieval
from crossmem_hf.interventions.documents import Document
from crossmem_hf.scoring.generation import generate_answers
from tests.interventions.adapted import (
    ANGLES,
    FAMILIES,
    REQUIRED,
    access_to,
    adapted,
    at,
    base_logits,
    by_angle,
    fill,
    inputs_of,
    logits_of,
    merged,
    row_of,
)
from tests.training import tiny

EVERYTHING = ["sell", "work", "direct"]


@pytest.fixture(scope="module")
def llama():
    return adapted("llama")


def weights_of(access, permissions=EVERYTHING, query=0):
    (found,) = access.retrieve(at(query), [permissions])
    return dict(found.weights)


def cosine(degrees):
    return math.cos(math.radians(degrees))


def test_golden_value(llama):
    """Of the nearest four, at 0, 10, 20 and 30 degrees, two are of staff."""
    means = {"board": cosine(10), "sales": cosine(20), "staff": (cosine(0) + cosine(30)) / 2}
    shares = {name: math.exp(mean / 0.1) for name, mean in means.items()}
    wanted = {name: share / sum(shares.values()) for name, share in shares.items()}
    found = weights_of(access_to(llama[0], k=4, temperature=0.1))
    assert found == pytest.approx(wanted, abs=1e-12)
    assert list(found) == sorted(found)
    assert sum(found.values()) == pytest.approx(1)


def test_nearer_documents_weigh_more(llama):
    """Scores are not distances, which would weigh them the other way round."""
    found = weights_of(access_to(llama[0], angles={"sales": [50], "staff": [10]}))
    assert found["staff"] > found["sales"]


@pytest.mark.parametrize(("temperature", "share"), [(1e-3, 1.0), (1e6, 0.5)])
def test_temperature_goes_from_the_nearest_to_even(llama, temperature, share):
    found = weights_of(access_to(llama[0], angles={"sales": [50], "staff": [10]}, temperature=temperature))
    assert found["staff"] == pytest.approx(share, abs=1e-5)


def test_adapters_that_are_not_near_enough_are_left_out(llama):
    angles = {"sales": [50], "staff": [10], "board": [170]}
    assert set(weights_of(access_to(llama[0], angles=angles))) == {"sales", "staff"}
    assert weights_of(access_to(llama[0], angles=angles, threshold=0.9)) == {"staff": 1.0}
    assert weights_of(access_to(llama[0], angles=angles, threshold=1)) == {}
    assert set(weights_of(access_to(llama[0], angles=angles, threshold=-1))) == set(angles)


def test_order_of_documents_never_changes_weights(llama):
    angles = {"board": (11, 33, 12), "sales": (21, 12), "staff": (12, 31, 22)}
    found = set()
    for order in permutations(angles):
        for turn in (1, -1):
            access = AccessControlledAdapters(llama[0], None, REQUIRED, embed=by_angle, k=5, temperature=0.05)
            for name in order:
                for angle in angles[name][::turn]:
                    access.add_documents(name, at(angle))
            found.add(tuple(weights_of(access, query=7).items()))
    assert len(found) == 1


def test_order_of_required_permissions_never_changes_weights(llama):
    turned = {name: REQUIRED[name][::-1] for name in reversed(REQUIRED)}
    wanted = list(weights_of(access_to(llama[0])).items())
    assert list(weights_of(access_to(llama[0], required=turned)).items()) == wanted
    assert list(weights_of(access_to(llama[0]), EVERYTHING[::-1]).items()) == wanted


def test_equally_near_documents_are_taken_by_name(llama):
    angles = {"staff": [5], "sales": [5], "board": [5]}
    assert set(weights_of(access_to(llama[0], angles=angles, k=2))) == {"board", "sales"}


def test_permissions_come_before_the_nearest(llama):
    """However many forbidden documents are nearer, a user finds as many as without them."""
    crowded = ANGLES | {"sales": [0] * 500}
    mine, alone = (access_to(llama[0], angles=angles) for angles in (crowded, {"staff": ANGLES["staff"]}))
    assert weights_of(mine, ["work"]) == weights_of(alone, ["work"]) == {"staff": 1.0}
    (found,) = mine.retrieve(at(0), [["work"]])
    assert found.num_documents == 3


@pytest.mark.parametrize(
    ("held", "permitted"),
    [
        ([], ()),
        (["direct"], ()),
        (["work"], ("staff",)),
        (["work", "direct"], ("board", "staff")),
        (["sell", "unheard-of"], ("sales",)),
        (["SELL", "Work"], ()),
        ({"sell": 1, "work": 1}, ("sales", "staff")),
    ],
)
def test_every_permission_of_an_adapter_is_needed(llama, held, permitted):
    (found,) = access_to(llama[0]).retrieve(at(0), [held])
    assert found.adapters == permitted
    assert set(found.weights) <= set(permitted)
    assert bool(found.weights) == bool(permitted)


def test_adapters_that_are_not_named_are_never_used(llama):
    access = access_to(llama[0], required={"sales": ["sell"]}, angles={"sales": [80]})
    assert weights_of(access) == {"sales": 1.0}
    with pytest.raises(CrossmemError, match="Unknown adapter 'staff'"):
        access.add_documents("staff", at(0))


def test_adapters_without_documents_are_never_found(llama):
    access = access_to(llama[0], angles={})
    assert access.retrieve(at(0), [EVERYTHING]) == [
        Retrieval(tuple(sorted(EVERYTHING)), ("board", "sales", "staff"), {}, 0)
    ]


USERS = [["work"], [], ["sell", "work", "direct"]]


def answered(access, model, inputs, users=USERS, queries=(0, 0, 10)):
    with access.applied(access.retrieve(at(*queries), users)):
        return logits_of(model, inputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_users_get_their_own_mixture_in_one_batch(family):
    """The planted truth, by weights that PEFT merges; and the control, who gets the base to the bit."""
    model, processor = adapted(family)
    access, inputs = access_to(model, temperature=0.1), inputs_of(family, processor)
    found = answered(access, model, inputs)
    for number, (user, query) in enumerate(zip(USERS, (0, 0, 10), strict=True)):
        wanted = logits_of(merged(model, weights_of(access, user, query)), inputs)[number]
        torch.testing.assert_close(found[number], wanted, atol=1e-5, rtol=1e-5)
    base = base_logits(model, inputs)
    assert torch.equal(found[1], base[1])
    assert not torch.allclose(found[0], base[0], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_forbidden_adapters_change_no_bit(family, tmp_path):
    """Neither their weights, their documents nor their being there: of outputs, weights and log lines."""
    users, seen = [["work"], [], ["work"]], []
    for kind in ("random", "nan", "crowded"):
        model, processor = adapted(family)
        angles = ANGLES | ({"sales": [0] * 99, "board": [0, 1, 2]} if kind == "crowded" else {})
        log = tmp_path / f"{kind}.jsonl"
        access = access_to(model, angles=angles, log=log)
        if kind == "nan":
            fill(model, "sales", value=math.nan)
            fill(model, "board", value=math.nan)
        inputs = inputs_of(family, processor)
        seen.append((answered(access, model, inputs, users), log.read_bytes()))
    for logits, lines in seen[1:]:
        assert torch.equal(logits, seen[0][0])
        assert lines == seen[0][1]


def test_row_does_not_depend_on_its_batch():
    model, processor = adapted("llava")
    access, inputs = access_to(model), inputs_of("llava", processor)
    together = answered(access, model, inputs)
    for number, user in enumerate(USERS):
        query = (0, 0, 10)[number]
        assert access.retrieve(at(query), [user]) == [access.retrieve(at(0, 0, 10), USERS)[number]]
        alone = answered(access, model, row_of(inputs, number), [user], [query])
        torch.testing.assert_close(alone[0], together[number], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"num_beams": 2}], ids=str)
def test_generated_rows_are_those_of_each_user_alone(settings):
    model, processor = adapted("llava")
    access, inputs = access_to(model), inputs_of("llava", processor)
    more = {"do_sample": False, "max_new_tokens": 6, "min_new_tokens": 6, "pad_token_id": 0, **settings}
    found = access.retrieve(at(0, 0, 10), USERS)
    with access.applied(found, copies=settings.get("num_beams", 1)):
        together = model.generate(**inputs, **more)
    for number, one in enumerate(found):
        wanted = merged(model, one.weights).generate(**row_of(inputs, number), **more)
        assert torch.equal(together[number], wanted[0])


def test_pictures_are_documents_and_queries_by_default():
    """With permissions, which no path around them leaves out."""
    model, processor = adapted("llava", ["sales", "staff"])
    required = {"sales": ["sell"], "staff": ["work"]}
    access = AccessControlledAdapters(model, processor, required, k=1, threshold=-1)
    for name, color in (("sales", "p0"), ("staff", "p1")):
        access.add_documents(name, [Document("Who is this?", tiny.row(color)["images"])])
    query = Document("Who is this?", tiny.row("p1")["images"])
    found = access.retrieve([query] * 3, [["sell", "work"], ["sell"], []])
    assert [dict(one.weights) for one in found] == [{"staff": 1.0}, {"sales": 1.0}, {}]


def test_answers_are_generated_a_row_at_a_time():
    model, processor = adapted("llava")
    access, row = access_to(model), tiny.row("p0")
    with access.applied(access.retrieve(at(0), [["work"]])):
        found = generate_answers(model, processor, [row], max_new_tokens=5)
    assert found == generate_answers(merged(model, {"staff": 1.0}), processor, [row], max_new_tokens=5)


def test_weights_without_permission_are_refused(llama):
    access, forged = access_to(llama[0]), Retrieval(("work",), ("staff",), {"staff": 0.5, "board": 0.5}, 3)
    with pytest.raises(CrossmemError, match=r"0 has weights for \['board'\]"), access.applied([forged]):
        pass


def test_retrieval_cannot_be_changed(llama):
    (found,) = access_to(llama[0]).retrieve(at(0), [["work"]])
    with pytest.raises(TypeError):
        found.weights["board"] = 1.0
    with pytest.raises(AttributeError):
        found.permissions = ("direct",)


def test_one_batch_at_a_time(llama):
    """Hooks are the model's: another thread would be answered with this batch's adapters."""
    model, _ = llama
    access, other = access_to(model), access_to(model)
    found, said = access.retrieve(at(0), [["work"]]), []

    def elsewhere():
        for ask in (lambda: other.retrieve(at(0), [[]]), lambda: other.applied(found).__enter__()):
            with pytest.raises(CrossmemError, match="is answering a batch"):
                ask()
            said.append(True)

    with access.applied(found):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        with pytest.raises(CrossmemError, match="is answering a batch"):
            access.add_documents("sales", at(0))
    assert said == [True, True]
    assert access.retrieve(at(0), [["work"]]) == found


def test_log_has_weights_and_no_contents(llama, tmp_path):
    log = tmp_path / "new" / "log.jsonl"
    access = access_to(llama[0], k=1, log=log)
    access.retrieve(at(0, 45), [["work"], ["nothing"]])
    access.retrieve(at(21), [EVERYTHING])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines == [
        {"permissions": ["work"], "adapters": ["staff"], "weights": {"staff": 1.0}, "documents": 3},
        {"permissions": ["nothing"], "adapters": [], "weights": {}, "documents": 0},
        {
            "permissions": ["direct", "sell", "work"],
            "adapters": ["board", "sales", "staff"],
            "weights": {"sales": 1.0},
            "documents": 8,
        },
    ]


def test_log_has_the_callers_time(llama, tmp_path):
    ticks = iter([10, 11])
    access = access_to(llama[0], log=tmp_path / "log", clock=lambda: next(ticks))
    access.retrieve(at(0, 0), [["work"], []])
    assert [json.loads(line)["time"] for line in (tmp_path / "log").read_text().splitlines()] == [10, 11]


def test_nothing_is_answered_without_its_log(llama, tmp_path):
    (tmp_path / "file").write_text("")
    access = access_to(llama[0], log=tmp_path / "file" / "log")
    with pytest.raises(CrossmemError, match=r"Could not write the log .* nothing was answered"):
        access.retrieve(at(0), [["work"]])
