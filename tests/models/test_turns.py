# SPDX-License-Identifier: Apache-2.0
"""Prompt and answer as tokens: those of the whole conversation, the same in training, scoring and generation."""

from functools import lru_cache

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.turns import answer_tokens, prompt_text, said, turn_of
from crossmem_hf.seeding import rng_for
from crossmem_hf.training.collate import RowEncoder
from tests.scoring.families import BLIND, OTHERS, SEEING, families, rows
from tests.scoring.family import CANDIDATES, Manner
from tests.scoring.tiny import NAMES, image_row, processor


@pytest.mark.parametrize("token", ["<image>", "<eos>", "<pad>", "<|user|>"])
@pytest.mark.parametrize("answer", ["{} sneaky", "Ann {} Lee", "Ann{}", "{}"])
def test_an_answer_with_a_special_token_is_named(token, answer):
    text = answer.format(token)
    with pytest.raises(CrossmemError) as caught:
        answer_tokens(processor(), image_row(0), ["Ann", text, "Bo"])
    assert f"The answer {text!r} holds the special token {token!r}" in str(caught.value)


def test_what_only_looks_like_a_special_token_is_scored():
    answers = ["< image >", "eos", "<imag", "e>"]
    (found, *_), _ = answer_tokens(processor(), image_row(0), answers)
    assert processor().tokenizer.decode(found) == "< image ><eos>"


# tokens at the boundary

SPLITS = {  # how tokenizers cut a text into words, inside which tokens are merged
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama3": pre_tokenizers.Sequence([
        pre_tokenizers.Split(
            Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"), "isolated"
        ),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]),
    "no_words": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    "metaspace": pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
    "prepend": None,
}  # fmt: skip
TEMPLATES = {
    "vicuna": Manner(user="USER: ", queried="\n", assistant="ASSISTANT:", lead=" ", tail=" <eos>"),
    "no_separator": Manner(user="USER: ", queried="\n", assistant="ASSISTANT:", tail="<eos>"),
    "special": Manner(user="USER: ", queried="\n", assistant="<bos>", tail="<eos>"),
    "space": Manner(user="USER: ", queried="\n", assistant="ASSISTANT: ", tail="\n<eos>"),
    "nothing": Manner(user="USER: ", queried=" SAYS:", assistant="", lead=" ", tail="\n"),
}
ANSWERS = ["Ann", " Ann", "x", "Ann. ", "\nAnn", "Ann.", "Ann\n", "été ☃", "  two  words", ":", "\t1234", *NAMES[:4]]
QUESTION = {"prompt": [{"role": "user", "content": "Who?"}], "images": []}


@lru_cache
def spelling(split, template="special", change=""):
    """A tokenizer that learned to merge across some boundaries; `change` is a filter that answers go through."""
    pieces = split in ("metaspace", "prepend")  # as SentencePiece: no words, spaces as a letter, bytes for the rest
    known = ["<pad>", "<bos>", "<eos>", *[f"<0x{byte:02X}>" for byte in range(256)] * pieces]
    spelled = Tokenizer(models.BPE(byte_fallback=pieces))
    if split == "prepend":
        spelled.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        spelled.pre_tokenizer = SPLITS[split]
    texts = ["ASSISTANT: Ann.\n USER: x", "ASSISTANT:x SAYS: y", "the hat. \n\n The red:x", *ANSWERS, "été ☃ | #"] * 20
    learn = trainers.BpeTrainer(vocab_size=600, special_tokens=known, show_progress=False)
    spelled.train_from_iterator([*texts, "USER: Who? " * 9], learn)
    ends = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    whole = PreTrainedTokenizerFast(tokenizer_object=spelled, **ends)
    written = TEMPLATES[template].template(parts=False)
    whole.chat_template = written.replace("message['content']", f"(message['content']{change})")
    return whole


def whole_and_prompt(words, answer):
    """Ids of the whole conversation as the template writes it, up to the end of the answer's turn; and of the
    prompt."""
    turns = [*QUESTION["prompt"], {"role": "assistant", "content": answer}]
    whole = words.apply_chat_template(turns, tokenize=False)
    whole = whole if whole.endswith("<eos>") else f"{whole[:-1]}<eos>"  # one line break that no model says
    prompt = words.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    return [words(text, add_special_tokens=False)["input_ids"] for text in (whole, prompt)]


