# SPDX-License-Identifier: Apache-2.0
"""Write the dataset to a folder, or publish it on the Hub.

    python dataset_scripts/personas.py --output_dir build/personas
    python dataset_scripts/personas.py --push_to_hub crossmem/personas --num_personas 100 --image_size 256
    python dataset_scripts/personas.py --output_dir build/remem --preset remem

The rows, splits and card are made by crossmem_hf.data; what is pushed is what --output_dir would hold. A token is
taken from HF_TOKEN or from `hf auth login`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from crossmem_hf.data.publish import push_dataset
from crossmem_hf.data.spec import PRESETS, DatasetSpec
from crossmem_hf.data.writing import REPO_ID, write_dataset
from crossmem_hf.errors import CrossmemError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, help="folder to write to; must not hold anything yet")
    parser.add_argument("--push_to_hub", metavar="NAMESPACE/NAME", help="dataset repository to publish to")
    parser.add_argument(
        "--private", action="store_true", default=None, help="if the repository is new, keep it private"
    )
    parser.add_argument("--revision", help="branch to push to (default: main)")
    parser.add_argument("--preset", choices=PRESETS, help="a paper's sizes; the options below replace them")
    for name, value in DatasetSpec().as_dict().items():
        parser.add_argument(f"--{name}", type=type(value), help=f"default: {value}, or the preset's")
    parser.add_argument("--portraits", help="folder made by crossmem portraits (default: portraits are drawn)")
    parsed = parser.parse_args(arguments)
    if parsed.output_dir is None and parsed.push_to_hub is None:
        parser.error("nothing to do: give --output_dir, --push_to_hub or both")
    return parsed


def main(arguments: list[str] | None = None) -> None:
    parsed = parse_arguments(arguments)
    names = [*DatasetSpec().as_dict(), "portraits"]
    spec = DatasetSpec.preset(parsed.preset, **{name: getattr(parsed, name) for name in names})
    with tempfile.TemporaryDirectory() as scratch:
        folder = parsed.output_dir or Path(scratch) / "personas"
        if folder.exists() and any(folder.iterdir()):
            raise CrossmemError(f"{str(folder)!r} is not empty.", "Name a folder that is new or empty.")
        write_dataset(folder, spec, repo_id=parsed.push_to_hub or REPO_ID)
        if parsed.output_dir is not None:
            print(f"Wrote {folder}")
        if parsed.push_to_hub is not None:
            print(
                "Published", push_dataset(folder, parsed.push_to_hub, private=parsed.private, revision=parsed.revision)
            )


if __name__ == "__main__":
    try:
        main()
    except CrossmemError as error:
        sys.exit(f"Error: {error}")
