# SPDX-License-Identifier: Apache-2.0
"""ROUGE-L of the rouge-score library, with words of any script. It does not know rows.

The library's own words are runs of a-z and 0-9, which leaves nothing of an answer in another script and cuts words at
their accents.
"""

import unicodedata
from functools import lru_cache
from typing import Any

from crossmem_hf.metrics.matching import folded, pieces


def rouge_l(truth: str, answer: str) -> Any:
    """`rouge_score.scoring.Score` (precision, recall, fmeasure: 0-1, higher = more of the truth said), words stemmed.

    Example:
        >>> rouge_l("She bakes bread.", "she baked a bread").recall, rouge_l("王小明", "王小明。").fmeasure
        (1.0, 1.0)
    """
    return _scorer().score(truth, answer)["rougeL"]


def rouge_words(text: str) -> list[str]:
    """The words that are compared: runs of letters, numbers and their marks, stemmed if English letters and digits.

    In scripts without spaces every character, with its marks, is a word. For text in ASCII they are those of the
    library, except where there is no letter and no digit: then each sign is a word, so that "+" can be measured.

    Example:
        >>> rouge_words("Naïve bakers"), rouge_words("东京 Tower"), rouge_words("+")
        (['naïve', 'baker'], ['东', '京', 'tower'], ['+'])
    """
    signs = folded(text)
    spaced = "".join(sign if unicodedata.category(sign)[0] in "LNM" else " " for sign in signs)
    return [_stemmed(word) for word in pieces(spaced)] or list("".join(signs.split()))


@lru_cache(maxsize=16_384)
def _stemmed(word: str) -> str:
    if not word.isascii():
        return word
    return str(_tokenizer().tokenize(word)[0])


@lru_cache
def _tokenizer() -> Any:
    from rouge_score.tokenizers import DefaultTokenizer

    return DefaultTokenizer(use_stemmer=True)


@lru_cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import Tokenizer

    class Words(Tokenizer):  # type: ignore[misc]  # the library has no types
        def tokenize(self, text: str) -> list[str]:
            return rouge_words(text)

    return RougeScorer(["rougeL"], tokenizer=Words())
