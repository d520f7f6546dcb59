# SPDX-License-Identifier: Apache-2.0
"""An embedded base that learns names, or private facts in the sizes of ReMem. It asks nothing, and knows no study."""

from dataclasses import replace
from typing import Any, Final, Literal

from crossmem_hf.data.spec import PRESETS
from crossmem_hf.personas.schema import Modality
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, memorized
from crossmem_hf.studies.study import Cell, cell_name
from crossmem_hf.training.micro import FACT_LORA, settings_of

Learned = Literal["names", "facts"]
LEARNED: Final[tuple[Learned, ...]] = ("names", "facts")
FACTS: Final = TrainingRows(configs=("qa",), split="forget+retain", modality="image")
"""Questions about facts of whom portraits show."""
REPLAYED_STEPS: Final = 660
"""Of learning facts in the sizes of ReMem while what bases knew before is asked again (`background_rows.Replay`)."""


def facts_replayed(base: str) -> dict[str, Any]:
    """For `curves.baseline`, on `FACTS`."""
    return settings_of(base).memorizing_facts | {"max_steps": REPLAYED_STEPS, "lora": FACT_LORA}


def at_work(cell: Cell) -> Cell:
    """The cell on its base (``base``), and, where facts are learned (``learned``), in the sizes of ReMem."""
    sizes = PRESETS["remem"] if cell.where["learned"] == "facts" else {}
    return replace(cell, settings=cell.settings.replaced(model_name_or_path=cell.where["base"], **sizes))


def learned(cell: Cell, **chosen: Any) -> Done:
    """An adapter that has learned what the cell says, from its ``source``.

    Args:
        cell: From `at_work`.
        chosen: In the place of the settings that suit the base.
    """
    suited, source = settings_of(str(cell.where["base"])), cell.where["source"]
    name, share = cell_name(cell.where), (0.0, 0.6)
    if cell.where["learned"] == "names":
        rows = TrainingRows(configs=(f"recall_{source}",), split="train")
        return memorized(cell, name, rows, share=share, **(suited.memorizing | chosen))
    modality: Modality = "image" if source == "image" else "text"
    rows = replace(FACTS, modality=modality)
    return memorized(cell, name, rows, lora=FACT_LORA, share=share, **(suited.memorizing_facts | chosen))
