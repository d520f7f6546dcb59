# SPDX-License-Identifier: Apache-2.0
"""Which rows a loss reads: those to forget, refusals in their place, those to retain. It knows no trainer."""

from typing import Any

from datasets import Dataset

from crossmem_hf.data.forms import conversational
from crossmem_hf.data.selection import personas_of, through
from crossmem_hf.data.splits import check_disjoint
from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.checks import check_rows
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.objectives import Term
from crossmem_hf.training.preferences import refused
from crossmem_hf.training.settings import check_steps


def role_sets(
    forget: Dataset,
    retain: Dataset | None,
    args: UnlearnConfig,
    forget_term: Term,
    retain_term: Term | None,
    model_config: Any,
) -> dict[str, Dataset]:
    """The sets that the losses read, by name: the roles of the forget loss first, then "retain" if there is one.

    Raises:
        CrossmemError: A set that cannot be read or trained on, people in both, no step to take, or no retain set
            where the retain loss needs one.
    """
    forget = through(conversational(forget, "the forget set"), args.forget_modality)
    check_rows(forget, "forget", model_config=model_config)
    check_steps(args, len(forget))
    sets = {"forget": lambda: forget, "refusal": lambda: refused(forget, args.seed, args.refusals)}
    roles = {name: sets[name]() for name in forget_term.roles}
    if retain_term is None:
        return roles
    if retain is None:
        raise CrossmemError(
            f"retain_loss={args.retain_loss!r} needs a retain set, and there is none.",
            "Pass retain_dataset, or set retain_loss to 'none'.",
        )
    retain = conversational(retain, "the retain set")
    check_rows(retain, "retain", model_config=model_config)
    check_disjoint(personas_of(forget), personas_of(retain))
    return {**roles, "retain": retain}
