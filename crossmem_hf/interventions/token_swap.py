# SPDX-License-Identifier: Apache-2.0
"""TokenSwap: common function words are said as a small model says them, all else as the large one does. It does not
know what was memorized."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from transformers import LogitsProcessor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.auxiliary import Auxiliary, auxiliary_of, beginning, unread_tokens
from crossmem_hf.interventions.table import Defense
from crossmem_hf.models.chat import tokenizer_of

if TYPE_CHECKING:
    from datasets import Dataset

WORDS: Final = (
    *("the", "to", "and", "of", "a", "in", "that", "you", "it", "for", "on", "he", "with", "this", "as", "we", "but"),
    *("at", "they", "what", "his", "from", "by", "or", "she", "my", "all", "an", "her", "about", "me", "if", "your"),
    *("can", "who", "out", "their", "like", "would", "when", "him", "them", "some", "how", "which", "than", "our"),
    *("into", "because", "these", "over", "us", "its", "where", "after", "any", "those", "should", "may", "through"),
    *("why", "before", "off", "while", "around", "another", "both", "between", "every", "each", "might", "since"),
    *("against", "without", "must", "during", "under", "though", "until", "whether", "among", "along", "within"),
    *("across", "behind", "either", "himself", "although", "outside", "themselves", "is", "was", "be", "have", "are"),
    *("do", "had", "has", "were", "will", "did", "been", "could", "does", "need", "being", "am", "used", "doing"),
    "having",
)
"""The 110 function words of the paper: determiners, prepositions, pronouns, modals and auxiliaries among the 500 most
frequent words of English; in lower case, each behind a space."""

_REREAD: Final = 8  # last tokens of another tokenizer that one more letter may change


def swap_probabilities(
    main: Tensor, auxiliary: Tensor, main_ids: Sequence[int], auxiliary_ids: Sequence[int]
) -> Tensor:
    """The next token's probabilities once those of some words are shared out as another model shares them.

    Args:
        main: (..., V) probabilities of the model that is defended.
        auxiliary: (..., W) those of the other model, in its own vocabulary.
        main_ids: The words' tokens in V, each once.
        auxiliary_ids: The same words' tokens in W, in the same order.

    Returns:
        (..., V): p_main outside the words, to the bit; at them p_aux times the ratio of both models' mass there, so
        that mass there, and the whole, stay what they were. Where the other model gives the words nothing, p_main.

    Raises:
        CrossmemError: Ids of different number, twice the same, or none of the vocabulary.

    Reference:
        TokenSwap, https://huggingface.co/papers/2502.05159, algorithm 1.

    Example:
        >>> main, auxiliary = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.1]), torch.tensor([0.1, 0.3, 0.2, 0.2, 0.2])
        >>> swap_probabilities(main, auxiliary, [0, 1], [0, 1])
        tensor([0.1750, 0.5250, 0.1000, 0.1000, 0.1000])
    """
    _check_ids(main_ids, auxiliary_ids, main.shape[-1], auxiliary.shape[-1])
    ids = torch.tensor(main_ids, dtype=torch.long, device=main.device)
    own = main[..., ids]
    other = auxiliary[..., torch.tensor(auxiliary_ids, dtype=torch.long, device=auxiliary.device)].to(own)
    mass = other.sum(-1, keepdim=True)
    shared = torch.where(mass > 0, own.sum(-1, keepdim=True) * (other / mass), own)
    return main.index_copy(-1, ids, shared)


def swap_logits(main: Tensor, auxiliary: Tensor, main_ids: Sequence[int], auxiliary_ids: Sequence[int]) -> Tensor:
    """`swap_probabilities` of logits: softmax of what it returns is that of the probabilities.

    Logits of other tokens are the same to the bit. A word whose logit is -inf, as another logits processor sets it to
    rule a token out, stays ruled out, and the other words share the mass.

    Raises:
        CrossmemError: As `swap_probabilities`.
    """
    _check_ids(main_ids, auxiliary_ids, main.shape[-1], auxiliary.shape[-1])
    ids = torch.tensor(main_ids, dtype=torch.long, device=main.device)
    own = main[..., ids].float()
    other = auxiliary[..., torch.tensor(auxiliary_ids, dtype=torch.long, device=auxiliary.device)].to(own)
    other = other.masked_fill(own == -torch.inf, -torch.inf)
    shared = own.logsumexp(-1, keepdim=True) + other.log_softmax(-1)
    shared = torch.where((other > -torch.inf).any(-1, keepdim=True), shared, own)
    return main.index_copy(-1, ids, shared.to(main))


def single_token_words(processing_class: Any, words: Sequence[str] = WORDS) -> tuple[str, ...]:
    """Those of some words that are one token behind a space.

    Example:
        >>> from crossmem_hf import load_model
        >>> single_token_words(load_model()[1])[:5]
        ('the', 'to', 'and', 'of', 'a')
    """
    tokenizer = tokenizer_of(processing_class)
    return tuple(word for word in dict.fromkeys(words) if len(_tokens(tokenizer, word)) == 1)


class TokenSwapLogitsProcessor(LogitsProcessor):
    """The TokenSwap defense at decoding, for `model.generate` and `generate_answers`.

    Before each token an auxiliary model, too small to have memorized what the main model did, reads what is there so
    far, and the words of `words` get the probabilities of `swap_probabilities`. Memorized passages then seldom come
    out word by word; what the model knows in other words than these, such as names, it still says.

    It works with greedy decoding, samples and beams, and in batches; a row's answer does not depend on its neighbors.
    The auxiliary's cache is kept while texts grow and dropped by itself when others come, so one object serves any
    number of calls. The auxiliary reads tokens alone: padding, also where that is the token that ends texts, and what
    stands for pictures is left out, so that it may be a model of text. `inputs_embeds` it cannot read.

    Args:
        auxiliary_model: A causal model, or a vision-language model, which is shown the text alone.
        tokenizer: Of the main model; or its processor.
        auxiliary_tokenizer: Of the auxiliary, if it is another one: the text is then decoded and encoded anew before
            each token.
        words: What is swapped: each is one token behind a space in both tokenizers.

    Raises:
        CrossmemError: A word is no single token in one of the tokenizers, or two words are one; they are named.

    Reference:
        https://huggingface.co/papers/2502.05159. Deviations from its code: in logits rather than clamped
        probabilities; words of several tokens are refused rather than cut; batches with different tokenizers.

    Example:
        >>> from crossmem_hf import generate_answers, load_model, load_rows
        >>> model, processor = load_model()
        >>> swap = TokenSwapLogitsProcessor(model, processor, words=single_token_words(processor))
        >>> rows = load_rows(None, "recall_text", "test", num_personas=5).select([0])
        >>> len(generate_answers(model, processor, rows, logits_processor=swap))
        1
    """

    def __init__(
        self,
        auxiliary_model: Any,
        tokenizer: Any,
        auxiliary_tokenizer: Any = None,
        words: Sequence[str] = WORDS,
    ) -> None:
        self._tokenizer = tokenizer_of(tokenizer)
        other = self._tokenizer if auxiliary_tokenizer is None else tokenizer_of(auxiliary_tokenizer)
        same = other is self._tokenizer or other.get_vocab() == self._tokenizer.get_vocab()
        self._encodes = None if same else other
        self.main_ids = _word_ids(self._tokenizer, words, "the tokenizer")
        self.auxiliary_ids = _word_ids(other, words, "the auxiliary tokenizer")
        self._auxiliary = Auxiliary(auxiliary_model, empty=beginning(other), reread=0 if same else _REREAD)
        beyond = [
            word
            for word, token in zip(dict.fromkeys(words), self.auxiliary_ids, strict=True)
            if token >= self._auxiliary.vocabulary
        ]
        if beyond:
            raise CrossmemError(
                f"The auxiliary model has {self._auxiliary.vocabulary} tokens, and none for {beyond!r}.",
                "Pass the tokenizer that belongs to it as auxiliary_tokenizer.",
            )
        self._unread = unread_tokens(tokenizer)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(B, V) the scores with those of the words swapped."""
        logits = self._auxiliary.logits(self._read(input_ids))
        return swap_logits(scores, logits.to(scores.device), self.main_ids, self.auxiliary_ids)

    def _read(self, input_ids: Tensor) -> list[list[int]]:
        """What is there so far, in the auxiliary's tokens."""
        texts = [[token for token in row if token not in self._unread] for row in input_ids.tolist()]
        if self._encodes is None:
            return [[token for token in text if token < self._auxiliary.vocabulary] for text in texts]
        decoded = self._tokenizer.batch_decode(texts, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        whole = [text.rstrip("\ufffd") for text in decoded]  # letters of which the last bytes are still to come
        encoded: list[list[int]] = self._encodes(whole, add_special_tokens=True)["input_ids"]
        end = self._encodes.eos_token_id
        return [tokens[:-1] if tokens[1:] and tokens[-1] == end else tokens for tokens in encoded]


def token_swap(
    model: Any,
    processor: Any,
    forget: "Dataset",
    *,
    auxiliary_model: Any = None,
    auxiliary_processor: Any = None,
    words: Sequence[str] | None = None,
) -> Defense:
    """Function words are said as an auxiliary model says them, whoever is asked about; the rows are not looked at.

    It is a defense against passages that come out word by word. Names and facts are in none of its words, so their
    recall hardly moves, and likelihoods (Exposure) do not move at all.

    Args:
        auxiliary_model: None takes the model without its adapter, which has memorized nothing, for a cost of one more
            pass of that size a token.
        auxiliary_processor: Of the auxiliary, if it is another one.
        words: None takes those of `WORDS` that are one token in both vocabularies.

    Raises:
        CrossmemError: There is neither an auxiliary model nor an adapter to take off, or no word is one token.

    Reference:
        https://huggingface.co/papers/2502.05159
    """
    auxiliary = auxiliary_of(model, auxiliary_model)
    if words is None:
        words = single_token_words(processor)
        words = single_token_words(auxiliary_processor, words) if auxiliary_processor is not None else words
        if not words:
            raise CrossmemError(
                f"None of the {len(WORDS)} function words is one token of the vocabulary.",
                "Pass words that are, or take models with larger vocabularies.",
            )
    return Defense(logits_processor=TokenSwapLogitsProcessor(auxiliary, processor, auxiliary_processor, words))


def _tokens(tokenizer: Any, word: str) -> list[int]:
    """The tokens of a word behind a space, as running text has it; none where it is unknown."""
    before, both = tokenizer(["x", f"x {word}"], add_special_tokens=False)["input_ids"]
    behind: list[int] = both[len(before) :] if both[: len(before)] == before else both
    return [] if tokenizer.unk_token_id in behind else behind


def _word_ids(tokenizer: Any, words: Sequence[str], name: str) -> list[int]:
    """One token a word.

    Raises:
        CrossmemError: There is no word, or one of other than one token, or two of the same.
    """
    if isinstance(words, str) or not words:
        raise CrossmemError(f"words={words!r}; expected a list of words.", "Leave it out for the paper's 110.")
    found = {word: _tokens(tokenizer, word) for word in words}
    several = {word: len(tokens) for word, tokens in found.items() if len(tokens) != 1}
    if several:
        said = ", ".join(f"{word!r} ({count or 'unknown'})" for word, count in several.items())
        raise CrossmemError(
            f"{len(several)} of {len(found)} words are not one token of {name}: {said}.",
            "Leave them out: `single_token_words` of crossmem_hf.interventions.token_swap gives the others.",
        )
    ids = [tokens[0] for tokens in found.values()]
    same = [word for word, token in zip(found, ids, strict=True) if ids.count(token) > 1]
    if same:
        raise CrossmemError(f"{same!r} are the same token of {name}; expected one each.", "Leave all but one out.")
    return ids


def _check_ids(main_ids: Sequence[int], auxiliary_ids: Sequence[int], main: int, auxiliary: int) -> None:
    for name, ids, width in (("main_ids", main_ids, main), ("auxiliary_ids", auxiliary_ids, auxiliary)):
        if len(set(ids)) != len(ids) or not all(0 <= token < width for token in ids):
            raise CrossmemError(
                f"{name}={list(ids)!r}; expected tokens from 0 to {width - 1}, each once.", "Pass one token a word."
            )
    if len(main_ids) != len(auxiliary_ids):
        raise CrossmemError(
            f"{len(main_ids)} main_ids and {len(auxiliary_ids)} auxiliary_ids; expected one of each a word.",
            "Pass both in the order of the words.",
        )
