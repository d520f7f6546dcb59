# SPDX-License-Identifier: Apache-2.0
from importlib import import_module
from pathlib import Path

import pytest

from crossmem_hf.data import configs
from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.configs.table import DEFAULT_CONFIG, KINDS, SPLITS, check_config, check_split
from crossmem_hf.errors import CrossmemError


def test_table_holds_every_kind_of_every_file_once():
    files = [path.stem for path in Path(configs.__path__[0]).glob("*.py") if path.stem not in ("__init__", "table")]
    modules = [import_module(f"crossmem_hf.data.configs.{name}") for name in files]
    kinds = [kind for module in modules for kind in vars(module).values() if isinstance(kind, Kind)]
    assert {id(kind) for kind in kinds} == {id(kind) for kind in KINDS.values()}
    assert len(kinds) == len(KINDS)


def test_check_config_lists_those_that_exist():
    with pytest.raises(
        CrossmemError, match=r"Unknown config 'recal'.*recall_image, recall_text, fact_image, fact_text"
    ):
        check_config("recal")


@pytest.mark.parametrize("split", ["holdout", "train+holdout", "holdout[:5]", ""])
def test_check_split_lists_those_that_exist(split):
    with pytest.raises(CrossmemError, match=r"expected one of train, validation, test, far"):
        check_split("recall_image", split)


@pytest.mark.parametrize("split", ["train", "far", "train+test", "test[:10]", "train + validation[50%:]"])
def test_check_split_passes_sums_and_slices(split):
    check_split("recall_image", split)


def test_default_config_exists():
    assert DEFAULT_CONFIG in SPLITS
