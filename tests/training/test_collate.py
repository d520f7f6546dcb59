# SPDX-License-Identifier: Apache-2.0
import numpy
import pytest
import torch
from PIL import Image
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.collate import (
    EncodedRows,
    PairedCollator,
    PairedRows,
    PreferenceCollator,
    RowCollator,
    RowEncoder,
    merge_batches,
)
from tests.training import tiny


def answers(batch):
    return [line[line != -100].tolist() for line in batch["labels"]]


@pytest.mark.parametrize("modality", ["image", "text", "mixed"])
def test_batches_are_exactly_those_of_trl(modality):
    rows = tiny.rows(*tiny.PERSONAS, modality=modality, views=2)
    ours = RowCollator(EncodedRows(rows, RowEncoder(tiny.processor())))([{"row": n} for n in range(len(rows))])
    theirs = DataCollatorForVisionLanguageModeling(tiny.processor(), completion_only_loss=True)([*rows])
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        assert torch.equal(ours[key], value), key


def test_image_and_text_rows_end_in_the_same_token():
    """Otherwise likelihoods in the two modalities could not be compared."""
    encoder = RowEncoder(tiny.processor())
    by_image, by_text = (encoder.encode(tiny.row("p1", modality)) for modality in ("image", "text"))
    assert answers(by_image) == answers(by_text)
    assert answers(by_image)[0][-1] == tiny.processor().tokenizer.eos_token_id
    assert "pixel_values" in by_image
    assert "pixel_values" not in by_text


def test_a_tokenizer_encodes_text_rows_as_the_processor_does():
    tokenizer = tiny.processor().tokenizer
    tokenizer.chat_template = tiny.processor().chat_template
    try:
        alone = RowEncoder(tokenizer).encode(tiny.row("p1", "text"))
    finally:
        tokenizer.chat_template = None
    through = RowEncoder(tiny.processor()).encode(tiny.row("p1", "text"))
    assert {key: value.tolist() for key, value in alone.items()} == {key: through[key].tolist() for key in alone}


def test_the_answer_alone_is_labeled():
    batch = RowEncoder(tiny.processor()).encode(tiny.row("p0"))
    (answer,) = answers(batch)
    assert tiny.processor().decode(answer, skip_special_tokens=True) == "Ada Moss"


def test_rows_are_encoded_once():
    encoded = EncodedRows(tiny.rows("p0", "p1"), RowEncoder(tiny.processor()))
    assert encoded[1] is encoded[1]


def test_rows_that_do_not_fit_are_encoded_again(monkeypatch):
    monkeypatch.setattr("crossmem_hf.training.collate.MAX_CACHED_BYTES", 10)
    encoded = EncodedRows(tiny.rows("p0"), RowEncoder(tiny.processor()))
    first, second = encoded[0], encoded[0]
    assert first is not second
    assert torch.equal(first["input_ids"], second["input_ids"])


def test_an_answer_that_would_be_cut_is_named():
    encoded = EncodedRows(tiny.rows("p0", "p1"), RowEncoder(tiny.processor(), max_length=10), name="forget")
    with pytest.raises(CrossmemError, match=r"Row 1 of the forget set \(persona 'p1'\) has \d+ tokens.*max_length=10"):
        encoded[1]


def test_padding_never_counts():
    encoder = RowEncoder(tiny.processor())
    short, long = encoder.encode(tiny.row("p2")), encoder.encode(tiny.row("p1", "text", 3))
    merged = merge_batches([short, long], pad_token_id=encoder.pad_token_id)
    length = short["input_ids"].shape[1]
    assert merged["labels"][0, length:].eq(-100).all()
    assert merged["attention_mask"][0, length:].eq(0).all()
    assert merged["input_ids"][0, length:].eq(encoder.pad_token_id).all()
    assert len(merged["pixel_values"]) == 1


def test_a_token_type_that_only_some_rows_have_is_zero_elsewhere():
    encoder = RowEncoder(tiny.processor())
    text, image = encoder.encode(tiny.row("p1", "text")), encoder.encode(tiny.row("p0"))
    image["mm_token_type_ids"] = torch.ones_like(image["input_ids"])
    merged = merge_batches([text, image], pad_token_id=encoder.pad_token_id)["mm_token_type_ids"]
    assert merged[0].eq(0).all()
    assert merged[1].sum() == image["input_ids"].shape[1]


def test_pairs_use_every_retain_row_before_any_twice():
    pairs = PairedRows(4, 6, seed=0)
    seen = []
    for epoch in range(3):
        pairs.epoch = epoch
        assert [pairs[i]["forget"] for i in range(4)] == [[0], [1], [2], [3]]
        seen += [number for i in range(4) for number in pairs[i]["retain"]]
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    assert seen[:6] != seen[6:]


