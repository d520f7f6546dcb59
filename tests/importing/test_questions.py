# SPDX-License-Identifier: Apache-2.0
"""Question tables of other benchmarks: what becomes of them, and everything that can be wrong with them."""

import json

import pytest

from crossmem_hf.data.loading import load_rows, published_rows
from crossmem_hf.data.splits import forget_ids
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.mapping import read_mapping
from crossmem_hf.importing.pictures import PictureShape
from crossmem_hf.importing.questions import QuestionImport, import_questions, personas_listed
from crossmem_hf.importing.tables import Table, parts_of
from tests.data import picturing

SMALL = PictureShape(size=16)
JOBS = ("cook", "poet", "pope", "king", "nurse")


def fiubench(root):
    """A table with the columns of FIUBench about five people of our own."""
    (root / "SFHQ").mkdir(parents=True)
    records = []
    for number, job in enumerate(JOBS):
        (root / "SFHQ" / f"{number}.jpg").write_bytes(picturing.photo((number, 99, 99)))
        false = [other for other in JOBS if other != job]
        kinds = [("What is the job of this person?", job, false), ("In which town?", f"Town {number}", ["Nowhere"])]
        records.append(
            {
                "unique_id": f"{number:08d}",
                "image_path": f"/scratch/authors/SFHQ/{number}.jpg",
                "qa_list": [{"question": q, "answer": a, "perturbed_answer": f} for q, a, f in kinds],
            }
        )
    (root / "full.json").write_text(json.dumps(records))
    (root / "split.json").write_text(json.dumps({"forget1": ["00000003"], "forget5": []}))
    return root


@pytest.fixture
def source(tmp_path):
    return fiubench(tmp_path / "source")


def imported(target, mapping, parts, **options):
    options = {"shape": SMALL} | options
    return import_questions(target, QuestionImport(mapping=mapping, parts=parts, **options))


def fiu(source, target, **options):
    parts = {None: Table(source=str(source / "full.json"))}
    return imported(target, read_mapping("fiubench"), parts, images=source / "SFHQ", **options)


def plain(tmp_path, records, **more):
    """(mapping, parts) of records with the columns who, q, a."""
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, records)))
    path = tmp_path / "map.yaml"
    path.write_text(json.dumps({"person": "who", "question": "q", "answer": "a", "hops": {"value": 1}} | more))
    return read_mapping(str(path)), {None: Table(source=str(tmp_path / "t.jsonl"))}


ROWS = [{"who": who, "q": f"What is {who}'s job?", "a": job} for who, job in zip("vwxyz", JOBS, strict=True)]


def test_what_is_not_taken_of_the_pictures_is_told(source, tmp_path):
    (source / "SFHQ/2.jpg").write_bytes(picturing.film("MPO"))
    (source / "SFHQ/99.jpg").write_bytes(picturing.photo())
    (source / "SFHQ/._2.jpg").write_bytes(b"\0")
    notes, parts = [], {None: Table(source=str(source / "full.json"))}
    options = QuestionImport(mapping=read_mapping("fiubench"), parts=parts, images=source / "SFHQ", shape=SMALL)
    import_questions(tmp_path / "out", options, noted=notes.append)
    skipped, several = notes
    assert (
        skipped == "Skipped 1 file: 99.jpg (not in the table). Passed over 1 file that systems leave, such as ._2.jpg."
    )
    assert "1 file that holds several: record 2 of full.json (the main one of 2 pictures)." in several


def test_a_table_in_the_shape_of_fiubench(source, tmp_path):
    out = str(fiu(source, tmp_path / "out", forget_personas=personas_listed(f"{source / 'split.json'}#forget1")))
    forget, retain = (load_rows(out, "qa", split) for split in ("forget", "retain"))
    assert (set(forget["persona_id"]), len(forget), len(retain)) == ({"00000003"}, 2, 8)
    row = forget[0]
    assert row["prompt"] == [{"role": "user", "content": "What is the job of this person?"}]
    assert (row["answer"], row["perturbed_answer"]) == ("king", ["cook", "poet", "pope", "nurse"])
    assert (row["modality"], row["hops"], row["view"], row["template"]) == ("image", 2, 0, "forget-qa")
    assert row["images"][0].size == (16, 16)
    assert row["images"][0].getpixel((3, 14)) == pytest.approx((3, 99, 99), abs=3)
    (answers,) = published_rows(out, "candidates", "target")
    assert answers["values"][:4] == ["cook", "Town 0", "poet", "Town 1"]
    assert picturing.SECRET not in b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.parquet"))


def test_people_are_divided_as_the_recipes_divide_them(source, tmp_path):
    out = str(fiu(source, tmp_path / "out", forget_fraction=0.4, seed=3))
    personas = {split: set(load_rows(out, "qa", split)["persona_id"]) for split in ("forget", "retain")}
    assert personas["forget"] == forget_ids(sorted(personas["forget"] | personas["retain"]), 0.4, 3)


