# SPDX-License-Identifier: Apache-2.0
"""What publishing asks of uploading; how that goes over HTTP is in tests/hub."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.push import Pushed
from crossmem_hf.publishing import dataset as publish
from crossmem_hf.publishing.dataset import push_dataset


@pytest.fixture
def pushed(monkeypatch):
    """What uploading was asked for; nothing leaves the machine."""
    requested = []
    monkeypatch.setattr(publish, "push_folder", lambda *args, **how: requested.append((args, how)) or Pushed("sha", 1))
    return requested


def test_the_folder_is_pushed_whole_and_older_shards_dropped(materialized, pushed):
    folder = materialized / "crossmem" / "personas"
    assert push_dataset(folder, "crossmem/personas", revision="dev", tag="v1").commit == "sha"
    [(args, how)] = pushed
    assert args == (folder, "crossmem/personas", "dataset")
    assert (how["revision"], how["tag"], how["create_pr"], how["replaced"]) == ("dev", "v1", False, ["*.parquet"])


def test_pushing_an_empty_folder_is_an_error(tmp_path, pushed):
    with pytest.raises(CrossmemError, match="holds no dataset card"):
        push_dataset(tmp_path, "crossmem/personas")
    assert not pushed


def test_what_was_changed_after_its_checks_is_not_published(materialized, tmp_path, pushed):
    import shutil

    folder = shutil.copytree(materialized / "crossmem" / "personas", tmp_path / "personas")
    (folder / "qa" / "forget-00000-of-00001.parquet").unlink()
    with pytest.raises(CrossmemError, match="are not those that were checked"):
        push_dataset(folder, "crossmem/personas")
    assert not pushed
