# SPDX-License-Identifier: Apache-2.0
"""What a base learns: from which rows, in which sizes, with which settings."""

from pathlib import Path

import pytest

from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.studies import learning
from crossmem_hf.studies.learning import at_work, learned
from crossmem_hf.studies.settings import StudySettings
from crossmem_hf.studies.study import Cell
from crossmem_hf.training import micro
from crossmem_hf.training.micro import MEMORIZING, MEMORIZING_FACTS, settings_of


def cell(what, source="image", base="micro-s"):
    where = {"base": base, "learned": what, "source": source, "seed": 0}
    return Cell(settings=StudySettings(seeds=1), where=where, stages=Path("nowhere"), progress=lambda *_: None)


@pytest.fixture
def trained(monkeypatch):
    found = []
    monkeypatch.setattr(learning, "memorized", lambda *given, **how: found.append((given, how)))
    return found


def test_a_cell_works_on_its_base_in_its_sizes():
    names, facts = at_work(cell("names")).settings, at_work(cell("facts")).settings
    assert names.model_name_or_path == facts.model_name_or_path == "micro-s"
    assert (names.num_personas, names.num_views) == (50, 8)
    assert (facts.num_personas, facts.num_views, facts.qa_per_persona, facts.forget_fraction) == (20, 100, 100, 0.2)


def test_names_are_learned_from_views_and_facts_from_questions_of_one_modality(trained):
    for what, source in (("names", "text"), ("facts", "image")):
        learned(at_work(cell(what, source, "micro-m")), seed=7)
    (_, name, rows), how = trained[0]
    assert (name, rows.configs, rows.split) == ("micro-m_names_text_seed0", ("recall_text",), "train")
    assert how | MEMORIZING | {"seed": 7} == how
    (_, _, rows), how = trained[1]
    assert (rows.configs, rows.split, rows.modality) == (("qa",), "forget+retain", "image")
    assert how | MEMORIZING_FACTS == how
    assert how["lora"]["target_modules"] == LANGUAGE_LINEARS


def test_a_base_has_its_own_rates(monkeypatch, trained):
    monkeypatch.setattr(micro, "RATES", {"micro-s": (0.5, 0.25)})
    learned(at_work(cell("names")))
    learned(at_work(cell("facts")))
    assert [how["learning_rate"] for _, how in trained] == [0.5, 0.25]
    assert settings_of("another").memorizing == MEMORIZING
