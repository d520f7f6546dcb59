# SPDX-License-Identifier: Apache-2.0
"""The dataset as a Hugging Face builder. It does not know what the rows say or where they are published."""

from collections.abc import Iterator, Sequence
from dataclasses import field, make_dataclass
from typing import Any

import datasets

from crossmem_hf.data.albums.album import album_fingerprint
from crossmem_hf.data.configs.qa import check_questions
from crossmem_hf.data.configs.table import DEFAULT_CONFIG, SPLITS, check_config, features_of
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.rows import Row
from crossmem_hf.data.spec import DatasetSpec, rows_fingerprint
from crossmem_hf.personas.schema import Persona
from crossmem_hf.storage import fingerprint


def builder_config(spec_type: type[DatasetSpec] = DatasetSpec) -> Any:
    """A `datasets.BuilderConfig` with the fields of a spec; each is part of the cache folder's name."""
    knobs = [(one.name, one.kind, field(default=one.default)) for one in spec_type.knobs()]

    def spec(self: Any) -> DatasetSpec:
        """The same knobs, checked."""
        return spec_type(**{one.name: getattr(self, one.name) for one in spec_type.knobs()})

    version = ("version", datasets.Version | str | None, field(default="1.0.0"))
    extra = {"spec": spec, "__module__": __name__, "__doc__": "The knobs of `DatasetSpec` as a builder config."}
    return make_dataclass("PersonasConfig", [version, *knobs], bases=(datasets.BuilderConfig,), namespace=extra)


PersonasConfig = builder_config()


class PersonasBuilder(datasets.GeneratorBasedBuilder):
    """Builds any config of the dataset into the datasets cache.

    The cache folder is named after the config, its knobs and the code that makes the rows, so that neither another
    number of personas nor another version of this library ever meets stale rows.

    Args:
        cache_dir: Where to keep the Arrow files; None for the datasets cache.
        config_name: One of `table.SPLITS`; None for ``"recall_image"``.
        preset: One of `spec.PRESETS`, whose knobs are taken where none are given.
        options: Knobs of `PersonasConfig`, and whatever else `datasets.DatasetBuilder` takes.

    Raises:
        CrossmemError: An unknown config or preset, or a knob out of range.

    Example:
        >>> PersonasBuilder(config_name="qa", num_personas=20).config.spec().num_personas
        20
    """

    BUILDER_CONFIG_CLASS = PersonasConfig
    BUILDER_CONFIGS = [PersonasConfig(name=name) for name in SPLITS]  # noqa: RUF012
    DEFAULT_CONFIG_NAME = DEFAULT_CONFIG

    def __init__(
        self,
        cache_dir: str | None = None,
        *,
        config_name: str | None = None,
        preset: str | None = None,
        **options: Any,
    ) -> None:
        if config_name is not None:
            check_config(config_name)
        knobs = {} if preset is None else DatasetSpec.preset(preset).as_dict()
        album = options.get("portraits")
        made_from = (
            rows_fingerprint() if album is None else fingerprint([rows_fingerprint(), album_fingerprint(album)])
        )
        named = {"dataset_name": "crossmem_personas", "hash": made_from, **knobs, **options}
        super().__init__(cache_dir=cache_dir, config_name=config_name, **named)

    def _info(self) -> datasets.DatasetInfo:
        check_questions(self.config.spec())
        return datasets.DatasetInfo(features=features_of(self.config.name))

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        spec = self.config.spec()
        return [
            datasets.SplitGenerator(
                name=split, gen_kwargs={"split": split, "personas": personas_of(self.config.name, split, spec)}
            )
            for split in SPLITS[self.config.name]
        ]

    def _generate_examples(self, split: str, personas: Sequence[Persona]) -> Iterator[tuple[int, Row]]:
        yield from enumerate(rows_of(self.config.name, split, personas, self.config.spec()))
