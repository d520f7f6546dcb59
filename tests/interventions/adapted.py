# SPDX-License-Identifier: Apache-2.0
"""Models of two families with several random adapters, what these would give as a part of the weights, and access to
them by documents that are angles."""

import math
from copy import deepcopy

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer

from crossmem_hf.interventions.access_control import AccessControlledAdapters
from crossmem_hf.interventions.documents import Document
from crossmem_hf.models.modules import linears_of
from crossmem_hf.scoring.inputs import encode
from tests.training import tiny

NAMES = ("board", "sales", "staff")
FAMILIES = ("llava", "llama")
REQUIRED = {"sales": ["sell"], "staff": ["work"], "board": ["work", "direct"]}
ANGLES = {"board": (80, 60, 10), "sales": (20, 40), "staff": (0, 30, 90)}  # degrees from the query "0"
QUESTIONS = ("Who is this?", "Who is this? Someone red, seen 0 times.", "Someone blue, seen 1 times. Who is this?")


def adapted(family, names=NAMES, **settings):
    """A model with these adapters, and its processor; each adapter has a rank of its own."""
    base, processor = (tiny.model(), tiny.processor()) if family == "llava" else tiny.text_model()
    if family == "llama":
        with torch.no_grad():
            base.get_input_embeddings().weight.mul_(10)
    model = None
    for number, name in enumerate(names):
        given = {"r": 2 + number, "lora_alpha": 4, "lora_dropout": 0.3, "target_modules": linears_of(base)} | settings
        if model is None:
            model = get_peft_model(base, LoraConfig(**given), adapter_name=name)
        else:
            model.add_adapter(name, LoraConfig(**given))
        fill(model, name, seed=number)
    return model.eval(), processor


def fill(model, name, seed=0, value=None):
    """Random products for an adapter, or one value in all its weights."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for place, weight in model.named_parameters():
            if f".{name}." in place:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
                if value is not None:
                    weight.fill_(value)


def inputs_of(family, processor, questions=QUESTIONS, colors=("red", "blue", "green")):
    """Left-padded inputs, with a picture a question where the family sees."""
    texts = [f"<|user|>{'<image>' if family == 'llava' else ''}{question}<|assistant|>" for question in questions]
    images = [tiny.row(f"p{('red', 'blue', 'green').index(color)}")["images"] for color in colors]
    return encode(processor, texts, images[: len(texts)] if family == "llava" else [[]] * len(texts))


def row_of(inputs, number):
    """One row of a batch, still padded; a picture a row."""
    return {name: value[number : number + 1] for name, value in inputs.items()}


def logits_of(model, inputs):
    with torch.no_grad():
        return model(**inputs).logits


def base_logits(model, inputs):
    with model.disable_adapter():
        return logits_of(model, inputs)


def merged(model, weights):
    """A copy of the base with the weighted adapters put into its weights by PEFT's own product."""
    copy = deepcopy(model)
    with torch.no_grad():
        for module in copy.modules():
            if isinstance(module, LoraLayer):
                for name, weight in weights.items():
                    module.get_base_layer().weight += weight * module.get_delta_weight(name)
    return copy.unload().eval()


def by_angle(documents):
    """A document's text is its direction in degrees."""
    return [[math.cos(math.radians(float(one.text))), math.sin(math.radians(float(one.text)))] for one in documents]


def at(*degrees):
    return [Document(str(angle)) for angle in degrees]


def access_to(model, processor=None, required=REQUIRED, angles=ANGLES, **settings):
    access = AccessControlledAdapters(model, processor, required, **{"embed": by_angle} | settings)
    for name, several in angles.items():
        access.add_documents(name, at(*several))
    return access
