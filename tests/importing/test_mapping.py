# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import yaml

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.columns import BadRecordError, Column
from crossmem_hf.importing.mapping import mapping_text, presets, read_mapping
from crossmem_hf.importing.records import queries_of

PLAIN = {"person": "who", "question": "q", "answer": "a", "hops": {"value": 1}}
RECORD = {"who": "Ann", "q": "Job?", "a": "cook"}


@pytest.fixture
def mapped(tmp_path):
    def read(given):
        path = tmp_path / "map.yaml"
        path.write_text(given if isinstance(given, str) else yaml.safe_dump(given))
        return read_mapping(str(path))

    return read


def test_the_shipped_mappings_are_read_and_say_where_their_columns_are_from():
    assert presets() == ["clear", "clear_perturbed", "fiubench", "mllmu", "remem"]
    for name in set(presets()) - {"remem"}:
        mapping = read_mapping(name)
        assert mapping.source != "not said"
        assert "Not run on the real files" in mapping_text(name)


def test_what_is_not_known_of_remem_is_left_open_and_refused():
    with pytest.raises(CrossmemError, match=r"leaves 'person' open .*import-mapping remem"):
        read_mapping("remem")
    with pytest.raises(CrossmemError, match="Unknown mapping 'tofu'"):
        mapping_text("tofu")


def test_a_plain_record(mapped):
    (query,) = queries_of(mapped(PLAIN), RECORD)
    assert (query.config, query.person, query.question, query.answer) == ("qa", "Ann", "Job?", "cook")
    assert (query.attribute, query.modality, query.hops, query.split, query.false_answers) == (
        "qa",
        "text",
        1,
        None,
        (),
    )


def test_pictures_decide_the_modality_and_text_questions_drop_them(mapped):
    shown = RECORD | {"pic": ["1.jpg", None, "2.jpg"], "kind": "T"}
    (query,) = queries_of(mapped(PLAIN | {"images": "pic"}), shown)
    assert (query.modality, query.pictures) == ("image", ("1.jpg", "2.jpg"))
    modality = {"column": "kind", "values": {"T": "text", "I": "image"}}
    (query,) = queries_of(mapped(PLAIN | {"images": "pic", "modality": modality}), shown)
    assert (query.modality, query.pictures) == ("text", ())


def test_hops_follow_from_whether_the_question_says_the_name(mapped):
    given = {key: value for key, value in PLAIN.items() if key != "hops"} | {"name": "who"}
    questions = [RECORD | {"q": "What is ANN's job?"}, RECORD]
    assert [query.hops for record in questions for query in queries_of(mapped(given), record)] == [1, 2]


def test_lists_become_rows_also_if_a_cell_holds_json(mapped):
    given = PLAIN | {"explode": ["all", "all.ways"], "question": "all.ways", "answer": "all.a", "hops": {"value": 2}}
    items = [{"a": "x", "ways": ["one?", "two?"]}, {"a": "y", "ways": ["three?"]}]
    for record in ({"who": 7, "all": items}, {"who": 7, "all": json.dumps(items)}):
        rows = list(queries_of(mapped(given), record))
        assert [(row.person, row.question, row.answer) for row in rows] == [
            ("7", "one?", "x"),
            ("7", "two?", "x"),
            ("7", "three?", "y"),
        ]
    assert list(queries_of(mapped(given), {"who": 7, "all": None})) == []


@pytest.mark.parametrize("options", [{"A": "cook", "B": "poet", "C": None}, ["cook", "poet"]])
def test_a_choice_gives_the_answer_and_the_false_answers(options, mapped):
    right = "A" if isinstance(options, dict) else 0
    given = PLAIN | {
        "answer": {"column": "o", "at": "right"},
        "perturbed_answer": {"column": "o", "not_at": "right"},
    }
    mapping = mapped(given)
    (query,) = queries_of(mapping, RECORD | {"o": options, "right": right})
    assert (query.answer, query.false_answers, mapping.falsified) == ("cook", ("poet",), {"qa"})
    with pytest.raises(BadRecordError, match="'right' is 'Z'"):
        list(queries_of(mapping, RECORD | {"o": options, "right": "Z"}))
    with pytest.raises(BadRecordError, match="expected a list or mapping of options"):
        list(queries_of(mapping, RECORD | {"o": "cook", "right": 0}))


def test_the_kinds_of_questions_of_mllmu():
    choice = {"Question": "Who?", "Options": {"A": "Ann", "B": "Bob"}, "Correct_Answer": "B"}
    record = {
        "ID": "007",
        "image": {"bytes": b"...", "path": None},
        "Generation_Task": [
            {"Type": "Image_Textual", "Question": "Where?", "Ground_Truth": "Here."},
            {"Type": "Pure_Text", "Question": "Where is Bob?", "Ground_Truth": "There."},
        ],
        "Classification_Task": {"Image_Textual_Questions": [choice], "Pure_Text_Questions": [choice]},
    }
    rows = list(queries_of(read_mapping("mllmu"), record))
    assert [(row.config, row.modality, row.hops) for row in rows] == [
        ("qa", "image", 2),
        ("qa", "text", 1),
        ("choice", "image", 2),
        ("choice", "text", 1),
    ]
    assert [row.answer for row in rows] == ["Here.", "There.", "Bob", "Bob"]
    assert rows[2].false_answers == ("Ann",)


