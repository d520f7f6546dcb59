# SPDX-License-Identifier: Apache-2.0
"""Models that learn, followed: patterns by a plain trainer, personas by those of trl and ours."""

import numpy as np
import torch
from datasets import concatenate_datasets
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments
from trl import SFTTrainer

from crossmem_hf.analysis.dynamics import first_memorized, groups_in_order
from crossmem_hf.data.patterns import pattern_rows
from crossmem_hf.models.pattern_decoder import encoded_patterns, pattern_decoder, pattern_tokenizer
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.training.callbacks.dynamics import MemorizationDynamicsCallback
from crossmem_hf.training.config import VisionSFTConfig
from tests.training import knowing as toy
from tests.training import tiny


def follows(trainer, *args, **choices):
    callback = MemorizationDynamicsCallback(trainer, *args, **choices)
    trainer.add_callback(callback)
    return callback


def patterns(*parts):
    """Short rows of these kinds and numbers."""
    rows = [pattern_rows(kind, number, lengths=(24, 24), answer_chars=8) for kind, number in parts]
    return encoded_patterns(concatenate_datasets(rows))


def learning(folder, rows, seed=0, **choices):
    torch.manual_seed(seed)
    settings = {"per_device_train_batch_size": 8, "learning_rate": 2e-3, "lr_scheduler_type": "constant"}
    args = TrainingArguments(**tiny.settings(folder, use_cpu=True, **settings | choices))
    return Trainer(
        pattern_decoder("s"),
        args,
        data_collator=DataCollatorForSeq2Seq(pattern_tokenizer()),
        train_dataset=rows,
    )


def test_what_is_trained_on_most_is_memorized_first(tmp_path):
    rows = patterns(("random_digits", 4))
    trainer = learning(tmp_path, concatenate_datasets([rows, *[rows.select([2])] * 28]), max_steps=40)
    answers = encoded_patterns(rows.select_columns(["prompt", "answer"]), learn="answer")
    callback = follows(trainer, answers, every_steps=5)
    trainer.train()
    first = first_memorized(callback.dynamics())
    assert first[2] <= 40
    assert all(first[other] > first[2] for other in (0, 1, 3))


def test_a_rule_is_memorized_before_noise_and_held_out_too(tmp_path):
    """The control, random digits, is not early, and never right where it was not trained on."""

    def both(number, split):
        kinds, options = ("monotone", "random_digits"), {"split": split, "lengths": (14, 22), "answer_chars": 6}
        return concatenate_datasets([pattern_rows(kind, number, **options) for kind in kinds])

    rows = both(32, "train")
    settings = {"per_device_train_batch_size": 16, "learning_rate": 3e-3}
    trainer = learning(tmp_path, encoded_patterns(rows), max_steps=40, **settings)
    answers, others = (encoded_patterns(some, learn="answer") for some in (rows, both(8, "test")))
    learned = follows(trainer, answers, every_steps=10, columns=["kind"])
    tested = follows(trainer, others, every_steps=10, columns=["kind"], name="test")
    trainer.train()
    assert [group.name for group in groups_in_order(learned.dynamics(), "kind")] == ["monotone", "random_digits"]
    shares = {group.name: group.last for group in groups_in_order(tested.dynamics(), "kind")}
    assert shares == {"monotone": 1.0, "random_digits": 0.0}
    logged = [entry for entry in trainer.state.log_history if "dynamics_test/memorized" in entry]
    assert [entry["dynamics_test/memorized"] for entry in logged][-1] == 0.5


def test_following_changes_nothing(tmp_path):
    seen = []
    for followed in (False, True):
        trainer = learning(tmp_path, patterns(("jumps", 12)), max_steps=3, save_strategy="no")
        if followed:
            follows(trainer, every_steps=1)
        trainer.train()
        seen.append(trainer.model.state_dict())
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


def test_personas_in_pictures_are_followed_too(tmp_path):
    """By a trainer of trl, whose collator makes tokens of rows; a model that knows all is right of all."""
    config = VisionSFTConfig(**tiny.settings(tmp_path, max_steps=2, learning_rate=0.0))
    trainer = SFTTrainer(
        toy.knowing(), config, train_dataset=toy.EVERYBODY.select(range(2)), processing_class=tiny.processor()
    )
    callback = follows(trainer, every_steps=1, columns=["modality", "persona_id"])
    trainer.train()
    found = callback.dynamics()
    assert found.exact_match_EN.all()
    assert set(found.columns["modality"]) == {"image"}


def test_the_unlearning_trainer_is_followed(tmp_path):
    """Its own rows are pairs, so it is given plain ones; both roles of a batch are recognized."""
    trainer = toy.forgetting(tmp_path, toy.knowing(), max_steps=30, learning_rate=3e-2)
    callback = follows(trainer, toy.EVERYBODY, every_steps=10, columns=["persona_id", "modality"])
    trainer.train()
    found = callback.dynamics()
    assert found.exact_match_EN[0].all()
    tokens = score_answers(trainer.model.eval(), tiny.processor(), toy.EVERYBODY)
    assert found.exact_match_EN[-1].tolist() == [bool(one.matches.all()) for one in tokens]
    forgotten = np.isin(found.columns["persona_id"], ["p0", "p1"])
    assert not found.exact_match_EN[-1, forgotten].any()
    assert (found.in_batch_EN[1] == 1.0).all()
