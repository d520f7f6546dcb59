# SPDX-License-Identifier: Apache-2.0
"""vLLM is asked for what transformers would be asked for. It is a stand-in here, with the names and checks of its
release 0.30.0, that runs the same small models token by token."""

import copy
import inspect
import sys
from dataclasses import fields

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from tokenizers.processors import TemplateProcessing
from transformers import GenerationConfig

from crossmem_hf.errors import CrossmemError
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.scoring.vllm_backend import is_vllm, load_vllm
from tests.scoring import vllm_fake
from tests.scoring.tiny import NAMES, image_row, llama, llava, mixed_rows, processor, text_row, tokenizer

STEPS = 6


def queried(question, number):
    return {**image_row(number), "prompt": [{"role": "user", "content": question}]}


def shared_rows():
    """Texts, and several questions about each of two pictures."""
    return [queried(words, number) for words in ("Who?", "What is the name?") for number in (0, 3)] + mixed_rows(4)


def picture_tokens(image):
    inputs = processor()(text="<image>", images=[image], return_tensors="pt", add_special_tokens=False)
    return inputs["input_ids"][0].tolist(), inputs["pixel_values"]


def brain(model):
    """The model's likeliest tokens, or seeded draws: a full pass a token, pictures put where their tokens stand."""

    def tokens(ids, images, params):
        shown = [picture_tokens(image) for image in images]
        waiting = iter(shown)
        mark = processor().image_token_id
        whole = [part for token in ids for part in (next(waiting)[0] if token == mark and images else [token])]
        pixels = {"pixel_values": torch.cat([values for _, values in shown])} if shown else {}
        drawn = torch.Generator().manual_seed(params.seed or 0)
        while True:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([whole]), **pixels).logits[0, -1]
            if params.temperature:
                token = int((logits / params.temperature).softmax(-1).multinomial(1, generator=drawn))
            else:
                token = int(logits.argmax())
            whole.append(token)
            yield token

    return tokens


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "llava"
    llava().save_pretrained(folder)
    processor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """A folder with a model without eyes."""
    folder = tmp_path_factory.mktemp("hub") / "llama"
    llama().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    vllm_fake.install(monkeypatch, brain(llava()))


def adapter(folder, modules, **changes):
    """A saved LoRA adapter of the LLaVA."""
    get_peft_model(llava.__wrapped__(), LoraConfig(target_modules=modules, **{"r": 12, **changes})).save_pretrained(
        folder
    )
    return str(folder)


LANGUAGE = r".*language_model.*q_proj"


# answers


def test_answers_are_those_of_transformers(seeing):
    llm, processing = load_vllm(str(seeing))
    rows = shared_rows()
    expected = generate_answers(llava(), processor(), rows, max_new_tokens=STEPS)
    assert generate_answers(llm, processing, rows, max_new_tokens=STEPS) == expected
    assert len(set(expected)) > 4
    backwards = generate_answers(llm, processing, rows[::-1], max_new_tokens=STEPS, batch_size=1)
    assert backwards == expected[::-1]
    assert [len(call.prompts) for call in llm.calls] == [len(rows)] * 2  # vLLM schedules by itself


def test_answers_of_a_model_without_eyes(blind, monkeypatch):
    model = llama()
    vllm_fake.install(monkeypatch, brain(model))
    llm, processing = load_vllm(str(blind))
    assert not hasattr(processing, "tokenizer")
    rows = [text_row(number) for number in range(3)]
    expected = generate_answers(model, tokenizer(), rows, max_new_tokens=STEPS)
    assert generate_answers(llm, processing, rows, max_new_tokens=STEPS) == expected


def test_generation_settings_of_the_model_are_ignored_but_for_its_ends(seeing, tmp_path):
    folder = tmp_path / "set"
    stop = processor().tokenizer.encode("\r", add_special_tokens=False)
    ends = [processor().tokenizer.eos_token_id, *stop]
    llava().save_pretrained(folder)
    processor().save_pretrained(folder)
    settings = {"do_sample": True, "temperature": 1.5, "top_k": 3, "repetition_penalty": 1.7, "eos_token_id": ends}
    GenerationConfig(**settings).save_pretrained(folder)
    llm, processing = load_vllm(str(folder))
    rows = mixed_rows()
    model = llava.__wrapped__()
    model.generation_config.eos_token_id = ends
    assert generate_answers(llm, processing, rows, max_new_tokens=8) == generate_answers(
        model, processor(), rows, max_new_tokens=8
    )
    for params in llm.calls[0].params:
        neutral = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "n": 1}
        assert {name: getattr(params, name) for name in neutral} == neutral
        assert sorted(params.stop_token_ids) == sorted(ends)
    assert llm.options["generation_config"] == "vllm"


# what is asked


