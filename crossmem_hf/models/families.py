# SPDX-License-Identifier: Apache-2.0
"""Families of models that read pictures unlike the others, and those that are refused. It does not know rows or
weights: everything is told by a configuration or a processor.

Most vision-language models put a picture's tokens among those of the text and look back only; they need nothing here.
"""

from typing import Any

from crossmem_hf.errors import CrossmemError

_ENCODER = "reads the prompt with an encoder of its own, so prompt and answer are no one sequence"
_NO_PLACES = "takes neither positions nor a key-value cache in its forward pass"
_VOCABULARY = "writes pictures as tokens of its own vocabulary and has no image tower"
_OWN = "takes pictures through an input of its own, {}, which is not padded or made longer here"
REFUSED = {
    "blip": _NO_PLACES,
    "blip-2": _NO_PLACES,
    "chameleon": _VOCABULARY,
    "diffusion_gemma": "fills in blocks of tokens, and no token has a likelihood given those before it",
    "emu3": _VOCABULARY,
    "fuyu": _OWN.format("image_patches_indices"),
    "git": "puts pictures before the text and not among its tokens, so logits have other places than tokens",
    "idefics": _OWN.format("image_attention_mask"),
    "instructblip": "reads the question a second time, in its Q-Former",
    "instructblipvideo": "reads the question a second time, in its Q-Former",
    "kosmos-2": _OWN.format("image_embeds_position_mask"),
    "kosmos-2.5": _OWN.format("image_embeds_position_mask"),
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
            f"A model of type {kind!r} cannot be scored or trained: it {why}.",
            f"Take a model of another family, such as {', '.join(HELD[:-1])} or {HELD[-1]}.",
        )


def reads_ahead(config: Any) -> bool:
    """Whether a prompt's tokens also see those behind them, up to where the answer begins (PaliGemma)."""
    return str(getattr(config, "model_type", "")) == "paligemma"


def has_cross_attention(config: Any) -> bool:
    """Whether layers of the text model look at pictures by cross-attention, of which the tokens know nothing
    (Mllama)."""
    return bool(getattr(config.get_text_config(), "cross_attention_layers", None))


def marks_answers(processor: Any) -> bool:
    """Whether token types tell the answer from its prompt (PaliGemma), and not pictures from words."""
    return any(kind.__name__ == "PaliGemmaProcessor" for kind in type(processor).__mro__)


def check_presented(processor: Any, images: Any, name: str) -> None:
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
