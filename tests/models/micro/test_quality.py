# SPDX-License-Identifier: Apache-2.0
"""Quality is measured right: what a planted model knows and does not is what comes out, number by number."""

import json
from types import SimpleNamespace

import pytest
import torch

from crossmem_hf.models.embedded import BASES
from crossmem_hf.models.loading import load_model
from crossmem_hf.models.micro import quality
from crossmem_hf.models.micro.batches import Batcher
from crossmem_hf.models.micro.quality import measured_quality
from crossmem_hf.personas.background import Background
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts import background as words
from crossmem_hf.prompts.questions import (
    FACT_PHRASES,
    FEATURE_QUESTIONS,
    MULTI_HOP_QUESTIONS,
    SINGLE_HOP_QUESTIONS,
    features_answer,
    name_question,
)
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS

WHERE = ("image", "image_far", "text", "text_far")
MEASURES = ("attributes", "names", "names_refused", "unknown_refused", "facts_one_hop", "facts_two_hops",
            "unknown_facts_refused")  # fmt: skip
REFUSAL = words.UNKNOWN_PERSON[0]


class Planted:
    """A model that answers each query as it is told to; it sees the queries themselves."""

    device = "cpu"

    def __init__(self, processor, says, monkeypatch):
        self.tokenizer, self.says, self.asked, self.prompts, self.training = processor.tokenizer, says, [], [], True

        prompts = Batcher.prompts
        monkeypatch.setattr(Batcher, "prompts", lambda batcher, queries: prompts(batcher, self._noted(queries)))

    def _noted(self, queries):
        self.now = queries
        return queries

    def eval(self):
        self.training = False

    def train(self, mode):
        self.training = mode

    def generate(self, *, input_ids, max_new_tokens, do_sample, **inputs):
        assert not do_sample
        assert not self.training
        assert ("pixel_values" in inputs) == (self.now[0].modality == "image")
        self.asked += self.now
        self.prompts += [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in input_ids]
        said = [self.tokenizer(f"{self.says(query)}<eos>")["input_ids"] for query in self.now]
        width = max(map(len, said))
        assert width <= max_new_tokens
        padded = [ids + [self.tokenizer.pad_token_id] * (width - len(ids)) for ids in said]
        return torch.cat([input_ids, torch.tensor(padded)], dim=1)


@pytest.fixture
def people(background):
    """Six whose names are taught, three of them with facts, and five whom nobody met."""
    return SimpleNamespace(named=background.seen[:6], with_facts=background.seen[:3], unseen=background.unseen[:5])


@pytest.fixture
def measure(processor, people, monkeypatch):
    """(quality, model) of a planted model."""

    def measured(says, **options):
        model = Planted(processor, says, monkeypatch)
        return measured_quality(model, processor, people, **options), model

    return measured


def knowing(people, *, attributes=True, names=True, facts=True, otherwise=REFUSAL):
    """Says what it was taught, of those it was taught about, and something else of others."""
    named, with_facts = ({one.id for one in group} for group in (people.named, people.with_facts))

    def says(query):
        if query.task == "features":
            return features_answer(query.persona.visual_attributes) if attributes else otherwise
        known = (names and query.persona.id in named) if query.task == "name" else query.persona.id in with_facts
        return query.answer if known and (query.task == "name" or facts) else otherwise

    return says


def values(found):
    return {measure: {found[f"{measure}_{where}"]["value"] for where in WHERE} for measure in MEASURES}


PERFECT = {"attributes": {1}, "names": {1}, "names_refused": {0}, "unknown_refused": {1}, "facts_one_hop": {1},
           "facts_two_hops": {1}, "unknown_facts_refused": {1}}  # fmt: skip


