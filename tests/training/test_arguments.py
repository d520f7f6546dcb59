# SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import pytest

from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.loading import model_fingerprint
from crossmem_hf.training import arguments
from crossmem_hf.training.arguments import (
    EVALUATED_ROWS,
    ModelArguments,
    RowArguments,
    UnlearnArguments,
)
from tests.training import tiny

SMALL = {"num_personas": 5, "num_views": 1, "dataset_config": "recall_text"}


def test_embedded_rows_follow_the_settings():
    rows = RowArguments(**SMALL).rows()
    assert len(set(rows["persona_id"])) == 5
    assert set(rows["modality"]) == {"text"}
    assert rows["persona_id"][:] != RowArguments(**SMALL, persona_seed=1).rows()["persona_id"][:]


def test_a_preset_gives_the_sizes_that_no_setting_does():
    requested = {"dataset_config": "qa", "dataset_split": "forget", "preset": "remem", "num_views": 1}
    assert len(RowArguments(**requested, qa_per_persona=4).rows()) == 4 * 2 * 4
    hops = RowArguments(**requested, qa_per_persona=4, single_hop_share=0.5).rows()["hops"]
    assert sorted(hops) == [1] * 16 + [2] * 16


def test_one_modality_of_a_config_that_has_both():
    requested = SMALL | {"dataset_config": "qa", "dataset_split": "forget+retain"}
    both = RowArguments(**requested).rows()
    for modality in ("image", "text"):
        rows = RowArguments(**requested, dataset_modality=modality).rows()
        assert set(rows["modality"]) == {modality}
        assert len(rows) == len(both) / 2
    with pytest.raises(CrossmemError, match=r"dataset_modality='audio' keeps none of .*\['image', 'text'\]"):
        RowArguments(**requested, dataset_modality="audio").rows()


def test_forget_and_retain_share_nobody_and_lose_nobody():
    data = RowArguments(**SMALL, forget_fraction=0.4)
    forget, retain = data.forget_and_retain(data.rows())
    assert set(forget["persona_id"]) == set(forget_ids(sorted(set(data.rows()["persona_id"])), 0.4, 0))
    assert not set(forget["persona_id"]) & set(retain["persona_id"])
    assert len(forget) + len(retain) == len(data.rows())


def test_a_benchmark_may_say_itself_who_is_forgotten(monkeypatch):
    splits = {"forget+retain": tiny.rows("p0", "p1", "p2"), "forget": tiny.rows("p2")}
    monkeypatch.setattr("crossmem_hf.training.arguments.load_rows", lambda name, config, split, **_: splits[split])
    data = RowArguments(dataset_split="forget+retain", forget_split="forget")
    forget, retain = data.forget_and_retain(data.rows())
    assert (set(forget["persona_id"]), set(retain["persona_id"])) == ({"p2"}, {"p0", "p1"})
    with pytest.raises(CrossmemError, match="0 of the 1 people in split 'forget\\+retain'"):
        data.forget_and_retain(tiny.rows("p0"))
    with pytest.raises(CrossmemError, match="3 of the 3 people"):
        RowArguments(dataset_split="forget+retain", forget_split="forget+retain").forget_and_retain(data.rows())


def test_stopping_rows_are_about_the_personas_to_forget_alone(monkeypatch):
    """A split with fewer people would draw others, if they were drawn again."""
    splits = {"train": tiny.rows("p0", "p1", "p2", "p3"), "validation": tiny.rows("p3", "p2", "p1", views=2)}
    monkeypatch.setattr("crossmem_hf.training.arguments.load_rows", lambda name, config, split, **_: splits[split])
    for seed in range(8):
        data = RowArguments(forget_fraction=0.5, persona_seed=seed)
        forget, _ = data.forget_and_retain(data.rows())
        kept = {"p1", "p2", "p3"} & set(forget["persona_id"])
        rows = data.stopping_rows(forget)
        assert set(rows["persona_id"]) == kept
        assert len(rows) == 2 * len(kept)
    with pytest.raises(CrossmemError, match="None of the 6 validation rows is about one of the 1 people to forget"):
        data.stopping_rows(tiny.rows("p0"))


def test_joined_configs_have_the_rows_of_each():
    both = RowArguments(**(SMALL | {"dataset_config": "recall_image + recall_text"})).rows()
    parts = [RowArguments(**(SMALL | {"dataset_config": name})).rows() for name in ("recall_image", "recall_text")]
    assert both["modality"][:] == [modality for part in parts for modality in part["modality"]]
    assert both["persona_id"][:] == [persona for part in parts for persona in part["persona_id"]]
    with pytest.raises(CrossmemError, match="Unknown config 'recall_sound'"):
        RowArguments(dataset_config="recall_image+recall_sound").rows()


@pytest.mark.parametrize("modalities", [{"image"}, {"text"}, {"image", "text"}])
def test_stopping_rows_are_of_the_modalities_being_forgotten(modalities):
    data = RowArguments(**(SMALL | {"dataset_config": "recall_image+recall_text"}))
    forget, _ = data.forget_and_retain(data.rows())
    forget = forget.filter(lambda row: row["modality"] in modalities)
    rows = data.stopping_rows(forget)
    assert set(rows["modality"]) == modalities
    assert set(rows["persona_id"]) == set(forget["persona_id"])


