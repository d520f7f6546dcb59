# SPDX-License-Identifier: Apache-2.0
"""Write the dataset to a folder, or publish it on the Hub.

    python dataset_scripts/personas.py --output_dir build/personas
    python dataset_scripts/personas.py --push_to_hub crossmem/personas --num_personas 100 --image_size 256 --tag v1.0
    python dataset_scripts/personas.py --output_dir build/remem --preset remem
    python dataset_scripts/personas.py --input_dir build/remem --push_to_hub crossmem/remem

The rows, splits and card are made by crossmem_hf.data; what is pushed is what --output_dir would hold, in one commit,
and a tag is set once all of it has arrived. Whether the token may write there is asked before anything is made; it is
taken from HF_TOKEN or from `hf auth login`. An interrupted push is run again: what has arrived is not sent again.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from crossmem_hf.data.release.writing import REPO_ID, write_dataset
from crossmem_hf.data.spec import PRESETS, DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.permissions import ready_repository
from crossmem_hf.hub.push import check_tag_name
from crossmem_hf.publishing.dataset import push_dataset


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, help="folder to write to: new, empty, or begun earlier")
    parser.add_argument("--input_dir", type=Path, help="publish this folder, written before, and make nothing")
    parser.add_argument("--push_to_hub", metavar="NAMESPACE/NAME", help="dataset repository to publish to")
    parser.add_argument("--private", action="store_true", default=None, help="refuse to publish where others can read")
    parser.add_argument("--revision", help="branch to push to (default: main)")
    parser.add_argument("--create_pr", action="store_true", help="open a pull request instead of changing a branch")
    parser.add_argument("--tag", help="name of the version, such as v1.0")
    parser.add_argument("--num_proc", type=int, default=1, help="processes that write (default: %(default)s)")
    parser.add_argument("--preset", choices=PRESETS, help="a paper's sizes; the options below replace them")
    for knob in DatasetSpec.knobs():
        kind = str if knob.default is None else type(knob.default)
        parser.add_argument(f"--{knob.name}", type=kind, help=f"{knob.help} Default: {knob.default}.")
    parsed = parser.parse_args(arguments)
    if parsed.push_to_hub is None and (parsed.output_dir is None or parsed.input_dir is not None):
        parser.error("nothing to do: give --output_dir, --push_to_hub or both; --input_dir needs --push_to_hub")
    if parsed.input_dir is not None and parsed.output_dir is not None:
        parser.error("--input_dir publishes what is there, and --output_dir makes it: give one of them")
    if parsed.create_pr and (parsed.tag or parsed.revision):
        parser.error("a pull request goes to the main branch and cannot be tagged: leave --tag and --revision out")
    return parsed


def main(arguments: list[str] | None = None) -> None:
    parsed = parse_arguments(arguments)
    knobs = {knob.name: getattr(parsed, knob.name) for knob in DatasetSpec.knobs()}
    spec = DatasetSpec.preset(parsed.preset, **knobs)
    if parsed.tag is not None:
        check_tag_name(parsed.tag)
    address, repo_id = None, parsed.push_to_hub or REPO_ID
    if parsed.push_to_hub is not None:
        address = ready_repository(repo_id, "dataset", private=parsed.private, create_pr=parsed.create_pr)
    with tempfile.TemporaryDirectory() as scratch:
        folder = parsed.input_dir or parsed.output_dir or Path(scratch) / "personas"
        if parsed.input_dir is None:
            write_dataset(folder, spec, repo_id=repo_id, num_proc=parsed.num_proc, progress=sys.stderr.isatty())
        if parsed.output_dir is not None:
            print(f"Wrote {folder}")
        if address is not None:
            publish(folder, address, parsed)


def publish(folder: Path, address: str, parsed: argparse.Namespace) -> None:
    pushed = push_dataset(
        folder, parsed.push_to_hub, revision=parsed.revision, create_pr=parsed.create_pr, tag=parsed.tag
    )
    if pushed.pull_request:
        print(f"Waiting to be merged: {pushed.pull_request}")
    elif pushed.num_changed:
        print(f"Published {address} at {pushed.commit}; {pushed.num_changed} file(s) changed")
    else:
        print(f"Nothing to change: {address} holds this already, at {pushed.commit}")
    if parsed.tag is not None:
        print(f"Version {parsed.tag} is what was made here")


if __name__ == "__main__":
    try:
        main()
    except CrossmemError as error:
        sys.exit(f"Error: {error}")