def labels_of(batch):
    """The tokens of one row that are trained."""
    return batch["labels"][batch["labels"] != -100].tolist()


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("split", SPLITS)
def test_tokens_are_those_of_the_whole_or_the_answer_is_named(split, template):
    """The prompt is at most what it has in common with the whole, and at least all but the white space at its end."""
    words = spelling(split, template)
    text = prompt_text(words, QUESTION)
    start = words(text, add_special_tokens=False)["input_ids"]
    written = words.apply_chat_template(QUESTION["prompt"], tokenize=False, add_generation_prompt=True)
    assert text.rstrip() == written.rstrip()
    for answer in ANSWERS:
        whole, _ = whole_and_prompt(words, answer)
        if whole[: len(start)] == start:
            (tokens,), _ = answer_tokens(words, QUESTION, [answer])
            assert [*start, *tokens] == whole
            assert labels_of(RowEncoder(words).encode({**QUESTION, "completion": answer})) == tokens
        else:
            with pytest.raises(CrossmemError, match=r"merges with the end of the prompt") as caught:
                answer_tokens(words, QUESTION, [answer])
            assert repr(answer) in str(caught.value)
            with pytest.raises(CrossmemError, match=r"merges with the end of the prompt"):
                RowEncoder(words).encode({**QUESTION, "completion": answer})


def test_boundaries_of_both_kinds_are_among_them():
    """The guard of the test above: some answers merge with the prompt's last word, others with its last space only."""

    def merges(split, template, answer):
        whole, prompt = whole_and_prompt(spelling(split, template), answer)
        return whole[: len(prompt)] != prompt

    assert merges("llama3", "no_separator", "x")
    assert merges("gpt2", "space", "Ann")
    assert prompt_text(spelling("gpt2", "space"), QUESTION).endswith("ASSISTANT:")
    assert answer_tokens(spelling("gpt2", "space"), QUESTION, ["Ann"])
    for split in ("prepend", "metaspace"):
        assert merges(split, "vicuna", "Ann.")
    assert not any(merges(split, "special", answer) for split in SPLITS for answer in ANSWERS)


@pytest.mark.parametrize("change", [
    " | trim", " | upper", ".split('</think>')[-1]", " | replace('n', 'm')", " + ' #'", " ~ message['content']",
])  # fmt: skip
@pytest.mark.parametrize("split", ["gpt2", "metaspace"])
def test_answers_are_what_the_template_makes_of_them(split, change):
    words = spelling(split, "special", change)
    answers = [*ANSWERS, "a</think>b", "1234"]
    tokens, _ = answer_tokens(words, QUESTION, answers)
    for answer, found in zip(answers, tokens, strict=True):
        whole, prompt = whole_and_prompt(words, answer)
        assert found == whole[len(prompt) :], answer


@pytest.mark.parametrize(("tail", "expected"), [
    ("<eos>", ["<eos>"]), ("<eos>\n", ["<eos>"]), ("\n<eos>", ["\n", "<eos>"]), (" <eos>", [" ", "<eos>"]),
    ("", ["<eos>"]), ("\n", ["<eos>"]), (":", [":", "<eos>"]), ("<pad>\n<eos>", ["<pad>"]),
])  # fmt: skip
@pytest.mark.parametrize("split", ["gpt2", "prepend", "metaspace"])
def test_how_many_tokens_end_a_turn(split, tail, expected):
    written = Manner(user="U", queried="\n", assistant="<bos>", tail=tail).template(parts=False)
    words = clone(spelling(split), chat_template=written)
    several, num_end = answer_tokens(words, QUESTION, ["1", "12345 ☃!"])
    for tokens, count in zip(several, num_end, strict=True):
        assert [PIECES.get(piece, piece) for piece in words.convert_ids_to_tokens(tokens[-count:])] == expected


PIECES = {"Ġ": " ", "▁": " ", "Ċ": "\n", "▁\n": "\n", "<0x0A>": "\n"}


def clone(words, **changes):
    """The same tokenizer with some attributes changed."""
    other = PreTrainedTokenizerFast(tokenizer_object=words.backend_tokenizer, pad_token="<pad>", eos_token="<eos>")
    for name, value in changes.items():
        setattr(other, name, value)
    return other


def test_a_tokenizer_without_an_end():
    words = clone(spelling("gpt2"), eos_token=None)
    words.chat_template = Manner(user="U", queried="\n", assistant="A:", lead=" ", tail="").template(parts=False)
    ids = words(" Ann Lee", add_special_tokens=False)["input_ids"]
    assert answer_tokens(words, QUESTION, ["Ann Lee"]) == ([ids], [0])


def test_a_template_that_rewrites_the_prompt():
    words = clone(spelling("gpt2"), chat_template="{{ messages | length }}{{ messages[-1]['content'] }}")
    with pytest.raises(CrossmemError, match="writes a different prompt once an answer follows"):
        answer_tokens(words, QUESTION, ["Ann"])


