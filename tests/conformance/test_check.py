# SPDX-License-Identifier: Apache-2.0
"""The checks pass on models that are sound, find faults that are planted, and give the model back as it was."""

import copy
from functools import partial

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from crossmem_hf.conformance.check import CHECKS, check_model
from crossmem_hf.models.loading import load_model
from tests.conformance.faults import checked
from tests.scoring.families import BLIND, OTHERS, SEEING, families, model_of

QUICK = ("mllama", "jamba")


@pytest.fixture(scope="module")
def embedded():
    return load_model()


def sound(model, processor):
    report = check_model(model, processor)
    assert report.holds, str(report)
    assert [finding.check for finding in report.findings] == list(CHECKS)
    return report


# sound models


@pytest.mark.parametrize("name", QUICK)
def test_families_that_share_no_cache_hold(name):
    report = sound(model_of(name), families()[name].processor)
    assert report.status_of("shared cache") == "falls back"
    assert report.status_of("pictures") == ("skipped" if name == "jamba" else "holds")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*SEEING, *OTHERS, *BLIND} - set(QUICK)))
def test_the_other_families_hold(name):
    sound(model_of(name), families()[name].processor)


def test_a_processor_that_begins_every_text_with_a_token_holds():
    """As that of LLaVA-1.5, whose template does not write it."""
    processor = copy.deepcopy(families()["llava_clip"].processor)
    words = processor.tokenizer
    begins = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", words.bos_token_id)])
    words.backend_tokenizer.post_processor = begins
    report = sound(model_of("llava_clip"), processor)
    assert (report.status_of("shared cache"), report.status_of("pictures")) == ("holds", "holds")


def test_the_embedded_model_holds_and_is_given_back_as_it_was(embedded):
    model, processor = embedded
    weights = {name: part.clone() for name, part in model.state_dict().items()}
    trains = {name: part.requires_grad for name, part in model.named_parameters()}
    attributes, modes = set(vars(model)), [module.training for module in model.modules()]
    settings = model.config.to_dict(), model.generation_config.to_dict()
    report = sound(model, processor)
    assert report.model == "LlavaForConditionalGeneration, float32, cpu"
    assert all(0 <= finding.value < 1e-4 for finding in report.findings if "nats" in finding.found)
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], part) for name, part in model.state_dict().items())
    assert trains == {name: part.requires_grad for name, part in model.named_parameters()}
    assert all(part.grad is None for part in model.parameters())
    assert [module.training for module in model.modules()] == modes
    assert set(vars(model)) == attributes
    assert (model.config.to_dict(), model.generation_config.to_dict()) == settings


def test_a_pass_that_breaks_is_a_finding_and_not_a_crash():
    def breaks(forward, pixel_values=None, **named):
        if pixel_values is not None and len(pixel_values) > 1:
            raise IndexError("too many pictures")
        return forward(pixel_values=pixel_values, **named)

    model = families()["llava_clip"].model()
    model.forward = partial(breaks, model.forward)
    report = checked(model, families()["llava_clip"].processor, "padded batches")
    assert not report.holds
    assert "IndexError: too many pictures" in str(report)


def test_refused_models_and_processors_are_one_finding():
    processor = copy.copy(families()["paligemma"].processor)
    processor.chat_template = None
    report = check_model(model_of("paligemma"), processor)
    assert [(finding.check, finding.status) for finding in report.findings] == [("family", "fails")]
    assert "no chat template" in str(report)
