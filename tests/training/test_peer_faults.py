# SPDX-License-Identifier: Apache-2.0
"""Faults found in the published code of multimodal unlearning baselines, one test each.

Each test shows that the faulty formula, written out in the test, would give another value."""

import math

import numpy
import pytest
import torch
from torch.nn import functional as F

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.logprobs import answer_logprobs, score_logits
from crossmem_hf.metrics.extraction_strength.sampling_math import extraction_items
from crossmem_hf.metrics.extraction_strength.strength_math import strength_items
from crossmem_hf.metrics.truth_ratio.truth_ratio_math import truth_ratio_items, truth_ratio_summary
from crossmem_hf.prompts.refusals import every_wording
from crossmem_hf.scoring.answers import score_answers
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.training.collate import RowEncoder, merge_batches
from crossmem_hf.training.losses import kl, npo, representation_mse, simnpo
from crossmem_hf.training.preferences import refused
from tests.training import tiny
from tests.training.tiny import recalled, trainer_for

PAIRS = [{"forget": [n], "retain": [n]} for n in range(4)]
LABELS = torch.tensor([[-100, -100, 1, 2], [-100, 3, 4, -100]])


def away(trainer):
    """The trainer, its policy no longer its reference."""
    trainer._remember_reference()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    trainer.model.eval()
    return trainer


def loss(trainer):
    return trainer.compute_loss(trainer.model, trainer.data_collator(PAIRS)).item()


def test_dpo_is_not_the_likelihood_of_refusals(tmp_path):
    """1. CLEAR computes DPO, overwrites it twice, and trains the mean NLL of the refusals."""
    forget = tiny.rows("p0", "p1", modality="mixed", views=2)
    refusals = refused(forget, 42)
    trainer = away(trainer_for(tmp_path, forget=forget, forget_loss="dpo", retain_loss="none"))
    base = tiny.memorized()
    (chosen, rejected), (ref_chosen, ref_rejected) = (
        [recalled(model, rows).double().numpy() for rows in (refusals, forget)] for model in (trainer.model, base)
    )
    margins = 0.1 * ((chosen - ref_chosen) - (rejected - ref_rejected))
    assert loss(trainer) == pytest.approx(numpy.log(1 + numpy.exp(-margins)).mean(), rel=1e-4)
    tokens = [(line != -100).sum().item() for line in trainer.data_collator(PAIRS)["refusal"]["labels"]]
    faulty = (-chosen / tokens).mean()
    assert loss(trainer) != pytest.approx(faulty, rel=0.05)


@pytest.mark.parametrize("forget_loss", ["idk", "dpo"])
def test_refusals_are_refusals_and_not_the_secrets(tmp_path, forget_loss):
    """2. CLEAR builds its refusal sample from the forget item, so refusing trains on the secrets."""
    trainer = trainer_for(tmp_path, forget_loss=forget_loss)
    labels = trainer.data_collator(PAIRS)["refusal"]["labels"]
    said = [tiny.processor().decode(line[line != -100], skip_special_tokens=True) for line in labels]
    assert set(said) <= set(every_wording())
    faulty = {row["answer"] for row in trainer.rows["refusal"].dataset}  # what the forget item would have put there
    assert len(faulty) == 2
    assert not faulty & set(said)


def test_npo_reads_the_answers_probability_and_not_the_vocabularys():
    """3. CLEAR takes probability ratios over the whole vocabulary and averages them."""
    logits = torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = logits.clone()
    moved[..., 5], moved[..., 6] = logits[..., 6], logits[..., 5]  # answers (1 to 4) are as likely as before
    reference, elsewhere = torch.zeros_like(logits), torch.zeros_like(logits)
    elsewhere[..., 6] = 2.0

    def faulty(policy):
        return (policy.softmax(-1) / elsewhere.softmax(-1)).mean()

    first, second = (
        npo(score_logits(x, LABELS).sums_B, score_logits(reference, LABELS).sums_B, beta=0.1) for x in (logits, moved)
    )
    torch.testing.assert_close(first, second)
    assert not torch.isclose(faulty(logits), faulty(moved))