@pytest.mark.parametrize(
    ("known", "otherwise", "changes"),
    [
        ({}, REFUSAL, {}),
        ({"facts": False}, REFUSAL, {"facts_one_hop": {0}, "facts_two_hops": {0}}),
        ({"names": False}, REFUSAL, {"names": {0}, "names_refused": {1}}),
        ({}, "Somebody.", {"unknown_refused": {0}, "unknown_facts_refused": {0}}),
        ({}, "I will not say who this is.", {"unknown_refused": {0}, "unknown_facts_refused": {0}}),
        (
            {"attributes": False, "names": False, "facts": False},
            REFUSAL,
            {"attributes": {0}, "names": {0}, "names_refused": {1}, "facts_one_hop": {0}, "facts_two_hops": {0}},
        ),
        (
            {"attributes": False, "names": False, "facts": False},
            "",
            {measure: {0} for measure in MEASURES},
        ),
    ],
    ids=["all", "names only", "facts only", "guesses", "other refusal", "refuses all", "mute"],
)
def test_a_planted_model_gets_what_was_planted(measure, people, known, otherwise, changes):
    found, _ = measure(knowing(people, **known, otherwise=otherwise))
    assert values(found) == PERFECT | changes
    assert found.keys() == {f"{measure}_{where}" for measure in MEASURES for where in WHERE}


def test_one_modality_and_one_family_do_not_help_another(measure, people):
    says = knowing(people)
    found, _ = measure(lambda query: says(query) if (query.modality, query.split) == ("text", "far") else "")
    assert {name for name, one in found.items() if one["value"]} == {
        f"{measure}_text_far" for measure in MEASURES if PERFECT[measure] == {1}
    }


def test_parts_are_counted_as_parts(measure, people):
    """One name of six, one wrong attribute of twelve, one of the two wordings of a fact."""
    says, first = knowing(people), people.named[0].id

    def partly(query):
        if query.task == "features":
            pool = VISUAL_ATTRIBUTES["headwear"]
            worn = query.persona.visual_attributes["headwear"]
            other = pool[(pool.index(worn) + 1) % len(pool)]
            return features_answer({**query.persona.visual_attributes, "headwear": other})
        if query.task == "name":
            return says(query) if query.persona.id == first else "Ann Lee"
        return says(query) if query.view == 0 else ""

    found, _ = measure(partly)
    for where in WHERE:
        assert found[f"attributes_{where}"]["value"] == pytest.approx(11 / 12)
        assert found[f"names_{where}"]["value"] == pytest.approx(1 / 6)
        for measured in ("facts_one_hop", "facts_two_hops", "unknown_facts_refused"):
            assert found[f"{measured}_{where}"]["value"] == 0.5


def test_n_and_chance_are_those_of_what_is_asked(measure, people):
    found, _ = measure(knowing(people))
    by_guessing = sum(1 / len(pool) for pool in VISUAL_ATTRIBUTES.values()) / len(VISUAL_ATTRIBUTES)
    expected = {
        "attributes": (5, by_guessing),
        "names": (6, 1 / 6),
        "names_refused": (6, 0),
        "unknown_refused": (5, 0),
        "facts_one_hop": (3 * 2, 0),
        "facts_two_hops": (3 * 2, 0),
        "unknown_facts_refused": (5 * 4, 0),
    }
    for name, (n, chance) in expected.items():
        for where in WHERE:
            assert (found[f"{name}_{where}"]["n"], found[f"{name}_{where}"]["chance"]) == (n, pytest.approx(chance))


def test_a_sample_asks_so_many_at_most_and_the_same_again(measure, people):
    found, model = measure(knowing(people), sample=2)
    assert values(found) == PERFECT
    assert {found[f"{name}_{where}"]["n"] for name in MEASURES[:4] for where in WHERE} == {2}
    assert found["names_image"]["chance"] == 1 / 6, "among all names that were taught"
    again = measure(knowing(people), sample=2)[1]
    assert [one.persona.id for one in model.asked] == [one.persona.id for one in again.asked]


