# SPDX-License-Identifier: Apache-2.0
"""The explorer in a real browser: people and results as written, strangers' records refused in words, on a phone."""

import importlib
import json

import pytest

pytestmark = pytest.mark.slow

ATTACK = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def address(serve, materialized):
    return serve("spaces/explorer", "--personas", str(materialized))


def upload(tab, *paths):
    tab.wait("return document.querySelectorAll('#cm-files input[type=file]').length > 0")
    tab.driver.find_element("css selector", "#cm-files input[type=file]").send_keys("\n".join(map(str, paths)))


def test_the_example_is_shown_as_it_was_written(root, address, open_tab):
    tab = open_tab(address)
    said = tab.wait_for("first_light: memorized, everyone", "#cm-out")
    written = json.loads((root / "results/first_light/record.json").read_text())["measurements"]
    cells = {
        (where["source"], where["target"]): entry
        for entry in written
        if entry["metric"] == "recall" and set(where := entry["where"]) == {"stage", "source", "target"}
        if where["stage"] == "memorized"
    }
    assert len(cells) == 4
    for entry in cells.values():
        assert f"{100 * entry['value']:.0f} %" in said
        assert f"n = {entry['n']}" in said
    assert "Forget against retain: recall" in said
    keys = importlib.import_module("selenium.webdriver.common.keys").Keys
    box = tab.find("#cm-metric input")
    box.click()
    tab.wait("return document.querySelectorAll('#cm-metric [role=option], [role=listbox] li').length > 0")
    box.send_keys(keys.CONTROL, "a")
    box.send_keys("exposure")
    box.send_keys(keys.ENTER)
    tab.wait_for("first_light: exposure, people to forget", "#cm-out")
    assert tab.foreign_requests() == set()
    assert tab.severe_errors() == []


def test_records_are_added_and_strangers_files_are_refused(root, address, open_tab, tmp_path):
    record = json.loads((root / "results/first_light/record.json").read_text())
    record["notes"] = [ATTACK]
    for entry in record["measurements"]:
        entry["unit"] = ATTACK
    (tmp_path / "second.json").write_text(json.dumps(record))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "foreign.json").write_text('{"schema_version": 2, "hello": "world"}')
    tab = open_tab(address)
    upload(tab, tmp_path / "second.json", tmp_path / "broken.json", tmp_path / "foreign.json")
    faults = tab.wait_for("cannot be shown", "#cm-status")
    assert "broken.json: not JSON" in faults
    assert "foreign.json: a record of ours has measurements" in faults
    assert "Traceback" not in tab.text()
    tab.wait_for("second.json: memorized, everyone", "#cm-out")
    assert "first_light: memorized, everyone" in tab.text("#cm-out")
    assert {"first_light", "second.json"} <= set(tab.text("#cm-runs").split("\n"))
    assert tab.driver.execute_script("return document.querySelectorAll('#cm-out img, #cm-numbers img').length") == 0
    assert tab.driver.title != "owned"

    tab.click("#cm-runs input")  # the first run is taken out
    tab.wait("return !document.querySelector('#cm-out').innerText.includes('first_light: memorized')")
    assert "second.json: memorized, everyone" in tab.text("#cm-out")


def test_people_are_browsed(address, materialized, open_tab):
    from datasets import load_dataset

    rows = [
        row
        for split in ("forget", "retain")
        for row in load_dataset(str(materialized / "crossmem/personas"), "profiles", split=split)
    ]
    first, last = min(rows, key=lambda row: row["persona_id"]), max(rows, key=lambda row: row["persona_id"])
    tab = open_tab(address)
    tab.click_text("Personas", "button[role=tab]")
    for value in (first["full_name"], first["email"], first["description"], first["medical_condition"]):
        tab.wait_for(value, "#cm-person")
    tab.wait_for("6 personas, page 1 of 1", "#cm-count")
    tab.wait("return document.querySelectorAll('#cm-personas img').length === 6")
    tab.wait("return [...document.querySelectorAll('#cm-personas img')].every(e => e.complete && e.naturalWidth > 0)")
    tab.driver.execute_script(
        "const b = document.querySelectorAll('#cm-personas button:has(img)'); b[b.length - 1].click()"
    )
    tab.wait_for(last["full_name"], "#cm-person")
    tab.wait_for(last["email"], "#cm-questions")
    tab.find("#cm-sought input, #cm-sought textarea").send_keys(first["full_name"][:4])
    tab.wait("return document.querySelectorAll('#cm-personas img').length === 1")
    assert tab.foreign_requests() == set()


def test_a_hub_out_of_reach_is_said(address, open_tab):
    tab = open_tab(address)
    tab.click_text("Personas", "button[role=tab]")
    tab.click_text("Another data set", "button")
    tab.click("#cm-load")
    assert "crossmem/personas" in tab.wait_for("cannot be shown", "#cm-personas-status")
    assert "Traceback" not in tab.text()


def test_the_explorer_fits_a_phone(address, open_tab):
    tab = open_tab(address, width=390)
    tab.wait_for("first_light: memorized, everyone", "#cm-out")
    assert tab.overflow() <= 0
    tab.click_text("Personas", "button[role=tab]")
    tab.wait("return document.querySelectorAll('#cm-personas img').length === 6")
    assert tab.overflow() <= 0
