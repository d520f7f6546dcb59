# SPDX-License-Identifier: Apache-2.0
"""What a dry run says: which cells, which of them are done, and what the others may cost."""

from io import StringIO

from rich.console import Console

from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.studies import plan
from crossmem_hf.studies.plan import planned
from crossmem_hf.studies.run import run_study
from tests.studies.tiny_study import STUDY, TinySettings


def settings(**chosen):
    return TinySettings(**({"num_personas": 5, "seeds": 2} | chosen))


def test_planned_knows_nothing_of_a_new_study(tmp_path):
    cells = planned(STUDY, settings(), tmp_path / "new")
    assert [cell.name for cell in cells] == ["known_seed0", "forgotten_seed0", "known_seed1", "forgotten_seed1"]
    assert {(cell.done, cell.cpu_s, cell.peak_mib, cell.known_from) for cell in cells} == {(False, None, None, "")}
    assert not (tmp_path / "new").exists()


def test_planned_expects_of_new_seeds_what_others_cost(in_process, tmp_path):
    run_study(STUDY, settings(seeds=1, methods="known"), tmp_path, console=Console(file=StringIO()))
    cells = {cell.name: cell for cell in planned(STUDY, settings(), tmp_path)}
    assert [name for name, cell in cells.items() if cell.done] == ["known_seed0"]
    assert cells["known_seed1"].cpu_s == cells["known_seed0"].cpu_s is not None
    assert cells["known_seed1"].peak_mib > 0
    assert cells["known_seed1"].known_from == "cells done here"
    assert cells["forgotten_seed1"].cpu_s is None


def shipped(folder, **config):
    """A record as if it were shipped: two seeds of the method known."""
    costs = [
        Measurement(metric=metric, where={"method": "known", "seed": seed}, value=value + seed, n=1, unit="seconds")
        for metric, value in (("cpu_s", 10.0), ("peak_mib", 100.0))
        for seed in (0, 1)
    ]
    record = Record(
        study="tiny",
        config=settings().as_dict() | config,
        versions={},
        seeds=(0, 1),
        fingerprints={},
        measurements=tuple(costs),
    )
    (folder / "tiny").mkdir(exist_ok=True)
    record.write(folder / "tiny/record.json")


def test_planned_expects_what_the_shipped_record_says(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "SHIPPED", tmp_path)
    shipped(tmp_path)
    cells = {cell.name: cell for cell in planned(STUDY, settings(), tmp_path / "new")}
    assert (cells["known_seed1"].cpu_s, cells["known_seed1"].peak_mib) == (10.5, 101.0)
    assert "shipped" in cells["known_seed1"].known_from
    assert cells["forgotten_seed0"].cpu_s is None
    shipped(tmp_path, known=1)  # of other settings, which may have cost more
    assert {cell.cpu_s for cell in planned(STUDY, settings(), tmp_path / "new")} == {None}


def test_shipped_records_are_found_under_the_names_of_studies():
    from crossmem_hf.studies.compare import STUDY as COMPARE

    assert (plan.SHIPPED / COMPARE.name / "record.json").is_file()
    assert plan._shipped(COMPARE, COMPARE.settings())
