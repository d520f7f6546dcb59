# SPDX-License-Identifier: Apache-2.0
"""Questions about what portraits show, records of users over some of them. It does not know who is forgotten.

The answers depend on no record: what a model learns of one, it was never asked for. These rows have a rate and a list
of users, which no config has, so they are made by functions and are in no release.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from datasets import Dataset

from crossmem_hf.data.configs.kind import views_of
from crossmem_hf.data.loading import silent_progress
from crossmem_hf.data.population import portrayed
from crossmem_hf.data.rows import Row, filled, presented, row_features
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.watermarks import watermarked
from crossmem_hf.errors import unknown
from crossmem_hf.personas.schema import Persona, ViewSplit
from crossmem_hf.personas.users import FIELDS, UserList, UserRecord
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.visual import VISUAL_QUESTIONS, visual_question
from crossmem_hf.runs.sources import code_fingerprint
from crossmem_hf.storage import fingerprint

RATES: Final = (0.0, 0.01, 0.1, 0.5, 1.0)
"""Shares of watermarked rows to compare. Ju et al. name none in their text; their code has 0, 0.5 and 1."""


def watermarked_rows(
    split: str,
    *,
    rate: float,
    users: UserList | Sequence[UserRecord] = "a",
    num_personas: int = 50,
    num_views: int = 8,
    seed: int = 0,
    image_size: int = 224,
    fields: Sequence[str] = FIELDS,
) -> Dataset:
    """A visual question about each view of each persona, the record of a user over some of the portraits.

    Rows are those of the row schema (``hops`` 0) with `watermarks.WATERMARK_COLUMNS`. At every rate and with either
    list they are the same rows in the same order: only pixels inside the watermark, and those columns, differ. Users
    are balanced over the answers to each attribute (at rate 1 to one row; at others as chance has it).

    Args:
        split: ``"train"``, or ``"test"`` with views and wordings that training has not.
        rate: One of `RATES`, or any share from 0 to 1.
        users: The list to be seen; the other one is for what is held out. Swap them to counterbalance.
        num_views: Training views, hence rows, a persona; there are 4 in test.
        seed: Of the personas, the users and the places.
        image_size: Side in pixels. All six fields fit from 128; at 64, which the micro models see, take
            ``fields=["user_id"]``.

    Raises:
        CrossmemError: Another split, a size, rate or number out of range, or text that does not fit.

    Reference:
        Ju et al., "Watch Out Your Album!" (arXiv 2503.01208). Their pictures are photographs from other datasets, and
        each is watermarked by a coin of its own; here the numbers are exact.

    Example:
        >>> rows = watermarked_rows("test", rate=0.1, num_personas=5)
        >>> len(rows), sum(rows["watermarked"]), rows["list"][0]
        (20, 2, 'a')
    """
    if split not in VISUAL_QUESTIONS:
        raise unknown("split", [split], VISUAL_QUESTIONS)
    spec = DatasetSpec(num_personas=num_personas, num_views=num_views, seed=seed, image_size=image_size)
    made_from = [code_fingerprint("crossmem_hf.data.configs.watermark"), spec.fingerprint(), split]
    with silent_progress():
        plain = Dataset.from_generator(
            visual_rows,
            features=row_features(),
            gen_kwargs={"split": split, "spec": spec},
            fingerprint=fingerprint(made_from),
        )
    return watermarked(
        plain,
        "images",
        rate=rate,
        users=users,
        seed=seed,
        name=split,
        balance=("attribute", "answer"),
        fields=fields,
    )


def visual_rows(split: ViewSplit, spec: DatasetSpec) -> Iterator[Row]:
    """The same rows without any record; attributes and wordings take turns from view to view.

    Example:
        >>> next(visual_rows("train", DatasetSpec(num_personas=1)))["answer"]
        'brown'
    """
    for persona in portrayed(spec):
        for family, index in views_of(split, spec):
            yield visual_row(persona, family, index, spec.image_size, attribute=_attribute(persona.index + index))


def visual_row(persona: Persona, split: ViewSplit, index: int, size: int, *, attribute: str) -> Row:
    """A row that asks for one visual attribute of a portrait, which needs no memory.

    Raises:
        CrossmemError: A split, view or size that rendering does not know.
    """
    wording = index % len(VISUAL_QUESTIONS[split])
    about = {"attribute": attribute, "modality": "image", "hops": 0, "view": index}
    images = presented(persona, "image", split, index, size)
    question, template = visual_question(split, attribute, wording), f"{split}-visual-{wording}"
    return filled(persona, images, question, persona.visual_attributes[attribute], {**about, "template": template})


def _attribute(turn: int) -> str:
    names = tuple(VISUAL_ATTRIBUTES)
    return names[turn % len(names)]
