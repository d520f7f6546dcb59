# SPDX-License-Identifier: Apache-2.0
"""CP-Fuse: the fused distribution against its objective, and answers against decoding by hand."""

import itertools

import pytest
import torch

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.cp_fuse import EXPONENTS, CPFuseLogitsProcessor, fuse_logprobs
from tests.interventions.test_auxiliary import gpt2, llama
from tests.interventions.test_token_swap import peaked

FEW = (0.0, 0.5, 1.0, 2.0)
PROMPTS = ([9, 8, 7], [5, 6, 7, 8, 9])


class Tokens:
    """A tokenizer of which only its special tokens are asked."""

    bos_token_id, eos_token_id, pad_token = 1, None, "<pad>"
    bos_token = eos_token = unk_token = None
    added_tokens_decoder, all_special_tokens = {}, ()

    def convert_tokens_to_ids(self, tokens):
        return 0 if isinstance(tokens, str) else [0] * len(tokens)


def cost(fused, models, paths):
    """The objective of the paper, of one row."""
    return max(float((fused.exp() * (fused - model)).sum() - path) for model, path in zip(models, paths, strict=True))


def test_the_grid_is_that_of_the_authors():
    wanted = [*torch.linspace(0, 2, 10).tolist()[:-1], *torch.linspace(2, 10, 9).tolist()]
    assert list(EXPONENTS) == pytest.approx(wanted)


def test_it_is_the_best_of_the_grid():
    torch.manual_seed(0)
    first, second = (torch.randn(4, 12).mul(3).log_softmax(-1) for _ in range(2))
    paths = torch.tensor([[0.0, -3.0, -30.0, -1.0], [0.0, -4.0, -1.0, -50.0]])
    found = fuse_logprobs(first, second, *paths, FEW)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(4))
    for row in range(4):
        models = (first[row].double(), second[row].double())
        tried = [(a * models[0] + b * models[1]).log_softmax(-1) for a, b in itertools.product(FEW, repeat=2)]
        wanted = min(cost(one, models, paths[:, row].tolist()) for one in tried)
        assert cost(found[row].double(), models, paths[:, row].tolist()) == pytest.approx(wanted, abs=1e-4)


def test_the_model_that_finds_the_text_less_likely_leads():
    first, second = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.1, 0.9]]).log()
    far, near = torch.tensor([-40.0]), torch.tensor([-1.0])
    torch.testing.assert_close(fuse_logprobs(first, second, far, near, FEW), first)
    torch.testing.assert_close(fuse_logprobs(first, second, near, far, FEW), second)


def test_equal_models_are_not_changed_and_what_is_ruled_out_stays_out():
    first = torch.tensor([[0.5, 0.3, 0.2, 0.0]]).log()
    found = fuse_logprobs(first, first, torch.zeros(1), torch.zeros(1), FEW)
    torch.testing.assert_close(found, first)
    assert found[0, 3] == -torch.inf


def by_hand(first, second, prompt, steps=8):
    """Greedy decoding of one prompt, everything computed anew at each step."""
    text, paths = list(prompt), torch.zeros(2, 1)
    with torch.no_grad():
        for _ in range(steps):
            own, theirs = (one(torch.tensor([text])).logits[:, -1].log_softmax(-1) for one in (first, second))
            token = int(fuse_logprobs(own, theirs, *paths, FEW).argmax())
            paths = paths + torch.stack([own[:, token], theirs[:, token]])
            text.append(token)
    return text[len(prompt) :]


def said(model, prompts, fuse, **settings):
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    more = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    made = model.generate(ids, attention_mask=(ids != 0).long(), logits_processor=[fuse], **more | settings)
    return made[:, longest:].tolist()


def test_answers_are_those_by_hand_alone_in_batches_and_again():
    first, second = peaked(llama(), 1), peaked(gpt2(), 2)
    fuse = CPFuseLogitsProcessor(second, Tokens(), FEW)
    wanted = [by_hand(first, second, prompt) for prompt in PROMPTS]
    assert said(first, PROMPTS, fuse) == wanted
    assert [said(first, [prompt], fuse)[0] for prompt in PROMPTS] == wanted
    assert said(first, PROMPTS, fuse) == wanted


def test_beams_take_their_paths_along():
    """With one exponent each nothing depends on paths; with several, beams equal those whose paths are summed anew."""
    first, second = peaked(llama(), 1), peaked(gpt2(), 2)

    class Anew(CPFuseLogitsProcessor):
        def _continued(self, texts, device):
            paths = torch.zeros(2, len(texts))
            for row, text in enumerate(texts):
                start = next(len(prompt) for prompt in PROMPTS if text[: len(prompt)] == tuple(prompt))
                for number, model in enumerate((first, second)):
                    logprobs = model(torch.tensor([text])).logits[0].log_softmax(-1)
                    places = torch.arange(start - 1, len(text) - 1)
                    paths[number, row] = logprobs[places, list(text[start:])].sum()
            return paths

    wanted = said(first, PROMPTS, Anew(second, Tokens(), FEW), num_beams=3)
    assert said(first, PROMPTS, CPFuseLogitsProcessor(second, Tokens(), FEW), num_beams=3) == wanted


def test_two_vocabularies_are_an_error():
    fuse = CPFuseLogitsProcessor(llama(), Tokens())
    with pytest.raises(CrossmemError, match="The models have 7 and 50 tokens"):
        fuse(torch.tensor([[3, 4]]), torch.zeros(1, 7))
