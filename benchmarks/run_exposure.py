# SPDX-License-Identifier: Apache-2.0
"""The Exposure of `crossmem run`, against batches of whole sequences: 50 people, four held-out views each, 50 names.

    python benchmarks/run_exposure.py --output run_exposure.json     # the embedded model, 3 CPU minutes

The rows are those of one seed and one modality queried in, the batch size is the study's. The opponent runs each of
a row's names in a sequence of its own, with the picture, prepares each row once, and takes as many at once as
`--batch_size` says. Both sides begin with rows and end with the same likelihoods, or the run fails.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from arena import Arena, Row
from contest import base_parser, complete, contest, entered, finished, judged
from opponents import Floats, batched, sizes_of
from scoring import nats_apart

from crossmem_hf.data.loading import load_rows
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.scoring.candidates import Scores, score_candidates

WORDS = {"image": "portraits", "text": "descriptions"}
STUDY_BATCH = 128  # prompts at a time, as studies/first_light.py has it


def main() -> None:
    arena = entered(parsed())
    finished(arena, [measured(arena, modality) for modality in MODALITIES])


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The settings, complete; by default of the command line."""
    parser = base_parser(__doc__ or "")
    parser.set_defaults(model="micro")
    parser.add_argument("--num_personas", type=int, default=50)
    parser.add_argument("--max_rows", type=int, help="of each modality, the first ones; default: all")
    parser.add_argument("--batch_size", type=int, default=50, help="sequences at once, for the opponent")
    return complete(parser.parse_args(arguments))


def measured(arena: Arena, modality: str) -> dict[str, Any]:
    """One modality queried in."""
    settings = arena.settings
    every = load_rows(None, f"recall_{modality}", "test", num_personas=settings.num_personas)
    names = sorted(set(every["answer"]))
    rows: list[Row] = list(every)[: settings.max_rows]
    ours, theirs = partial(ours_of, arena, rows, names), partial(whole_sequences, arena, rows, names)
    ours_of(arena, rows[:1], names)  # first calls are nobody's time
    whole_sequences(arena, rows[:1], names)
    result = contest(arena, ours, theirs, nats_apart)
    case = f"{len(rows)} {WORDS[modality]} × {len(names)} names"
    note = sizes_of(arena.processor, rows[:20], names)
    return judged(case, f"batches of {settings.batch_size} whole sequences", result, None, note=note)


def ours_of(arena: Arena, rows: Sequence[Row], names: Sequence[str]) -> Scores:
    return score_candidates(arena.model, arena.processor, rows, names, batch_size=STUDY_BATCH)


def whole_sequences(arena: Arena, rows: Sequence[Row], names: Sequence[str]) -> Floats:
    size = arena.settings.batch_size
    return np.array([batched(arena.model, arena.processor, row, names, size) for row in rows])


if __name__ == "__main__":
    main()
