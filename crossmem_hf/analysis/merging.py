# SPDX-License-Identifier: Apache-2.0
"""A model between two adapters on one base, such as the unlearned and the memorized one: how near is what was
forgotten? It does not know what either was taught."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.weights import State, asked_in_states
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.storage import fingerprint

SHARES: Final = (0.1, 0.25, 0.5, 0.75)
_DONOR, _MERGED = "donor", "between"


def merged(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    donor: Path | str,
    *,
    shares: tuple[float, ...] = SHARES,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers whose adapter is so far on the way to another one:
    what either adds to each weight, at these shares.

    Columns as `attacks.variants.asked_in_ways` says, a share in the place of a way. Whoever has the donor needs no
    attack; it says how far apart the two lie. Hold it against the retain-only model on its way to the same donor.

    Args:
        model: With one LoRA adapter, which it has again afterwards, alone.
        donor: Folder with the other adapter, of the same base.
        shares: Of the donor, between 0 and 1; each is a pass of its own.
        output_dir: As for `Evaluator`, with `made_from`.

    Raises:
        CrossmemError: The model has not exactly one LoRA adapter, the donor cannot be put beside it, a share out of
            range, or whatever the evaluator refuses.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> from crossmem_hf.training.memorize import language_lora
        >>> from peft import get_peft_model
        >>> model, processor = load_model()
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> adapted = get_peft_model(model, language_lora())
        >>> with TemporaryDirectory() as folder:
        ...     adapted.save_pretrained(folder)
        ...     found = merged(evaluator, adapted, processor, folder, shares=(0.5,))
        >>> found[0]["num_samples"]
        2

    Reference:
        Paths between models, https://huggingface.co/papers/1912.05671, of which this is the straight one.
    """
    if not shares or not all(0 < share < 1 for share in shares):
        raise CrossmemError(f"shares={shares!r}; expected numbers between 0 and 1.", "Pass (0.25, 0.5), for example.")
    own = _only_adapter(model)
    states: dict[str, State] = {f"{share:g} of the donor": partial(_between, model, own, share) for share in shares}
    folder = None if output_dir is None else Path(output_dir) / fingerprint(str(donor))
    with _beside(model, own, donor):
        return asked_in_states(evaluator, model, processor, states, output_dir=folder, made_from=made_from)


def _only_adapter(model: Any) -> str:
    names = list(getattr(model, "peft_config", {}))
    if len(names) != 1:
        raise CrossmemError(
            f"The model has {len(names)} adapters; expected one, not merged.", "Load it with adapter= alone."
        )
    return str(names[0])


@contextmanager
def _beside(model: Any, own: str, donor: Path | str) -> Iterator[None]:
    """Within it the model has the donor, too, which does nothing."""
    training, learns = model.training, {name for name, one in model.named_parameters() if one.requires_grad}
    try:
        model.load_adapter(str(donor), adapter_name=_DONOR)
    except Exception as error:  # peft fails in many ways
        if _DONOR in model.peft_config:
            model.delete_adapter(_DONOR)
        raise CrossmemError(
            f"The adapter in {str(donor)!r} cannot be put beside the model's own: {error}",
            "Take one of the same base that load_model can load.",
        ) from error
    try:
        model.set_adapter(own)
        yield
    finally:
        model.set_adapter(own)
        model.delete_adapter(_DONOR)
        model.train(training)
        for name, one in model.named_parameters():
            one.requires_grad_(name in learns)


@contextmanager
def _between(model: Any, own: str, share: float) -> Iterator[None]:
    """Within it the model has the sum of both, by shares, which a concatenation of LoRA matrices gives exactly."""
    model.add_weighted_adapter([own, _DONOR], [1 - share, share], _MERGED, combination_type="cat")
    try:
        model.set_adapter(_MERGED)
        yield
    finally:
        model.set_adapter(own)
        model.delete_adapter(_MERGED)
