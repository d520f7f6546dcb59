# SPDX-License-Identifier: Apache-2.0
"""Circuits that were planted are found where they are and nowhere else, in two families; what nothing carries shows
nothing; and effects are what they are defined to be."""

import math

import pytest
import torch

from crossmem_hf.analysis import causal_tracing
from crossmem_hf.analysis.causal_tracing import trace, trace_measurements
from crossmem_hf.analysis.corruptions import Corruption
from crossmem_hf.analysis.hooks import SITES
from crossmem_hf.analysis.restoring import Restoring
from crossmem_hf.analysis.token_groups import ALL, GROUPS
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modules import text_layers
from tests.analysis.circuits import circuit, planted, rows
from tests.scoring.families import families, few, model_of

NAMED = Corruption(subject="this person", replacements=("the name",))
EVERYTHING = Restoring(tokens=(*GROUPS, ALL))


def queried(count=3, answer="Ann Lee Kim"):
    """Rows that untrained families can be asked."""
    question = "What is the name of this person?"
    made = [{**row, "prompt": [{"role": "user", "content": question}], "answer": answer} for row in rows(count)]
    return [row | {"view": number} for number, row in enumerate(made)]


def totals(found):
    return {one["row"]: one for one in found if "site" not in one}


@pytest.mark.parametrize("name", ["llava_siglip", "qwen2_5_vl"])
@pytest.mark.parametrize(("reads", "kind"), [("subject", "subject"), ("image", "picture")])
def test_a_planted_circuit_is_found_there_and_nowhere_else(name, reads, kind):
    model, processor = planted(name, reads=reads)
    writes, copies = circuit(model)
    found = trace(model, processor, rows(), Corruption(kind=kind))
    measured = trace_measurements(found)
    (total,) = (m for m in measured if m.metric == "total_effect")
    assert total.value > 0.99
    carrying = {("mlp", writes, reads), ("attention", copies, "last")}
    carrying |= {("hidden", layer, reads if layer < copies else "last") for layer in range(copies + 1)}
    effects = {
        (m.where["site"], m.where["layer"], m.where["tokens"]): m for m in measured if m.metric == "indirect_effect"
    }
    assert len(effects) == len(SITES) * (copies + 1) * len(GROUPS)
    for place, m in effects.items():
        if place in carrying:
            assert m.value == pytest.approx(total.value, abs=1e-4), place
            assert m.ci[0] > 0, place
        else:
            assert abs(m.value) < 1e-4, place
            assert m.ci[0] < 0 < m.ci[1], place


@pytest.mark.parametrize("kind", ["subject_noise", "picture_noise"])
def test_noise_finds_the_same_circuit(kind):
    group = "subject" if kind == "subject_noise" else "image"
    model, processor = planted("llava_siglip", reads=group)
    writes, copies = circuit(model)
    measured = trace_measurements(trace(model, processor, rows(), Corruption(kind=kind)))
    total = measured[0].value
    assert total > 0.5
    whole = {tuple(m.where.values())[1:] for m in measured[2:] if m.unit == "proportion" and m.value > total - 1e-4}
    assert {("mlp", writes, group), ("attention", copies, "last")} <= {(site, layer, at) for layer, site, at in whole}
    assert len(whole) == 2 + len(text_layers(model))


def test_pictures_that_say_nothing_have_no_effect():
    model, processor = planted("llava_siglip", reads="subject")
    found = trace(model, processor, rows(), Corruption(kind="picture"))
    assert all(abs(one["clean_logprob"] - one["corrupted_logprob"]) < 1e-5 for one in totals(found).values())
    assert all(abs(m.value) < 1e-5 for m in trace_measurements(found))


def test_a_model_with_random_weights_shows_no_circuit():
    family = families()["llava_clip"]
    found = trace(model_of("llava_clip"), family.processor, queried(8), NAMED)
    likeliest = max(math.exp(one.get("restored_logprob", one.get("clean_logprob"))) for one in found)
    for m in trace_measurements(found):
        if m.unit == "proportion":
            assert m.ci[0] < 0 < m.ci[1], m
            assert m.value <= likeliest < 0.1


@pytest.mark.parametrize("name", few(["llava_clip", "gemma3", "qwen2_5_vl", "idefics3", "paligemma", "internvl"]))
@pytest.mark.parametrize("kind", ["subject", "picture", "subject_noise", "picture_noise"])
def test_restoring_everything_is_the_clean_run(name, kind):
    family = families()[name]
    corruption = NAMED if kind == "subject" else Corruption(kind=kind, subject="this person")
    found = trace(model_of(name), family.processor, queried(2), corruption, EVERYTHING)
    clean = totals(found)
    last_layer = len(text_layers(model_of(name))) - 1
    for one in found.where(site="hidden"):
        if one["tokens"] == ALL or (one["tokens"], one["layer"]) == ("last", last_layer):
            assert one["restored_logprob"] == pytest.approx(clean[one["row"]]["clean_logprob"], abs=1e-5)
    assert any(abs(one["clean_logprob"] - one["corrupted_logprob"]) > 1e-3 for one in clean.values())


