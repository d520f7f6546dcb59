# SPDX-License-Identifier: Apache-2.0
"""What may not change a loss: prompts, pictures and padding beside the answers, and which rows share a batch.

Every forget loss is asked, each beside a retain loss, on a policy that is no longer the reference."""

from copy import deepcopy

import pytest
import torch

from crossmem_hf.models.modules import text_layers
from crossmem_hf.training import trainer as trainer_module
from tests.training import tiny
from tests.training.tiny import trainer_for, weights

# The answer's own likelihood, pairs beside a reference, distributions of a reference, and hidden states.
TERMS = [("ga", "nll"), ("dpo", "kl"), ("undial", "kl"), ("rmu", "hidden")]
OTHERS = [("npo", "kl"), ("simnpo", "hidden"), ("idk", "nll"), ("wga", "hidden"), ("rmu", "kl")]
every_term = pytest.mark.parametrize(
    ("forget_loss", "retain_loss"),
    [*TERMS, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in OTHERS)],
    ids=[" ".join(pair) for pair in (*TERMS, *OTHERS)],
)


def with_periods(rows):
    """Every second answer ends in a period."""

    def ending(row, number):
        said = row["completion"][0]["content"] + ("." if number % 2 else "")
        return {"completion": [{"role": "assistant", "content": said}]}

    return rows.map(ending, with_indices=True, features=rows.features)


def built(folder, forget_loss, retain_loss, **choices):
    """A trainer on eight forget and eight retain rows of unlike lengths, some with pictures, some with periods."""
    trainer = trainer_for(
        folder,
        forget=with_periods(tiny.rows("p0", "p1", modality="mixed", views=4)),
        retain=with_periods(tiny.rows("p2", "p3", "p3", modality="mixed", views=3)).select(range(8)),
        forget_loss=forget_loss,
        retain_loss=retain_loss,
        rmu_layer=1,
        weight_decay=0.0,
        **choices,
    )
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return trainer


PAIRS = [{"forget": [n], "retain": [7 - n, (3 * n + 1) % 8]} for n in range(8)]


def loss_of(trainer, batch):
    return trainer.compute_loss(trainer.model.eval(), deepcopy(batch)).detach()


def loss(trainer, pairs):
    return loss_of(trainer, trainer.data_collator(pairs))


@every_term
def test_eight_rows_together_in_any_order_are_the_mean_of_eight_alone(tmp_path, forget_loss, retain_loss):
    """With two retain rows a forget row. A mean over the tokens of a batch would fail, as answers differ in length."""
    trainer = built(tmp_path, forget_loss, retain_loss)
    together = loss(trainer, PAIRS)
    apart = torch.stack([loss(trainer, [pair]) for pair in PAIRS])
    torch.testing.assert_close(together, apart.mean(), rtol=2e-5, atol=1e-6)
    torch.testing.assert_close(
        loss(trainer, [PAIRS[n] for n in (5, 2, 7, 0, 1, 6, 4, 3)]), together, rtol=2e-5, atol=1e-6
    )
    assert apart.std() > 1e-4  # rows differ, so the mean says something


@every_term
def test_padding_on_the_left_is_padding_on_the_right(tmp_path, forget_loss, retain_loss):
    trainer = built(tmp_path, forget_loss, retain_loss)
    right = trainer.data_collator(PAIRS)
    left = deepcopy(right)
    for batch in left.values():
        lengths = batch["attention_mask"].sum(dim=1)
        assert len(set(lengths.tolist())) > 1
        for key in ("input_ids", "attention_mask", "labels"):
            width = batch[key].shape[1]
            batch[key] = torch.stack([row.roll(width - int(n)) for row, n in zip(batch[key], lengths, strict=True)])
    torch.testing.assert_close(loss_of(trainer, left), loss_of(trainer, right), rtol=2e-5, atol=1e-5)


@every_term
@pytest.mark.parametrize("where", ["elsewhere", "answers"])
def test_only_what_predicts_answers_is_read(tmp_path, monkeypatch, where, forget_loss, retain_loss):
    """What the last layer says at prompt, picture and padding tokens, and so their logits, may be anything."""
    trainer = built(tmp_path, forget_loss, retain_loss)
    before = loss(trainer, PAIRS[:4])
    merge, seen = trainer_module.merge_batches, []
    monkeypatch.setattr(
        trainer_module, "merge_batches", lambda *args, **named: seen.append(merge(*args, **named)) or seen[-1]
    )

    def scramble(_module, _inputs, out):
        answers = torch.zeros(out.shape[:2], dtype=torch.bool)
        answers[:, :-1] = seen[-1]["labels"][:, 1:] != -100
        changed = answers if where == "answers" else ~answers
        noise = torch.randn(out.shape, generator=torch.Generator().manual_seed(len(seen)))
        return torch.where(changed[..., None], noise, out)

    hook = text_layers(trainer.model)[-1].register_forward_hook(scramble)
    after = loss(trainer, PAIRS[:4])
    hook.remove()
    assert seen
    assert torch.equal(before, after) == (where == "elsewhere")


@every_term
def test_one_step_of_eight_equals_two_of_four_and_eight(tmp_path, forget_loss, retain_loss):
    """The weights after one optimizer step agree to a thousandth of the step."""
    steps = []
    for size in (8, 4, 1):
        accumulated = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size}
        trainer = built(tmp_path, forget_loss, retain_loss, **accumulated, **tiny.ONE_STEP)
        start = weights(trainer.model)
        trainer.train()
        steps.append(torch.cat([(value - start[name]).flatten() for name, value in weights(trainer.model).items()]))
    assert steps[0].norm() > 1e-5
    for step in steps[1:]:
        assert (step - steps[0]).norm() < 1e-3 * steps[0].norm()
