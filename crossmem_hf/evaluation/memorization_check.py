# SPDX-License-Identifier: Apache-2.0
"""Whether people were memorized well enough for unlearning to mean anything. It does not know how either is done."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.forms import conversational
from crossmem_hf.data.selection import personas_of
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.matching import accepted_names

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

ASKED_COLUMNS = ("images", "prompt", "answer", "modality", "persona_id")


def check_memorized(
    model: Any, processor: Any, forget: "Dataset", *, least: float = 0.9, allow: bool = False, max_rows: int = 256
) -> dict[str, float]:
    """Recall (0 to 1, full right answers) of the rows to forget through each modality, if the best one's is enough.

    Modalities are the values of the rows' `modality`. People are learned through one, recalled less through the other,
    so one is enough. Rows are those that were trained on: whether new views of the same people are known is another
    question. Asking is shared between processes. A model that does not stand on an accelerator where there is one is
    moved there first, as a trainer would.

    Args:
        forget: Rows of all modalities that there are, whichever of them will be unlearned through.
        least: The best modality must reach it. 0 asks nothing and returns nothing.
        allow: Log a warning in the place of the error.
        max_rows: Rows to ask at most, spread over modalities and people (`spread`).

    Raises:
        CrossmemError: No modality reaches `least`, the rows cannot be asked, or processes hold the model in shards.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> model, processor = load_model()
        >>> check_memorized(model, processor, load_rows(None, "recall_text", "test", num_personas=2), allow=True)
        {'text': 0.0}
    """
    if not 0.0 <= least <= 1.0:
        raise CrossmemError(f"min_memorization={least!r} is no recall.", "Choose 0 to 1.")
    forget = conversational(forget, "the forget set")
    check_askable(forget, "forget")
    if least == 0.0:
        return {}
    if _in_shards():
        _refuse_unless(
            allow,
            "Processes hold the weights in shards (FSDP, DeepSpeed), which cannot be asked before training.",
            "Measure the adapter with `crossmem score` on one device; if it knows the people, set allow_unmemorized.",
        )
        return {}
    rows = spread(forget, max_rows)
    recalls = _recalls(model, processor, rows)
    counts = Counter(rows["modality"])
    shown = ", ".join(f"{modality} {recall:.2f} (n={counts[modality]})" for modality, recall in recalls.items())
    if max(recalls.values()) >= least:
        _tell(logging.INFO, f"Memorized: recall {shown}.")
        return recalls
    _refuse_unless(
        allow,
        f"The rows to forget are not memorized: recall {shown}; expected at least {least} through one modality.",
        "Train longer (recipes/sft.py: more steps or epochs, a higher learning rate) and pass that adapter, or add "
        "rows of the modality that people were learned in, or lower min_memorization, or set allow_unmemorized: what "
        "a model does not know it cannot forget.",
    )
    return recalls


def _recalls(model: Any, processor: Any, rows: Any) -> dict[str, float]:
    from crossmem_hf.evaluation.recall import answered
    from crossmem_hf.runs.distributed import in_shards

    _place(model)
    right = in_shards(
        rows, lambda part: answered(model, processor, part), ledger=None, mark="gate", label="memorized?"
    )
    hits: dict[str, list[bool]] = {}
    for modality, hit in zip(rows["modality"], right, strict=True):
        hits.setdefault(modality, []).append(bool(hit))
    return {modality: sum(several) / len(several) for modality, several in sorted(hits.items())}


def _refuse_unless(allow: bool, fault: str, remedy: str) -> None:
    if not allow:
        raise CrossmemError(fault, remedy)
    _tell(logging.WARNING, f"{fault} Going on, as allow_unmemorized says.")


def _tell(level: int, message: str) -> None:
    """Once, not once a process."""
    from crossmem_hf.runs.distributed import joined_state

    if joined_state().is_main_process:
        logger.log(level, "%s", message)


def _in_shards() -> bool:
    """Whether processes have loaded, or will have, a part of the weights only; FSDP leaves all to the first."""
    from transformers import integrations

    known: Any = integrations
    return bool(known.is_deepspeed_zero3_enabled() or known.is_fsdp_enabled())


def check_askable(rows: "Dataset", name: str, *, also: Sequence[str] = ()) -> None:
    """Nothing, if recall can be measured on `rows` by modality.

    Args:
        name: What the set is called in the error.
        also: Columns needed on top of ASKED_COLUMNS.

    Raises:
        CrossmemError: There are no rows, a column is missing, or a row has no modality or no answer to match.
    """
    missing = sorted({*ASKED_COLUMNS, *also} - set(rows.column_names))
    if missing:
        raise CrossmemError(
            f"The {name} rows lack the columns {missing!r}; they have {rows.column_names!r}.",
            "Use rows from crossmem_hf.data.load_rows, or add the columns (modality says image or text).",
        )
    if len(rows) == 0:
        raise CrossmemError(f"There are no {name} rows to ask; expected at least one.", "Choose another split.")
    without = [index for index, modality in enumerate(rows["modality"]) if not modality]
    if without:
        raise CrossmemError(f"Row {without[0]} of the {name} rows has no modality.", "Say image or text in each row.")
    for index, answer in enumerate(rows["answer"]):
        try:
            accepted_names(answer, index)
        except ValueError as error:
            raise CrossmemError(
                f"The {name} rows cannot be asked: {error}", "Give each row an answer that says something."
            ) from error


def spread(rows: "Dataset", most: int) -> "Dataset":
    """All rows if there are at most `most`; otherwise so many, as many from each modality, from all people alike.

    Of each person other rows are taken, so that no view or attribute is preferred. The same rows give the same choice.

    Raises:
        CrossmemError: `most` is below the number of modalities.
    """
    if len(rows) <= most:
        return rows
    modalities, people = list(rows["modality"]), personas_of(rows)
    kinds = sorted(set(modalities))
    if most < len(kinds):
        raise CrossmemError(f"max_rows={most!r} is below the {len(kinds)} modalities {kinds!r}.", "Ask more rows.")
    chosen: list[int] = []
    for modality in kinds:
        by_person: dict[str, list[int]] = {}
        for index, (own, person) in enumerate(zip(modalities, people, strict=True)):
            if own == modality:
                by_person.setdefault(person, []).append(index)
        chosen += _one_of_each_in_turn(list(by_person.values()), most // len(kinds))
    return rows.select(sorted(chosen))


def _one_of_each_in_turn(groups: Sequence[Sequence[int]], room: int) -> list[int]:
    """At most `room` members: one of every group, then another of every group; evenly from the last such round."""
    turned = [[*group[n % len(group) :], *group[: n % len(group)]] for n, group in enumerate(groups)]
    chosen: list[int] = []
    for place in range(max(map(len, turned))):
        members = [group[place] for group in turned if len(group) > place]
        left = room - len(chosen)
        if len(members) >= left:
            return chosen + [members[number * len(members) // left] for number in range(left)]
        chosen += members
    return chosen


def _place(model: Any) -> None:
    import torch

    from crossmem_hf.runs.distributed import joined_state

    if torch.accelerator.is_available() and next(model.parameters()).device.type == "cpu":
        model.to(joined_state().device)
