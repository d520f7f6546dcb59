# SPDX-License-Identifier: Apache-2.0
"""Templates, processors and models that are not made for each other are one finding with its true reason, and nothing
else is tried."""

import copy

import pytest

from crossmem_hf.conformance.check import check_model
from tests.conformance.faults import planted
from tests.scoring.families import families, model_of


def only(model, processor):
    report = check_model(model, processor)
    assert [(finding.check, finding.status) for finding in report.findings] == [("parts fit", "fails")], str(report)
    return f"{report.findings[0].found} {report.findings[0].remedy}"


@pytest.mark.parametrize(("instead", "said"), [("<image><image>", "'<image>': 2"), ("", "'<image>': 0")])
def test_a_template_with_another_number_of_places_than_pictures(instead, said):
    def rewrite(processor):
        processor.chat_template = processor.chat_template.replace("<image>", instead)

    assert f"writes {{{said}}} in a row with 1 picture(s)" in only(*planted(rewrite))


@pytest.mark.parametrize(("template", "said"), [
    ("{% for message in messages %}{{ message", "Correct the chat template, which is no valid Jinja."),
    ("{{ raise_exception('not today') }}", "not today. Write the prompt in turns that this model knows."),
    ("hello", "The chat template leaves the answer out."),
])  # fmt: skip
def test_a_template_that_writes_no_conversation(template, said):
    assert said in only(*planted(lambda processor: setattr(processor, "chat_template", template), "llama"))


@pytest.mark.parametrize("name", ["llava_clip", "qwen3"])
def test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings(name):
    model = families()[name].model()
    model.resize_token_embeddings(80)
    found = only(model, families()[name].processor)
    assert "embeddings for 80 tokens, 0 to 79" in found
    assert "resize_token_embeddings" in found


def test_a_model_that_waits_for_another_image_token():
    model = copy.copy(model_of("llava_clip"))
    model.config = copy.deepcopy(model.config)
    model.config.image_token_id = 5
    assert "pictures where token 5 stands" in only(model, families()["llava_clip"].processor)


def test_a_tokenizer_in_the_place_of_a_processor():
    model = model_of("llava_clip")
    words = copy.deepcopy(families()["llava_clip"].processor.tokenizer)
    words.chat_template = families()["llama"].processor.chat_template
    found = only(model, words)
    assert "LlavaForConditionalGeneration sees pictures, but its processor is a plain tokenizer" in found
