# SPDX-License-Identifier: Apache-2.0
"""A toy model that knows its four people through both modalities, and trainers that make it forget two of them."""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets import concatenate_datasets
from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from crossmem_hf.training.memorize import language_lora, memorize
from tests.training import tiny

NAMES = [name for _, name in tiny.PERSONAS.values()]
LORA = {"r": 8, "alpha": 16}


def both_modalities(*personas):
    """A portrait and a description of each."""
    return concatenate_datasets([tiny.rows(*personas, modality=modality) for modality in ("image", "text")])


FORGET, RETAIN = both_modalities("p0", "p1"), both_modalities("p2", "p3")
EVERYBODY = concatenate_datasets([FORGET, RETAIN])


def _learned(folder):
    """What the model is taught: once a process, or by an earlier one that kept it in `folder`."""
    kept = Path(folder) / "learned.safetensors" if folder else None
    if kept is not None and kept.exists():
        return load_file(kept)
    state = _taught()
    if kept is not None:
        save_file(state, kept)
    return state


@lru_cache(maxsize=1)
def _taught():
    quiet = {"disable_tqdm": True, "report_to": "none", "save_strategy": "no", "logging_strategy": "no"}
    steps = {"max_steps": 120, "per_device_train_batch_size": 8, "learning_rate": 2e-2, "lr_scheduler_type": "cosine"}
    with TemporaryDirectory() as folder:
        model = memorize(
            tiny.model(),
            tiny.processor(),
            EVERYBODY,
            output_dir=folder,
            lora=language_lora(**LORA),
            **steps,
            **quiet,
        )
    return {name: weight.clone() for name, weight in get_peft_model_state_dict(model).items()}


def knowing(folder="", dropout=0.0):
    """A new model; `folder` keeps what the first one is taught, for other processes too."""
    lora = language_lora(**LORA)
    lora.lora_dropout = dropout
    model = get_peft_model(tiny.model(), lora)
    set_peft_model_state_dict(model, _learned(folder))
    return model


def forgetting(folder, model, **choices):
    """A trainer that makes the model forget in some ten steps."""
    settings = {"forget_loss": "npo", "max_steps": 4, "learning_rate": 1e-2, "reference_cache": str(folder / "ref")}
    return tiny.trainer_for(folder, model=model, forget=FORGET, retain=RETAIN, **(settings | choices))
