# SPDX-License-Identifier: Apache-2.0
"""Families of models that read pictures unlike the others, and those that are refused. It does not know rows or
weights: everything is told by a configuration or a processor.

Most vision-language models put a picture's tokens among those of the text and look back only; they need nothing here.
"""

from typing import Any

from crossmem_hf.errors import CrossmemError

_ENCODER = "reads the prompt with an encoder of its own, so prompt and answer are no one sequence"
_QUERIES = "its Q-Former reads the question apart from the prompt, so that pictures are no part of the token sequence"
_AROUND = "puts pictures around the text and not among its tokens, so positions of logits are not those of tokens"
_APART = "takes pictures through inputs laid out for one row at a time, which cannot be padded into a batch"
REFUSED = {
    "blip": _AROUND,
    "blip-2": _QUERIES,
    "chameleon": "writes pictures as tokens of its own vocabulary, of which no image tower tells",
    "diffusion_gemma": "fills in blocks of tokens and has no likelihood of the next one",
    "emu3": "writes pictures as tokens of its own vocabulary, of which no image tower tells",
    "fuyu": _APART,
    "git": _AROUND,
    "idefics": "looks at pictures through an attention mask that its processor makes for whole conversations only",
    "instructblip": _QUERIES,
    "instructblipvideo": _QUERIES,
    "kosmos-2": _APART,
    "kosmos-2.5": _APART,
    "pi0": "gives actions of a robot and no text",
}
"""Model type -> why answers of this family cannot be scored or trained here."""

HELD = (
    *("LLaVA", "LLaVA-NeXT", "LLaVA-OneVision", "Idefics2", "Idefics3", "SmolVLM", "Qwen2-VL", "Qwen2.5-VL"),
    *("Qwen3-VL", "Gemma 3", "PaliGemma", "InternVL", "Pixtral", "Aya Vision", "Mllama"),
)
"""Families that the tests hold to the plain forward pass."""


def check_family(config: Any) -> None:
    """Nothing, unless a model with this configuration belongs to a family that cannot be asked.

    Raises:
        CrossmemError: Names the family and says why.
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    kind = str(getattr(config, "model_type", ""))
    why = REFUSED.get(kind)
    if why is None and (getattr(config, "is_encoder_decoder", False) or getattr(text, "is_encoder_decoder", False)):
        why = _ENCODER
    if why is not None:
        raise CrossmemError(
            f"Models of type {kind!r} cannot be used: such a model {why}.",
            f"Take a model of another family, such as {', '.join(HELD[:3])} or {HELD[6]}; "
            "crossmem check-model says what holds for it.",
        )


def reads_ahead(config: Any) -> bool:
    """Whether a prompt's tokens also see those behind them, up to where the answer begins (PaliGemma)."""
    return str(getattr(config, "model_type", "")) == "paligemma"


def looks_across(config: Any) -> bool:
    """Whether layers of the text model look at pictures by cross-attention, of which the tokens know nothing
    (Mllama)."""
    return bool(getattr(config.get_text_config(), "cross_attention_layers", None))


def marks_answers(processor: Any) -> bool:
    """Whether token types tell the answer from its prompt (PaliGemma), and not pictures from words."""
    return any(kind.__name__ == "PaliGemmaProcessor" for kind in type(processor).__mro__)


def check_pictures(processor: Any, images: Any, name: str) -> None:
    """Nothing, unless a row has no picture and its processor takes none without.

    Args:
        images: The row's pictures; may be None.
        name: Of the row, for the error.

    Raises:
        CrossmemError: Names the row and the processor.
    """
    if not images and marks_answers(processor):
        raise CrossmemError(
            f"{name} has no picture, and a {type(processor).__name__} takes no prompt without one.",
            "Use the image rows only, or a model of another family.",
        )
