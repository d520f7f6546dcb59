# SPDX-License-Identifier: Apache-2.0
"""The contrastive term: its value by another route, where states are taken, and that training brings them together."""

import math

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training import contrast as module
from crossmem_hf.training.collate import EncodedRows, RowCollator, RowEncoder
from crossmem_hf.training.contrast import (
    Contrast,
    ContrastCollator,
    ContrastiveSFTTrainer,
    answer_states,
    final_states,
    info_nce,
)
from crossmem_hf.training.memorize import memorize
from tests.training import tiny

FAST = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "disable_tqdm": True}


def by_hand(one, other, whom, temperature):
    """The same, term by term in Python floats."""
    one, other = (
        [[x / math.hypot(*row) for x in row] for row in states.tolist()] for states in (one.double(), other.double())
    )
    total = 0.0
    for a, b in ((one, other), (other, one)):
        for i, row in enumerate(a):
            likes = [sum(x * y for x, y in zip(row, own, strict=True)) / temperature for own in b]
            rivals = [j for j in range(len(b)) if j == i or whom[j] != whom[i]]
            total += math.log(sum(math.exp(likes[j]) for j in rivals)) - likes[i]
    return total / (2 * len(one))


@pytest.mark.parametrize("whom", [[0, 1, 2, 3, 4], [0, 1, 0, 1, 2], [7, 7, 7, 7, 7]])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_info_nce_is_what_it_is_by_hand(whom, temperature):
    generator = torch.Generator().manual_seed(1)
    one, other = torch.randn(2, 5, 3, generator=generator)
    found = info_nce(one, other, torch.tensor(whom), temperature=temperature)
    assert found.item() == pytest.approx(by_hand(one, other, whom, temperature), abs=1e-5)


def test_info_nce_has_its_known_values():
    states = torch.eye(4)
    alike = torch.ones(4, 3)
    apart, same = torch.arange(4), torch.zeros(4)
    assert info_nce(alike, alike, apart, temperature=0.1).item() == pytest.approx(math.log(4))
    assert info_nce(states, states, apart, temperature=0.01).item() == pytest.approx(0.0)
    assert info_nce(states, states.roll(1, 0), apart, temperature=0.01).item() > 50
    assert info_nce(states, states.roll(1, 0), same, temperature=0.01).item() == pytest.approx(0.0), "no rivals"


def test_states_are_those_from_which_answers_are_said():
    hidden = torch.arange(12.0).reshape(2, 6, 1)
    labels = torch.tensor([[-100, -100, 5, 6, -100, -100], [-100, -100, -100, -100, 7, 8]])
    assert answer_states(hidden, labels).flatten().tolist() == [1.0, 9.0]


def test_final_states_make_the_logits():
    model, rows = tiny.model().eval(), tiny.rows("p0", "p1", modality="text")
    batch = RowCollator(EncodedRows(rows, RowEncoder(tiny.processor())))([{"row": 0}, {"row": 1}])
    with final_states(model) as states, torch.no_grad():
        logits = model(**batch).logits
    torch.testing.assert_close(model.lm_head(states[0]), logits)


def test_the_term_is_added_to_the_loss_of_the_answers(tmp_path, monkeypatch):
    """With a weight of 0 the same weights come out as without it."""

    def trained(contrast):
        rows = tiny.rows("p0", "p1", "p2", "p3")
        model = memorize(tiny.model(), tiny.processor(), rows, output_dir=tmp_path, contrast=contrast, **FAST)
        return torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad])

    others = tiny.rows("p0", "p1", "p2", "p3", modality="text")
    plain = trained(None)
    torch.testing.assert_close(trained(Contrast(rows=others, weight=0.0)), plain)
    assert not torch.allclose(trained(Contrast(rows=others, weight=1.0)), plain)


def test_training_brings_rows_together_and_learns_the_names(tmp_path, monkeypatch):
    terms = []
    monkeypatch.setattr(module, "info_nce", lambda *states, **how: terms.append(info_nce(*states, **how)) or terms[-1])
    every = tiny.rows("p0", "p1", "p2", "p3", modality="text", views=2)
    rows, others = every.select(range(4)), every.select(range(4, 8))  # the tiny model hardly sees
    before = tiny.recalled(tiny.model(), rows).mean()
    model = memorize(
        tiny.model(), tiny.processor(), rows, output_dir=tmp_path, contrast=Contrast(rows=others, weight=1.0),
        **(FAST | {"max_steps": 60}),
    )  # fmt: skip
    assert terms[-1].item() < 0.5 < terms[0].item()
    assert tiny.recalled(model, rows).mean() > before / 2


def test_a_batch_tells_personas_apart():
    learned, others = (
        RowCollator(EncodedRows(tiny.rows("p1", "p0", modality=m, views=2), RowEncoder(tiny.processor())))
        for m in ("image", "text")
    )
    batch = ContrastCollator(learned, others, ["p1", "p0", "p1", "p0"])([{"row": 3}, {"row": 0}, {"row": 1}])
    assert batch["whom"].tolist() == [1, 0, 1]
    assert "pixel_values" in batch
    assert "pixel_values" not in batch["contrast"]
    assert len(batch["contrast"]["labels"]) == 3


def test_rows_of_others_are_refused_before_training(tmp_path):
    with pytest.raises(CrossmemError, match="not about the personas of the 2 training rows, one by one"):
        memorize(
            tiny.model(), tiny.processor(), tiny.rows("p0", "p1"), output_dir=tmp_path,
            contrast=Contrast(rows=tiny.rows("p1", "p0", modality="text")), **FAST,
        )  # fmt: skip
    assert issubclass(ContrastiveSFTTrainer, module.SFTTrainer)
