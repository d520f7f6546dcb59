# SPDX-License-Identifier: Apache-2.0
"""lm-eval, as docs/scoring.md has it: it takes our adapters and rows as they are, and reads the same answers."""

import re

import pytest
import yaml

from crossmem_hf import load_model, load_rows
from crossmem_hf.evaluation.evaluator import Evaluator
from tests import sources

NUM_TOKENS = 24


@pytest.fixture
def task(tmp_path):
    """The task of the page, and its rows."""
    (written,) = re.findall(r"```yaml\n(task: crossmem_facts\n.*?)```", sources.text("docs/scoring.md"), re.DOTALL)
    settings = yaml.safe_load(written)
    rows = load_rows(None, "qa_test", "forget", num_personas=5).filter(lambda row: row["images"]).select(range(6))
    rows.to_parquet(tmp_path / "rows.parquet")
    settings["dataset_kwargs"]["data_files"]["test"] = str(tmp_path / "rows.parquet")
    assert settings["generation_kwargs"]["max_gen_toks"] == NUM_TOKENS
    return settings, rows


@pytest.fixture
def adapter(tiny_model, tmp_path):
    """A LoRA that changes what the model says."""
    import torch
    from peft import get_peft_model

    from crossmem_hf.training.memorize import language_lora

    model = get_peft_model(load_model(str(tiny_model))[0], language_lora())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator))
    model.save_pretrained(tmp_path / "adapter")
    return str(tmp_path / "adapter")


def test_lm_eval_reads_the_answers_that_we_read(task, adapter, tiny_model):
    import lm_eval

    settings, rows = task
    found = lm_eval.simple_evaluate(
        model="hf-multimodal",
        model_args={"pretrained": str(tiny_model), "peft": adapter, "dtype": "float32"},
        tasks=[settings],
        batch_size=2,
        device="cpu",
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    (samples,) = found["samples"].values()
    theirs = {one["doc"]["answer"]: one["filtered_resps"][0].strip() for one in samples}
    evaluator = Evaluator(rows, metrics=["recall"], max_new_tokens=NUM_TOKENS)
    ours = {one["truth"]: one["answer"].strip() for one in evaluator(*load_model(str(tiny_model), adapter=adapter))}
    plain = {one["truth"]: one["answer"].strip() for one in evaluator(*load_model(str(tiny_model)))}
    assert theirs == ours
    assert plain != ours, "else the adapter would not be seen"
    (scores,) = found["results"].values()
    assert scores["exact_match,none"] == 0.0
