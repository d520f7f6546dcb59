# SPDX-License-Identifier: Apache-2.0
"""A model small enough to run whole cells in seconds, and cells that run in this process."""

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The folder of an untrained LLaVA; it learns nothing in two steps, and need not."""
    import torch

    from crossmem_hf.models.micro.model import MicroShape, build_model, build_processor
    from crossmem_hf.models.micro.pretraining import tokenizer_corpus
    from crossmem_hf.personas.sampling import sample_personas

    torch.manual_seed(0)
    shape = MicroShape(vision_width=16, vision_layers=1, text_width=16, text_layers=1, text_mlp=16, heads=2)
    processor = build_processor(tokenizer_corpus(list(sample_personas(5, 0, "background"))), shape)
    folder = tmp_path_factory.mktemp("tiny")
    build_model(processor, shape).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def in_process(monkeypatch):
    """Cells run here, one after the other; gives the names of those that were run."""
    from crossmem_hf.studies import run

    started = []

    def run_jobs(jobs, *, failed, **_):
        for job in jobs:
            started.append(job.name)
            try:
                job.run(lambda *_: None)
            except Exception as error:
                failed(job, error)
        return []

    monkeypatch.setattr(run, "run_jobs", run_jobs)
    return started