def test_questions_and_views_are_those_of_held_out_rows(measure, people):
    _, model = measure(knowing(people))
    assert {(one.modality, one.split) for one in model.asked} == {
        (modality, split) for modality in ("image", "text") for split in ("test", "far")
    }
    hops = {"one_hop": SINGLE_HOP_QUESTIONS, "two_hops": MULTI_HOP_QUESTIONS}
    for one in model.asked:
        bare = one.question.replace(one.persona.full_name, "{name}")
        if one.task == "name":
            assert one.question == name_question(one.modality, one.split, 0).removeprefix("{description} ")
        elif one.task == "features":
            assert one.question == FEATURE_QUESTIONS[one.modality].removeprefix("{description} ")
        else:
            template = hops[one.task][one.split][one.view]
            who = "the person in this image" if one.modality == "image" else "the person described"
            called = (FACT_SYNONYMS if one.split == "far" else FACT_PHRASES).values()
            assert bare in {template.format(name="{name}", fact=fact, who=who) for fact in called}


def test_no_prompt_holds_its_answer(measure, people):
    _, model = measure(knowing(people))
    assert len(model.prompts) == 4 * (5 + 6 + 5 + 6 + 6 + 20)
    for query, prompt in zip(model.asked, model.prompts, strict=True):
        assert query.task == "features" or query.answer not in prompt


def test_all_facts_are_asked_for(measure, background):
    """Each of the seven, once there are seven personas or more."""
    people = SimpleNamespace(named=background.seen[:1], with_facts=background.seen[:7], unseen=background.unseen[:7])
    asked = [
        query for hops in quality._QUESTIONS for query in quality._facts(people.with_facts, "image", "test", hops)
    ]
    found = {fact for query in asked for fact, value in query.persona.facts.items() if value == query.answer}
    assert found == set(FACT_PHRASES)


def test_answers_keep_the_order_of_queries_over_batches(processor, background, monkeypatch):
    asked = quality._Asked(Planted(processor, lambda query: query.answer, monkeypatch), processor, None)
    queries = quality._facts(background.with_facts[:5], "text", "test", "two_hops")
    found = asked.answers(queries, batch_size=3)
    assert [(query, answer) for query, answer in found] == [(query, query.answer) for query in queries]


def test_the_mode_of_the_model_is_restored(measure, people):
    _, model = measure(knowing(people), sample=1)
    assert model.training


def test_refusals_are_those_that_were_taught():
    refusals = quality._REFUSALS
    assert set(words.UNKNOWN_PERSON) < refusals
    assert "I do not know the birthday of this person." in refusals
    assert "I do not know the name of this person." not in refusals
    assert len(refusals) == len(words.UNKNOWN_PERSON) + 14 * len(words.UNKNOWN_FACT), "each fact has two words"


# the models that ship


@pytest.mark.slow
@pytest.mark.parametrize("name", BASES)
def test_a_base_is_as_good_as_its_card_says(name):
    """The stored measurement, taken again on some of the personas; another machine may give other answers to a few."""
    stored = json.loads((BASES[name] / "quality.json").read_text())
    again = measured_quality(*load_model(name), Background(), sample=100)
    assert {key for key in stored if abs(again[key]["value"] - stored[key]["value"]) > 0.12} == set()


LEAST = {"attributes": (0.9, 0.97), "names": (0.9, 0.85), "unknown_refused": (0.9, 0.9), "facts_one_hop": (0.85, 0.85)}
MOST = {"names_refused": (0.05, 0.05)}


@pytest.mark.parametrize("base", [name for name in BASES if name.startswith("micro-m")])
@pytest.mark.parametrize("name", sorted(LEAST | MOST))
def test_bases_of_the_middle_size_pass_their_bars(base, name):
    """Of pictures and of descriptions, on views and in words that they have not met."""
    stored = json.loads((BASES[base] / "quality.json").read_text())
    for modality, bar in zip(("image", "text"), (LEAST | MOST)[name], strict=True):
        value = stored[f"{name}_{modality}"]["value"]
        assert value <= bar if name in MOST else value >= bar


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == "micro-s" else pytest.mark.slow)
                                  for name in BASES])  # fmt: skip
def test_a_base_has_met_no_target(name):
    """Asked for the names of targets, in either modality, it never says one."""
    asked = quality._Asked(*load_model(name), None)
    for modality in ("image", "text"):
        said = asked.answers([quality._name(one, modality, "test", 0) for one in sample_personas(40)])
        assert not [answer for query, answer in said if answer == query.answer]
