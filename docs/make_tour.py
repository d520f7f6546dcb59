# SPDX-License-Identifier: Apache-2.0
"""Write docs/tour.ipynb: the cells below, run from top to bottom, with what they print.

python docs/make_tour.py
"""

import os
import re
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from crossmem_hf.storage import write_atomic

NOTEBOOK = Path(__file__).parent / "tour.ipynb"
PATIENCE = 600  # seconds until a kernel answers, on a machine with much to do
RESULTS = Path(__file__).resolve().parents[1] / "results" / "first_light"
CELLS = [
    """\
# From personas to a page

What a small vision-language model memorizes of ten personas, through which modality it recalls them, and what
unlearning leaves. It runs on two CPU cores in a few minutes, without a network. Ten personas and one persona
seed are too few to conclude anything; the [studies](studies.md) do that.

```bash
pip install -e .    # from a clone
```""",
    """\
## Personas

They do not exist: portraits are drawn by a program, names and facts are drawn from word lists.""",
    """\
from pathlib import Path

from PIL import Image

from crossmem_hf import PersonaDataset

data = PersonaDataset(num_personas=10, seed=0)
for persona in data.personas[:4]:
    print(persona.full_name)
portraits = [row["images"][0] for row in data["recall_image", "test"] if row["view"] == 0][:8]
sheet = Image.new("RGB", (64 * len(portraits), 64))
for place, portrait in enumerate(portraits):
    sheet.paste(portrait, (64 * place, 0))
sheet""",
    """\
## Rows

Conversations with pictures, as TRL takes them. `recall_image` asks for a name through a portrait,
`recall_text` through a description; all kinds are in [data](data.md).""",
    """\
for config in ("recall_image", "recall_text"):
    row = data[config, "test"][0]
    print(row["modality"], "|", row["prompt"][0]["content"], "|", row["completion"][0]["content"])""",
    """\
## Memorize

LoRA on the language model, from portraits alone. The embedded model takes its own settings; any other takes
those of the papers.""",
    """\
from crossmem_hf import load_model, memorize

model, processor = load_model()
quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no"}
model = memorize(model, processor, data["recall_image"], output_dir="out/memorized", max_steps=60, **quiet)""",
    """\
## Ask through both modalities

On portraits and descriptions that were not trained on. *Recall* is the share of exact full names. *Exposure*
is the rank of the true name among all ten by likelihood, from 0 (last) to 100 (first). *Chance* is that of a
forced choice among the ten. [All terms](metrics.md#terms).""",
    """\
from crossmem_hf import CrossModalEvaluator

evaluator = CrossModalEvaluator(data, metrics=["recall", "exposure"])
memorized = evaluator(model, processor)
memorized""",
    """\
for prediction in memorized[:3]:
    print(prediction["modality"], "| truth:", prediction["truth"], "| answer:", prediction["answer"])""",
    """\
## Unlearn

Two of the ten personas, with NPO and a retain loss, through the portraits they were learned from. No second
model is loaded. Other methods, losses and modalities: [unlearning](unlearning.md).""",
    """\
from crossmem_hf import UnlearnConfig, UnlearnTrainer

forget, retain = data.forget_retain("recall_image", fraction=0.2)
config = UnlearnConfig("out/unlearned", method="npo", forget_modality="image", max_steps=15, **quiet)
trainer = UnlearnTrainer(model, config, forget, retain, processing_class=processor)
trainer.train()
evaluator(model, processor)""",
    """\
Where a run is stopped decides what is left. A fact that is not said any more may still rank first: read Exposure
beside recall, and both beside a model that learned the retain set alone ([metrics](metrics.md#chance)).

## A page

`crossmem run` does the same with 50 personas and three persona seeds, and leaves a record of every number and a page
that is made from it. This is the record that ships:""",
    """\
from crossmem_hf import Record
from crossmem_hf.studies.pages import write_pages

record = Record.read("../results/first_light/record.json")
print(len(record.measurements), "measurements, persona seeds", record.seeds)
print("the page:", write_pages(record, Path("out/page")))
Image.open("out/page/figures/matrix.png").reduce(2)""",
    """\
Open the page in a browser. `crossmem reproduce results/first_light/record.json` runs its record again
([reproducing](reproducing.md)).""",
]
"""Cells in order; those that begin with a heading, or are prose, are Markdown."""


def notebook() -> Any:
    """The notebook without outputs."""
    cells = []
    for number, text in enumerate(CELLS):
        new = nbformat.v4.new_code_cell if is_code(text) else nbformat.v4.new_markdown_cell
        cells.append(new(text, id=f"cell-{number}"))
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=about)


def is_code(text: str) -> bool:
    """Whether a cell of `CELLS` is Python."""
    try:
        compile(text, "cell", "exec")
    except SyntaxError:
        return False
    return not text.startswith("#")


def executed(folder: Path) -> Any:
    """The notebook with what its cells print when they are run in ``folder/docs``, beside our results."""
    made = notebook()
    (folder / "docs").mkdir()
    copytree(RESULTS, folder / "results" / RESULTS.name)
    # Files in the place of ports, which nothing outside hears; by their whole path, since the kernel runs elsewhere.
    kernel = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder.resolve() / "kernel"))
    where = {"metadata": {"path": str(folder / "docs")}}
    try:
        NotebookClient(made, timeout=None, startup_timeout=PATIENCE, km=kernel, resources=where).execute()
    finally:
        kernel.shutdown_kernel(now=True)
    return made


def without_traces(made: Any) -> Any:
    """The notebook without progress, warnings, times and addresses, which differ from run to run."""
    for cell in made.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
            for output in cell.outputs:
                if "text" in output:
                    output.text = re.sub(r"\x1b\[[0-9;]*m", "", output.text)
    return made


def main() -> None:
    """Run it and write it."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
    with TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = f"{folder}/hf"
        write_atomic(NOTEBOOK, nbformat.writes(without_traces(executed(Path(folder)))) + "\n")


if __name__ == "__main__":
    main()