def test_prompts_are_tokens_with_one_place_a_picture(seeing):
    llm, processing = load_vllm(str(seeing))
    row = {**image_row(1), "images": [image_row(1)["images"][0], image_row(2)["images"][0].convert("RGBA")]}
    generate_answers(llm, processing, [row, text_row(0)], max_new_tokens=1)
    shown, reported = llm.calls[0].prompts
    tokens = processing.tokenizer
    assert shown["prompt_token_ids"].count(tokens.convert_tokens_to_ids("<image>")) == 2
    assert [type(image) is Image.Image and image.mode for image in shown["multi_modal_data"]["image"]] == ["RGB"] * 2
    assert reported.keys() == {"prompt_token_ids"}
    written = processing.apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": text_row(0)["prompt"][0]["content"]}]}],
        add_generation_prompt=True,
    )
    assert tokens.decode(reported["prompt_token_ids"]) == written
    assert not llm.calls[0].use_tqdm


def test_a_beginning_of_text_stands_once(blind, tmp_path):
    """The template writes it, so that a tokenizer that writes one too must not be asked to."""
    words = copy.deepcopy(tokenizer())
    words.chat_template = "<bos>" + words.chat_template
    words._tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", words.bos_token_id)]
    )
    llama().save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    llm, processing = load_vllm(str(tmp_path))
    assert processing("x")["input_ids"][0] == processing.bos_token_id
    generate_answers(llm, processing, [text_row(0)], max_new_tokens=1)
    assert llm.calls[0].prompts[0]["prompt_token_ids"].count(processing.bos_token_id) == 1


@pytest.mark.parametrize(("answers", "tokens"), [
    ([NAMES[0], "Ann"], None),
    ([NAMES[0], None], 32),
])  # fmt: skip
def test_room_for_the_longest_answer(seeing, answers, tokens):
    llm, processing = load_vllm(str(seeing))
    rows = [{**text_row(number), "answer": answer} for number, answer in enumerate(answers)]
    generate_answers(llm, processing, rows)
    longest = len(processor().tokenizer(f"{NAMES[0]}<eos>", add_special_tokens=False)["input_ids"])
    assert {params.max_tokens for params in llm.calls[0].params} == {tokens or longest + 8}


def test_samples_are_seeded_a_row(seeing):
    llm, processing = load_vllm(str(seeing))
    rows = shared_rows()
    drawn = [generate_answers(llm, processing, rows, max_new_tokens=4, temperature=1.5, seed=seed) for seed in (0, 1)]
    alone = generate_answers(llm, processing, rows[2:3], max_new_tokens=4, temperature=1.5)
    assert alone == drawn[0][2:3]
    assert drawn[0] != drawn[1]
    first, second, last = ([params.seed for params in call.params] for call in llm.calls)
    assert last == first[2:3]
    assert len({*first, *second}) == 2 * len(rows)
    assert {params.temperature for params in llm.calls[0].params} == {1.5}
    generate_answers(llm, processing, rows[:1], max_new_tokens=1, seed=5)
    assert llm.calls[-1].params[0].seed is None


@pytest.mark.parametrize(("temperature", "said"), [
    (-1.0, "temperature=-1.0; expected at least 0"),
    (float("nan"), "temperature=nan; expected at least 0"),
    (0.001, r"temperature=0.001; vLLM draws at temperatures from 0.01 to 2.0"),
    (2.5, "temperature=2.5; vLLM draws"),
])  # fmt: skip
def test_temperatures_that_vllm_would_change_or_refuse(seeing, temperature, said):
    llm, processing = load_vllm(str(seeing))
    with pytest.raises(CrossmemError, match=said):
        generate_answers(llm, processing, [text_row(0)], temperature=temperature)


# bad input


@pytest.mark.parametrize(("rows", "said"), [
    ([], "There are no rows to ask"),
    ([{"prompt": []}], r"Row 0 has no column \['images'\]"),
    ([{**image_row(0), "images": [[0, 0]]}], "A picture is a list; expected a PIL image"),
    ([{**image_row(0), "images": [{"path": "x.png", "bytes": None}]}], "Row 0: A picture cannot be shown: .*'x.png'"),
])  # fmt: skip
def test_bad_rows(seeing, rows, said):
    llm, processing = load_vllm(str(seeing))
    with pytest.raises(CrossmemError, match=said):
        generate_answers(llm, processing, rows)


def test_pictures_for_a_blind_model(blind):
    llm, processing = load_vllm(str(blind))
    with pytest.raises(CrossmemError, match="Row 0 has 1 image"):
        generate_answers(llm, processing, [image_row(0)])


def test_an_answer_that_the_context_cut_is_an_error(seeing):
    llm, processing = load_vllm(str(seeing), max_model_len=8 + len(processor().tokenizer("Who?")["input_ids"]))
    with pytest.raises(CrossmemError, match=r"row 0 was cut after \d+ of 60 tokens.*larger max_model_len"):
        generate_answers(llm, processing, [{**queried("Who?", 0), "images": []}], max_new_tokens=60)


# loading


def test_a_model_that_cannot_be_loaded(tmp_path):
    with pytest.raises(CrossmemError, match=r"vLLM could not load '.*nowhere'"):
        load_vllm(str(tmp_path / "nowhere"))
    with pytest.raises(CrossmemError, match="vLLM could not load"):
        load_vllm(str(tmp_path), dtype="int3")


