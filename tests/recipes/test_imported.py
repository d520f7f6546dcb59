# SPDX-License-Identifier: Apache-2.0
"""What was imported goes through the recipes and `crossmem score` like our own people (slow)."""

import json

import pytest

from crossmem_hf.importing.images import PortraitImport, import_portraits
from crossmem_hf.importing.mapping import read_mapping
from crossmem_hf.importing.pictures import PictureShape
from crossmem_hf.importing.questions import QuestionImport, import_questions, personas_listed
from crossmem_hf.importing.tables import Table
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.prose import describe
from crossmem_hf.rendering.views import view_for
from tests.importing.test_questions import fiubench
from tests.recipes.test_recipes import QUIET, START, load

STEPS = ["--max_steps", "2", "--per_device_train_batch_size", "4", *QUIET]


def scored(adapter, dataset, config, folder):
    """Metric -> (value, n) of the forgotten."""
    from crossmem_hf.evaluation.run import run_score
    from crossmem_hf.evaluation.settings import ScoreSettings

    settings = ScoreSettings(
        adapter=str(adapter),
        dataset=str(dataset),
        config=config,
        split="forget",
        metrics=("exposure", "recall", "truth_ratio"),
    )
    run_score(settings, folder)
    found = json.loads((folder / "record.json").read_text())["measurements"]
    return {one["metric"]: (one["value"], one["n"]) for one in found if not one["where"]}


def unlearned(dataset, folder, rows, forget):
    """The adapter that is left after two steps of learning and two of unlearning."""
    options = [
        "--dataset_name",
        str(dataset),
        *rows,
        "--max_steps",
        "2",
        "--per_device_train_batch_size",
        "4",
        *QUIET,
    ]
    load("sft").main([*options, "--output_dir", str(folder / "sft")])
    start = ["--adapter_name_or_path", str(folder / "sft"), *START, "--stop_every_steps", "1", *forget]
    load("unlearn").main([*options, *start, "--output_dir", str(folder / "unlearned")])
    return folder / "unlearned"


@pytest.mark.slow
def test_portraits_of_ones_own(tmp_path):
    for person in sample_personas(3):
        folder = tmp_path / "faces" / person.full_name
        folder.mkdir(parents=True)
        for index in range(4):
            picture = render_portrait(person, view_for(person, "train", index), 80)
            picture.save(folder / f"{index}.{('png', 'jpg')[index % 2]}")
            (folder / f"{index}.txt").write_text(describe(person, "train", index).text)
    options = PortraitImport(shape=PictureShape(size=64), forget_fraction=0.34)
    out = import_portraits(str(tmp_path / "faces"), tmp_path / "out", options)
    modalities = ["--dataset_config", "recall_image+recall_text"]
    forget = ["--forget_fraction", "0.34", "--forget_modality", "both"]
    adapter = unlearned(out, tmp_path, modalities, forget)
    found = scored(adapter, out, "recall_image_test", tmp_path / "score")
    assert {found[name][1] for name in ("exposure", "recall", "truth_ratio")} == {1}
    assert 0 <= found["exposure"][0] <= 100


@pytest.mark.slow
def test_a_benchmark_with_a_forget_set_of_its_own(tmp_path):
    source = fiubench(tmp_path / "fiu")
    options = QuestionImport(
        mapping=read_mapping("fiubench"),
        parts={None: Table(source=str(source / "full.json"))},
        images=source / "SFHQ",
        forget_personas=personas_listed(f"{source}/split.json#forget1"),
        shape=PictureShape(size=64),
    )
    out = import_questions(tmp_path / "out", options)
    rows = ["--dataset_config", "qa", "--dataset_split", "forget+retain"]
    adapter = unlearned(out, tmp_path, rows, ["--forget_split", "forget", "--stop_threshold", "null"])
    found = scored(adapter, out, "qa", tmp_path / "score")
    assert {found[name][1] for name in ("exposure", "recall", "truth_ratio")} == {2}
    assert 0 <= found["truth_ratio"][0] <= 1
