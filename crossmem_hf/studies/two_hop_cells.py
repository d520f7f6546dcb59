# SPDX-License-Identifier: Apache-2.0
"""What a cell of the study two_hop does: both links are memorized, and asked by themselves and at once. It measures
and claims nothing, so that a claim can be added and no model has to learn again."""

from dataclasses import replace
from typing import Any, Final

from crossmem_hf.analysis.attacks.named_first import named_first
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import Modality
from crossmem_hf.studies.adapters import TrainingRows, memorized
from crossmem_hf.studies.cells import Query, costs, predicted
from crossmem_hf.studies.study import Cell, CellResult, cell_name
from crossmem_hf.training.micro import FACT_LORA, settings_of

MIXES: Final = ("atomic", "composed", "chained")
"""What is learned beside both links by themselves: nothing; both at once of other personas; the same, the name said
first."""
FIRST, SECOND, DIRECT, THEN, CHAIN = "name", "fact of name", "fact", "name, then fact", "name and fact"
"""Values of the column ``asked``."""
_LIKELY: Final = ("recall", "truth_ratio")


def learned_rows(mix: str, source: Modality) -> TrainingRows:
    """Either link by itself; in the mixes composed and chained also both at once, about the other personas."""
    shown = TrainingRows(configs=("two_hop",), split=mix, modality=source) if mix in MIXES[1:] else None
    return TrainingRows(configs=("two_hop",), split=f"bridge_{source}+facts", besides=shown)


def two_hop_cell(cell: Cell) -> CellResult:
    """Memorize both links, and ask either by itself and both at once, through both modalities."""
    base, mix, name = str(cell.where["base"]), str(cell.where["mix"]), cell_name(cell.where)
    source: Modality = "image" if cell.where["source"] == "image" else "text"
    here = replace(cell, settings=cell.settings.replaced(model_name_or_path=base))
    suited = settings_of(base).memorizing_facts
    learned = memorized(here, name, learned_rows(mix, source), lora=FACT_LORA, share=(0.0, 0.7), **suited)
    found = []
    for config, views in (("two_hop_test", "test"), ("two_hop_far", "far")):
        for asked, split in ((FIRST, "bridge"), (SECOND, "facts"), (DIRECT, "two_hop"), (THEN, "two_hop")):
            how: dict[str, Any] = {"attack": named_first} if asked == THEN else {}
            metrics = _LIKELY if asked == DIRECT else _LIKELY[:1]
            query = Query(rows=_unshown(config, split), metrics=metrics)
            stage = cell_name({"cell": name, "views": views, "asked": asked})
            answers = predicted(here, stage, query, learned, views=views, **how)
            found.append(answers.with_columns(asked=asked))
        cell.progress(f"{views}: queried", 0.85)
    if mix == MIXES[-1]:
        query = Query(rows=_unshown("two_hop_test", "chains"), metrics=("recall",))
        found.append(predicted(here, f"{name}_chain", query, learned, views="test").with_columns(asked=CHAIN))
    return CellResult(predictions=Predictions.joined(found), measurements=costs(learned, dict(cell.where)))


def _unshown(config: str, split: str) -> TrainingRows:
    """Rows about those of whom no mix shows both links at once."""
    return TrainingRows(configs=(config,), split=split, demonstrated=False)
