# SPDX-License-Identifier: Apache-2.0
"""Models that are right by a script, so that every event is known."""

import json
import logging
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset, concatenate_datasets
from pyarrow import parquet
from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments

from crossmem_hf.analysis.dynamics import (
    first_forgotten,
    first_memorized,
    forgetting_events,
    groups_in_order,
    read_dynamics,
)
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.pattern_decoder import pattern_tokenizer
from crossmem_hf.training.callbacks.dynamics import MemorizationDynamicsCallback
from tests.training import knowing as toy
from tests.training import tiny

SCRIPT = np.array([[0, 0, 0, 1], [1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 0, 1], [1, 1, 0, 0]], dtype=bool)
"""Which of four sequences are right after 0, 2, 4, 6 and 7 steps."""
STEPS = [0, 2, 4, 6, 7]
VOCABULARY = 12


class Scripted(torch.nn.Module):
    """Says a sequence right, or its last token wrong, as the script has it for the step that its trainer is at."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.config = SimpleNamespace(to_dict=dict, use_cache=False)
        self.trainer, self.passes, self.broken = None, 0, False

    def forward(self, input_ids, attention_mask=None, labels=None):
        following = torch.cat([input_ids[:, 1:], input_ids[:, :1]], dim=1)
        logits = torch.nn.functional.one_hot(following, VOCABULARY).float()
        if not self.training:
            self.passes += 1
            row = SCRIPT[STEPS.index(self.trainer.state.global_step)]
            for place, sequence in enumerate((input_ids[:, 0] - 1).tolist()):
                last = int(attention_mask[place].sum()) - 2
                logits[place, last] = logits[place, last] if row[sequence] else -logits[place, last]
                logits[place, last, 0] += math.nan if self.broken else 0.0
        return {"loss": self.weight**2, "logits": logits} if labels is not None else SimpleNamespace(logits=logits)


def scripted_rows(kinds=("a", "b", "a", "b")):
    """Sequence n begins with token n + 1, has n + 3 tokens and labels on its last two."""
    ids = [[number + 1, *range(2, number + 4)] for number in range(4)]
    labels = [[-100] * (len(one) - 2) + one[-2:] for one in ids]
    mask = [[1] * len(one) for one in ids]
    return Dataset.from_dict({"input_ids": ids, "attention_mask": mask, "labels": labels, "kind": list(kinds)})


def scripted(folder, model=None, rows=None, **choices):
    """A trainer of a scripted model, without shuffling: rows 0 and 1, then 2 and 3, and so on."""
    model = model or Scripted()
    settings = {"max_steps": 7, "per_device_train_batch_size": 2, "train_sampling_strategy": "sequential"}
    args = TrainingArguments(**tiny.settings(folder, use_cpu=True, **settings | choices))
    collator = DataCollatorForSeq2Seq(pattern_tokenizer())
    trainer = Trainer(model, args, data_collator=collator, train_dataset=scripted_rows() if rows is None else rows)
    model.trainer = trainer
    return trainer


def follows(trainer, *args, **choices):
    callback = MemorizationDynamicsCallback(trainer, *args, **({"every_steps": 2} | choices))
    trainer.add_callback(callback)
    return callback


def test_a_scripted_model_gives_exactly_its_events(tmp_path):
    trainer = scripted(tmp_path)
    follows(trainer, columns=["kind"])
    trainer.train()
    found = read_dynamics(tmp_path / "dynamics.parquet")
    assert found.steps_E.tolist() == STEPS
    assert np.array_equal(found.exact_match_EN, SCRIPT)
    assert first_memorized(found).tolist() == [2, 4, math.inf, 0]
    assert first_forgotten(found).tolist() == [6, math.inf, math.inf, 4]
    assert forgetting_events(found).tolist() == [1, 0, 0, 2]
    assert [group.name for group in groups_in_order(found, "kind")] == ["b", "a"]
    names = parquet.read_schema(tmp_path / "dynamics.parquet").names
    assert names == ["sequence", "kind", "step", "exact_match", "in_batch"]


def test_shares_are_logged_beside_the_losses(tmp_path):
    logs = []
    for followed in (False, True):
        trainer = scripted(tmp_path)
        callback = follows(trainer) if followed else None
        trainer.train()
        logs.append([entry for entry in trainer.state.log_history if "loss" in entry])
    assert callback is not None
    assert logs[0] == logs[1]
    shares = [entry for entry in trainer.state.log_history if "dynamics/memorized" in entry]
    assert [entry["step"] for entry in shares] == STEPS
    assert [entry["dynamics/memorized"] for entry in shares] == [0.25, 0.5, 0.5, 0.5, 0.5]
    assert [entry.get("dynamics/newly_memorized") for entry in shares] == [None, 0.25, 0.25, 0.25, 0.25]
    assert [entry.get("dynamics/forgotten") for entry in shares] == [None, 0.0, 0.25, 0.25, 0.25]


def test_an_evaluation_costs_one_pass_over_the_sequences(tmp_path):
    trainer = scripted(tmp_path, per_device_eval_batch_size=3)
    follows(trainer)
    trainer.train()
    assert trainer.model.passes == 2 * len(STEPS)


def test_what_was_trained_on_is_recognized(tmp_path):
    """At odd steps rows 0 and 1, at even ones 2 and 3; padded on their way, some unknown, some alike."""
    rows = scripted_rows()
    trainer = scripted(tmp_path, rows=rows)
    all_rows = follows(trainer, every_steps=2, name="all")
    some = follows(trainer, rows.select([0, 2, 3]), every_steps=2, name="some")
    twice = follows(trainer, concatenate_datasets([rows, rows.select([0])]), every_steps=2, name="twice")
    trainer.train()
    unknown = [math.nan]
    np.testing.assert_array_equal(all_rows.dynamics().in_batch_EN[[0, 1, -1]], [unknown * 4, [1] * 4, [1, 1, 0, 0]])
    np.testing.assert_array_equal(some.dynamics().in_batch_EN[-1], [1, 0, 0])
    np.testing.assert_array_equal(twice.dynamics().in_batch_EN[-1], [math.nan, 1, 0, 0, math.nan])
    assert {path.name for path in tmp_path.glob("*.parquet")} == {
        f"dynamics_{n}.parquet" for n in ("all", "some", "twice")
    }


def test_sequences_that_are_never_trained_on_are_not_accused(tmp_path):
    trainer = scripted(tmp_path, rows=scripted_rows().select([0, 1]))
    callback = follows(trainer, scripted_rows().select([2, 3]))
    trainer.train()
    assert np.isnan(callback.dynamics().in_batch_EN).all()


class KilledError(Exception):
    pass


class DieAfter(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KilledError


@pytest.mark.parametrize(("saved", "died"), [(3, 5), (4, 4), (3, 6)])
def test_killed_and_resumed_it_leaves_the_file_of_a_whole_run(saved, died, tmp_path):
    saving = {"save_strategy": "steps", "save_steps": saved}
    trainer = scripted(tmp_path / "whole", **saving)
    follows(trainer, columns=["kind"])
    trainer.train()
    trainer = scripted(tmp_path / "killed", **saving)
    follows(trainer, columns=["kind"])
    trainer.add_callback(DieAfter(died))
    with pytest.raises(KilledError):
        trainer.train()
    trainer = scripted(tmp_path / "killed", **saving)
    follows(trainer, columns=["kind"])
    trainer.train(resume_from_checkpoint=str(tmp_path / "killed" / f"checkpoint-{saved}"))
    whole, resumed = ((tmp_path / name / "dynamics.parquet").read_bytes() for name in ("whole", "killed"))
    assert whole == resumed


def test_a_run_that_begins_anew_has_no_history(tmp_path):
    trainer = scripted(tmp_path)
    callback = follows(trainer)
    for _ in range(2):
        trainer.train()
        assert callback.dynamics().steps_E.tolist() == STEPS
        assert len(trainer.model._forward_pre_hooks) == 0


def test_a_checkpoint_of_other_sequences_is_refused(tmp_path):
    trainer = scripted(tmp_path, save_strategy="steps", save_steps=4)
    follows(trainer)
    trainer.train()
    trainer = scripted(tmp_path)
    follows(trainer, max_sequences=3)
    with pytest.raises(CrossmemError, match="has followed other sequences"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))


def test_a_sample_is_fixed_and_seeded(tmp_path):
    trainer = scripted(tmp_path, rows=concatenate_datasets([scripted_rows()] * 10))
    samples = [follows(trainer, max_sequences=8, seed=seed).places for seed in (0, 0, 1)]
    assert samples[0] == samples[1] == sorted(set(samples[0])) != samples[2]
    assert len(samples[0]) == 8
    assert len(follows(trainer, max_sequences=None).places) == 40


def test_what_is_not_a_number_is_not_memorized(tmp_path):
    trainer = scripted(tmp_path)
    callback = follows(trainer)
    trainer.model.broken = True
    trainer.train()
    assert not callback.dynamics().exact_match_EN.any()


def test_checkpoints_hold_little(tmp_path):
    trainer = scripted(tmp_path, save_strategy="steps", save_steps=7)
    follows(trainer)
    trainer.train()
    state = json.loads((tmp_path / "checkpoint-7" / "trainer_state.json").read_text())
    (kept,) = [one for name, one in state["stateful_callbacks"].items() if name.startswith("crossmem.")]
    assert len(json.dumps(kept["attributes"]["history"])) < 100 * len(STEPS)


def test_it_says_what_it_will_cost(tmp_path, caplog):
    trainer = scripted(tmp_path, max_steps=1)
    callback = follows(trainer, every_steps=7)
    trainer.model.trainer = SimpleNamespace(state=SimpleNamespace(global_step=0))
    with caplog.at_level(logging.INFO, logger="crossmem_hf"):
        trainer.train()
    assert "4 of 4 sequences in 1 batches, every 7 steps" in caplog.text
    assert callback.dynamics().steps_E.tolist() == [0, 1]


MISTAKES = {
    "no steps": ({"every_steps": 0}, "every_steps=0"),
    "no sequences": ({"max_sequences": 0}, "max_sequences=0"),
    "not a number": ({"max_sequences": True}, "max_sequences=True"),
    "another column": ({"columns": ["kinds"]}, r"\['kinds'\] are not among"),
    "an own column": ({"columns": ["step"]}, r"\['step'\] are not among"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_before_training(mistake, tmp_path):
    choices, said = MISTAKES[mistake]
    with pytest.raises(CrossmemError, match=said):
        follows(scripted(tmp_path), **choices)


def test_rows_that_cannot_be_asked_are_refused(tmp_path):
    with pytest.raises(CrossmemError, match="no length"):
        follows(scripted(tmp_path), [])
    trainer = scripted(tmp_path)
    silent = scripted_rows().map(lambda row: {"labels": [-100] * len(row["input_ids"])}, load_from_cache_file=False)
    follows(trainer, silent)
    with pytest.raises(CrossmemError, match=r"have no answer token.* of the rows \[0, 1, 2, 3\]"):
        trainer.train()
    trainer = toy.forgetting(tmp_path, toy.knowing())
    follows(trainer)
    with pytest.raises(CrossmemError, match="expected input_ids and labels"):
        trainer.train()


def test_two_of_one_name_are_refused(tmp_path):
    trainer = scripted(tmp_path)
    follows(trainer)
    follows(trainer)
    with pytest.raises(CrossmemError, match="Two of these callbacks have the name ''"):
        trainer.train()


def test_weights_in_shards_are_refused(tmp_path):
    trainer = scripted(tmp_path)
    callback = follows(trainer)
    trainer.is_fsdp_enabled = True
    with pytest.raises(CrossmemError, match="in shards"):
        callback.on_train_begin(trainer.args, trainer.state, trainer.control)
