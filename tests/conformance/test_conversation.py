# SPDX-License-Identifier: Apache-2.0
import copy

import pytest

from tests.conformance.faults import checked, failing, planted
from tests.scoring.families import families, model_of


@pytest.mark.parametrize("lost", [0, 1])
def test_a_processor_that_shows_one_picture_twice_is_found(lost):
    class Twice(type(families()["llava_clip"].processor)):
        def __call__(self, images=None, **named):
            if images and isinstance(images[0], list):
                images = [[several[1 - lost]] * 2 if len(several) == 2 else several for several in images]
            return super().__call__(images=images, **named)

    model, processor = planted(lambda processor: setattr(processor, "__class__", Twice))
    assert failing(model, processor, "pictures") == {"pictures"}


def test_a_prompt_that_is_no_prefix_is_found():
    def rewrite(processor):
        processor.chat_template = processor.chat_template.replace("'ASSISTANT:'", "'Now you:'")

    seen = {"prompt is a prefix", "answer tokens", "labels"}
    assert failing(*planted(rewrite), *seen) == seen


def test_an_answer_without_an_end_is_found():
    model = copy.copy(model_of("llava_siglip"))
    model.generation_config = copy.deepcopy(model.generation_config)
    model.generation_config.eos_token_id = families()["llava_siglip"].tokenizer.eos_token_id
    report = checked(model, families()["llava_siglip"].processor, "end of turn")
    stops = report.status_of("end of turn")
    if stops == "fails":  # unless generation looks at the template itself
        finding = next(finding for finding in report.findings if finding.check == "end of turn")
        assert "<|im_end|>" in finding.found
        assert "eos_token_id" in finding.remedy
