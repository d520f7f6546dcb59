# SPDX-License-Identifier: Apache-2.0
"""TokenSwap: published values and invariants of the swap, and generation held to an oracle without cache or batch."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.interventions.token_swap import (
    WORDS,
    TokenSwapLogitsProcessor,
    single_token_words,
    swap_logits,
    swap_probabilities,
    token_swap,
)
from crossmem_hf.scoring.generation import generate_answers
from tests.training import knowing, tiny

MAIN = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.1])
OTHER = torch.tensor([0.1, 0.3, 0.2, 0.2, 0.2])
SWAPPED = ("this", "is", "Someone", "red", "seen", "times", "blue", "green", "white", "Who")
PROMPTS = ["Who is this? Someone red,", "seen 0 times.", "Someone blue, seen 1 times. Who is this?"]


def peaked(model, seed):
    """Random, but sure of itself."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape) * 0.3)
    return model.eval()


@pytest.fixture(scope="module")
def main():
    model, tokenizer = tiny.text_model()
    return peaked(model, 1), tokenizer


@pytest.fixture(scope="module")
def auxiliary(main):
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(main[1]), **sizes)
    return peaked(LlamaForCausalLM(config), 2)


@pytest.fixture(scope="module")
def stranger():
    """A GPT-2 with a tokenizer that cuts words elsewhere, and has no padding."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<|end|>"], initial_alphabet=letters)
    trained.train_from_iterator([f"x {word}" for word in SWAPPED] * 50 + ["Someone seen sometimes"], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, eos_token="<|end|>")
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=48, eos_token_id=0)
    config.bos_token_id = None
    return peaked(GPT2LMHeadModel(config), 3), tokenizer


def words_of(*tokenizers):
    words = SWAPPED
    for tokenizer in tokenizers:
        words = single_token_words(tokenizer, words)
    assert len(words) >= 4
    return words


@pytest.fixture(scope="module")
def swaps(main, auxiliary, stranger):
    """Makes a fresh processor of either kind."""
    return {
        "same": lambda: TokenSwapLogitsProcessor(auxiliary, main[1], words=words_of(main[1])),
        "other": lambda: TokenSwapLogitsProcessor(stranger[0], main[1], stranger[1], words_of(main[1], stranger[1])),
    }


def inputs_of(tokenizer, prompts):
    return tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left", return_token_type_ids=False)


def said(main, prompts, swap, **settings):
    """New tokens of each prompt, up to padding."""
    model, tokenizer = main
    inputs = inputs_of(tokenizer, prompts)
    more = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": tokenizer.pad_token_id, **settings}
    made = model.generate(**inputs, logits_processor=None if swap is None else [swap], **more)
    return [
        [token for token in row if token != tokenizer.pad_token_id]
        for row in made[:, inputs["input_ids"].shape[1] :].tolist()
    ]


def test_golden_value():
    wanted = torch.tensor([0.175, 0.525, 0.1, 0.1, 0.1])
    torch.testing.assert_close(swap_probabilities(MAIN, OTHER, [0, 1], [0, 1]), wanted)
    torch.testing.assert_close(swap_logits(MAIN.log(), OTHER.log(), [0, 1], [0, 1]).softmax(-1), wanted)


def test_vocabularies_may_differ():
    other = torch.tensor([0.0, 0.6, 0.1, 0.3])
    found = swap_probabilities(MAIN, other, [4, 0], [3, 2])
    torch.testing.assert_close(found, torch.tensor([0.15, 0.2, 0.1, 0.1, 0.45]))


@pytest.mark.parametrize("shape", [(40,), (7, 40), (2, 3, 40)])
def test_mass_is_conserved_and_other_tokens_are_the_same_bits(shape):
    torch.manual_seed(0)
    logits, other = torch.randn(shape) * 5, torch.randn(*shape[:-1], 30) * 5
    main_ids, auxiliary_ids = [3, 17, 8, 39], [29, 0, 5, 6]
    rest = [token for token in range(40) if token not in main_ids]
    main = logits.softmax(-1)
    found = swap_probabilities(main, other.softmax(-1), main_ids, auxiliary_ids)
    assert torch.equal(found[..., rest], main[..., rest])
    torch.testing.assert_close(found[..., main_ids].sum(-1), main[..., main_ids].sum(-1))
    torch.testing.assert_close(found.sum(-1), torch.ones(shape[:-1]))
    swapped = swap_logits(logits, other, main_ids, auxiliary_ids)
    assert torch.equal(swapped[..., rest], logits[..., rest])
    torch.testing.assert_close(swapped.softmax(-1), found)
    torch.testing.assert_close(swapped.logsumexp(-1), logits.logsumexp(-1))


def test_words_that_the_auxiliary_never_says_stay_as_they_are():
    other = torch.tensor([0.0, 0.0, 0.4, 0.3, 0.3])
    assert torch.equal(swap_probabilities(MAIN, other, [0, 1], [0, 1]), MAIN)
    assert torch.equal(swap_logits(MAIN.log(), other.log(), [0, 1], [0, 1]), MAIN.log())


def test_only_rows_without_mass_stay():
    other = torch.stack([OTHER, torch.tensor([0.0, 0.0, 0.4, 0.3, 0.3])])
    found = swap_probabilities(MAIN.expand(2, -1), other, [0, 1], [0, 1])
    torch.testing.assert_close(found, torch.stack([torch.tensor([0.175, 0.525, 0.1, 0.1, 0.1]), MAIN]))


def test_what_was_ruled_out_stays_out():
    logits = MAIN.log()
    logits[0] = -torch.inf
    found = swap_logits(logits, OTHER.log(), [0, 1, 2], [0, 1, 2])
    assert found[0] == -torch.inf
    torch.testing.assert_close(found.exp()[1:3], 0.3 * torch.tensor([0.6, 0.4]))
    logits[1:3] = -torch.inf
    assert torch.equal(swap_logits(logits, OTHER.log(), [0, 1, 2], [0, 1, 2]), logits)


@pytest.mark.parametrize(
    ("main_ids", "auxiliary_ids", "named"),
    [
        ([0, 1], [0], "2 main_ids and 1 auxiliary_ids"),
        ([0, 0], [0, 1], r"main_ids=\[0, 0\]; expected tokens from 0 to 4, each once"),
        ([0, 5], [0, 1], r"main_ids=\[0, 5\]"),
        ([0, 1], [0, -1], r"auxiliary_ids=\[0, -1\]"),
    ],
)
def test_ids_that_do_not_fit_are_errors(main_ids, auxiliary_ids, named):
    with pytest.raises(CrossmemError, match=named):
        swap_probabilities(MAIN, OTHER, main_ids, auxiliary_ids)


def test_the_papers_words_are_110():
    assert len(WORDS) == len(set(WORDS)) == 110
    assert all(word.isalpha() and word.islower() for word in WORDS)


def test_words_of_several_tokens_are_refused_by_name(main, auxiliary):
    with pytest.raises(CrossmemError, match=r"2 of 3 words are not one token of the tokenizer: 'the' \(3\), 'and'"):
        TokenSwapLogitsProcessor(auxiliary, main[1], words=["the", "this", "and"])
    with pytest.raises(CrossmemError, match="108 of 110 words"):
        TokenSwapLogitsProcessor(auxiliary, main[1])
    assert single_token_words(main[1]) == ("this", "is")


def test_words_are_refused_in_the_other_tokenizer_too(main, stranger):
    pieces = single_token_words(main[1], sorted(token[1:] for token in main[1].get_vocab() if token[1:].isalpha()))
    alien = next(word for word in pieces if not single_token_words(stranger[1], [word]))
    with pytest.raises(CrossmemError, match=f"not one token of the auxiliary tokenizer: '{alien}'"):
        TokenSwapLogitsProcessor(stranger[0], main[1], stranger[1], ["is", alien])


@pytest.mark.parametrize("words", [[], "this"])
def test_no_words_are_an_error(main, auxiliary, words):
    with pytest.raises(CrossmemError, match="expected a list of words"):
        TokenSwapLogitsProcessor(auxiliary, main[1], words=words)


def test_a_vocabulary_of_another_tokenizer_is_an_error(main, stranger):
    small = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=1))
    with pytest.raises(CrossmemError, match=r"has 20 tokens, and none for \['this'\]"):
        TokenSwapLogitsProcessor(small, main[1], words=["this"])


def test_unknown_words_are_no_token():
    known = Tokenizer(models.WordLevel({"x": 0, "is": 1, "<unk>": 2}, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=known, unk_token="<unk>")
    assert single_token_words(tokenizer, ["is", "was"]) == ("is",)


def by_hand(main, prompt, other, other_tokenizer, words, steps=12):
    """Greedy decoding of one prompt, everything computed anew at each step from the definition."""
    model, tokenizer = main
    ids = tokenizer([prompt])["input_ids"][0]
    own = [tokenizer(f"x {word}")["input_ids"][-1] for word in words]
    theirs = [other_tokenizer(f"x {word}")["input_ids"][-1] for word in words]
    made = []
    with torch.no_grad():
        for _ in range(steps):
            text = tokenizer.decode(ids + made, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            read = ids + made if other_tokenizer is tokenizer else other_tokenizer(text.rstrip("\ufffd"))["input_ids"]
            p_main = model(torch.tensor([ids + made])).logits[0, -1].softmax(-1)
            p_other = other(torch.tensor([read])).logits[0, -1].softmax(-1)
            made.append(int(swap_probabilities(p_main, p_other, own, theirs).argmax()))
            if made[-1] == tokenizer.eos_token_id:
                break
    return made


@pytest.mark.parametrize("kind", ["same", "other"])
def test_greedy_answers_are_those_by_hand_alone_and_in_batches(main, auxiliary, stranger, swaps, kind):
    other, tokenizer = (auxiliary, main[1]) if kind == "same" else stranger
    words = words_of(main[1], tokenizer)
    wanted = [by_hand(main, prompt, other, tokenizer, words) for prompt in PROMPTS]
    swap = swaps[kind]()
    assert said(main, PROMPTS, swap) == wanted
    assert [said(main, [prompt], swap)[0] for prompt in PROMPTS] == wanted, "one object, one prompt at a time"
    assert said(main, PROMPTS, swap) == wanted, "and once more"
    assert said(main, PROMPTS, None) != wanted, "the swap changes something"


@pytest.mark.parametrize("kind", ["same", "other"])
@pytest.mark.parametrize("settings", [{"num_beams": 3}, {"num_beams": 4, "num_return_sequences": 2}], ids=str)
def test_beams_are_those_of_an_auxiliary_without_cache(main, swaps, kind, settings):
    plain, swap = swaps[kind](), swaps[kind]()
    plain._auxiliary._keeps = False
    wanted = said(main, PROMPTS, plain, **settings)
    assert said(main, PROMPTS, swap, **settings) == wanted
    assert said(main, PROMPTS, swap, **settings) == wanted
    assert said(main, PROMPTS, None, **settings) != wanted


@pytest.mark.parametrize("kind", ["same", "other"])
def test_samples_repeat_under_their_seed(main, swaps, kind):
    swap, found = swaps[kind](), []
    for processor in (swap, swap, swaps[kind]()):
        torch.manual_seed(7)
        found.append(said(main, PROMPTS, processor, do_sample=True, top_p=0.9, num_return_sequences=3))
    assert found[0] == found[1] == found[2]
    assert len({tuple(tokens) for tokens in found[0]}) > 3


def test_padding_between_tokens_is_not_read(main, swaps):
    tokenizer = main[1]
    scores, ids = torch.randn(1, len(tokenizer)), tokenizer(PROMPTS[:1])["input_ids"][0]
    gap = [tokenizer.pad_token_id] * 3
    found = [swaps["same"]()(torch.tensor([row]), scores) for row in (ids, [*gap, *ids], [*ids[:4], *gap, *ids[4:]])]
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


@pytest.mark.parametrize("kind", ["same", "other"])
def test_pictures_are_left_out_of_what_a_text_model_reads(auxiliary, stranger, main, swaps, kind):
    """Several questions about a picture share its cache; the answers are those of one row at a time."""
    model, processor = knowing.knowing().eval(), tiny.processor()
    other, tokenizer = (auxiliary, None) if kind == "same" else stranger
    words = single_token_words(processor, SWAPPED) if kind == "same" else words_of(processor, stranger[1])
    swap = TokenSwapLogitsProcessor(other, processor, tokenizer, words)
    read = []
    logits = swap._auxiliary.logits
    swap._auxiliary.logits = lambda texts: read.append(texts) or logits(texts)
    rows = [
        *knowing.EVERYBODY,
        *({**row, "prompt": [{"role": "user", "content": text}]} for row in knowing.FORGET for text in PROMPTS),
    ]
    together = generate_answers(model, processor, rows, logits_processor=swap)
    apart = [generate_answers(model, processor, [row], logits_processor=swap, max_new_tokens=20)[0] for row in rows]
    assert [one[: len(two)] for one, two in zip(together, apart, strict=True)] == [
        two[: len(one)] for one, two in zip(together, apart, strict=True)
    ]
    if kind == "same":
        left_out = {processor.tokenizer.pad_token_id, processor.tokenizer.convert_tokens_to_ids("<image>")}
        assert not left_out & {token for texts in read for text in texts for token in text}


def test_facts_are_still_said_and_likelihoods_do_not_move():
    model, processor = knowing.knowing().eval(), tiny.processor()
    evaluator = Evaluator(knowing.EVERYBODY, metrics=["recall", "exposure"], candidates=knowing.NAMES)
    queried, defended = token_swap(model, processor, knowing.FORGET).applied(evaluator, model)
    assert defended is model
    before, after = evaluator(model, processor), queried(defended, processor)
    assert [one["exposure"] for one in after] == [one["exposure"] for one in before]
    assert after.measure(["recall"], by=())[0].value == 1.0


def test_the_base_of_an_adapter_is_the_auxiliary():
    """With every word of the answers swapped, the model says them as its base does."""
    model, processor = knowing.knowing().eval(), tiny.processor()
    scores, ids = (
        torch.randn(1, len(processor.tokenizer)),
        torch.tensor([processor.tokenizer(PROMPTS[0])["input_ids"]]),
    )
    defense = token_swap(model, processor, knowing.FORGET, words=["this", "is"])
    with model.disable_adapter(), torch.no_grad():
        base = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -1]
    own = defense.logits_processor.main_ids
    torch.testing.assert_close(defense.logits_processor(ids, scores), swap_logits(scores, base, own, own))


def test_without_adapter_an_auxiliary_must_be_passed(main, auxiliary):
    with pytest.raises(CrossmemError, match="A LlamaForCausalLM without adapter has no base"):
        token_swap(*main, None)
    assert token_swap(*main, None, auxiliary_model=auxiliary).logits_processor is not None
    with pytest.raises(CrossmemError, match="None of the 110 function words"):
        token_swap(auxiliary, Unworded(), None, auxiliary_model=auxiliary)


class Unworded:
    """A tokenizer of letters."""

    unk_token_id = None

    def __call__(self, texts, **_):
        return {"input_ids": [list(map(ord, text)) for text in texts]}
