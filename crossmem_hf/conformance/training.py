# SPDX-License-Identifier: Apache-2.0
"""Checks of training: labels, gradients of mixed batches, what an adapter reaches, and one step of unlearning. They do
not look at generation."""

import math
import tempfile
from typing import Any

import torch
from datasets import Dataset, Features, Image, List, Value
from torch import Tensor
from transformers import PrinterCallback, ProgressCallback

from crossmem_hf.conformance.borrowed import adapted
from crossmem_hf.conformance.report import Finding, within
from crossmem_hf.conformance.subject import Subject, conversation, plain_logprobs
from crossmem_hf.logprobs import NOT_AN_ANSWER, answer_scores
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.training.collate import RowEncoder, merge_batches
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.trainable import count_trainable
from crossmem_hf.training.trainer import UnlearnTrainer

_REPORT = "Report this model to crossmem_hf; until then train with a batch size of 1."


def labels(subject: Subject) -> Finding:
    """What is trained is what is scored: inputs and labels are the processor's own tokens."""
    name, wrong = "labels", []
    encoder = RowEncoder(subject.processor)
    for number, row in enumerate(subject.rows):
        batch = encoder.encode(row, f"row {number}")
        inputs, expected = conversation(subject, row, row["answer"])
        chosen = batch["labels"][0][batch["labels"][0] != NOT_AN_ANSWER].tolist()
        if chosen != expected or batch["input_ids"].tolist() != inputs["input_ids"].tolist():
            wrong.append(number)
    return Finding(
        check=name,
        status="fails" if wrong else "holds",
        found=f"{len(wrong)} of {len(subject.rows)} rows are trained on other tokens"
        + (f": {wrong}" if wrong else ""),
        value=float(len(wrong)),
        remedy="Use a chat template that writes the prompt alike with and without an answer." if wrong else "",
    )


def answers_only(subject: Subject) -> Finding:
    """Likelihoods in a padded training batch are the plain ones, whatever the head says outside the answers."""
    rows, model = list(subject.rows), subject.model
    batch = _merged(subject, rows)
    outside = batch["labels"].roll(-1, 1) == NOT_AN_ANSWER

    def poison(module: Any, given: Any, logits: Any) -> Any:
        return logits.masked_fill(outside[..., None], torch.nan) if logits.shape[:2] == outside.shape else logits

    handle = model.get_output_embeddings().register_forward_hook(poison)
    try:
        with adapted(model) as lent, in_eval_mode(lent), torch.no_grad():
            sums = answer_scores(lent, batch).sums_B.double().cpu()
    finally:
        handle.remove()
    plain = [plain_logprobs(subject, row, row["answer"]) for row in rows]
    off = [abs(float(one) - line.sum()) / len(line) for one, line in zip(sums, plain, strict=True)]
    value = float("inf") if any(math.isnan(one) for one in off) else max(off)
    return within("answers alone count", value, subject.close, "nats a token", _REPORT)


def gradients(subject: Subject) -> Finding:
    """The gradient of a mixed batch is the sum of those of its rows."""
    rows = list(subject.rows)
    with adapted(subject.model) as lent, in_eval_mode(lent):
        together = _gradients(lent, _merged(subject, rows))
        summed: dict[str, Tensor] = {}
        for row in rows:
            for name, gradient in _gradients(lent, _merged(subject, [row])).items():
                summed[name] = summed[name] + gradient if name in summed else gradient
    largest = max(float(gradient.abs().max()) for gradient in summed.values())
    off = max(
        float((together.get(name, torch.zeros_like(gradient)) - gradient).abs().max())
        for name, gradient in summed.items()
    )
    return within("mixed batches", off / largest if largest else math.inf, subject.close, "of the gradient", _REPORT)


