# SPDX-License-Identifier: Apache-2.0
"""Gradients at norms, held against formulas and against backward hooks, a row at a time."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from crossmem_hf.analysis.norm_gradients import gradient_ratios, norm_input_gradients
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.norms import norms_in
from tests.models.normed import TOKENS, built

LABELS = torch.tensor([0, 1])


class Residual(nn.Module):
    """A Pre-LN layer: its norm is one of two ways on."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(5)
        self.dropout = nn.Dropout(0.5)

    def forward(self, states):
        return 3 * states + self.dropout(self.norm(states))


def classifying(model):
    def losses(batch):
        tokens, labels = batch
        return cross_entropy(model(input_ids=tokens).logits, labels, reduction="none")

    return losses


def hooked(model, norms, batch):
    """(rows,) of each norm as torch's backward hooks have it, a row at a time."""
    found = {norm.name: [] for norm in norms}
    for tokens, label in zip(*batch, strict=True):
        handles = [
            norm.module.register_full_backward_hook(
                lambda _, into, __, name=norm.name: found[name].append(float(into[0].norm()))
            )
            for norm in norms
        ]
        cross_entropy(model(input_ids=tokens[None]).logits, label[None]).backward()
        for handle in handles:
            handle.remove()
    return found


def test_gradient_is_that_of_the_formula_and_of_the_norm_alone():
    torch.manual_seed(0)
    model, states_BTD = Residual().train(), torch.randn(3, 4, 5)
    wanted_D = torch.randn(5)
    model.norm.weight.data.normal_()
    found = norm_input_gradients(model, lambda states: (model(states) * wanted_D).sum((1, 2)), [states_BTD])["norm"]
    sigma = (states_BTD.var(-1, unbiased=False, keepdim=True) + model.norm.eps).sqrt()
    normed = (states_BTD - states_BTD.mean(-1, keepdim=True)) / sigma
    upstream = (wanted_D * model.norm.weight).expand_as(normed)
    by_hand = upstream - upstream.mean(-1, keepdim=True) - normed * (upstream * normed).mean(-1, keepdim=True)
    np.testing.assert_allclose(found, (by_hand / sigma).flatten(1).norm(dim=1).detach(), rtol=1e-5)
    assert model.dropout.training, "it was lent without dropout, and given back"
    assert model.norm.weight.grad is None


@pytest.mark.parametrize("name", ["bert", "roberta_prelayernorm", "distilbert"])
def test_gradients_are_those_of_backward_hooks(name):
    model = built(name)
    batch = (TOKENS, LABELS)
    found = norm_input_gradients(model, classifying(model), [batch, batch])
    assert not any(parameter.grad is not None for parameter in model.parameters())
    for own, lengths in hooked(model, norms_in(model), batch).items():
        np.testing.assert_allclose(found[own], lengths * 2, rtol=1e-3)


def test_gradients_of_layers_and_of_a_frozen_model():
    model = built("bert")
    every = norm_input_gradients(model, classifying(model), [(TOKENS, LABELS)])
    late = norm_input_gradients(model.requires_grad_(False), classifying(model), [(TOKENS, LABELS)], layers="late")
    assert list(late) == [norm.name for norm in norms_in(model, "late")]
    assert all(np.allclose(late[own], every[own], rtol=1e-4) for own in late)


def test_norms_beside_the_loss_have_none_and_unused_ones_are_missing():
    model = nn.ModuleDict({"used": nn.LayerNorm(3), "beside": nn.LayerNorm(3), "unused": nn.LayerNorm(3)})

    def losses(states):
        model["beside"](states)
        return model["used"](states)[:, 0]

    found = norm_input_gradients(model, losses, [torch.tensor([[1.0, 2.0, 5.0]])])
    assert list(found) == ["beside", "used"]
    assert found["beside"] == 0 < found["used"]


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (lambda model, states: model(states).sum(), r"Losses of shape \(\)"),
        (lambda model, states: model(states)[:, 0] * torch.inf, "finite: False"),
        (lambda model, states: model(states)[:, 0, 0].detach(), "no gradient"),
        (lambda model, states: model(states.reshape(-1, 1, 3))[:2, 0, 0], r"of shape \(4, 1, 3\) in a batch of 2"),
        (lambda model, states: states.requires_grad_()[:, 0, 0], "No norm of the model ran"),
    ],
)
def test_losses_that_are_none_of_rows(losses, message):
    model = nn.Sequential(nn.LayerNorm(3))
    with pytest.raises(CrossmemError, match=message):
        norm_input_gradients(model, lambda states: losses(model, states), [torch.randn(2, 2, 3)])


def test_one_row_at_a_time_may_be_packed():
    model = nn.Sequential(nn.LayerNorm(3))
    packed = torch.randn(4, 3)
    (found,) = norm_input_gradients(model, lambda states: model(states)[:, :1].sum()[None], [packed]).values()
    apart = norm_input_gradients(model, lambda states: model(states)[:, 0], [packed])["0"]
    assert found == pytest.approx(np.sqrt((apart**2).sum()))


def ratios_of(*pair):
    return {one.where["norm"]: one for one in gradient_ratios(*pair) if one.metric == "gradient_ratio"}


def test_ratio_finds_what_was_planted_and_accuses_nobody():
    """Of a hundred pairs of samples of one distribution, about 95 intervals hold the true ratio."""
    held = np.zeros(2)
    for seed in range(100):
        learned, memorized = np.random.default_rng(seed).gamma(2.0, size=(2, 60))
        found = ratios_of({"more": 3 * learned, "same": learned}, {"more": memorized, "same": memorized})
        assert found["more"].value == pytest.approx(3 * learned.mean() / memorized.mean())
        held += [found[name].ci[0] <= truth <= found[name].ci[1] for name, truth in (("more", 3), ("same", 1))]
    assert (held >= 90).all()
    assert found["same"].n == 120


def test_ratio_is_not_made_up():
    some, none = np.array([1.0, 2.0]), np.zeros(2)
    assert list(ratios_of({"both": some, "one": some, "no": none}, {"both": some, "one": none, "no": none})) == [
        "both"
    ]
    alone = ratios_of({"one": some[1:]}, {"one": some[:1]})["one"]
    assert (alone.value, alone.ci) == (pytest.approx(2.0), None), "one row sets no bound"
    with pytest.raises(CrossmemError, match="2 norms for learning and 1 for memorizing"):
        gradient_ratios({"a": some, "b": some}, {"a": some})