def test_the_columns_of_clear_and_fiubench():
    clear = {"image": {"bytes": b".", "path": None}, "name": "Ann", "caption": "Ann waves."}
    rows = list(queries_of(read_mapping("clear"), clear))
    assert [(row.config, row.attribute, row.answer) for row in rows] == [
        ("recall_image", "full_name", "Ann"),
        ("captions", "description", "Ann waves."),
    ]
    false = {"perturbed_names": ["Bob"], "perturbed_captions": ["Bob waves."], "paraphrased_caption": "."}
    rows = list(queries_of(read_mapping("clear_perturbed"), clear | false))
    assert [row.false_answers for row in rows] == [("Bob",), ("Bob waves.",)]
    qa = {"question": "Job?", "answer": "Cook.", "perturbed_answer": ["Poet.", "Pope."], "keywords": ["cook"]}
    fiu = {"unique_id": "00000001", "image_path": r"./dataset\SFHQ/1.jpg", "qa_list": [qa]}
    (row,) = queries_of(read_mapping("fiubench"), fiu)
    assert (row.person, row.pictures, row.false_answers) == ("00000001", ("1.jpg",), ("Poet.", "Pope."))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"q": " "}, "its question is empty"),
        ({"q": "<image>\n"}, "its question is empty"),
        ({"a": None}, "its answer is empty"),
        ({"a": ["cook"]}, "its answer is .*expected a text"),
        ({"who": ""}, "its person is empty"),
    ],
)
def test_a_record_that_gives_no_row(mapped, change, said):
    with pytest.raises(BadRecordError, match=said):
        list(queries_of(mapped(PLAIN), RECORD | change))


@pytest.mark.parametrize(
    ("added", "change", "said"),
    [
        ({"question": "nope"}, {}, "it has no 'nope'; there are who, q, a"),
        ({"question": "q.deep"}, {}, "it has no 'q.deep'"),
        ({"modality": {"value": "sound"}}, {}, "modality is 'sound'"),
        ({"modality": {"value": "image"}}, {}, "has no picture"),
        ({"hops": {"value": 3}}, {}, "hops is 3"),
        ({"hops": {"value": "two"}}, {}, "hops is 'two'"),
        ({"split": {"value": "a/b"}}, {}, "split is 'a/b'"),
        ({"perturbed_answer": "f"}, {"f": []}, "perturbed_answer is"),
        ({"perturbed_answer": "f"}, {"f": ["poet", "cook"]}, "expected other texts"),
        ({"perturbed_answer": "f"}, {"f": ["poet", ""]}, "perturbed_answer is empty"),
        ({"attribute": {"column": "a", "values": {"poet": "job"}}}, {}, "'a' is 'cook'; the mapping lists poet"),
        ({"explode": "q"}, {}, "'q' is 'Job\\?'; expected a list"),
    ],
)
def test_a_mapping_that_does_not_fit_the_record(mapped, added, change, said):
    with pytest.raises(BadRecordError, match=said):
        list(queries_of(mapped(PLAIN | added), RECORD | change))


def test_the_item_of_a_list_is_named(mapped):
    mapping = mapped(PLAIN | {"explode": "all", "answer": "all.a"})
    with pytest.raises(BadRecordError, match="item 1 of 'all': its answer is empty"):
        list(queries_of(mapping, RECORD | {"all": [{"a": "x"}, {"a": ""}]}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "holds no keys"),
        ("questions: {}", "expected a list of kinds"),
        ({**PLAIN, "anser": "a"}, "Unknown key 'anser' \\(did you mean 'answer'\\?\\)"),
        ({key: PLAIN[key] for key in ("person", "question", "hops")}, "does not say what 'answer' is"),
        ({key: PLAIN[key] for key in ("person", "question", "answer")}, "does not say what 'hops' is"),
        ({**PLAIN, "answer": {"colum": "a"}}, "'answer' of mapping"),
        ({**PLAIN, "answer": {"column": "a", "value": "b"}}, "'answer' of mapping"),
        ({**PLAIN, "answer": {"column": "a", "values": ["b"]}}, "'values' of 'answer'"),
        ({**PLAIN, "answer": {"column": "?"}}, "leaves 'answer' open"),
        ({**PLAIN, "config": "../up"}, "has the config '../up'"),
        ({**PLAIN, "questions": [{}, {"perturbed_answer": "f"}]}, "Some questions of config 'qa'"),
    ],
)
def test_a_mapping_that_makes_no_sense(mapped, given, said):
    with pytest.raises(CrossmemError, match=said):
        mapped(given)


def test_no_such_mapping():
    with pytest.raises(CrossmemError, match=r"neither a file that can be read nor one of clear, "):
        read_mapping("none.yaml")


def test_a_column_with_a_dot_in_its_name_is_found():
    assert Column(column="a.b").of({"a.b": 1, "a": {"b": 2}}) == 1
    assert Column(column="a.b").of({"a": {"b": 2}}) == 2
