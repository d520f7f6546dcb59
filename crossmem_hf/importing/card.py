# SPDX-License-Identifier: Apache-2.0
"""The card of an imported dataset. It says what is known, and that the pictures and texts are somebody else's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    import datasets

_SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the card tells.

    Attributes:
        hub: The Hub's name of the source; None if it is on this machine, whose paths are nobody's business.
        command: Which command made it.
        num_personas: How many different people.
        num_forget: How many of them are in the forget sets.
        license: As the Hub names licenses; None if nobody said.
        default: The config that is loaded if none is named.
        settings: What it was told.
        columns: Where the columns were taken from; empty for portraits.
    """

    hub: str | None
    command: str
    num_personas: int
    num_forget: int
    license: str | None
    default: str
    settings: Mapping[str, object] = field(default_factory=dict)
    columns: str = ""


def imported_card(about: About, infos: Mapping[str, "datasets.DatasetInfo"], fingerprint: str) -> str:
    """The whole README.md: front matter that `load_dataset` reads, and prose for people.

    Args:
        infos: Config -> its features, splits and sizes.
        fingerprint: Of the contents of the Parquet files.
    """
    environment = Environment(
        loader=PackageLoader("crossmem_hf.importing", "."),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown; what is not ours is shown as code
        keep_trailing_newline=True,
    )
    return environment.get_template("card.md.j2").render(
        front_matter=_front_matter(about, infos, fingerprint),
        about=about,
        origin=f"{_as_code(about.hub)} on the Hub" if about.hub else "files on the machine of whoever imported them",
        settings=[(name, _as_code(str(value))) for name, value in about.settings.items()],
        columns=_as_code(about.columns),
        license=_as_code(about.license or ""),
        fingerprint=fingerprint,
        table=[
            {"config": config, "split": split, "rows": info.splits[split].num_examples}
            for config, info in infos.items()
            for split in info.splits
        ],
    )


def _front_matter(about: About, infos: Mapping[str, "datasets.DatasetInfo"], fingerprint: str) -> str:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    num_rows = sum(split.num_examples for info in infos.values() for split in info.splits.values())
    data = DatasetCardData(
        license=about.license or "other",
        pretty_name="imported people",
        size_categories=[next((name for max_rows, name in _SIZE_CATEGORIES if num_rows < max_rows), "1M<n<10M")],
        task_categories=["image-text-to-text", "visual-question-answering"],
        tags=["crossmem", "imported", "machine-unlearning", "memorization", "privacy", "trl"],
    )
    DatasetInfosDict(infos).to_dataset_card_data(data)
    configs = {config: _metadata(config, info, about.default, fingerprint) for config, info in infos.items()}
    MetadataConfigs(configs).to_dataset_card_data(data)
    return data.to_yaml(line_break="\n")


def _metadata(config: str, info: "datasets.DatasetInfo", default: str, fingerprint: str) -> dict[str, Any]:
    files = [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in info.splits]
    # datasets names the cache of a local folder after this metadata, so the contents must have a say in it.
    metadata = {"data_files": files, "description": f"content {fingerprint}"}
    return metadata | ({"default": True} if config == default else {})


def _as_code(text: str) -> str:
    """A text from outside, as inline code that it cannot leave."""
    return "`" + " ".join(text.split()).replace("`", "'") + "`" if text.strip() else ""
