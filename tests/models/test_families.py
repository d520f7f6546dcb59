# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
from transformers import AutoConfig, Blip2Config, Florence2Config, InstructBlipConfig, LlamaConfig, T5Config

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import check_template
from crossmem_hf.models.families import (
    REFUSED,
    check_family,
    check_presented,
    has_cross_attention,
    marks_answers,
    reads_ahead,
)
from crossmem_hf.models.loading import load_model
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.training.checks import check_rows
from crossmem_hf.training.collate import RowEncoder
from tests.scoring.families import BLIND, OTHERS, SEEING, families, model_of, queried, rows
from tests.training import tiny


@pytest.mark.parametrize("name", [*SEEING, *OTHERS, *BLIND])
def test_the_families_of_the_tests_may_be_asked(name):
    family = families()[name]
    config = family.config(family.tokenizer)
    check_family(config)
    check_template(family.processor)
    check_presented(family.processor, rows(family)[0]["images"], "Row 0")
    assert has_cross_attention(config) == (name == "mllama")
    assert reads_ahead(config) == marks_answers(family.processor) == (name == "paligemma")


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_refused_families_are_named(kind):
    with pytest.raises(CrossmemError, match=f"type {kind!r} cannot be scored or trained: it [a-z].*LLaVA"):
        check_family(AutoConfig.for_model(kind))


def test_encoder_decoders_are_refused_whatever_their_name():
    for config in (T5Config(), Florence2Config(), Blip2Config(text_config=T5Config().to_dict())):
        with pytest.raises(CrossmemError, match=config.model_type):
            check_family(config)
    check_family(LlamaConfig())


def test_loading_refuses_before_any_weight_is_looked_for(tmp_path):
    InstructBlipConfig().save_pretrained(tmp_path)  # no weights, no processor
    with pytest.raises(CrossmemError, match="instructblip"):
        load_model(str(tmp_path))


def test_scoring_and_training_refuse_before_any_pass():
    model = copy.copy(tiny.model())
    model.config = InstructBlipConfig()
    model.forward = None  # a pass would fail otherwise
    row = {"prompt": [{"role": "user", "content": "Who?"}], "images": []}
    with pytest.raises(CrossmemError, match="instructblip"):
        score_candidates(model, families()["llava_clip"].processor, [row], ["Ann"])
    with pytest.raises(CrossmemError, match="instructblip"):
        check_rows(tiny.rows("p0"), "forget", model_config=model.config)


def test_a_processor_without_a_template_is_named():
    """As that of PaliGemma is on the Hub; with one set it is asked (see the tests of its scores)."""
    processor = copy.copy(families()["paligemma"].processor)
    processor.chat_template = None
    for modality in (
        lambda: score_candidates(model_of("paligemma"), processor, rows(families()["paligemma"])[:1], ["Ann"]),
        lambda: RowEncoder(processor),
    ):
        with pytest.raises(
            CrossmemError, match=r"(?s)PaliGemmaProcessor has no chat template.*processor.chat_template"
        ):
            modality()


def test_a_text_for_paligemma_is_named():
    family = families()["paligemma"]
    with pytest.raises(CrossmemError, match="Row 1 has no picture, and a PaliGemmaProcessor"):
        score_candidates(model_of("paligemma"), family.processor, [rows(family)[0], queried("Who?")], ["Ann"])