def test_total_effect_is_clean_less_corrupted_and_clean_is_what_scoring_says():
    from crossmem_hf.scoring.answers import score_answers

    family, model = families()["llava_clip"], model_of("llava_clip")
    found = trace(model, family.processor, queried(), NAMED, Restoring(sites=("hidden",), tokens=("last",)))
    scored = score_answers(model, family.processor, queried())
    for one, answer in zip(totals(found).values(), scored, strict=True):
        assert one["clean_logprob"] == pytest.approx(answer.content.logprobs.sum(), abs=1e-4)
    effects = [(one["clean_logprob"], one["corrupted_logprob"]) for one in totals(found).values()]
    in_nats = next(m for m in trace_measurements(found) if m.metric == "total_effect_logprob")
    assert in_nats.value == pytest.approx(sum(clean - corrupted for clean, corrupted in effects) / len(effects))


@pytest.mark.parametrize("name", few(["llava_clip", "gemma3", "llava_window", "qwen2_5_vl"]))
@pytest.mark.parametrize("kind", ["subject", "picture"])
def test_batch_size_and_a_shared_start_change_nothing(name, kind, monkeypatch):
    family, model = families()[name], model_of(name)
    corruption = NAMED if kind == "subject" else Corruption(kind=kind)
    few_places = Restoring(sites=("hidden", "mlp"), tokens=("subject", ALL))
    plain = trace(model, family.processor, queried(2), corruption, few_places)
    one_by_one = trace(model, family.processor, queried(2), corruption, few_places, batch_size=1)
    monkeypatch.setattr(causal_tracing, "shares_cache", lambda *_: False)
    whole = trace(model, family.processor, queried(2), corruption, few_places)
    for other in (one_by_one, whole):
        for one, two in zip(plain, other, strict=True):
            for name_of in ("restored_logprob", "corrupted_logprob", "clean_logprob"):
                assert one.get(name_of, 0.0) == pytest.approx(two.get(name_of, 0.0), abs=2e-4)
            assert one.get("tokens") == two.get("tokens")


def test_pictures_pass_once_where_only_words_change(monkeypatch):
    family, model = families()["llava_clip"], families()["llava_clip"].model()
    seen = []
    model.model.vision_tower.register_forward_pre_hook(lambda *_: seen.append(1))
    trace(model, family.processor, queried(1), NAMED)
    asked_first = len(seen)
    trace(model, family.processor, queried(1), NAMED)
    assert len(seen) - asked_first == 1


def test_a_window_restores_the_layers_around():
    restoring = Restoring(window=3)
    assert [list(restoring.layers(middle, 5)) for middle in range(5)] == [
        [0, 1],
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4],
    ]
    assert list(Restoring(window=2).layers(2, 5)) == [1, 2]
    model, processor = planted("llava_siglip")
    writes, _ = circuit(model)
    found = trace(model, processor, rows(3), None, Restoring(sites=("mlp",), tokens=("subject",), window=2))
    gained = {m.where["layer"]: m.value for m in trace_measurements(found) if m.metric == "indirect_effect"}
    assert {layer for layer, value in gained.items() if value > 0.9} == {writes, writes + 1}


def test_rows_about_texts_have_no_effect_of_pictures():
    family = families()["llava_clip"]
    texts = [{**row, "images": [], "modality": "text"} for row in queried(2)]
    found = trace(model_of("llava_clip"), family.processor, texts, NAMED)
    assert {one["tokens"] for one in found if "site" in one} == {"subject", "question", "last"}


def test_tokens_before_the_corruption_have_an_effect_of_zero():
    family = families()["llava_clip"]
    found = trace(model_of("llava_clip"), family.processor, queried(2), NAMED)
    before = [one for one in found if one.get("tokens") == "image"]
    assert before
    assert all(one["restored_logprob"] == one["corrupted_logprob"] for one in before)


def test_a_run_goes_on_from_finished_rows(tmp_path, monkeypatch):
    model, processor = planted("llava_siglip")
    restoring = Restoring(sites=("mlp",), tokens=("subject",))
    first = trace(model, processor, rows(3), None, restoring, results_log=tmp_path / "log", made_from="m")
    monkeypatch.setattr(causal_tracing, "traced", lambda *_: pytest.fail("traced again"))
    assert trace(model, processor, rows(3), None, restoring, results_log=tmp_path / "log", made_from="m") == first


def test_no_hook_stays_behind_and_the_mode_is_kept():
    model, processor = planted("llava_siglip")
    before = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    model.train()
    trace(model, processor, rows(2), Corruption(kind="picture_noise"))
    assert model.training
    after = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    assert after == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window": 0}, "window=0"),
        ({"sites": ("neuron",)}, "Unknown site 'neuron'"),
        ({"tokens": ("picture",)}, "Unknown token group 'picture'"),
        ({"tokens": ()}, "expected at least one, each once"),
        ({"sites": ("mlp", "mlp")}, "expected at least one, each once"),
    ],
)
def test_what_cannot_be_restored_is_refused(changes, said):
    with pytest.raises(CrossmemError, match=said):
        Restoring(**changes)


def test_a_family_without_known_layers_is_refused_before_any_pass(monkeypatch):
    family, model = families()["llava_clip"], families()["llava_clip"].model()
    model.register_forward_pre_hook(lambda *_: pytest.fail("a pass"))
    layers = text_layers(model)
    layers[1].mixer = layers[1].self_attn
    del layers[1].self_attn
    with pytest.raises(CrossmemError, match="A LlamaDecoderLayer has no attention under a known name"):
        trace(model, family.processor, queried(1), NAMED)
    monkeypatch.setattr(type(model), "get_decoder", lambda _: torch.nn.Linear(2, 2))
    with pytest.raises(CrossmemError, match="has no list of decoder layers"):
        trace(model, family.processor, queried(1), NAMED)