def adapter(subject: Subject) -> Finding:
    """The default adapter reaches the language model alone, and each of its modules gets a gradient, but for experts
    that are not chosen and cross-attention whose gate is shut."""
    name = "adapter"
    with adapted(subject.model) as lent, in_eval_mode(lent):
        counts = count_trainable(lent)
        found = _gradients(lent, _merged(subject, list(subject.rows)))
        learning = [key for key, part in lent.named_parameters() if part.requires_grad and ".lora_B" in key]
    shut = _shut_layers(subject.model)
    still = [key for key in learning if key not in found or not found[key].any()]
    still = [key for key in still if ".experts." not in key and not any(layer in key for layer in shut)]
    beside = {part: count for part, count in counts.items() if count and part != "language model"}
    text = f"{len(learning)} modules, {sum(counts.values()):,} parameters"
    problems = [f"it also trains {beside}"] if beside else []
    problems += [f"{len(still)} modules get no gradient, first {still[0]}"] if still else []
    return Finding(
        check=name,
        status="fails" if problems else "holds",
        found="; ".join([text, *problems]),
        value=float(len(learning)),
        remedy="Pass lora_target_modules that name the language model's layers only." if problems else "",
    )


def unlearning(subject: Subject) -> Finding:
    """A step of NPO starts at 2/beta ln 2, as it must where the model is its own reference, and moves the adapter; and
    the head of trl, which is used on GPUs and by plain fine-tuning, gives the likelihoods that the model gives."""
    name, rows = "unlearning step", list(subject.rows)
    half = max(1, len(rows) // 2)
    with adapted(subject.model) as lent, tempfile.TemporaryDirectory() as folder:
        before = _weights(lent)
        config = UnlearnConfig(
            output_dir=folder,
            reference_cache=folder,
            forget_loss="npo",
            per_device_train_batch_size=half,
            max_steps=1,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=subject.model.device.type == "cpu",
            bf16=False,
        )
        sets = [_dataset(rows[:half], "forget"), _dataset(rows[half:] or rows, "retain")]
        trainer = UnlearnTrainer(lent, config, *sets, processing_class=subject.processor)
        for printing in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(printing)
        heads = _between_heads(lent, _merged(subject, rows))
        trainer.train()
        loss = float(trainer.state.log_history[0]["forget_loss"])
        moved = any(not torch.equal(before[key], part) for key, part in _weights(lent).items())
    if not moved:
        return Finding(check=name, status="fails", found="The adapter did not move.", remedy=_REPORT)
    expected = 2 / float(config.forget_beta or 0.1) * math.log(2)
    tokens = min(len(conversation(subject, row, row["answer"])[1]) for row in rows)
    off = max(abs(loss - expected) / tokens, heads)
    note = f"nats a token from 2/beta ln 2 = {expected:.2f} and between trl's head and the model's"
    return within(name, off, subject.close, note, _REPORT)


def _shut_layers(model: Any) -> list[str]:
    """Layers of an untrained model that let nothing of pictures through yet."""
    gates = {name: part for name, part in model.named_parameters() if name.endswith("cross_attn_attn_gate")}
    return [name.removesuffix("cross_attn_attn_gate") for name, gate in gates.items() if not gate.any()]


def _between_heads(model: Any, batch: dict[str, Tensor]) -> float:
    """Nats a token between the model's own likelihoods and those of the head that a trainer put on it."""
    with in_eval_mode(model), torch.no_grad():
        own, fused = (answer_scores(model, batch, fused=fused) for fused in (False, True))
    return float((own.token_logprobs_BT - fused.token_logprobs_BT).abs().max())


def _merged(subject: Subject, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    encoder = RowEncoder(subject.processor)
    batch = merge_batches([encoder.encode(row) for row in rows], pad_token_id=encoder.pad_token_id)
    return {name: value.to(subject.model.device) for name, value in batch.items()}


def _gradients(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of the summed log-probability of the answers, by parameter."""
    model.zero_grad()
    answer_scores(model, batch).sums_B.sum().backward()
    return {name: part.grad.clone() for name, part in model.named_parameters() if part.grad is not None}


def _weights(model: Any) -> dict[str, Tensor]:
    return {name: part.detach().clone() for name, part in model.named_parameters() if part.requires_grad}


def _dataset(rows: list[dict[str, Any]], who: str) -> Dataset:
    turns = List({"role": Value("string"), "content": Value("string")})
    features = Features({"images": List(Image()), "prompt": turns, "completion": turns, "persona_id": Value("string")})
    columns = {name: [row[name] for row in rows] for name in ("images", "prompt", "completion")}
    return Dataset.from_dict({**columns, "persona_id": [f"{who}-{place}" for place in range(len(rows))]}, features)
