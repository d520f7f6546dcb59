# SPDX-License-Identifier: Apache-2.0
"""Metrics of likelihoods, of planted tokens."""

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.summaries import Against


def test_a_retain_only_model_gives_the_ratio_of_likelihoods():
    """The last token only ends the turn, and does not count."""
    one = {"persona_id": "p", "modality": "text", "token_means": [-1.0, -2.0, -9.0], "token_stds": [1.0] * 3}
    one |= {"token_logprobs": [-1.0, -2.0, -9.0], "token_matches": [True] * 3, "num_end_tokens": 1}
    theirs = Predictions([{**one, "token_logprobs": [-3.0, -3.0, 0.0]}])
    found = Predictions([one]).measure(("min_k_prob",), (), against=Against(retain_only=theirs))
    values = {measured.metric: measured.value for measured in found}
    assert (values["reference_ratio"], values["max_renyi"]) == (1.5, 2.0)
    assert "reference_ratio" not in {measured.metric for measured in Predictions([one]).measure(("min_k_prob",), ())}