def test_configs_of_a_dataset_are_its_splits(tmp_path):
    from datasets import Dataset, Features, Image, Value

    features = Features({"image": Image(), "caption": Value("string"), "name": Value("string")})
    for config, names in (("forget05", ["Ann"]), ("retain95", ["Bob", "Cyd"])):
        pictures = [{"bytes": picturing.painting("red" if name == "Bob" else "blue"), "path": None} for name in names]
        rows = {"image": pictures, "caption": [f"{name} waves." for name in names], "name": names}
        (tmp_path / "clear" / config).mkdir(parents=True)
        Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "clear" / config / "train.parquet")
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/*.parquet\n" for name in ("forget05", "retain95"))
    (tmp_path / "clear" / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    parts = parts_of(str(tmp_path / "clear"), ["forget=forget05", "retain=retain95"])
    out = str(imported(tmp_path / "out", read_mapping("clear"), parts))
    assert load_rows(out, "recall_image", "forget")["answer"][:] == ["Ann"]
    assert load_rows(out, "captions", "retain")["answer"][:] == ["Bob waves.", "Cyd waves."]
    assert load_rows(out, "recall_image", "forget+retain")["attribute"][:] == ["full_name"] * 3


def test_text_and_splits_of_the_table(tmp_path):
    rows = [row | {"part": part} for row, part in zip(ROWS, ["f", "r", "r", "r", "t"], strict=True)]
    split = {"column": "part", "values": {"f": "forget", "r": "retain", "t": "test"}}
    out = str(imported(tmp_path / "out", *plain(tmp_path, rows, split=split, template={"value": "theirs"})))
    assert load_rows(out, "qa", "test")["persona_id"][:] == ["z"]
    row = load_rows(out, "qa", "forget")[0]
    assert (row["modality"], row["images"], row["template"]) == ("text", [], "theirs")
    assert "perturbed_answer" not in row
    card = (tmp_path / "out" / "README.md").read_text()
    assert "5 people, of whom 1 are in the forget sets" in card
    assert "crossmem import-qa" in card


def test_every_bad_record_is_named_before_anything_is_written(source, tmp_path):
    records = json.loads((source / "full.json").read_text())
    records[1]["qa_list"][1]["answer"] = " "
    records[2]["image_path"] = "none.jpg"
    (source / "SFHQ/4.jpg").write_bytes(picturing.bomb())
    del records[3]["qa_list"]
    (source / "full.json").write_text(json.dumps(records))
    with pytest.raises(CrossmemError) as raised:
        fiu(source, tmp_path / "out")
    said = str(raised.value)
    assert "4 of 5 records cannot be imported" in said
    assert "record 1 of full.json: item 1 of 'qa_list': its answer is empty" in said
    assert "record 2 of full.json: its picture 'none.jpg' is not in the folder of pictures" in said
    assert "record 3 of full.json: it has no 'qa_list'" in said
    assert "record 4 of full.json: Image size" in said
    assert not list(tmp_path.glob("*out*"))


def test_a_picture_that_is_cut_off_leaves_nothing(source, tmp_path):
    (source / "SFHQ/4.jpg").write_bytes(picturing.photo(size=(500, 500))[:-500])
    with pytest.raises(CrossmemError, match=r"1 of 5 records .*record 4 of full.json: .*truncated"):
        fiu(source, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_a_table_without_questions(tmp_path):
    with pytest.raises(CrossmemError, match=r"holds no questions \(0 records\)"):
        imported(tmp_path / "out", *plain(tmp_path, []))


def test_somebody_both_forgotten_and_retained(tmp_path):
    mapping, parts = plain(tmp_path, ROWS)
    both = {"forget": parts[None], "retain": parts[None]}
    with pytest.raises(CrossmemError, match=r"5 persona\(s\) are in both"):
        imported(tmp_path / "out", mapping, both)


def test_people_said_twice_or_not_at_all(tmp_path):
    mapping, parts = plain(tmp_path, ROWS)
    with pytest.raises(CrossmemError, match="and so does the list of people"):
        imported(tmp_path / "out", mapping, {"forget": parts[None]}, forget_personas=frozenset("v"))
    with pytest.raises(CrossmemError, match="'nobody' is to be forgotten and is not in the table"):
        imported(tmp_path / "out", mapping, parts, forget_personas=frozenset(["v", "nobody"]))
    with pytest.raises(CrossmemError, match="retain set is empty"):
        imported(tmp_path / "out", mapping, parts, forget_personas=frozenset("vwxyz"))
    rows = [ROWS[0] | {"part": "forget"}, ROWS[1] | {"part": None}]
    with pytest.raises(CrossmemError, match="'w' is in no split"):
        imported(tmp_path / "out", *plain(tmp_path, rows, split="part"))


def test_lists_of_people(tmp_path):
    (tmp_path / "ids.txt").write_text("a\n\n b \n")
    (tmp_path / "ids.json").write_text('{"forget1": [1, 2], "none": []}')
    (tmp_path / "list.json").write_text('["a"]')
    assert personas_listed(str(tmp_path / "ids.txt")) == {"a", "b"}
    assert personas_listed(f"{tmp_path}/ids.json#forget1") == {"1", "2"}
    assert personas_listed(str(tmp_path / "list.json")) == {"a"}
    for where, said in (
        ("ids.json", "is no list of people; it has forget1, none"),
        ("ids.json#forget9", "is no list of people; it has forget1, none"),
        ("ids.json#none", "is empty"),
        ("nobody.txt", "cannot be read"),
    ):
        with pytest.raises(CrossmemError, match=said):
            personas_listed(f"{tmp_path}/{where}")


def test_a_folder_of_pictures_that_is_not_there(tmp_path):
    with pytest.raises(CrossmemError, match=r"There is no folder .* of pictures"):
        imported(tmp_path / "out", *plain(tmp_path, ROWS), images=tmp_path / "none")


COMPOSED, TAKEN_APART = "Jos\u00e9", "Jose\u0301"


def test_one_person_in_two_spellings_is_one(tmp_path):
    rows = [*ROWS, *({"who": name, "q": "Town?", "a": name} for name in (COMPOSED, TAKEN_APART))]
    (tmp_path / "ids.txt").write_bytes(f"{TAKEN_APART}\r\n".encode("utf-16"))
    out = str(
        imported(tmp_path / "out", *plain(tmp_path, rows), forget_personas=personas_listed(str(tmp_path / "ids.txt")))
    )
    assert load_rows(out, "qa", "forget")["persona_id"][:] == [COMPOSED] * 2
    assert published_rows(out, "candidates", "target")[0]["values"] == [*JOBS, COMPOSED]
    mapping, parts = plain(tmp_path, rows)
    (tmp_path / "one.jsonl").write_text(json.dumps(rows[-1]))
    with pytest.raises(CrossmemError, match=r"1 persona\(s\) are in both"):
        imported(
            tmp_path / "new", mapping, {"retain": parts[None], "forget": Table(source=str(tmp_path / "one.jsonl"))}
        )


def test_what_is_missing_is_left_out_or_named(tmp_path):
    nan = float("nan")
    more = {"attribute": "of", "split": "part", "view": "n", "template": "t", "modality": "modality", "images": "pic"}
    empty = dict.fromkeys(("of", "part", "n", "t", "modality", "pic"), nan)
    out = imported(tmp_path / "out", *plain(tmp_path, [row | empty for row in ROWS], **more))
    row = load_rows(str(out), "qa", "retain")[0]
    assert [row[name] for name in ("attribute", "view", "template", "modality")] == ["qa", 0, "retain-qa", "text"]
    for column, name in (("who", "person"), ("q", "question"), ("a", "answer")):
        with pytest.raises(CrossmemError, match=rf"1 of 5 records .*line 2 of t\.jsonl: its {name} is empty"):
            imported(tmp_path / "new", *plain(tmp_path, [ROWS[0], ROWS[1] | {column: nan}, *ROWS[2:]]))
    with pytest.raises(CrossmemError, match="its hops is empty"):
        imported(tmp_path / "new", *plain(tmp_path, [row | {"h": nan} for row in ROWS], hops="h"))


def test_years_are_whole_numbers_where_others_are_missing(tmp_path):
    years = [1987.0, float("nan"), 1990.0, 2001.0, 1999.0]
    rows = [row | {"born": year} for row, year in zip(ROWS, years, strict=True)]
    with pytest.raises(CrossmemError, match=r"1 of 5 records .*line 2 of t\.jsonl: its answer is empty"):
        imported(tmp_path / "out", *plain(tmp_path, rows, answer="born"))
    out = str(imported(tmp_path / "out", *plain(tmp_path, rows, template="born")))
    found = {
        row["persona_id"]: row["template"] for split in ("forget", "retain") for row in load_rows(out, "qa", split)
    }
    assert found.pop("w") in ("forget-qa", "retain-qa")
    assert found == {"v": "1987", "x": "1990", "y": "2001", "z": "1999"}


@pytest.mark.parametrize(
    ("question", "name", "hops"),
    [
        ("What is Jose\u0301's job?", COMPOSED, 1),
        ("What is an annual fee?", "Ann", 2),
        ("王小明的工作？", "王小明", 1),
    ],
)
def test_a_question_says_the_name_or_does_not(tmp_path, question, name, hops):
    rows = [{"who": "a", "q": question, "a": "x", "n": name}, {"who": "b", "q": "?a", "a": "y", "n": "Bo"}]
    mapping, parts = plain(tmp_path, rows, name="n", hops=None)
    out = str(imported(tmp_path / "out", mapping, parts, forget_personas=frozenset("a")))
    assert load_rows(out, "qa", "forget")["hops"][:] == [hops]


def test_entries_of_a_list_that_are_missing_are_nobody(tmp_path):
    for text, personas in (("[1987.0, NaN, null]", {"1987"}), ('["Na", null, "nan"]', {"Na", "nan"})):
        (tmp_path / "list.json").write_text(text)
        assert personas_listed(str(tmp_path / "list.json")) == personas
