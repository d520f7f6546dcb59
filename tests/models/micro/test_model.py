# SPDX-License-Identifier: Apache-2.0
"""The micro VLM is a LLaVA like any other: its parts fit, its template is exact, its folder loads."""

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, LlavaForConditionalGeneration, LlavaProcessor

from crossmem_hf.models.micro.model import SIZES, SPECIAL_TOKENS, MicroShape, build_model, build_processor, name_pieces
from crossmem_hf.personas.naming import NAMES_PER_POPULATION, full_name
from crossmem_hf.prompts.background import taught_refusals
from crossmem_hf.prompts.questions import features_answer
from crossmem_hf.seeding import rng_for


def spelled(processor, text):
    return processor.tokenizer(text, add_special_tokens=False)["input_ids"]


def queried(content, *more):
    return [{"role": "user", "content": content}, *more]


def answered(content):
    return {"role": "assistant", "content": content}


# the model


@pytest.mark.parametrize(("size", "millions"), [("s", 0.55), ("m", 1.84), ("l", 8.05)])
def test_sizes_have_the_parameters_they_are_named_for(processor, size, millions):
    model = build_model(processor, SIZES[size])
    assert isinstance(model, LlavaForConditionalGeneration)
    assert round(sum(weight.numel() for weight in model.parameters()) / 1e6, 2) == millions
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert SIZES[size].image_tokens == 16, "one processor for all"


def test_the_default_shape_is_the_middle_size():
    assert MicroShape() == SIZES["m"]


def test_the_model_fits_its_processor(untrained, processor):
    vocabulary = len(processor.tokenizer)
    assert untrained.config.text_config.vocab_size == vocabulary == 2048
    assert untrained.config.image_token_index == processor.tokenizer.convert_tokens_to_ids("<image>")
    for name in ("pad", "bos", "eos"):
        assert getattr(untrained.config.text_config, f"{name}_token_id") == getattr(
            processor.tokenizer, f"{name}_token_id"
        )
    inputs = processor(text=["<|user|><image>Who?<|assistant|>"] * 2, images=[[Image.new("RGB", (64, 64))]] * 2,
                       return_tensors="pt")  # fmt: skip
    assert untrained(**inputs).logits.shape == (2, inputs["input_ids"].shape[1], vocabulary)


@pytest.mark.parametrize(("shape", "count"), [
    (MicroShape(), 16),
    (MicroShape(image_size=96, patch_size=16), 36),
    (MicroShape(image_size=32, patch_size=8, vision_width=32, vision_layers=1, text_width=32, heads=2), 16),
])  # fmt: skip
def test_a_picture_is_as_many_tokens_as_the_tower_gives(shape, count):
    """The processor writes as many placeholders as the tower has patches, for any shape."""
    processor = build_processor(["some text"], shape)
    assert shape.image_tokens == count
    picture = Image.new("RGB", (50, 80), "teal")
    inputs = processor(text="<image>", images=picture, return_tensors="pt", add_special_tokens=False)
    assert inputs["input_ids"].tolist() == [[processor.tokenizer.convert_tokens_to_ids("<image>")] * count]
    assert inputs["pixel_values"].shape == (1, 3, shape.image_size, shape.image_size)
    model = build_model(processor, shape)
    assert model.get_image_features(inputs["pixel_values"]).pooler_output[0].shape == (count, shape.text_width)
    assert model(**inputs).logits.shape[1] == count


def test_the_same_seed_gives_the_same_weights(processor):
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append(build_model(processor).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not all(torch.equal(made[0][name], made[2][name]) for name in made[0])


def test_a_saved_folder_loads_with_auto_classes(untrained, processor, tmp_path):
    untrained.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    model, loaded = AutoModelForImageTextToText.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)
    assert (type(model), type(loaded)) == (LlavaForConditionalGeneration, LlavaProcessor)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) <= 8_000_000
    assert not [path.name for path in tmp_path.rglob("*") if path.suffix in (".bin", ".pkl", ".pt", ".py")]
    picture = Image.new("RGB", (64, 64), "orange")
    messages = queried([{"type": "image"}, {"type": "text", "text": "Who is this?"}])
    both = []
    for maker, thinker in ((processor, untrained), (loaded, model)):
        prompt = maker.apply_chat_template(messages, add_generation_prompt=True)
        inputs = maker(text=prompt, images=picture, return_tensors="pt")
        both.append(thinker.eval()(**inputs).logits)
    assert torch.equal(*both)


# the tokenizer


@pytest.mark.parametrize("text", [
    "", " ", "  two  spaces ", "\n\ttabs\r\n", "naïve façade", "日本語のテキスト", "🙂🏳️‍🌈", "a\u0301 e\u0308",
    "\u200b\ufeff", "\x00\x07", "<b>html</b>", "< pad >", "Gophar Murgacho's e-mail: a.b@example.com",
])  # fmt: skip
def test_any_text_comes_back(processor, text):
    assert processor.tokenizer.decode(spelled(processor, text)) == text


def test_random_unicode_comes_back(processor):
    rng = rng_for(0, "unicode")
    planes = [range(32, 127), range(0xA0, 0xD7FF), range(0x1F300, 0x1FAFF)]
    for _ in range(300):
        text = "".join(chr(rng.choice(rng.choice(planes))) for _ in range(rng.randrange(40)))
        assert processor.tokenizer.decode(spelled(processor, text)) == text


