# SPDX-License-Identifier: Apache-2.0
"""The dataset card. It knows what the dataset holds from its infos, and does not know where the card is put."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from crossmem_hf.data.albums.album import models_of_album
from crossmem_hf.data.configs.qa import QUESTIONS_PER_FACT_IN_TEST, num_questions_by_hops
from crossmem_hf.data.configs.table import DEFAULT_CONFIG, SPLITS
from crossmem_hf.data.release.quality import CHECKS, QualityReport, stage_of
from crossmem_hf.data.release.samples import sample_views
from crossmem_hf.data.rows import FACT_QUESTIONS
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.runs.sources import library_versions

if TYPE_CHECKING:
    import datasets

_SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(
    spec: DatasetSpec,
    infos: Mapping[str, "datasets.DatasetInfo"],
    split_bytes: Mapping[tuple[str, str], int],
    report: QualityReport,
    *,
    repo_id: str,
) -> str:
    """The whole README.md: front matter that `load_dataset` reads, and prose for people.

    Args:
        infos: Config -> its features, splits and sizes.
        split_bytes: (config, split) -> size of its Parquet files in bytes.
        report: What was checked and found in those files; its numbers are the card's.
    """
    environment = Environment(
        loader=PackageLoader("crossmem_hf.data.release", "."),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown, and every value is ours
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = cell
    by_hops = num_questions_by_hops(spec)
    models = [] if spec.portraits is None else models_of_album(spec.portraits)
    return environment.get_template("dataset_card.md.j2").render(
        front_matter=_front_matter(infos, report.content, drawn=not models),
        repo_id=repo_id,
        fingerprint=report.content,
        version=library_versions(["crossmem_hf"])["crossmem_hf"],
        spec=spec,
        models=models,
        album=spec.described().get("portraits"),
        spec_items=sorted(spec.described().items()),
        held_out=NUM_HELD_OUT_VIEWS,
        qa_single=by_hops[1],
        qa_multi=by_hops[2],
        qa_test=QUESTIONS_PER_FACT_IN_TEST * len(FACT_ATTRIBUTES) * len(FACT_QUESTIONS),
        report=report,
        checks=CHECKS,
        samples=_samples(spec),
        lengths=[
            (config, {part: _span(steps) for part, steps in parts.items()}) for config, parts in report.lengths.items()
        ],
        table=_table(report, split_bytes),
    )


def _front_matter(infos: Mapping[str, "datasets.DatasetInfo"], fingerprint: str, *, drawn: bool) -> str:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    num_rows = sum(split.num_examples for info in infos.values() for split in info.splits.values())
    data = DatasetCardData(
        license="cc0-1.0" if drawn else "other",
        license_name=None if drawn else "words CC0-1.0, portraits under the terms of the image models",
        language=["en"],
        pretty_name="crossmem personas",
        annotations_creators=["machine-generated"],
        language_creators=["machine-generated"],
        source_datasets=["original"],
        size_categories=[next((name for max_rows, name in _SIZE_CATEGORIES if num_rows < max_rows), "1M<n<10M")],
        task_categories=["image-text-to-text", "visual-question-answering"],
        tags=["crossmem", "machine-unlearning", "memorization", "privacy", "synthetic", "fictitious-people", "trl"],
    )
    DatasetInfosDict(infos).to_dataset_card_data(data)
    MetadataConfigs({config: _metadata(config, fingerprint) for config in infos}).to_dataset_card_data(data)
    return data.to_yaml(line_break="\n")


def _metadata(config: str, fingerprint: str) -> dict[str, Any]:
    files = [{"split": split, "path": f"{config}/{split}-*"} for split in SPLITS[config]]
    # datasets names the cache of a local folder after this metadata, so the contents must have a say in it.
    metadata = {"data_files": files, "description": f"content {fingerprint}"}
    return metadata | ({"default": True} if config == DEFAULT_CONFIG else {})


def cell(text: str) -> str:
    """A text within a table of Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")


def _span(steps: Mapping[str, int]) -> str:
    """The shortest and the longest length of a histogram."""
    bounds = [step.partition("-") for step in steps]
    return f"{bounds[0][0]} to {bounds[-1][2]}"


def _samples(spec: DatasetSpec) -> str:
    """What the lines of the sheet of samples are, in words."""
    names = [f"{split} view {index}" for split, index in sample_views(spec)]
    return ", ".join(names[:-1]) + " and " + names[-1]


def evaluation_tasks(repo_id: str) -> str:
    """The text of ``eval.yaml``, which lets the Hub gather results on the dataset's page: a task a held-out split.

    ``evaluation_framework`` is left out: the Hub has a list of frameworks, and scoring with this library is none of
    them. A benchmark shows up only once the Hub's maintainers have put the dataset on their list.
    """
    import yaml

    held_out = [(config, split) for config, splits in SPLITS.items() for split in splits]
    tasks = [
        {"id": f"{config}_{split}", "config": config, "split": split}
        for config, split in held_out
        if stage_of(config, split) in ("test", "far")
    ]
    about = {
        "name": repo_id.rpartition("/")[2],
        "description": "What a vision-language model memorized of fictitious people, asked through images and text.",
        "tasks": tasks,
    }
    return str(yaml.safe_dump(about, sort_keys=False, width=119))


def _table(report: QualityReport, split_bytes: Mapping[tuple[str, str], int]) -> list[dict[str, object]]:
    return [
        {
            "config": config,
            "split": split,
            "first": number == 0,
            "rows": found["rows"],
            "personas": found["personas"] or "all",
            "hops": ", ".join(f"{hops}: {count:,}" for hops, count in found.get("hops", {}).items()),
            "size": f"{split_bytes[config, split] / 1e6:.2f} MB",
        }
        for config, splits in report.splits.items()
        for number, (split, found) in enumerate(splits.items())
    ]
