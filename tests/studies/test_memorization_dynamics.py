# SPDX-License-Identifier: Apache-2.0
"""The study memorization_dynamics: its sequences, and a short run."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.studies.dynamics_cells import sequences
from crossmem_hf.studies.dynamics_claims import KINDS
from crossmem_hf.studies.memorization_dynamics import STUDY, DynamicsSettings
from crossmem_hf.studies.run import run_study
from tests.studies.conftest import run_here


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    chosen = DynamicsSettings(
        seeds=1,
        sizes="s",
        parts="patterns",
        num_sequences=4,
        num_held_out=2,
        train_steps=4,
        look_every=2,
        train_batch_size=8,
    )
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        return run_study(STUDY, chosen, tmp_path_factory.mktemp("dynamics"), console=Console(file=StringIO()))


def test_all_kinds_are_there_and_held_out_sequences_are_others():
    settings = DynamicsSettings()
    trained, held_out = (sequences(settings, 0, split) for split in ("train", "test"))
    assert [trained["kind"].count(kind) for kind in KINDS] == [settings.num_sequences] * len(KINDS)
    whole = [{row["prompt"] + row["answer"] for row in rows} for rows in (trained, held_out)]
    assert not whole[0] & whole[1]
    assert {len(row) for row in whole[0]} <= {*range(51, settings.longest + 1)}
    assert {*held_out["kind"]} == {*KINDS}


def test_every_kind_is_followed_in_both_splits(record):
    assert record.failures == ()
    for kind in KINDS:
        for split, count in (("train", 4), ("test", 2)):
            assert record.one("memorized", kind_of_pattern=kind, split=split, size="s", part="patterns").n == count
            assert record.one("memorized_by", kind_of_pattern=kind, split=split, size="s", part="patterns").value <= 4
    assert len(record.verdicts) == 8, "claims of the size that was run"


def test_people_are_followed_in_both_modalities(tmp_path, monkeypatch):
    chosen = DynamicsSettings(
        seeds=1,
        parts="personas",
        num_personas=4,
        forget_fraction=0.5,
        num_views=2,
        qa_per_persona=14,
        people_steps=2,
        look_at_people_every=1,
        model_name_or_path="micro-s",
    )
    run_here(monkeypatch)
    found = run_study(STUDY, chosen, tmp_path, console=Console(file=StringIO()))
    assert found.failures == ()
    for modality in ("image", "text"):
        assert found.one("memorized", part="personas", attribute="full_name", modality=modality, hops=1).n == 8
        for hops in (1, 2):
            assert found.one("memorized", part="personas", attribute="job", modality=modality, hops=hops).n == 4
    assert len(found.verdicts) == 18, "claims about people alone"
