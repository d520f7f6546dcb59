# SPDX-License-Identifier: Apache-2.0
"""`score_candidates` against plain forward passes over prompt and candidate, side by side on the same inputs.

    python benchmarks/score_candidates.py --output score_candidates.json
    python benchmarks/score_candidates.py --large --num_rows 2            # 100 M parameters, 576 tokens a picture
    python benchmarks/score_candidates.py --large --device cuda

The opponent is batched, tokenises and prepares every prompt once, and builds logits for the answers only; what it does
not do is share the prompt and its picture between candidates. Both must give the same scores, or the run fails.
CPU seconds on a CPU, wall seconds on a GPU; the median of the repeats.
"""

import argparse
import json
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from crossmem_hf.models.loading import load_model_and_processor
from crossmem_hf.models.micro import MicroShape, build_model, build_processor
from crossmem_hf.models.pretraining import tokenizer_corpus
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.prompts import NAME_QUESTIONS
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.inputs import answer_text, batches
from crossmem_hf.seeding import seed_everything
from crossmem_hf.storage import write_atomic

LARGE = MicroShape(
    image_size=336,
    patch_size=14,
    vision_width=512,
    vision_layers=8,
    text_width=768,
    text_layers=10,
    text_mlp=2048,
    heads=8,
)
CLOSE = 1e-3  # nats a token
LINE = (
    "{modality:5s}  {candidates:4d} candidates  {ours_seconds:8.2f} s  opponent {opponent_seconds:8.2f} s  "
    "{ratio:6.1f} times faster  (scores differ by {difference:.1e} nats a token)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--large", action="store_true", help="a random LLaVA of 100 M parameters, not the embedded one"
    )
    parser.add_argument("--random", action="store_true", help="random weights for the small one, too")
    parser.add_argument("--num_rows", type=int, default=32, help="prompts of each modality")
    parser.add_argument("--num_candidates", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--batch_size", type=int, default=32, help="prompts, and for the opponent sequences, at once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="also write the numbers as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, processor = contestants(arguments.large, arguments.random)
    model.to(arguments.device)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{parameters:,} parameters on {arguments.device}, {arguments.num_rows} rows of each modality")
    results = []
    for modality in ("image", "text"):
        rows = asked(modality, arguments.num_rows, model.config.vision_config.image_size)
        for count in arguments.num_candidates:
            results.append(compared(model, processor, rows, names(count), arguments) | {"modality": modality})
            print(LINE.format(**results[-1]))
    if arguments.output:
        settings = {name: value for name, value in vars(arguments).items() if name != "output"}
        versions = {name: version(name) for name in ("torch", "transformers")}
        record = {"settings": settings, "parameters": parameters, "versions": versions, "results": results}
        write_atomic(arguments.output, json.dumps(record, indent=2) + "\n")


def contestants(large: bool, random: bool) -> tuple[Any, Any]:
    """The model and processor both sides use."""
    if not large and not random:
        return load_model_and_processor()
    seed_everything(0)
    shape = LARGE if large else MicroShape()
    processor = build_processor(tokenizer_corpus(list(sample_personas(50, 0, "background"))), shape)
    return build_model(processor, shape).eval(), processor


def names(count: int) -> list[str]:
    return [person.full_name for person in sample_personas(count)]


def asked(modality: str, count: int, size: int) -> list[dict[str, Any]]:
    """Rows that ask for the names of people shown or described."""
    rows = []
    for person in sample_personas(count):
        if modality == "image":
            images, text = [render_portrait(person, view_for(person, "test", 0), size)], NAME_QUESTIONS["image"]
        else:
            images, text = [], NAME_QUESTIONS["text"].format(description=describe(person, "test", 0).text)
        rows.append({"prompt": [{"role": "user", "content": text}], "images": images})
    return rows


def compared(model: Any, processor: Any, rows: list[Any], candidates: list[str], settings: Any) -> dict[str, Any]:
    """Seconds of both sides, taken in turns."""
    ours, opponent = [], []
    score_candidates(model, processor, rows[:2], candidates[:2])  # imports and first allocations are nobody's time
    plain_scores(model, processor, rows[:2], candidates[:2], settings.batch_size)
    for _ in range(settings.repeats):
        scores, seconds = timed(
            lambda: score_candidates(model, processor, rows, candidates, batch_size=settings.batch_size),
            settings.device,
        )
        ours.append(seconds)
        plain, seconds = timed(
            lambda: plain_scores(model, processor, rows, candidates, settings.batch_size), settings.device
        )
        opponent.append(seconds)
    difference = float((np.abs(scores.nll_nats - plain) / scores.num_tokens).max())
    if difference > CLOSE:
        raise SystemExit(f"The scores differ by {difference} nats a token; a ratio would mean nothing.")
    return {
        "candidates": len(candidates),
        "ours_seconds": median(ours),
        "opponent_seconds": median(opponent),
        "ratio": median(opponent) / median(ours),
        "difference": difference,
        "all_seconds": {"ours": ours, "opponent": opponent},
    }


def timed(work: Callable[[], Any], device: str) -> tuple[Any, float]:
    """The result and the seconds it took: of this process on a CPU, on the clock with an accelerator."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    if device != "cpu":
        torch.cuda.synchronize()
    start = clock()
    result = work()  # ends with numbers on the CPU, so the device is done
    return result, clock() - start


@torch.inference_mode()
def plain_scores(model: Any, processor: Any, rows: list[Any], candidates: list[str], batch_size: int) -> Any:
    """(rows, candidates) negative log-likelihoods: every pair is a sequence of its own, left-padded, in batches."""
    texts = [answer_text(processor, rows[0], candidate) for candidate in candidates]
    answers = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    pad = processor.tokenizer.pad_token_id
    result = np.zeros((len(rows), len(candidates)))
    for (index,), inputs in batches(processor, rows, 1):
        prompt = inputs["input_ids"][0].tolist()
        for start in range(0, len(candidates), batch_size):
            part = answers[start : start + batch_size]
            longest = max(map(len, part))
            padded = [[pad] * (longest - len(ids)) + prompt + ids for ids in part]
            ids = torch.tensor(padded, device=model.device)
            mask = torch.ones_like(ids)
            for place, answer in enumerate(part):
                mask[place, : longest - len(answer)] = 0
            pictures = inputs.get("pixel_values")
            given = {} if pictures is None else {"pixel_values": pictures.to(ids.device).expand(len(part), -1, -1, -1)}
            logits = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
                use_cache=False,
                logits_to_keep=longest + 1,
                **given,
            ).logits[:, :-1]
            logprobs = torch.log_softmax(logits.float(), -1).gather(-1, ids[:, -longest:, None])[..., 0].double()
            for place, answer in enumerate(part):
                result[index, start + place] = -logprobs[place, longest - len(answer) :].sum().item()
    return result


if __name__ == "__main__":
    main()