def test_ten_thousand_answers_are_not_each_written_by_the_template():
    words = spelling("gpt2", "vicuna")
    written = []
    counting = clone(words)
    counting.chat_template = words.chat_template
    apply = counting.apply_chat_template
    counting.apply_chat_template = lambda *given, **named: written.append(1) or apply(*given, **named)
    answers = [f"name {number}" for number in range(10_000)]
    tokens, num_end = answer_tokens(counting, QUESTION, answers)
    assert len(written) < 10
    assert set(num_end) == {2}
    assert tokens[4321] == words(" name 4321 <eos>", add_special_tokens=False)["input_ids"]


# what the template adds

THINKING = (  # as Qwen3 writes the last turn: empty thoughts before the answer, none in the generation prompt
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{{ message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PHI = Manner(user="<|user|>\n", queried="<|end|>\n", assistant="<|assistant|>\n", tail="<|end|>\n")


@lru_cache
def marked(template, split="gpt2"):
    """A tokenizer that knows the marks of turns as tokens of their own."""
    words = clone(spelling(split), chat_template=template)
    words.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>", *PHI_MARKS]})
    words.add_tokens(["<think>", "</think>"])
    return words


PHI_MARKS = ("<|user|>", "<|assistant|>", "<|end|>")


def test_thoughts_of_the_template_belong_to_the_prompt():
    words = marked(THINKING, "llama3")
    turn = turn_of(words, QUESTION)
    assert turn.prompt == "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert (turn.lead, turn.end) == ("<think>\n\n</think>\n\n", "<|im_end|>")
    (tokens,), (num_end,) = answer_tokens(words, QUESTION, ["Ann"])
    assert tokens == words("Ann<|im_end|>", add_special_tokens=False)["input_ids"]
    assert num_end == 1
    for text in ("Ann", " Ann\n", "<think>\n\n</think>\n\nAnn", "<think></think>Ann"):
        assert said(turn, text) == "Ann"
    assert said(turn, "<think>Who?</think>Ann") == "<think>Who?</think>Ann"  # thoughts of the model's own


@pytest.mark.parametrize("split", SPLITS)
def test_a_word_start_beginning_an_answer_is_that_of_the_whole(split):
    """Tokenizers of Llama begin a text with a space; behind a line break there is none."""
    words = marked(PHI.template(parts=False), split)
    for answer in NAMES[:4]:
        turns = [*QUESTION["prompt"], {"role": "assistant", "content": answer}]
        whole = words(words.apply_chat_template(turns, tokenize=False).rstrip(), add_special_tokens=False)["input_ids"]
        batch = RowEncoder(words).encode({**QUESTION, "completion": answer})
        assert batch["input_ids"][0].tolist() == whole
        assert labels_of(batch) == answer_tokens(words, QUESTION, [answer])[0][0]


@pytest.mark.parametrize(("begun", "answer", "expected"), [
    ("The name is", "Ann", " Ann"), ("The name is ", "Ann", " Ann"), ("The name is", " Ann", " Ann"),
    ("The name is:", "Ann", " Ann"), ('The name is "', "Ann", "Ann"), ("名字是", "王伟", "王伟"),
    ("उसका नाम है", "अनीता", " अनीता"), ("C'est Jose\u0301", "Lee", " Lee"), ("他是𠮷", "野", "野"),
    ("Is it (", "1)", "1)"), ("The name is\n", "Ann", "Ann"),
])  # fmt: skip
@pytest.mark.parametrize("manner", [PHI, TEMPLATES["vicuna"]])
def test_a_turn_of_the_assistant_is_continued(begun, answer, expected, manner):
    words = marked(manner.template(parts=False))
    row = {**QUESTION, "prompt": [*QUESTION["prompt"], {"role": "assistant", "content": begun}]}
    batch = RowEncoder(words).encode({**row, "completion": answer})
    start = begun.rstrip(" ")
    prompt = f"{manner.user}Who?{manner.queried}{manner.assistant}{manner.lead}{start}"
    whole = f"{prompt}{expected}{manner.tail.rstrip()}"
    assert prompt_text(words, row) == prompt
    assert batch["input_ids"][0].tolist() == words(whole, add_special_tokens=False)["input_ids"]
    assert labels_of(batch) == answer_tokens(words, row, [answer])[0][0]
    assert len(labels_of(batch)) == len(batch["input_ids"][0]) - len(words(prompt)["input_ids"])


def test_a_stand_in_that_the_row_holds_is_not_used():
    """Texts copied from documents hold U+FFFC in the place of pictures."""
    words = marked(PHI.template(parts=False))
    row = {"prompt": [{"role": "user", "content": "Who is \ufffc this?"}], "images": []}
    assert turn_of(words, row).prompt == "<|user|>\nWho is \ufffc this?<|end|>\n<|assistant|>\n"
    for answer in ("Ann", "\ufffc Ann"):
        labels = labels_of(RowEncoder(words).encode({**row, "completion": answer}))
        assert labels == words(f"{answer}<|end|>", add_special_tokens=False)["input_ids"]


def test_an_end_that_is_a_token_only_where_a_text_begins():
    """As `add_tokens` makes it with Llama's old normalizer: behind an answer it is spelled."""
    words = clone(spelling("prepend"), chat_template=PHI.template(parts=False))
    words.add_tokens(["<|end|>"])
    assert words.convert_tokens_to_ids("<|end|>") in words("<|end|>", add_special_tokens=False)["input_ids"]
    turn = turn_of(words, QUESTION)
    assert (turn.end, turn.closing, turn.stop) == ("<|end|><eos>", "<|end|>", words.eos_token_id)
    (tokens,), (num_end,) = answer_tokens(words, QUESTION, ["Ann"])
    assert tokens[-1] == turn.stop
    assert words.decode(tokens[:-num_end]).strip().endswith("Ann")
    assert said(turn, "Ann<|end|>") == "Ann"


def test_an_answer_with_what_ends_a_turn_is_named():
    """Though the tokenizer does not call it special."""
    words = clone(spelling("gpt2"), chat_template=PHI.template(parts=False))
    words.add_tokens(["<|end|>"])
    with pytest.raises(CrossmemError, match=r"'Ann<\|end\|> Lee' holds the special token '<\|end\|>'"):
        answer_tokens(words, QUESTION, ["Ann<|end|> Lee"])


def test_characters_that_the_tokenizer_does_not_know():
    spelled = Tokenizer(models.WordLevel({"<eos>": 0, "<unk>": 1, "Ann": 2, "Lee": 3, "Who?": 4}, unk_token="<unk>"))
    spelled.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words = PreTrainedTokenizerFast(tokenizer_object=spelled, eos_token="<eos>", unk_token="<unk>")
    words.chat_template = Manner(user="", queried=" ", assistant="Says: ", tail=" <eos>").template(parts=False)
    assert answer_tokens(words, QUESTION, ["Ann Lee"])[0] == [[2, 3, 0]]
    for answer in ("Ann 王", "Ann 李"):
        with pytest.raises(CrossmemError, match=r"holds characters that the tokenizer does not know; .* '<unk>'"):
            answer_tokens(words, QUESTION, ["Ann", answer])
    words.unk_token = words.eos_token  # as GPT-2's, which knows every character
    assert answer_tokens(words, QUESTION, ["Ann Lee"])[0] == [[2, 3, 0]]


def test_templates_that_cannot_be_used():
    words = clone(spelling("gpt2"), chat_template="{% for message in messages %}{{ message['role'] }}{% endfor %}")
    with pytest.raises(CrossmemError, match="leaves the answer out"):
        turn_of(words, QUESTION)
    words = clone(words, chat_template="{{ raise_exception('No system turns.') }}")
    with pytest.raises(CrossmemError, match=r"refuses a conversation of \['user'\] and an answer: No system turns"):
        turn_of(words, QUESTION)
    with pytest.raises(CrossmemError, match="has no chat template"):
        turn_of(clone(words, chat_template=None), QUESTION)


# every family, any words

LETTERS = ["a", "Ann", "7", "42", " ", "  ", "\n", *"王伟さกاé🙂\"'“-._", "e\u0301"]


@pytest.mark.parametrize("name", [*SEEING, *OTHERS, *BLIND])
def test_what_is_trained_is_what_is_scored(name):
    """For random words in random scripts: equal tokens, which are those of the whole conversation, or both refused."""
    family, draw = families()[name], rng_for(0, "letters")
    row, refused = rows(family)[0], 0
    texts = [*CANDIDATES, *("".join(draw.choices(LETTERS, k=draw.randint(1, 6))) for _ in range(60))]
    for text in texts:
        queried = {**row, "completion": text, "answer": text}
        if not text.strip():
            with pytest.raises(CrossmemError, match="has the answer"):
                RowEncoder(family.processor).encode(queried)
            continue
        try:
            (tokens,), _ = answer_tokens(family.processor, row, [text])
        except CrossmemError:
            refused += 1
            with pytest.raises(CrossmemError, match="merges with the end"):
                RowEncoder(family.processor).encode(queried)
            continue
        batch = RowEncoder(family.processor).encode(queried)
        assert labels_of(batch) == tokens
        written = family.manner.lead + text + family.manner.tail.rstrip()
        whole = family.tokenizer(written, add_special_tokens=False)["input_ids"]
        assert tokens == whole if whole[-1] in family.stops else tokens[:-1] == whole
        assert batch["input_ids"][0, -len(tokens) :].tolist() == tokens
    assert refused < 10
