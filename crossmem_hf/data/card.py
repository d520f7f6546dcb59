# SPDX-License-Identifier: Apache-2.0
"""The dataset card. It knows what the dataset holds from its infos, and does not know where the card is put."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from crossmem_hf.data.contents import QUESTIONS_PER_FACT_IN_TEST, num_questions_by_hops, people_of
from crossmem_hf.data.rows import FACT_QUESTIONS
from crossmem_hf.data.spec import DEFAULT_CONFIG, NUM_HELD_OUT_VIEWS, SPLITS, DatasetSpec
from crossmem_hf.personas.values import FACT_ATTRIBUTES

if TYPE_CHECKING:
    import datasets

_SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(
    spec: DatasetSpec,
    infos: Mapping[str, "datasets.DatasetInfo"],
    split_bytes: Mapping[tuple[str, str], int],
    *,
    repo_id: str,
    fingerprint: str,
) -> str:
    """The whole README.md: front matter that `load_dataset` reads, and prose for people.

    Args:
        infos: Config -> its features, splits and sizes.
        split_bytes: (config, split) -> size of its Parquet files in bytes.
        fingerprint: Of the contents of the Parquet files.
    """
    environment = Environment(
        loader=PackageLoader("crossmem_hf.data", "."),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown, and every value is ours
        keep_trailing_newline=True,
    )
    by_hops = num_questions_by_hops(spec)
    return environment.get_template("dataset_card.md.j2").render(
        front_matter=_front_matter(infos, fingerprint),
        repo_id=repo_id,
        fingerprint=fingerprint,
        spec=spec,
        spec_items=sorted(spec.shown().items()),
        held_out=NUM_HELD_OUT_VIEWS,
        qa_single=by_hops[1],
        qa_multi=by_hops[2],
        qa_test=QUESTIONS_PER_FACT_IN_TEST * len(FACT_ATTRIBUTES) * len(FACT_QUESTIONS),
        num_forget=len(people_of("profiles", "forget", spec)),
        table=_table(spec, infos, split_bytes),
    )


def _front_matter(infos: Mapping[str, "datasets.DatasetInfo"], fingerprint: str) -> str:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    num_rows = sum(split.num_examples for info in infos.values() for split in info.splits.values())
    data = DatasetCardData(
        license="cc0-1.0",
        language=["en"],
        pretty_name="crossmem personas",
        annotations_creators=["machine-generated"],
        language_creators=["machine-generated"],
        source_datasets=["original"],
        size_categories=[next((name for most, name in _SIZE_CATEGORIES if num_rows < most), "1M<n<10M")],
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


def _table(
    spec: DatasetSpec, infos: Mapping[str, "datasets.DatasetInfo"], split_bytes: Mapping[tuple[str, str], int]
) -> list[dict[str, object]]:
    return [
        {
            "config": config,
            "split": split,
            "first": number == 0,
            "rows": infos[config].splits[split].num_examples,
            "people": len(people_of(config, split, spec)),
            "size": f"{split_bytes[config, split] / 1e6:.2f} MB",
        }
        for config in infos
        for number, split in enumerate(SPLITS[config])
    ]
