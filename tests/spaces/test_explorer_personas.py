# SPDX-License-Identifier: Apache-2.0
"""The explorer's people: read from a materialized folder, a person at a time, hostile files refused in words."""

import io

import pytest

from crossmem_hf.personas.sampling import sample_personas


@pytest.fixture(scope="session")
def personas(explorer, materialized):
    return explorer.personas_tab.Personas(explorer.personas.parts_of_folder(materialized))


def test_everybody_is_listed_with_their_split(personas, materialized):
    from datasets import load_dataset

    wanted = {}
    for split in ("forget", "retain"):
        rows = load_dataset(str(materialized / "crossmem/personas"), "profiles", split=split)
        wanted |= {row["persona_id"]: (row["full_name"], split) for row in rows}
    assert {one.persona_id: (one.full_name, one.split) for one in personas.profiles} == wanted
    assert {one.split for one in personas.found("forget", "")} == {"forget"}
    name = personas.profiles[0].full_name
    assert [one.full_name for one in personas.found("everyone", f" {name.upper()} ")] == [name]
    assert personas.found("everyone", "nobody of this name") == []


def test_a_person_has_attributes_facts_views_and_questions(explorer, personas):
    from crossmem_hf.personas.sampling import sample_personas
    from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES

    truth = sample_personas(6)[0]
    found = explorer.personas.person(personas.parts, truth.id)
    assert found["profile"]["full_name"] == truth.full_name
    assert found["split"] in ("forget", "retain")
    assert found["facts"] == {name: truth.facts[name] for name in FACT_ATTRIBUTES}
    assert set(found["visual_attributes"]) == set(VISUAL_ATTRIBUTES)
    assert all(image.size == (48, 48) for image, _ in found["views"])
    assert {row[0] for row in found["rows"]} >= {"recall_image", "recall_text", "qa", "captions"}
    assert any(row[5] == truth.full_name for row in found["rows"])
    html, views, rows = explorer.personas_tab.shown_person(personas, truth.id)
    assert truth.facts["email"] in html
    assert (len(views), len(rows)) == (len(found["views"]), len(found["rows"]))


def test_pages_hold_all_people_once(explorer, personas, monkeypatch):
    monkeypatch.setattr(explorer.personas_tab, "PAGE_SIZE", 4)
    pages = [explorer.personas_tab.shown_page(personas, "everyone", "", page) for page in (1, 2, 99)]
    assert [len(ids) for _, ids, _ in pages] == [4, 2, 2]
    assert sorted(pages[0][1] + pages[1][1]) == [one.persona_id for one in personas.profiles]
    assert pages[2][2] == "6 personas, page 2 of 2"
    assert explorer.personas_tab.shown_page(None, "everyone", "", 1)[2] == "No personas are loaded."


def test_nobody_is_said(explorer, personas, tmp_path):
    assert "Nobody has the id" in explorer.personas_tab.shown_person(personas, "t9-99999")[0]
    assert 'role="alert"' in explorer.personas_tab.shown_person(None, "t0-00000")[0]
    with pytest.raises(ValueError, match="No personas in"):
        explorer.personas.parts_of_folder(tmp_path)


def test_a_broken_file_is_named(explorer, tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "forget-00000-of-00001.parquet").write_bytes(b"PAR1 this is none PAR1")
    with pytest.raises(ValueError, match=r"profiles/forget: .*expected Parquet"):
        explorer.personas_tab.Personas(explorer.personas.parts_of_folder(tmp_path))


def test_a_table_of_something_else_is_named(explorer, tmp_path):
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "profiles").mkdir()
    table = pyarrow.table({"persona_id": ["a"], "name": ["b"]})
    pyarrow.parquet.write_table(table, tmp_path / "profiles" / "forget-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=r"profiles/forget: .*expected Parquet with persona_id, full_name"):
        explorer.personas_tab.Personas(explorer.personas.parts_of_folder(tmp_path))


@pytest.mark.parametrize(("rows", "letters"), [(30_000, 3), (512, 20_000)], ids=["many", "long"])
def test_a_small_file_that_stands_for_much_is_refused_before_it_unfolds(
    explorer, tmp_path, monkeypatch, rows, letters
):
    import pyarrow
    import pyarrow.parquet

    monkeypatch.setattr(
        explorer.personas, "MAX_BATCH_BYTES", 10_000_000
    )  # the real limit would take gigabytes to pass
    folder = tmp_path / "profiles"
    folder.mkdir()
    said = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows, pyarrow.int32()), ["x" * letters])
    path = folder / "forget-00000-of-00001.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"persona_id": said, "full_name": said}).cast(
            pyarrow.schema(
                [(name, pyarrow.dictionary(pyarrow.int32(), pyarrow.string())) for name in ("persona_id", "full_name")]
            )
        ),
        path,
        compression="zstd",
        store_schema=False,
    )
    assert path.stat().st_size < 1_000_000
    with pytest.raises(explorer.personas.TooLargeError, match="profiles/forget: "):
        explorer.personas_tab.Personas(explorer.personas.parts_of_folder(tmp_path))


def stored(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return {"bytes": buffer.getvalue(), "path": None}


def test_pictures_that_are_none_or_too_large_are_left_out(explorer):
    from PIL import Image

    picture = explorer.personas.picture
    assert picture(stored(Image.new("RGB", (8, 8)), format="PNG")).size == (8, 8)
    assert picture(stored(Image.new("1", (4_000, 4_000)), format="PNG")) is None, "2 kB, 16 million pixels"
    assert picture(stored(Image.new("RGB", (8, 8)), format="BMP")) is None
    assert picture({"bytes": b"\x89PNG\r\n\x1a\n cut short"}) is None
    assert picture({"bytes": b"x" * (explorer.personas.MAX_IMAGE_BYTES + 1)}) is None
    assert picture({"bytes": None, "path": "/etc/passwd"}) is None, "a path is never followed"
    assert picture(None) is None


def test_text_of_a_data_set_is_never_markup(explorer):
    attack = "<img src=x onerror=alert(1)>"
    profile = {"persona_id": attack, "full_name": attack, "description": attack}
    html = explorer.personas_tab.person_html(
        {"profile": profile, "split": attack, "facts": {attack: attack}, "visual_attributes": {}}
    )
    assert "<img" not in html
    assert html.count("&lt;img") == 6


def test_unreached_data_set_is_replaced_by_embedded_personas_and_said(explorer, monkeypatch):
    def unreachable(repo):
        raise ValueError(f"{repo}: no network")

    monkeypatch.setattr(explorer.app, "parts_of_repo", unreachable)
    few, said = explorer.app.first_personas(None)
    assert "crossmem/personas cannot be reached; 9 embedded personas are shown" in said
    first, *others = sample_personas(9, 0)
    made = [(one.id, one.full_name) for one in (first, *others)]
    assert [(one.persona_id, one.full_name) for one in few.profiles] == made
    shown = explorer.personas.person(few.parts, made[0][0])
    assert (shown["facts"]["email"], len(shown["views"])) == (first.facts["email"], 6)
    assert {row[0] for row in shown["rows"]} == {"qa", "recall_image"}
    nobody, said = explorer.app.first_personas("me/mine")
    assert nobody is None
    assert "me/mine: no network" in said


def test_records_are_named_by_relative_paths_and_by_their_folders(explorer, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for given in ("run", "run/record.json", tmp_path / "run"):
        assert explorer.results_tab.file_names([given]) == [("record.json", b"{}")]
    with pytest.raises(SystemExit):
        explorer.app.main(["--records", "nowhere.json", "--personas", str(tmp_path)])