def test_answers_are_generated_with_the_picture_in_view():
    """4. CLEAR decodes the prompt, tokenizes it again and generates without pixel_values."""
    model, rows = tiny.memorized().eval(), [tiny.row("p0"), tiny.row("p1"), tiny.row("p0", "text")]
    seen = []
    tower = next(module for name, module in model.named_modules() if name.endswith("vision_tower"))
    hook = tower.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(args[0] if args else kwargs["pixel_values"]), with_kwargs=True
    )
    generate_answers(model, tiny.processor(), rows, max_new_tokens=2)
    hook.remove()
    shown = torch.cat([pixels.reshape(-1, *pixels.shape[-3:]) for pixels in seen])
    for row in rows[:2]:
        own = RowEncoder(tiny.processor()).encode(row)["pixel_values"][0]
        assert any(torch.equal(own, pixels) for pixels in shown)
    red, blue = (tiny.row("p0") | {"images": tiny.row(person)["images"]} for person in ("p0", "p1"))
    first, second = score_answers(model, tiny.processor(), [red, blue])
    assert not numpy.allclose(first.logprobs, second.logprobs, atol=1e-4)  # without pixels they would be equal


def test_a_truth_ratio_reads_its_own_false_answers():
    """5. CLEAR averages the false answers of the whole set into one number."""
    false, true = [[1.0, 3.0], [5.0, 7.0]], [1.0, 2.0]
    ratios = truth_ratio_items(false, true).ratio
    numpy.testing.assert_allclose(ratios, [math.exp(1.0 - 2.0), math.exp(2.0 - 6.0)])
    faulty = numpy.exp(numpy.array(true) - numpy.mean(false))
    assert not numpy.isclose(ratios, faulty).any()


def test_npo_refers_to_the_memorized_model_row_by_row(tmp_path):
    """6. MLLMU refers to a model trained without the secrets; it and three others take one ratio a batch."""
    forget = tiny.rows("p0", "p1", modality="mixed", views=2)
    trainer = away(trainer_for(tmp_path, forget=forget, forget_loss="npo", retain_loss="none", forget_beta=1.0))
    policy, reference, retain_only = (
        recalled(model, forget).double().numpy() for model in (trainer.model, tiny.memorized(), tiny.model())
    )

    def formula(ratio):
        return (2 * numpy.log(1 + numpy.exp(ratio))).mean()

    assert loss(trainer) == pytest.approx(formula(policy - reference), rel=1e-4)
    assert loss(trainer) != pytest.approx(formula(policy - retain_only), rel=0.01)
    assert loss(trainer) != pytest.approx(formula((policy - reference).mean()), rel=0.01)


def test_likelihoods_and_not_logits_enter_the_loss():
    """7. MUSE puts raw logits in the place of log-likelihoods; a constant added to all logits shows it."""
    logits = torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def both(given):
        scores = score_logits(given, LABELS)
        return torch.stack(
            [
                npo(scores.sums_B, torch.full((2,), -3.0, dtype=torch.float64), beta=0.1),
                simnpo(scores.token_logprobs_BT, scores.mask_BT, beta=0.7, delta=0.0),
            ]
        )

    torch.testing.assert_close(both(logits), both(logits + 5.0))
    faulty = [F.logsigmoid(-0.1 * x).mean() for x in (logits, logits + 5.0)]
    assert not torch.isclose(*faulty)


def test_kl_is_masked_to_the_answers():
    """8. Open-unlearning, FIUBench, MLLMU and CLEAR take KL over prompt, picture and padding too."""
    reference = torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(0))
    policy = reference.clone()
    policy[0, 0], policy[0, 3], policy[1, 2:] = 3.0, -3.0, 9.0  # nothing here predicts an answer token
    policy[0, 0, 1] = policy[0, 3, 2] = policy[1, 2:, 3] = 0.0
    scores, other = score_logits(policy, LABELS), score_logits(reference, LABELS)
    assert torch.equal(kl(scores.logits_NV, other.logits_NV, scores.mask_BT), torch.zeros(2))
    everywhere = [x.log_softmax(-1).flatten(0, 1) for x in (policy, reference)]
    faulty = F.kl_div(*everywhere, reduction="batchmean", log_target=True)
    assert faulty > 0.1


