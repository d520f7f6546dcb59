# SPDX-License-Identifier: Apache-2.0
"""How a question and its answer become text and tokens: the one routine that training, likelihoods, generation and
unlearning share. It does not know what is asked, or what is done with the tokens.

The chat template writes the whole conversation around a stand-in for the answer. All that stands before it, an empty
block of thoughts or a space included, is the prompt; what follows it, up to the token that ends the turn, is the end.
Line breaks behind that token are said by no model, so they are left out.

Tokens are those of the whole text. Where the prompt's last tokens would be others once an answer follows (``"is "``
and ``"Ann"`` are written ``is``, `` Ann``), the prompt stops before them: it is the longest start that the prompt has
in common with whole conversations, whatever their answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import joint, placeholders, special_tokens, tokenizer_of, worded, written

_STAND_INS = "\ufffc\u2bd1\ua67e\u2e0e"
"""What stands for an answer while the template is written: the first of these that the row does not hold."""
_BEGINNINGS = ("A", "an", "x", "1", "é", "王", "अ", "🙂", '"', "(", "-", ":")
"""How answers may begin. A prompt stops where none of these changes its tokens."""
_vocabularies: "WeakKeyDictionary[Any, _Vocabulary]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Turn:
    """How a chat template writes the turn that answers a row.

    Attributes:
        prompt: All text before the answer, as far as no answer changes its tokens.
        gap: White space that stands before it too, but is written in one token with the answer's first letters.
        end: What follows the answer, up to and with the token that ends the turn.
        closing: The words of `end`, before the token that ends the turn; mostly empty.
        stop: Id of that token; None where neither template nor tokenizer has one.
        context: The last part of `prompt`. Behind all prompts with equal contexts an answer has the same tokens.
        lead: What the template puts between its own generation prompt and an answer, such as an empty block of
            thoughts. It is a part of `prompt`.
        is_continued: Whether the answer goes on with a turn of the assistant that the row's prompt begins.
    """

    prompt: str
    gap: str
    end: str
    closing: str
    stop: int | None
    context: str
    lead: str
    is_continued: bool
    pattern: str  # the whole conversation around the stand-in
    stand_in: str

    def following(self, answer: str) -> str:
        """What follows `prompt` where a template leaves the answer as it is."""
        space = joint(self.prompt + self.gap, answer) if self.is_continued else ""
        return self.gap + space + answer + self.end


def turn_of(processor: Any, row: Row) -> Turn:
    """How the processor's chat template writes the turn that answers a row.

    Args:
        row: As `crossmem_hf.data.forms.as_row` gives it. Where its prompt ends in a turn of the assistant, the answer
            continues that turn, after a space where `chat.joint` puts one.

    Raises:
        CrossmemError: There is no chat template, or it refuses the conversation, leaves the answer or a turn of the
            prompt out, or writes the prompt differently when an answer follows.

    Example:
        >>> from crossmem_hf import load_model
        >>> _, processor = load_model()
        >>> turn = turn_of(processor, {"prompt": [{"role": "user", "content": "Who?"}], "images": []})
        >>> turn.prompt, turn.end
        ('<|user|>Who?<|assistant|>', '<eos>')
    """
    tokenizer = tokenizer_of(processor)
    stand_in = next(sign for sign in _STAND_INS if sign not in str(row["prompt"]))
    pattern = written(processor, row, stand_in)
    if stand_in not in pattern:
        raise CrossmemError("The chat template leaves the answer out.", "Use one that writes the assistant's turns.")
    before, *_, after = pattern.split(stand_in)
    is_continued = row["prompt"][-1]["role"] == "assistant"
    lead = "" if is_continued else _lead(processor, row, before)
    _check_written(processor, row, stand_in, pattern)
    closing, stop = _end(tokenizer, after)
    context = _context(tokenizer, before)
    cut = _cut(tokenizer, context)
    return Turn(
        prompt=before[: len(before) - cut],
        gap=before[len(before) - cut :],
        end=closing + ("" if stop is None else _vocabulary(tokenizer).added[stop]),
        closing=closing,
        stop=stop,
        context=context[: len(context) - cut],
        lead=lead,
        is_continued=is_continued,
        pattern=pattern,
        stand_in=stand_in,
    )


def prompt_text(processor: Any, row: Row) -> str:
    """The row's prompt through the chat template, one image placeholder for each picture, ready for an answer.

    Raises:
        CrossmemError: As `turn_of`.
    """
    return turn_of(processor, row).prompt


def answer_tokens(
    processor: Any, row: Row, answers: Sequence[str], turn: Turn | None = None
) -> tuple[list[list[int]], list[int]]:
    """Token ids of each answer as they stand behind the row's prompt, end of turn included; and how many of the last
    ones only end the turn.

    Args:
        turn: What `turn_of` says of the row, if it is known.

    Raises:
        CrossmemError: As `turn_of`; or an answer holds a special token, or characters that the tokenizer does not
            know, or its first characters merge with the prompt into one token, so that no token boundary lies between
            them; it is named.
    """
    turn = turn or turn_of(processor, row)
    _check_plain(processor, answers, turn)
    texts = _texts(processor, row, turn, answers)
    tokenizer = tokenizer_of(processor)
    before, *wholes = _ids(tokenizer, [turn.context, *(turn.context + text for text in texts)])
    for answer, whole in zip(answers, wholes, strict=True):
        if whole[: len(before)] != before or len(whole) == len(before):
            raise CrossmemError(
                f"The answer {answer!r} merges with the end of the prompt, {turn.context[-40:]!r}; expected a token "
                "boundary.",
                "Start the answer with a space, or end the template's prompt with a special token.",
            )
    tokens = [whole[len(before) :] for whole in wholes]
    ends = [1] * len(tokens)
    if turn.stop is None or turn.closing:
        open_ended = _ids(tokenizer, [turn.context + text.removesuffix(turn.end) for text in texts])
        ends = [len(whole) - common(whole, other) for whole, other in zip(wholes, open_ended, strict=True)]
    for answer, own, end in zip(answers, tokens, ends, strict=True):
        if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in own[: len(own) - end]:
            raise CrossmemError(
                f"The answer {answer!r} holds characters that the tokenizer does not know; it writes them all as "
                f"{tokenizer.unk_token!r}.",
                "Leave it out, or use a model that knows its script.",
            )
    return tokens, ends


def tokens_of_answers(
    processor: Any, rows: Sequence[Row], answers: Sequence[Sequence[str]]
) -> tuple[list[list[list[int]]], list[list[int]]]:
    """`answer_tokens` of the answers to each row, as two lists with an entry a row. Rows with the same list of answers
    and the same context share one list of tokens.

    Raises:
        CrossmemError: As `answer_tokens`.
    """
    known: dict[tuple[int, str, str, bool], tuple[list[list[int]], list[int]]] = {}
    same: dict[str, tuple[list[list[int]], list[int]]] = {}
    found = []
    for row, texts in zip(rows, answers, strict=True):
        turn = turn_of(processor, row)
        key = (id(texts), turn.context, turn.gap + turn.end, turn.is_continued)
        if key not in known:
            made = answer_tokens(processor, row, texts, turn)
            known[key] = same.setdefault(repr((id(texts), made)), made)
        found.append(known[key])
    return [tokens for tokens, _ in found], [ends for _, ends in found]


def said(turn: Turn, text: str) -> str:
    """A generated text as the answer that it gives: without what the template puts before and behind answers."""
    lead = r"\s*".join(map(re.escape, turn.lead.split()))
    inner = re.sub(rf"\A\s*{lead}", "", text).strip()
    return inner.removesuffix(turn.closing.strip() or "\0").strip()


def common(one: Sequence[Any], two: Sequence[Any]) -> int:
    """How many first entries two sequences share."""
    for place, (left, right) in enumerate(zip(one, two, strict=False)):
        if left != right:
            return place
    return min(len(one), len(two))


@dataclass
class _Vocabulary:
    """What is looked up again and again about a tokenizer with so many tokens."""

    size: int
    added: dict[int, str]  # tokens that stand for themselves whatever is beside them
    cuts: dict[str, int] = field(default_factory=dict)


def _vocabulary(tokenizer: Any) -> _Vocabulary:
    known = _vocabularies.get(tokenizer)
    if known is None or known.size != len(tokenizer):
        added = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items()}
        if tokenizer.eos_token is not None:
            added[tokenizer.eos_token_id] = str(tokenizer.eos_token)
        known = _vocabularies[tokenizer] = _Vocabulary(len(tokenizer), added)
    return known


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    return [list(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def _context(tokenizer: Any, text: str) -> str:
    """The text from its last added token on, which nothing before it can change."""
    added = _vocabulary(tokenizer).added
    last = next((added[token] for token in reversed(_ids(tokenizer, [text])[0]) if token in added), None)
    return text[max(0, text.rfind(last)) :] if last else text


def _cut(tokenizer: Any, context: str) -> int:
    """How many last characters of a prompt, white space all, belong to the tokens of what follows.

    Spaces always do. Other white space does where the beginning of an answer changes its tokens.
    """
    known = _vocabulary(tokenizer).cuts
    if context not in known:
        min_cut = len(context) - len(context.rstrip(" "))
        max_cut = len(context) - len(context.rstrip())
        wholes = _ids(tokenizer, [context + beginning for beginning in _BEGINNINGS]) if max_cut else []
        known[context] = min_cut
        for cut in range(min_cut, max_cut + 1 if wholes else 0):
            (start,) = _ids(tokenizer, [context[: len(context) - cut]])
            if all(whole[: len(start)] == start for whole in wholes):
                known[context] = cut
                break
    return known[context]


def _end(tokenizer: Any, after: str) -> tuple[str, int | None]:
    """The words that end a turn, and the token that does, given all that the template writes behind the answer.

    Where it writes no such token, the tokenizer's `eos_token` takes the place of white space at the end.
    """
    added = _vocabulary(tokenizer).added
    ids = _ids(tokenizer, [f"A{after}"])[0] if after else []  # some tokens are found only where a text begins
    stop = next((token for token in ids if token in added and added[token] in after), None)
    if stop is not None:
        return after[: after.index(added[stop])], stop
    return after.rstrip(), tokenizer.eos_token_id


def _lead(processor: Any, row: Row, before: str) -> str:
    """What the template puts between its generation prompt and an answer."""
    asked = written(processor, row, None)
    if before.startswith(asked):
        return before[len(asked) :]
    if before.startswith(asked.rstrip()) or asked.startswith(before.rstrip()):
        return ""
    raise _other_prompt()


def _check_written(processor: Any, row: Row, stand_in: str, pattern: str) -> None:
    """Templates pass over turns of roles that they do not know, such as "human"; other words then change nothing."""
    turns = row["prompt"]
    for place, turn in enumerate(turns):
        content = turn["content"]
        words = worded(content).strip()
        if not words or words in pattern:
            continue
        more = f"{content} {words}" if isinstance(content, str) else [*content, {"type": "text", "text": words}]
        other = [*turns[:place], {**turn, "content": more}, *turns[place + 1 :]]
        if written(processor, {**row, "prompt": other}, stand_in) == pattern:
            raise CrossmemError(
                f"The chat template leaves out the turn of {turn['role']!r}, {words[:80]!r}.",
                "Give it a role that the template knows, mostly 'user', 'assistant' or 'system', or take it out.",
            )


def _other_prompt() -> CrossmemError:
    return CrossmemError(
        "The chat template writes a different prompt once an answer follows; expected the same start.",
        "Use a template whose generation prompt is a prefix of the full conversation.",
    )


def _texts(processor: Any, row: Row, turn: Turn, answers: Sequence[str]) -> list[str]:
    """What follows the prompt for each answer. Some templates change what an answer says, most only trim it."""
    every = " ".join([turn.stand_in, *answers, turn.stand_in])
    plain = turn.pattern.count(turn.stand_in) == 1
    plain = plain and written(processor, row, every) == turn.pattern.replace(turn.stand_in, every)
    after = turn.pattern.rpartition(turn.stand_in)[2]
    texts = []
    for answer in answers:
        if plain and answer == answer.strip():
            texts.append(turn.following(answer))
            continue
        joined = turn.following(answer).removeprefix(turn.gap).removesuffix(turn.end)
        whole = written(processor, row, joined)
        if not whole.startswith(turn.prompt):
            raise _other_prompt()
        texts.append(whole.removesuffix(after)[len(turn.prompt) :] + turn.end)
    return texts


def _check_plain(processor: Any, answers: Sequence[str], turn: Turn) -> None:
    """A special token inside an answer would be scored as that token, not as its letters; the one that ends a turn,
    special or not, would end the answer."""
    every = "\n".join(answers)
    known = special_tokens(processor) | placeholders(processor) | {turn.end[len(turn.closing) :]} - {""}
    for token in sorted(token for token in known if token in every):
        answer = next((answer for answer in answers if token in answer), None)
        if answer is not None:
            raise CrossmemError(
                f"The answer {answer!r} holds the special token {token!r}; expected words only.",
                "Take it out; the chat template ends the turn.",
            )