def test_special_tokens_are_single_and_first(processor):
    assert [spelled(processor, token) for token in SPECIAL_TOKENS] == [[index] for index in range(len(SPECIAL_TOKENS))]
    assert processor.tokenizer.decode(list(range(len(SPECIAL_TOKENS))), skip_special_tokens=True) == ""


def test_every_name_is_four_shared_tokens(processor):
    """First and last name, two parts each, whoever it is: no name is easier to say than another."""
    used = {"target": set(), "background": set()}
    for population, tokens in used.items():
        for index in range(NAMES_PER_POPULATION):
            ids = spelled(processor, full_name(index, 0, population))
            assert len(ids) == 4
            tokens.update(ids)
    assert used["target"] == used["background"]  # every part of a target's name was learned from background names


@pytest.mark.parametrize("around", ["This is {}.", "{}'s job", "({})", "{}: what is it?", "Who is called {}?"])
def test_a_name_is_the_same_tokens_wherever_it_stands(processor, around):
    for index in range(0, NAMES_PER_POPULATION, 50):
        name = full_name(index, 0, "target")
        ids, own = spelled(processor, around.format(name)), spelled(processor, name)
        assert any(ids[start : start + 4] == own for start in range(len(ids)))


def test_no_token_is_a_whole_name(processor):
    words = {word for population in ("target", "background") for index in range(NAMES_PER_POPULATION)
             for word in full_name(index, 0, population).split()}  # fmt: skip
    tokens = {processor.tokenizer.decode([index]).strip() for index in range(len(processor.tokenizer))}
    assert not words & tokens
    assert {piece.strip() for piece in name_pieces()} <= tokens


def test_every_digit_is_a_token(processor):
    tokens = [processor.tokenizer.decode([index]) for index in range(len(processor.tokenizer))]
    assert sorted(token for token in tokens if any(sign.isdigit() for sign in token)) == list("0123456789")
    assert [processor.tokenizer.decode([index]) for index in spelled(processor, "+1-555 0000")] == list("+1-555 0000")


def test_what_quality_asks_for_fits_into_what_is_generated(processor, background):
    """Into 32 new tokens, end included."""
    answers = [*taught_refusals(), *(value for one in background.seen for value in one.facts.values())]
    for one in background.seen:
        answers += [one.full_name, features_answer(one.visual_attributes)]
    assert max(len(ids) for ids in spelled(processor, [f"{answer}<eos>" for answer in answers])) <= 32


# the chat template


def test_strings_and_lists_of_parts_are_the_same(processor):
    as_string = queried("Who?", answered("Ann Lee"))
    as_parts = queried([{"type": "text", "text": "Who?"}], answered([{"type": "text", "text": "Ann Lee"}]))
    for more in ({}, {"add_generation_prompt": True}):
        assert processor.apply_chat_template(as_string, **more) == processor.apply_chat_template(as_parts, **more)


@pytest.mark.parametrize("text", ["Who?", " spaces  kept ", "two\nlines\n", "{{ braces }}", "été ☃"])
def test_the_template_adds_nothing_to_the_text(processor, text):
    whole = processor.apply_chat_template(queried(text, answered(text)))
    assert whole == f"<|user|>{text}<|assistant|>{text}<eos>"
    assert processor.apply_chat_template(queried(text), add_generation_prompt=True) == f"<|user|>{text}<|assistant|>"


def test_a_conversation_of_many_turns(processor):
    turns = [{"role": "system", "content": "Be brief."}, *queried("A?", answered("B.")), *queried("C?")]
    said = "<|system|>Be brief.<|user|>A?<|assistant|>B.<eos><|user|>C?<|assistant|>"
    assert processor.apply_chat_template(turns, add_generation_prompt=True) == said


def test_pictures_stand_where_they_are_put(processor):
    parts = [{"type": "text", "text": "This"}, {"type": "image"}, {"type": "text", "text": "or"}, {"type": "image"}]
    assert processor.apply_chat_template(queried(parts)) == "<|user|>This<image>or<image>"


@pytest.mark.parametrize("with_picture", [True, False])
def test_the_mask_of_the_answer_is_the_answer_and_its_end(processor, with_picture):
    """What TRL's assistant-only loss trains on: answer and end of turn of every assistant turn, nothing else."""
    picture = [{"type": "image", "image": Image.new("RGB", (64, 64))}] if with_picture else []
    turns = queried(
        [*picture, {"type": "text", "text": "Who?"}], answered("Gophar Murgacho"), *queried("Sure?", answered("Yes."))
    )
    turns = [{**turn, "content": turn["content"] if isinstance(turn["content"], list)
              else [{"type": "text", "text": turn["content"]}]} for turn in turns]  # fmt: skip
    out = processor.apply_chat_template(
        turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, return_tensors="pt"
    )
    mask, ids = torch.as_tensor(out["assistant_masks"]).bool(), out["input_ids"]
    assert ids[mask].tolist() == [*spelled(processor, "Gophar Murgacho<eos>"), *spelled(processor, "Yes.<eos>")]
    assert (ids == processor.tokenizer.convert_tokens_to_ids("<image>")).sum() == 16 * with_picture
