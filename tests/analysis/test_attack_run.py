# SPDX-License-Identifier: Apache-2.0
"""`run_attack`, from settings to a record: what comes out under an attack, and what of it the attack itself gives."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from crossmem_hf.analysis.attack_run import PLAIN, AttackSettings, beside_retain_only, run_attack
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Record

ATTACKS = ("hinted", "multiple_choice")


@pytest.fixture(scope="module")
def settings(tiny_model):
    return AttackSettings(num_personas=5, max_rows=6, model=str(tiny_model), attacks=ATTACKS)


def ran(settings, folder, answer=None, monkeypatch=None):
    """The record and what was printed; `answer` says what comes out, from the question and the truth."""
    said = io.StringIO()
    if answer is not None:

        def generate_answers(model, processor, rows, **_):
            return [answer(row["prompt"][-1]["content"], row["answer"]) for row in rows]

        monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
    record = run_attack(settings, folder, console=Console(file=said, width=140))
    return record, said.getvalue()


def masked(question, truth):
    """Of a model that only stopped saying it: it knows the truth among options."""
    return truth if "Choose one" in question else "I do not know"


def guided(question, truth):
    """Of a model that never knew: a hint of three characters is enough for it to guess."""
    return truth if f"begins with {truth[:3]}" in question else "I do not know"


def masked_and_guided(question, truth):
    """Of a model that guesses as well, and knows more."""
    return truth if truth in (masked(question, truth), guided(question, truth)) else "I do not know"


def test_what_is_masked_is_found_less_what_attacks_give_away(settings, tmp_path, monkeypatch):
    record, _ = ran(settings, tmp_path / "retain_only", guided, monkeypatch)
    assert record.find("residual") == ()
    beside = replace(settings, retain_only=tmp_path / "retain_only")
    record, said = ran(beside, tmp_path / "unlearned", masked_and_guided, monkeypatch)
    value = {(m.metric, m.where["attack"]): m.value for m in record.measurements}
    assert value["extracted", PLAIN] == value["residual", PLAIN] == 0.0
    assert (value["extracted", "multiple_choice"], value["residual", "multiple_choice"]) == (1.0, 1.0)
    assert (value["extracted", "hinted"], value["residual", "hinted"]) == (1.0, 0.0)
    assert {m.chance for m in record.find("extracted", attack="multiple_choice")} == {0.25}
    assert {m.where["group"] for m in record.measurements} == {"forget", "retain"}
    assert "residual" in said
    assert Record.read(tmp_path / "unlearned") == record
    found = Predictions.read(tmp_path / "unlearned")
    assert len(found) == 6 * (1 + len(ATTACKS))


def test_a_model_equal_to_the_retain_only_one_is_not_accused(settings, tmp_path, monkeypatch):
    ran(settings, tmp_path / "one", guided, monkeypatch)
    record, _ = ran(replace(settings, retain_only=tmp_path / "one"), tmp_path / "two", guided, monkeypatch)
    assert {m.value for m in record.find("residual")} == {0.0}


def test_the_retain_only_models_folder_is_not_written_to(settings, tmp_path, monkeypatch):
    ran(settings, tmp_path, guided, monkeypatch)
    kept = (tmp_path / "predictions.jsonl").read_bytes()
    with pytest.raises(CrossmemError, match="would be replaced"):
        run_attack(replace(settings, retain_only=tmp_path), tmp_path, console=Console(file=io.StringIO()))
    assert (tmp_path / "predictions.jsonl").read_bytes() == kept


def test_a_retain_only_model_attacked_with_another_seed_is_refused(settings, tmp_path, monkeypatch):
    ran(settings, tmp_path / "one", guided, monkeypatch)
    other = replace(settings, retain_only=tmp_path / "one", seed=settings.seed + 1)
    with pytest.raises(CrossmemError, match=f"of seed {settings.seed}, not {settings.seed + 1}"):
        run_attack(other, tmp_path / "two", console=Console(file=io.StringIO()))


def test_all_attacks_are_those_that_apply(settings, tmp_path):
    every = replace(settings, attacks=(), max_rows=2)
    record, said = ran(every, tmp_path)
    missing = [note.split()[2] for note in record.notes if note.startswith("Not run")]
    assert missing == ["named_first.", "multi_hop.", "several_pictures.", "early_exit.", "tuned_lens.", "rescaled."], (
        "of facts, of persons with several pictures, of models with several layers, or with adapters"
    )
    assert "Not run: named_first." in said
    assert {m.where["attack"] for m in record.measurements} >= {PLAIN, "sampling", "pictures", "described_first"}


def test_an_attack_asked_for_by_name_must_apply(settings, tmp_path):
    with pytest.raises(CrossmemError, match="ends in no question"):
        run_attack(replace(settings, attacks=("named_first",)), tmp_path, console=Console(file=io.StringIO()))


def test_a_second_run_asks_nothing_again(settings, tmp_path, monkeypatch):
    first, _ = ran(settings, tmp_path)
    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", None)
    again, _ = ran(settings, tmp_path)
    assert again.measurements == first.measurements


def test_a_retain_only_model_of_other_rows_is_refused(settings, tmp_path, monkeypatch):
    ran(replace(settings, max_rows=4), tmp_path / "others", guided, monkeypatch)
    with pytest.raises(CrossmemError, match="are of other rows"):
        run_attack(replace(settings, retain_only=tmp_path / "others"), tmp_path / "new")


def test_a_retain_only_model_under_fewer_attacks_is_refused_or_told_of(settings, tmp_path, monkeypatch):
    ran(replace(settings, attacks=("hinted",)), tmp_path / "fewer", guided, monkeypatch)
    with pytest.raises(CrossmemError, match="are not of multiple_choice"):
        run_attack(replace(settings, retain_only=tmp_path / "fewer"), tmp_path / "new")
    every = replace(settings, attacks=(), retain_only=tmp_path / "fewer", max_rows=6)
    record, _ = ran(every, tmp_path / "every", guided, monkeypatch)
    assert "No residual of multiple_choice: the retain-only model was not under it." in record.notes
    assert {m.where["attack"] for m in record.find("residual")} == {PLAIN, "hinted"}


def test_the_folder_of_another_command_is_no_retain_only_model(settings, tmp_path):
    Predictions([{"row": "r", "correct": True}]).write(tmp_path / "predictions.jsonl")
    with pytest.raises(CrossmemError, match="another command than crossmem attack"):
        run_attack(replace(settings, retain_only=tmp_path), tmp_path / "new")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"attacks": ("hint",)}, "Unknown attack 'hint'"), ({"max_rows": 0}, "max_rows=0")],
)
def test_settings_are_checked_at_once(changes, said):
    with pytest.raises(CrossmemError, match=said):
        AttackSettings(**changes)


def test_a_folder_without_predictions_is_no_retain_only_model(tmp_path):
    with pytest.raises(CrossmemError, match="holds no predictions"):
        AttackSettings(retain_only=tmp_path)


def test_only_attacks_that_both_models_were_under_are_compared():
    one = {"row": "r", "persona_id": "p", "modality": "text", "extracted": True}
    found = Predictions([{**one, "attack": "hinted"}, {**one, "attack": "sampling"}])
    (both,) = beside_retain_only(found, Predictions([{**one, "attack": "hinted"}]))
    assert (both["attack"], both["extracted_retain_only"]) == ("hinted", True)