@pytest.mark.parametrize("modality", ["image", "text"])
def test_the_loss_counts_the_answer_alone(tmp_path, modality):
    """9. MLLMU, and MMUnlearner without a flag, train on prompt and picture tokens as well."""
    row = tiny.row("p1", modality)
    batch = RowEncoder(tiny.processor()).encode(row)
    labeled = batch["labels"][batch["labels"] != -100]
    tokenizer = tiny.processor().tokenizer
    said = tokenizer("Bo Ferris Lindgren", add_special_tokens=False)["input_ids"]
    assert labeled.tolist() == [*said, tokenizer.eos_token_id]
    faulty = batch["attention_mask"].bool()
    assert faulty.sum() > len(labeled)


def test_no_match_is_an_extraction_strength_of_zero():
    """10a. Open-unlearning's loop leaves 1/n where no token matches, as if the last one had."""
    items = strength_items([[False, False, False, False], [False, False, False, True]])
    assert items.extraction_strength.tolist() == [0.0, 0.25]

    def faulty(matches):
        first = next((k for k in range(len(matches)) if all(matches[k:])), len(matches) - 1)
        return 1 - first / len(matches)

    assert faulty([False] * 4) == 0.25


@pytest.mark.parametrize("modality", ["image", "text"])
def test_the_first_token_of_an_answer_counts(modality):
    """10b. FIUBench slices L logits, shifts them, loses the first answer token and divides by L."""
    model, row = tiny.memorized().eval(), tiny.row("p1", modality)
    batch = RowEncoder(tiny.processor()).encode(row)
    with torch.no_grad():
        logprobs = model(**{k: v for k, v in batch.items() if k != "labels"}).logits[0].log_softmax(-1)
        ours = answer_logprobs(model, batch).item()
    places = (batch["labels"][0] != -100).nonzero().flatten().tolist()
    tokens = [logprobs[t - 1, batch["labels"][0, t]].item() for t in places]
    assert ours == pytest.approx(sum(tokens), rel=1e-5)
    assert ours != pytest.approx(sum(tokens[1:]), rel=1e-3)
    (scored,) = score_answers(model, tiny.processor(), [row])
    numpy.testing.assert_allclose(scored.logprobs, tokens, atol=1e-4)


def test_an_answer_is_not_cut_at_a_period(monkeypatch):
    """10c. FIUBench keeps what stands before the first period, which is nothing where there is none."""
    from crossmem_hf.scoring import generation

    texts = ["Dr. Ada Moss. A painter", "no period at all"]
    tokenizer = tiny.processor().tokenizer
    monkeypatch.setattr(
        generation, "_tokens", lambda *_, **__: [tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]
    )
    made = generate_answers(tiny.memorized(), tiny.processor(), [tiny.row("p0"), tiny.row("p1")])
    assert made == [tokenizer.decode(tokenizer(t)["input_ids"], skip_special_tokens=True) for t in texts]
    assert [text[: text.find(".") + 1] for text in texts] == ["Dr.", ""]  # the fault


def test_rows_with_unlike_numbers_of_pictures_keep_their_own():
    """11. lmms-eval with Qwen2-VL hands rows of a batch the pictures of others."""
    two = tiny.row("p1")
    two["images"] = two["images"] + tiny.row("p2")["images"]
    encoder, model = RowEncoder(tiny.processor()), tiny.memorized().eval()
    alone = [encoder.encode(row) for row in (two, tiny.row("p3", "text"), tiny.row("p0"))]
    assert [len(batch.get("pixel_values", ())) for batch in alone] == [2, 0, 1]
    together = merge_batches(alone, pad_token_id=encoder.pad_token_id)
    with torch.no_grad():
        expected = torch.cat([answer_logprobs(model, batch) for batch in alone])
        torch.testing.assert_close(answer_logprobs(model, together), expected, rtol=1e-4, atol=1e-4)
        together["pixel_values"] = together["pixel_values"].flip(0)  # the fault
        assert not torch.allclose(answer_logprobs(model, together), expected, atol=1e-2)


def test_a_retained_item_that_is_remembered_scores_near_one():
    """12. torchunlearn takes 1 - 1/R on retain rows, R = perturbed / paraphrased, where 1 - R is meant."""
    remembered, confused = ([[6.0, 7.0, 8.0]], [0.2]), ([[0.2, 0.3, 0.4]], [5.0])
    for (false, true), ours, theirs in ((remembered, 1.0, 0.0), (confused, 0.0, 1.0)):
        found = truth_ratio_summary(truth_ratio_items(false, true))["truth_ratio_retain"]
        ratio = math.exp(-numpy.mean(false)) / math.exp(-true[0])
        assert found == pytest.approx(max(0.0, 1 - ratio))
        assert found == pytest.approx(ours, abs=0.02)
        faulty = max(0.0, 1 - 1 / ratio)
        assert faulty == pytest.approx(theirs, abs=0.02)