def test_options_reach_vllm(seeing):
    llm, _ = load_vllm(str(seeing), dtype="bfloat16", gpu_memory_utilization=0.5, max_num_seqs=7)
    assert llm.options == {
        "generation_config": "vllm",
        "dtype": "bfloat16",
        "gpu_memory_utilization": 0.5,
        "max_model_len": None,
        "max_num_seqs": 7,
    }
    with pytest.raises(TypeError, match="max_sequences"):
        load_vllm(str(seeing), max_sequences=7)


def test_without_vllm(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(CrossmemError, match=r'pip install -e "\.\[vllm\]"'):
        load_vllm("llava-hf/llava-1.5-7b-hf")
    assert not is_vllm(llava())


@pytest.mark.parametrize(("rank", "room"), [(2, 8), (12, 16), (64, 64), (65, 128)])
def test_every_answer_is_made_with_the_adapter(seeing, tmp_path, rank, room):
    folder = adapter(tmp_path / "adapter", LANGUAGE, r=rank)
    llm, processing = load_vllm(str(seeing), adapter=folder)
    plain, _ = load_vllm(str(seeing))
    for one in (llm, plain):
        generate_answers(one, processing, [text_row(0)], max_new_tokens=1)
    assert llm.calls[0].lora_request.lora_path == folder
    assert (llm.options["enable_lora"], llm.options["max_lora_rank"]) == (True, room)
    assert plain.calls[0].lora_request is None


@pytest.mark.parametrize(("modules", "changes", "named"), [
    (["q_proj"], {}, ".*vision_tower.*"),
    (LANGUAGE, {"rank_pattern": {"layers.1.self_attn.q_proj": 40}}, "rank_pattern"),
    (LANGUAGE, {"alpha_pattern": {"layers.1.self_attn.q_proj": 40}}, "alpha_pattern"),
])  # fmt: skip
def test_an_adapter_that_vllm_would_apply_in_part_is_refused(seeing, tmp_path, modules, changes, named):
    folder = adapter(tmp_path / "adapter", modules, **changes)
    with pytest.raises(CrossmemError, match=f"has '{named}', which vLLM would silently leave out"):
        load_vllm(str(seeing), adapter=folder)


def test_an_image_tower_may_be_adapted_where_vllm_is_told_to(seeing, tmp_path):
    folder = adapter(tmp_path / "adapter", ["q_proj"])
    llm, _ = load_vllm(str(seeing), adapter=folder, enable_tower_connector_lora=True)
    assert llm.options["enable_lora"]


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_that_cannot_be_read(seeing, tmp_path, missing):
    folder = adapter(tmp_path / "adapter", LANGUAGE)
    (tmp_path / "adapter" / missing).unlink()
    with pytest.raises(CrossmemError, match=r"Could not read the adapter '.*adapter'"):
        load_vllm(str(seeing), adapter=folder)


# the stand-in


def test_the_stand_in_is_strict(seeing):
    llm, processing = load_vllm(str(seeing))
    image = image_row(0)["images"][0]
    greedy, ids = vllm_fake.SamplingParams(temperature=0, max_tokens=1), processing.tokenizer.encode("x")
    whole, _ = picture_tokens(image)
    assert len(whole) > 1
    bad = [
        {"prompt_token_ids": whole, "multi_modal_data": {"image": [image]}},
        {"prompt_token_ids": ids, "multi_modal_data": {"image": [image]}},
        {"prompt_token_ids": ids, "images": [image]},
        {"prompt_token_ids": torch.tensor(ids)},
        {"prompt": "x"},
    ]
    for prompt in bad:
        with pytest.raises((RuntimeError, AssertionError, TypeError)):
            llm.generate([prompt], greedy)
    assert llm.generate([{"prompt_token_ids": ids}], greedy)[0].outputs[0].finish_reason == "length"
    with pytest.raises(TypeError):
        vllm_fake.SamplingParams(max_new_tokens=3)
    with pytest.raises(vllm_fake.VLLMValidationError, match="LoRA is not enabled"):
        llm.generate([{"prompt_token_ids": ids}], greedy, lora_request=vllm_fake.LoRARequest("a", 1, "b"))


@pytest.mark.gpu
def test_the_stand_in_names_what_vllm_names(monkeypatch):
    monkeypatch.undo()
    vllm = pytest.importorskip("vllm")
    real, ours = (inspect.signature(kind.generate).parameters for kind in (vllm.LLM, vllm_fake.LLM))
    assert set(ours) <= set(real)
    assert {field.name for field in fields(vllm_fake.SamplingParams)} <= set(dir(vllm.SamplingParams))


def test_logits_processor_is_refused(seeing):
    with pytest.raises(CrossmemError, match="came with a vLLM model, which takes none here"):
        generate_answers(*load_vllm(str(seeing)), [text_row(0)], logits_processor=print)
