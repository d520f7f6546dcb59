# SPDX-License-Identifier: Apache-2.0
"""Write the few personas that the explorer shows where it reaches no data set: `python spaces/make_people.py`."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.publishing.materialize import materialize

FOLDER = Path(__file__).parent / "explorer" / "people"
CONFIGS = ("profiles", "qa", "recall_image")
SPLITS = ("forget", "retain", "train", "test")
SPEC = DatasetSpec(num_personas=9, num_views=2, qa_per_persona=2)


def main(folder: Path = FOLDER) -> None:
    """Fill the folder: profiles, some questions, and views that are trained on and held out."""
    with TemporaryDirectory() as made:
        materialize(Path(made), SPEC)
        shutil.rmtree(folder, ignore_errors=True)
        for config in CONFIGS:
            for file in sorted((Path(made) / "crossmem" / "personas" / config).glob("*.parquet")):
                if file.name.partition("-")[0] in SPLITS:
                    (folder / config).mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, folder / config / file.name)


if __name__ == "__main__":
    main()
