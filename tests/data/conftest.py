# SPDX-License-Identifier: Apache-2.0
"""A small world, and the folder it is materialized into once for all tests."""

from pathlib import Path

import pytest

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Persona


@pytest.fixture(scope="session")
def spec() -> DatasetSpec:
    return DatasetSpec(num_personas=15, num_views=2, image_size=48, qa_per_persona=4)


@pytest.fixture(scope="session")
def person() -> Persona:
    return sample_personas(1)[0]


@pytest.fixture(scope="session")
def materialized(spec: DatasetSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder to work in; nobody writes to it."""
    from crossmem_hf.publishing.materialize import materialize

    return materialize(tmp_path_factory.mktemp("materialized"), spec).parent
