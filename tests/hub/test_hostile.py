# SPDX-License-Identifier: Apache-2.0
"""Hostile datasets on a Hub: refused with a clear error, over HTTP, and nothing that they name is fetched."""

import pytest

pytestmark = [pytest.mark.hub, pytest.mark.slow]

CARDS = {
    "python": "license: !!python/object/apply:os.system ['touch hacked']",
    "outside": "configs:\n- config_name: qa\n  data_files:\n  - {split: forget, path: /etc/*}",
    "laughs": "\n".join(
        ["l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
        + [f"l{number}: &l{number} [{', '.join([f'*l{number - 1}'] * 10)}]" for number in range(1, 9)]
    ),
    "huge": "x: " + "y" * 6_000_000,
}
LOAD = """
import json
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError

said = {}
for name in NAMES:
    try:
        load_rows(name, "qa", "forget")
        said[name] = "loaded"
    except CrossmemError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def test_hostile_cards_are_refused(hub, clients):
    for name, front_matter in CARDS.items():
        repository = hub.store.create("dataset", f"evil/{name}")
        card = hub.store.file(f"---\n{front_matter}\n---\n".encode())
        hub.store.commit(repository, "main", changed={"README.md": card, "qa/forget.parquet": hub.store.file(b"PAR1")})
    names = [*(f"evil/{name}" for name in CARDS), "evil/../../etc", "evil/none"]
    said = clients.python(LOAD.replace("NAMES", repr(names)))
    assert "is no plain YAML" in said["evil/python"]
    assert "outside the dataset: '/etc/*'" in said["evil/outside"]
    assert "stands for more than" in said["evil/laughs"]
    assert "bytes; at most" in said["evil/huge"]
    assert "Could not load" in said["evil/../../etc"]
    assert "Could not load" in said["evil/none"]
    assert not (clients.folder / "hacked").exists()
    assert hub.count("resolve", method="GET", about="evil/huge") == 0
    assert hub.count("resolve", about=".parquet") == 0


def test_a_card_that_cannot_be_read_is_not_taken_on_trust(hub, clients):
    """A Hub in trouble while the card is read, and well again afterwards, gets no data past the check."""
    repository = hub.store.create("dataset", "evil/python")
    card = hub.store.file(f"---\n{CARDS['python']}\n---\n".encode())
    hub.store.commit(repository, "main", changed={"README.md": card, "qa/forget.parquet": hub.store.file(b"PAR1")})
    hub.fail("resolve", about="README.md", status=500)
    said = clients.python(LOAD.replace("NAMES", repr(["evil/python"])))
    assert "is no plain YAML" in said["evil/python"]
    hub.faults.clear()
    hub.fail("resolve", about="README.md", drop=True, times=None)
    said = clients.afresh("home2").python(LOAD.replace("NAMES", repr(["evil/python"])))
    assert "Could not read the card of 'evil/python'" in said["evil/python"]
    assert hub.count("resolve", about=".parquet") == 0


def test_a_file_name_that_climbs_out_of_the_cache_is_refused(hub, clients):
    """No Hub should keep such a name; one that does gets an error, and nothing is written outside the cache."""
    name = "retain_only/../../../../../../../work/climbed.json"
    repository = hub.store.create("model", "evil/run")
    made = hub.store.commit(repository, "main", changed={"record.json": hub.store.file(b"{}")})
    made.files[name] = hub.store.file(b"{}")
    code = """
import json
from crossmem_hf.errors import CrossmemError
from crossmem_hf.publishing.records import located_record

try:
    said = located_record("evil/run").source
except CrossmemError as error:
    said = str(error)
print(json.dumps(said))
"""
    said = clients.python(code)
    assert "Could not fetch the record of 'evil/run'" in said
    assert not list(clients.folder.parent.rglob("climbed.json"))
