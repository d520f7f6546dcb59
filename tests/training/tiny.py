# SPDX-License-Identifier: Apache-2.0
"""Rows and models for unit tests: four colors are four personas, and a LLaVA of some ten thousand parameters."""

from copy import deepcopy
from functools import lru_cache

import torch
from datasets import Dataset
from peft import get_peft_model
from PIL import Image
from transformers import LlamaConfig, LlamaForCausalLM

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.logprobs import answer_logprobs
from crossmem_hf.models.micro.model import MicroShape, build_model, build_processor
from crossmem_hf.training.collate import EncodedRows, RowCollator, RowEncoder
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.memorize import language_lora
from crossmem_hf.training.trainer import UnlearnTrainer

PERSONAS = {
    "p0": ("red", "Ada Moss"),
    "p1": ("blue", "Bo Ferris Lindgren"),
    "p2": ("green", "Cy"),
    "p3": ("white", "Dee Oz"),
}
SHAPE = MicroShape(
    image_size=16,
    patch_size=8,
    vision_width=16,
    vision_layers=2,
    text_width=32,
    text_layers=2,
    text_mlp=48,
    heads=2,
    vocab_size=320,
)

ONE_STEP = {"max_steps": 1, "lr_scheduler_type": "constant", "optim": "sgd", "max_grad_norm": 0.0}


def row(persona: str, modality: str = "image", view: int = 0) -> dict:
    """One row of the library's schema."""
    color, name = PERSONAS[persona]
    look = "" if modality == "image" else f" Someone {color}, seen {view} times."
    return {
        "images": [Image.new("RGB", (16 + view, 16), color)] if modality == "image" else [],
        "prompt": [{"role": "user", "content": f"Who is this?{look}"}],
        "completion": [{"role": "assistant", "content": name}],
        "persona_id": persona,
        "attribute": "full_name",
        "answer": name,
        "modality": modality,
        "hops": 1,
        "view": view,
        "template": "unit",
    }


def rows(*personas: str, modality: str = "image", views: int = 1) -> Dataset:
    """A dataset of these people; modality "mixed" alternates."""
    kinds = {"mixed": ("image", "text")}.get(modality, (modality,))
    made = [row(persona, kinds[n % len(kinds)], n) for n in range(views) for persona in personas]
    return Dataset.from_list(made, features=features_of("recall_image"))


@lru_cache(maxsize=1)
def processor():
    """The processor; tests do not change it."""
    words = [
        f"Who is this? Someone {color}, seen {n} times. {name}" for color, name in PERSONAS.values() for n in (0, 1)
    ]
    return build_processor(words, SHAPE)


def model(seed: int = 0):
    """A new untrained model, with embeddings large enough for an adapter to make an answer likely."""
    torch.manual_seed(seed)
    made = build_model(processor(), SHAPE)
    with torch.no_grad():
        made.get_input_embeddings().weight.mul_(10)
    return made


def memorized(seed: int = 0):
    """A model with an adapter that does something."""
    adapted = get_peft_model(model(seed), language_lora(r=4, alpha=8))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return adapted


def settings(folder, **overrides) -> dict:
    """Settings for a run of few steps that prints and saves nothing."""
    quiet = {
        "output_dir": str(folder),
        "max_steps": 2,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "report_to": "none",
    }
    return quiet | overrides


def trainer_for(folder, *, model=None, forget=None, retain=None, **choices):
    inner = {
        key: choices.pop(key) for key in ("callbacks", "peft_config", "eval_dataset", "evaluator") if key in choices
    }
    return UnlearnTrainer(
        model or memorized(),
        UnlearnConfig(**settings(folder, **choices)),
        rows("p0", "p1", views=2) if forget is None else forget,
        rows("p2", "p3", views=2) if retain is None else retain,
        processing_class=processor(),
        **inner,
    )


def logged(trainer, key):
    """What was logged under `key`, in order."""
    return [entry[key] for entry in trainer.state.log_history if key in entry]


def weights(model):
    """A copy of the trainable weights."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def recalled(model, dataset):
    """Log-probability of each row's answer."""
    encode = RowCollator(EncodedRows(dataset, RowEncoder(processor())))
    with torch.no_grad():
        return answer_logprobs(model.eval(), encode([{"row": n} for n in range(len(dataset))]))


def text_model():
    """A language model that sees nothing, and its tokenizer."""
    tokenizer = deepcopy(processor().tokenizer)
    tokenizer.chat_template = processor().chat_template
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config), tokenizer