@pytest.mark.parametrize(
    ("config", "modality", "expected"),
    [
        ("recall_image", None, "recall_image"),
        ("recall_image", "image", "recall_image"),
        ("recall_image", "text", "recall_image+recall_text"),
        ("recall_text", "both", "recall_image+recall_text"),
        ("recall_text+recall_image", "both", "recall_text+recall_image"),
        ("qa", "both", "qa"),
    ],
)
def test_a_modality_to_forget_through_brings_its_rows(config, modality, expected):
    assert RowArguments(dataset_config=config).wide_enough(modality).dataset_config == expected


def test_no_stopping_rows_of_that_modality():
    data = RowArguments(**SMALL)
    portraits = RowArguments(**(SMALL | {"dataset_config": "recall_image"}))
    forget, _ = portraits.forget_and_retain(portraits.rows())
    with pytest.raises(CrossmemError, match=r"modality image\), so nothing can say when to stop"):
        data.stopping_rows(forget)


def sets_of(data):
    return data.evaluation_rows(*data.forget_and_retain(data.rows()))


@pytest.mark.parametrize("config", ["recall_image", "recall_text", "recall_image+recall_text"])
def test_personas_are_evaluated_in_both_modalities_on_unseen_views(config):
    """Whichever modality they were learned through."""
    data = RowArguments(num_personas=10, num_views=2, dataset_config=config)
    forget, retain = data.forget_and_retain(data.rows())
    sets = data.evaluation_rows(forget, retain)
    for name, own in (("forget", forget), ("retain", retain)):
        assert set(sets[name]["persona_id"]) == set(own["persona_id"])
        assert set(sets[name]["modality"]) == {"image", "text"}
        assert not set(sets[name]["template"]) & set(own["template"])


def test_facts_without_unseen_views_are_evaluated_on_training_rows():
    data = RowArguments(num_personas=5, num_views=1, dataset_config="qa", dataset_split="forget+retain")
    forget, retain = tiny.rows("p0", views=2), tiny.rows("p1", "p2")
    sets = data.evaluation_rows(forget, retain)
    assert (sets["forget"], sets["retain"]) == (forget, retain)


def test_an_evaluation_asks_no_more_than_so_many_rows():
    sets = sets_of(RowArguments(num_personas=100, num_views=4, dataset_config="recall_text"))
    assert [len(sets[name]) for name in ("forget", "retain")] == [160, EVALUATED_ROWS]


def test_nothing_is_evaluated_unless_asked_for():
    data = RowArguments(**SMALL)
    assert UnlearnArguments().evaluator(data, tiny.rows("p0"), tiny.rows("p1")) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"evaluate_every_steps": -1}, "evaluate_every_steps=-1 is below 0"),
        ({"stop_at_chance": True}, "nothing is measured"),
    ],
)
def test_evaluations_that_cannot_be(settings, said):
    with pytest.raises(CrossmemError, match=said):
        UnlearnArguments(**settings)


def test_chance_is_unknown_where_there_is_one_answer(monkeypatch):
    start, data = UnlearnArguments(evaluate_every_steps=1, stop_at_chance=True), RowArguments(**SMALL)
    same = tiny.rows("p0").map(lambda row: {"attribute": "full_name"}, load_from_cache_file=False)
    monkeypatch.setattr(RowArguments, "evaluation_rows", lambda *_: {"forget": same, "retain": same})
    with pytest.raises(CrossmemError, match=r"same answer about \['full_name'\]"):
        start.evaluator(data, same, same)


def test_a_recall_that_is_none():
    with pytest.raises(CrossmemError, match=r"min_memorization=1\.5 is no recall"):
        UnlearnArguments(min_memorization=1.5)


def test_a_fraction_that_forgets_nobody():
    data = RowArguments(**SMALL, forget_fraction=0.01)
    with pytest.raises(CrossmemError, match="leaves an empty forget set"):
        data.forget_and_retain(tiny.rows("p0", "p1"))


def test_a_named_model_must_come_with_its_adapter(tmp_path):
    choice = ModelArguments(model_name_or_path="llava-hf/llava-1.5-7b-hf")
    with pytest.raises(CrossmemError, match="There is no memorized adapter"):
        UnlearnArguments().memorized(choice, tiny.rows("p0"), None)


def test_an_embedded_base_by_its_name_memorizes_first(tmp_path, monkeypatch):
    made_from = []
    monkeypatch.setattr(arguments, "run_stage_together", lambda folder, inputs, compute: made_from.append(inputs))
    config = SimpleNamespace(output_dir=tmp_path, seed=0, world_size=1, disable_tqdm=True)
    for name in ("micro-s", "crossmem/micro-s"):
        choice = ModelArguments(model_name_or_path=name)
        monkeypatch.setattr(ModelArguments, "load", lambda self, adapter: (self.model_name_or_path, adapter))
        assert UnlearnArguments().memorized(choice, tiny.rows("p0"), config) == (name, str(tmp_path / "memorized"))
    assert {inputs["model"] for inputs in made_from} == {model_fingerprint("micro-s")}


def test_the_adapters_shape_is_what_was_asked_for():
    lora = ModelArguments(lora_r=64, lora_alpha=128, lora_dropout=0.05).lora()
    assert (lora.r, lora.lora_alpha, lora.lora_dropout) == (64, 128, 0.05)
    assert "language_model" in lora.target_modules
