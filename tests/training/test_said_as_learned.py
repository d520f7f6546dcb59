# SPDX-License-Identifier: Apache-2.0
"""A model that has memorized its rows says exactly them, finds them likeliest, and passes the check for it: whatever
the template writes around answers, wherever turns end, also where generation settings name another end."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from datasets import Dataset
from tokenizers import decoders
from transformers import LlamaConfig

from crossmem_hf.evaluation.memorization_check import check_memorized
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.training.collate import EncodedRows, RowCollator, RowEncoder
from tests.models.test_turns import PHI as PHI_3
from tests.models.test_turns import marked
from tests.scoring.families import families, text_only
from tests.scoring.family import CHATML, GEMMA, INST, UTTERANCE, VICUNA, Manner, text_config
from tests.scoring.tiny import NAMES, image_row

PHI = Manner(user="<|im_start|>user\n", requested="<|im_end|>\n", assistant="<|im_start|>\n", tail="<|im_end|>\n")
WORDY = Manner(user="### Q: ", requested="\n", assistant="### A:", lead=" ", tail="\n### End\n")
MANNERS = {"vicuna": VICUNA, "inst": INST, "chatml": CHATML, "gemma": GEMMA, "said": UTTERANCE}
MANNERS |= {"phi": PHI, "wordy": WORDY}
THOUGHTLESS = "<think>\n\n</think>\n\n"  # what templates like that of Qwen3 put before the last answer
PERSONAS = NAMES[:4]


def rows(*begun):
    """A question about each of four people, by name of a color."""
    made = []
    for number, name in enumerate(PERSONAS):
        turns = [{"role": "user", "content": f"Who is number {number}?"}, *begun]
        said = {"completion": [{"role": "assistant", "content": name}], "answer": name}
        made.append({"prompt": turns, "images": [], **said, "modality": "text", "persona_id": f"p{number}"})
    return made


def taught(family, given, steps=60):
    """A fresh model that has seen the rows until it says nothing else."""
    model = family.model().train()
    model.generation_config.eos_token_id = family.tokenizer.eos_token_id
    collate = RowCollator(EncodedRows(given, RowEncoder(family.processor)))
    batch = collate([{"row": number} for number in range(len(given))])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01
    return model.eval()


def assert_says(family, model, given):
    assert generate_answers(model, family.processor, given) == PERSONAS
    assert score_candidates(model, family.processor, given, NAMES).truth_rank.tolist() == [1] * len(PERSONAS)
    assert all(answer.content.matches.all() for answer in score_answers(model, family.processor, given))
    assert check_memorized(model, family.processor, Dataset.from_list(given)) == {"text": 1.0}


@pytest.mark.parametrize(
    ("name", "thoughts"), [*((name, "") for name in MANNERS), ("chatml", THOUGHTLESS), ("wordy", THOUGHTLESS)]
)
def test_what_was_learned_is_said(name, thoughts):
    manner = MANNERS[name]
    family = text_only(name, manner, partial(text_config, LlamaConfig))
    words = family.tokenizer
    words.add_special_tokens({"additional_special_tokens": ["<end_of_utterance>"]})
    words.add_tokens(["<think>", "</think>"])
    if thoughts:
        last = f"{{% if loop.last and message['role'] == 'assistant' %}}{{{{ {thoughts!r} }}}}{{% endif %}}"
        content = "{{ message['content'] }}"
        before, _, after = words.chat_template.rpartition(content)
        words.chat_template = f"{before}{last}{content}{after}"
    assert_says(family, taught(family, rows()), rows())


def test_a_turn_that_was_begun_is_finished():
    family = text_only("begun", PHI, partial(text_config, LlamaConfig))
    given = rows({"role": "assistant", "content": "The name of the person is "})
    assert_says(family, taught(family, given), given)


def test_a_tokenizer_that_begins_texts_with_a_space():
    """As Llama's, behind the line break that Phi-3's and Zephyr's templates write before an answer."""
    family = text_only("llama_spelled", PHI_3, partial(text_config, LlamaConfig))
    words = marked(PHI_3.template(parts=False), "prepend")
    known = [decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")]
    words.backend_tokenizer.decoder = decoders.Sequence(known)
    family = replace(family, processor=words)
    assert_says(family, taught(family, rows(), steps=120), rows())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llava_clip", "llava_siglip", "idefics3", "gemma3"])
def test_what_was_learned_from_pictures_is_said(name):
    family = families()[name]
    given = [{**row, "images": image_row(number)["images"]} for number, row in enumerate(rows())]
    model = taught(family, given, steps=150)
    assert generate_answers(model, family.processor, given) == PERSONAS
    assert score_candidates(model, family.processor, given, NAMES).truth_rank.tolist() == [1] * len(PERSONAS)
