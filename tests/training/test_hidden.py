# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import answer_scores
from crossmem_hf.models.modules import text_layers
from crossmem_hf.training.collate import EncodedRows, RowCollator, RowEncoder
from crossmem_hf.training.hidden import checked_layer, random_direction, scores_with_hidden
from tests.training import tiny


def batch():
    rows = tiny.rows("p0", "p1", modality="mixed", views=2)
    return RowCollator(EncodedRows(rows, RowEncoder(tiny.processor())))([{"row": n} for n in range(4)])


def test_hidden_states_are_those_that_the_model_reports_where_answers_are_predicted():
    model, inputs = tiny.memorized().eval(), batch()
    scores = scores_with_hidden(model, inputs, checked_layer(model, 0))
    reported = model(**inputs, output_hidden_states=True).hidden_states[1]  # entry 0 is the embeddings
    expected = [reported[b, t - 1] for b, t in (inputs["labels"] != -100).nonzero().tolist()]
    torch.testing.assert_close(scores.hidden_ND, torch.stack(expected))
    torch.testing.assert_close(scores.token_logprobs_BT, answer_scores(model, inputs).token_logprobs_BT)


def test_no_hook_stays_behind_even_after_an_error():
    model = tiny.memorized().eval()
    layer = checked_layer(model, 1)
    scores_with_hidden(model, batch(), layer)
    with pytest.raises(CrossmemError, match="no 'labels'"):
        scores_with_hidden(model, {key: value for key, value in batch().items() if key != "labels"}, layer)
    assert not layer._forward_hooks


def test_hidden_states_of_half_precision_are_measured_in_full():
    """Squares of differences would lose all but three digits."""
    model = tiny.memorized().eval().to(torch.bfloat16)
    inputs = batch()
    inputs["pixel_values"] = inputs["pixel_values"].to(torch.bfloat16)
    assert scores_with_hidden(model, inputs, checked_layer(model, 0)).hidden_ND.dtype == torch.float32


def test_layers_are_the_language_models_with_and_without_an_adapter():
    plain, adapted = tiny.model(), tiny.memorized()
    assert text_layers(plain) is plain.model.language_model.layers
    assert text_layers(adapted) is adapted.get_base_model().model.language_model.layers
    model, _ = tiny.text_model()
    assert len(text_layers(model)) == 1


@pytest.mark.parametrize("layer", [-1, 2, 7])
def test_a_layer_that_is_not_there(layer):
    with pytest.raises(CrossmemError, match=rf"rmu_layer={layer}; the language model has 2 layers\. Choose 0 to 1"):
        checked_layer(tiny.model(), layer)


def test_a_model_without_layers():
    with pytest.raises(CrossmemError, match="A Linear has no list of decoder layers"):
        text_layers(torch.nn.Linear(2, 2))


def test_the_direction_is_a_unit_vector_of_its_seed():
    direction = random_direction(64, 3)
    assert direction.norm().item() == pytest.approx(1.0, abs=1e-6)
    assert (direction >= 0).all()
    assert torch.equal(direction, random_direction(64, 3))
    assert not torch.equal(direction, random_direction(64, 4))
