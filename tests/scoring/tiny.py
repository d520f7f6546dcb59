# SPDX-License-Identifier: Apache-2.0
"""Rows, small random models with peaked answers, and the oracle: one row, one candidate, one full forward pass."""

from functools import lru_cache

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from crossmem_hf.models.micro.model import CHAT_TEMPLATE, MicroShape, build_model, build_processor
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.prompts.questions import NAME_QUESTIONS
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for

SHAPE = MicroShape(
    image_size=32,
    patch_size=16,
    vision_width=32,
    vision_layers=2,
    text_width=48,
    text_layers=2,
    text_mlp=64,
    heads=4,
    vocab_size=400,
)
PERSONAS = tuple(sample_personas(12))
NAMES = [person.full_name for person in PERSONAS]
# Shared starts, one candidate inside another, one token and many.
CANDIDATES = [*NAMES[:6], "Ann", "Ann Lee", "Ann Lee Kim", "x", "I do not know this person.", "été ☃"]


def image_row(number, view=0):
    """Someone's portrait and the question for the name."""
    person = PERSONAS[number]
    portrait = render_portrait(person, view_for(person, "test", view), 48)
    return {"prompt": [{"role": "user", "content": NAME_QUESTIONS["image"]}], "images": [portrait]}


def text_row(number, view=0):
    """Someone's description and the question for the name; descriptions differ in length."""
    person = PERSONAS[number]
    queried = NAME_QUESTIONS["text"].format(description=describe(person, "test", view).text)
    return {"prompt": [{"role": "user", "content": queried}], "images": []}


def mixed_rows(count=10):
    """Rows of both modalities, interleaved."""
    return [(text_row if number % 2 else image_row)(number, number % 3) for number in range(count)]


@lru_cache(maxsize=1)
def processor():
    """A processor whose tokenizer knows pieces of some candidates; tests do not change it."""
    texts = [describe(person, "train", view).text for person in PERSONAS for view in range(3)]
    return build_processor([*texts, *NAMES, *NAME_QUESTIONS.values()] * 3, SHAPE)


@lru_cache(maxsize=1)
def tokenizer():
    """The same tokenizer on its own, as text-only models have one; its template knows strings only."""
    alone = processor().tokenizer
    strings_only = "{%- for message in messages -%}<|{{ message['role'] }}|>{{ message['content'] + '' }}"
    strings_only += "{%- if message['role'] == 'assistant' -%}<eos>{%- endif -%}{%- endfor -%}"
    strings_only += "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
    assert strings_only != CHAT_TEMPLATE
    alone.chat_template = strings_only
    return alone


def peaked(model, by=4.0):
    """The same model with larger weights and a head of its own, so that some answers are likely and most are not."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(by)
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(0.5 * torch.randn(head.weight.shape))
    return model.eval()


@lru_cache(maxsize=4)
def llava(attention="sdpa", seed=0):
    """A LLaVA; tests do not change it."""
    torch.manual_seed(seed)
    model = peaked(build_model(processor(), SHAPE))
    model.set_attn_implementation(attention)
    return model


def text_config(kind=LlamaConfig, **changes):
    """A small text-only configuration."""
    ends = {"pad_token_id": tokenizer().pad_token_id, "eos_token_id": tokenizer().eos_token_id}
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    return kind(vocab_size=len(tokenizer()), max_position_embeddings=512, **sizes, **ends, bos_token_id=1, **changes)


def llama(kind=LlamaForCausalLM, config=None):
    """A text-only model."""
    torch.manual_seed(0)
    return peaked(kind(config or text_config()), by=3.0)


def naive(model, processing, rows, candidates):
    """(rows, candidates) summed negative log-likelihoods without padding, batches, caches or shared work."""
    columns = []
    for row in rows:
        turns = row["prompt"]
        if hasattr(processing, "tokenizer"):
            pictures = [{"type": "image"}] * len(row["images"])
            turns = [{"role": "user", "content": [*pictures, {"type": "text", "text": turns[0]["content"]}]}]
        prompt = processing.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        given = {"images": row["images"]} if row["images"] else {}
        inputs = processing(text=prompt, **given, return_tensors="pt", add_special_tokens=False)
        inputs = {name: value for name, value in inputs.items() if name != "token_type_ids"}
        columns.append([_one(model, processing, inputs, candidate) for candidate in candidates])
    return torch.tensor(columns, dtype=torch.float64).numpy()


def _one(model, processing, inputs, candidate):
    spelled = getattr(processing, "tokenizer", processing)(f"{candidate}<eos>", add_special_tokens=False)["input_ids"]
    answer = torch.tensor([spelled])
    whole = {name: value for name, value in inputs.items() if name != "attention_mask"}
    whole["input_ids"] = torch.cat([inputs["input_ids"], answer], dim=1)
    if "mm_token_type_ids" in inputs:
        whole["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(answer)], dim=1)
    with torch.no_grad():
        logits = model(**whole).logits[0, -len(spelled) - 1 : -1].double()
    return -torch.log_softmax(logits, -1)[torch.arange(len(spelled)), answer[0]].sum().item()