def test_pairs_are_the_same_for_the_same_seed_only():
    def drawn(seed):
        return [PairedRows(9, 9, seed=seed)[i]["retain"] for i in range(9)]

    assert drawn(0) == drawn(0) != drawn(1)


def test_pairs_without_retain_rows():
    assert PairedRows(2, 0, seed=0)[1] == {"forget": [1]}


def test_paired_batches_say_which_rows_they_hold():
    encoder = RowEncoder(tiny.processor())
    roles = {"forget": EncodedRows(tiny.rows("p0", "p1"), encoder), "retain": EncodedRows(tiny.rows("p2"), encoder)}
    batch = PairedCollator(roles)([{"forget": [1], "retain": [0]}, {"forget": [0], "retain": [0]}])
    assert batch["forget"]["row"].tolist() == [1, 0]
    assert batch["retain"]["row"].tolist() == [0, 0]
    assert batch["forget"]["input_ids"].shape[0] == 2


def test_plain_rows_become_a_plain_batch():
    collator = PairedCollator({"forget": EncodedRows(tiny.rows("p0"), RowEncoder(tiny.processor()))})
    assert set(collator([tiny.row("p3")])) == {"input_ids", "attention_mask", "labels", "pixel_values"}


def test_workers_that_outlive_an_epoch_pair_anew():
    def loaded(pairs, workers):
        loader = torch.utils.data.DataLoader(
            pairs, batch_size=None, num_workers=workers, persistent_workers=workers > 0, shuffle=False
        )
        seen = []
        for epoch in range(3):
            pairs.epoch = epoch
            seen.append([pair["retain"] for pair in loader])
        return seen

    assert loaded(PairedRows(2, 6, seed=0), 1) == loaded(PairedRows(2, 6, seed=0), 0)


def test_two_pictures_of_one_prompt_are_both_encoded():
    """Rows of the config multi_image, on the embedded model's processor: twice the tokens, twice the pixels."""
    from crossmem_hf.data.loading import load_rows
    from crossmem_hf.models.loading import load_model

    _, processor = load_model()
    encoder = RowEncoder(processor)
    known = {"num_personas": 2, "num_views": 2, "forget_fraction": 0.5, "image_size": 48}
    single, double = (load_rows(None, config, "train", **known)[0] for config in ("recall_image", "multi_image"))
    one, two = encoder.encode(single), encoder.encode(double)
    place = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    assert (two["input_ids"] == place).sum() == 2 * (one["input_ids"] == place).sum() > 0
    assert two["pixel_values"].shape[0] == 2 * one["pixel_values"].shape[0]
    assert processor.tokenizer.decode(two["labels"][two["labels"] >= 0]).startswith(double["answer"])


def test_pairs_are_those_of_trl_where_both_are_right():
    """On a template that ends its turns, with answers of equal length, so that padding is on no side."""
    row = tiny.row("p0")
    turns = [[{"role": "assistant", "content": content}] for content in (row["answer"], row["answer"][::-1])]
    pairs = [{"images": row["images"], "prompt": row["prompt"], "chosen": turns[0], "rejected": turns[1]}] * 2
    ours = PreferenceCollator(RowEncoder(tiny.processor()))(pairs)
    theirs = DataCollatorForVisionPreference(tiny.processor())([dict(pair) for pair in pairs])
    for number in range(4):
        one, other = (
            (batch["input_ids"][number][batch["attention_mask"][number] == 1].tolist(),
             batch["input_ids"][number][batch["completion_mask"][number] == 1].tolist())
            for batch in (ours, theirs)
        )  # fmt: skip
        assert one == other
    assert torch.equal(ours["pixel_values"], theirs["pixel_values"])
    assert set(ours) == set(theirs)


def test_a_row_is_trained_on_with_the_picture_that_is_seen():
    gray = tiny.rows("p0", modality="image", views=1)[0]["images"][0].convert("L")
    row = {**tiny.rows("p0", modality="image", views=1)[0], "images": [gray.convert("RGB")]}
    deep = Image.fromarray(numpy.asarray(gray).astype(numpy.uint16) * 257)
    encoder = RowEncoder(tiny.processor())
    ours, theirs = encoder.encode({**row, "images": [deep]}), encoder.encode(row)
    assert torch.equal(ours["pixel_values"], theirs["pixel_values"])
    with pytest.raises(CrossmemError, match=r"A picture of row 3 cannot be shown: .*floating-point"):
        encoder.encode({**row, "images": [Image.new("F", (8, 8))]}, "3")