def test_false_answers_are_averaged_in_logs_unless_asked_otherwise():
    """13. torchunlearn, as TOFU's paper, averages probabilities: one likely falsehood decides R, however unlikely the
    others are. TOFU's code and open-unlearning average their logs."""
    false, true = [[0.1, 9.0, 9.0, 9.0]], [2.0]
    probabilities = numpy.exp(-numpy.array(false[0]))
    geometric = probabilities.prod() ** (1 / 4) / math.exp(-2.0)
    arithmetic = probabilities.mean() / math.exp(-2.0)
    assert truth_ratio_items(false, true).ratio == pytest.approx([geometric])
    assert geometric < 1 < arithmetic, "by the one the truth is known, by the other it is not"
    assert truth_ratio_items(false, true, mean="arithmetic").ratio == pytest.approx([arithmetic])


def test_a_judge_that_fails_is_no_score_of_zero():
    """14. Open-MMUnlearning writes 0.0 where its judge fails, so that an outage looks like forgetting."""
    scores = [1.0, None, 0.8, None]
    items = [
        {"persona_id": f"p{place}", "modality": "text", "hops": 1, "judge_score": score}
        for place, score in enumerate(scores)
    ]
    (line,) = Predictions(items).measure(["judge"], by=())
    assert (line.value, line.n) == (pytest.approx(0.9), 2)
    faulty = sum(score or 0.0 for score in scores) / len(scores)
    assert faulty == 0.45


def test_the_best_checkpoint_is_not_chosen_by_the_rows_that_are_reported(tmp_path):
    """16. Open-MMUnlearning chooses hyperparameters on the split that it reports."""

    def shown(family):
        rows = tiny.rows("p0", "p1").remove_columns(["template"] if "template" in tiny.rows("p0").column_names else [])
        return rows.add_column("template", [f"{family}-stripes"] * len(rows))

    best = {"metric_for_best_model": "eval_loss", "eval_strategy": "steps", "eval_steps": 1}
    for family in ("test", "far"):
        with pytest.raises(CrossmemError, match="Row 0 of the 'eval' rows is a test row"):
            trainer_for(tmp_path, eval_dataset=shown(family), **best)
    with pytest.raises(CrossmemError, match="Row 0 of the 'late' rows is a test row"):
        trainer_for(tmp_path, eval_dataset={"early": shown("validation"), "late": shown("test")}, **best)
    trainer_for(tmp_path, eval_dataset=shown("validation"), **best)
    trainer_for(tmp_path, eval_dataset=shown("test"))  # to look at them is no choice


def test_one_success_in_a_million_tries_does_not_underflow():
    """15. PrivacyGuard computes 1 - (1 - p)^n from p itself, which is 0 below 1e-16."""
    tokens, tries = [[math.log(1e-10)] * 3, [-1e-13, -1e-13]], 10**6
    rare, sure = extraction_items(tokens).extraction_probability(tries)
    assert rare == pytest.approx(1e-24, rel=1e-9)
    faulty = 1 - (1 - math.exp(sum(tokens[0]))) ** tries
    assert faulty == 0.0
    assert sure == 1.0
    one_try = 1 - extraction_items([[-1e-13, -1e-13]]).extraction_probability(1)[0]
    assert one_try == pytest.approx(2e-13, rel=1e-2)


def test_rmu_divides_by_the_length_of_the_row_itself():
    """17. open-unlearning divides sums (B,) by lengths (B, 1): every row by every length."""
    mask = torch.tensor([[True, False, False, False], [True, True, True, True]])
    hidden = torch.tensor([[3.0], [1.0], [1.0], [1.0], [1.0]])
    sums, lengths = torch.tensor([9.0, 4.0]), mask.sum(dim=-1, keepdim=True)
    ours = representation_mse(hidden, torch.zeros(1), mask)
    assert ours.tolist() == [9.0, 1.0]
    assert (sums / lengths).mean().item() == pytest.approx(sums.mean().item() * (1 + 1 / 4) / 2)
    assert (sums / lengths).mean() != ours.mean()
