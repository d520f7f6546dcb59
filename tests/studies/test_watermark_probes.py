# SPDX-License-Identifier: Apache-2.0
"""The study watermark_probes: its grid, and a run on a model that learns next to nothing."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.studies.run import run_study
from crossmem_hf.studies.study import cell_name
from crossmem_hf.studies.watermark_cells import FIELD, AlbumRows
from crossmem_hf.studies.watermark_probes import STUDY, WatermarkSettings
from tests.studies.conftest import run_here


@pytest.fixture(scope="module")
def record(tiny_model, tmp_path_factory):
    chosen = WatermarkSettings(
        seeds=1,
        num_personas=5,
        rates="0,0.5",
        train_batch_sizes=(4, 16),
        accumulation=2,
        train_epochs=1,
        gradient_batch_sizes=(1, 2),
        accumulations=(1, 2),
        num_batches=3,
        model_name_or_path=str(tiny_model),
    )
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        return run_study(STUDY, chosen, tmp_path_factory.mktemp("album"), console=Console(file=StringIO()))


def test_every_rate_has_both_lists_and_batches_are_compared_at_one():
    chosen = WatermarkSettings(rates="0,0.5", train_batch_sizes=(4, 16), accumulation=4, seeds=1)
    assert [cell_name(where) for where in STUDY.grid(chosen)] == [
        "gradients_seed0",
        *(f"trained_{rate}_{users}_16_1_seed0" for rate in ("0.0", "0.5") for users in "ab"),
        "trained_0.5_a_4_1_seed0",
        "trained_0.5_a_4_4_seed0",
    ]


def test_albums_differ_in_records_alone():
    spec = DatasetSpec(num_personas=3, num_views=2)
    plain, marked, other = (
        AlbumRows(rate=rate, users=users).of(spec) for rate, users in ((0, "a"), (1, "a"), (1, "b"))
    )
    assert plain["answer"] == marked["answer"] == other["answer"]
    assert not {*plain[FIELD]} - {None}
    assert not {*marked[FIELD]} & {*other[FIELD]}


def test_gradients_are_compared_for_every_size_and_change(record):
    assert record.failures == ()
    for change in ("watermark", "picture", "words"):
        for size in (1, 2):
            for batches in (1, 2):
                place = {"change": change, "batch_size": size, "accumulation": batches}
                assert -1 <= record.one("gradient_cosine", **place).value <= 1


def test_every_model_is_probed_and_prompted(record):
    place = {"part": "trained", "rate": 0.5, "list": "a", "batch_size": 4, "accumulation": 2}
    gain = record.one("probe_gain_mean", **place).value
    layers = [one.value for one in record.find("probe_gain", **place) if "layer" in one.where]
    assert gain == pytest.approx(sum(layers) / len(layers))
    assert {one.where["users"] for one in record.find("read_out", **place)} == {"seen", "unseen"}
    assert 0 <= record.one("auroc_by_likelihood", **place).value <= 1
    assert 0 <= record.one("task_recall", **place).value <= 1
    assert record.one("steps", **place).value == 5


def test_every_claim_was_measured(record):
    assert {one.n for one in record.verdicts} == {1}
    assert len(record.verdicts) == 2 * 3 + 1 + 2 + 2 * 4 + 2
