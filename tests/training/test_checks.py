# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.checks import check_lengths, check_rows
from crossmem_hf.training.collate import EncodedRows, RowEncoder
from tests.training import tiny

SEES = SimpleNamespace(model_type="llava", vision_config=object())
BLIND = SimpleNamespace(model_type="llama")


def test_good_rows_pass():
    check_rows(tiny.rows("p0", modality="mixed", views=2), "forget", model_config=SEES)
    check_rows(tiny.rows("p0", modality="text"), "forget", model_config=BLIND)


def test_an_empty_set():
    with pytest.raises(CrossmemError, match="The forget set is empty"):
        check_rows(tiny.rows("p0").select([]), "forget", model_config=SEES)


def test_missing_columns_are_named():
    dataset = tiny.rows("p0").remove_columns(["persona_id", "images"])
    with pytest.raises(CrossmemError, match=r"The retain set lacks the columns \['images', 'persona_id'\]"):
        check_rows(dataset, "retain", model_config=SEES)


def test_images_for_a_model_without_image_tower():
    dataset = tiny.rows("p0", "p1", modality="mixed", views=2).select([3, 2, 1])
    with pytest.raises(
        CrossmemError, match=r"Row 2 of the forget set has an image; a 'llama' model has no image tower"
    ):
        check_rows(dataset, "forget", model_config=BLIND)


def test_lengths_are_checked_only_with_a_limit():
    rows = tiny.rows("p0")
    check_lengths(EncodedRows(rows, RowEncoder(tiny.processor())))
    with pytest.raises(CrossmemError, match="would cut its answer"):
        check_lengths(EncodedRows(rows, RowEncoder(tiny.processor(), max_length=5)))
