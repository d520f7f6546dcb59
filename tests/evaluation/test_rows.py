# SPDX-License-Identifier: Apache-2.0
"""Which rows are scored, what they are compared with, and what is refused before a model is loaded."""

from dataclasses import replace

import pytest
from datasets import Dataset, Features, List, Value

from crossmem_hf.data.configs.table import features_of
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.rows import check_row, load_questions, rows_of
from crossmem_hf.evaluation.settings import ScoreSettings

SETTINGS = ScoreSettings(num_personas=5)
CANDIDATES = Features({"attribute": Value("string"), "values": List(Value("string"))})
TEXT = {"num_personas": 5, "config": "recall_text", "split": "test"}


@pytest.fixture
def published(tmp_path):
    """Writes a dataset folder from config -> (rows, features) and returns its settings."""

    def write(**configs):
        card = ["---", "configs:"]
        for name, (rows, features) in configs.items():
            split = "target" if name in ("listed", "candidates") else "forget"
            columns = {column: [row[column] for row in rows] for column in features}
            Dataset.from_dict(columns, features=features).to_parquet(tmp_path / f"{name}.parquet")
            card += [f"- config_name: {name}", f"  data_files: [{{split: {split}, path: {name}.parquet}}]"]
        (tmp_path / "README.md").write_text("\n".join([*card, "---", ""]))
        return ScoreSettings(dataset=str(tmp_path), config="qa", metrics=("exposure", "truth_ratio"))

    return write


def facts(**more):
    """Three people and their jobs, as text rows."""
    return [
        {
            "images": [],
            "prompt": [{"role": "user", "content": f"What does {name} do?"}],
            "completion": [{"role": "assistant", "content": job}],
            "persona_id": name,
            "attribute": "job",
            "answer": job,
            "modality": "text",
            "hops": 1,
            "view": 0,
            "template": "t",
            **{column: values[number] for column, values in more.items()},
        }
        for number, (name, job) in enumerate({"Ada": "baker", "Bo": "pilot", "Cy": "baker"}.items())
    ]


def with_column(name, kind):
    return Features({**features_of("qa"), name: kind})


def test_candidates_come_from_the_dataset_list_and_false_answers_are_the_others():
    questions = load_questions(SETTINGS)
    listed = {row["attribute"]: row["values"] for row in load_rows(None, "candidates", "target", num_personas=5)}
    assert questions.by_attribute == {name: tuple(listed[name]) for name in questions.by_attribute}
    assert questions.candidates_are.startswith("the values in config 'candidates'; ranked among values that no model")
    row = questions.about[0]
    compared = questions.compared(row)
    taught, untaught = listed[row["attribute"]], questions.untaught[row["attribute"]]
    assert compared.texts == (*taught, *untaught)
    assert compared.texts[compared.truth] == row["answer"]
    assert sorted([*compared.false_texts, row["answer"]]) == sorted(taught)
    assert [compared.texts[place] for place in compared.untaught] == list(untaught)
    assert questions.num_rivals(row) == len(untaught) + 1


def test_max_rows_are_spread_over_the_split():
    every = load_questions(replace(SETTINGS, split="forget+retain"))
    some = load_questions(replace(SETTINGS, split="forget+retain", max_rows=10))
    size = len(every.rows)
    assert list(some.keys) == [every.keys[number * size // 10] for number in range(10)]
    assert len({row["persona_id"] for row in some.about}) == 5
    assert len(load_questions(replace(SETTINGS, max_rows=10**6)).rows) == len(load_questions(SETTINGS).rows)


def test_the_fingerprint_knows_rows_order_and_pictures():
    first = load_questions(SETTINGS)
    assert first.fingerprint == load_questions(SETTINGS).fingerprint
    assert first.fingerprint != load_questions(replace(SETTINGS, max_rows=39)).fingerprint
    seeds = {load_questions(replace(SETTINGS, persona_seed=seed)).fingerprint for seed in (0, 1)}
    assert len(seeds) == 2
    pictures = [key for key, row in zip(first.keys, first.about, strict=True) if row["modality"] == "image"]
    assert len(set(pictures)) == len(pictures)


def test_without_a_list_candidates_are_all_different_answers_of_the_split(published):
    questions = load_questions(replace(published(qa=(facts(), features_of("qa"))), max_rows=1))
    assert questions.by_attribute == {"job": ("baker", "pilot")}  # also those of rows that are left out
    assert questions.candidates_are == "all different answers of the split"


def test_a_named_config_lists_the_candidates(published):
    listed = [{"attribute": "job", "values": ["nurse", "baker", "pilot"]}]
    settings = published(
        qa=(facts(), features_of("qa")),
        listed=(listed, CANDIDATES),
    )
    questions = load_questions(replace(settings, candidates_from="listed"))
    assert questions.by_attribute == {"job": ("nurse", "baker", "pilot")}
    assert questions.candidates_are == "the values in config 'listed'"
    with pytest.raises(CrossmemError, match=r"Could not look for candidates in .*other"):
        load_questions(replace(settings, candidates_from="other"))
    with pytest.raises(CrossmemError, match="expected attribute and values"):
        load_questions(replace(settings, candidates_from="qa"))


def test_perturbed_answers_are_taken_where_the_rows_have_them(published):
    rows = facts(perturbed_answer=[["cook", "judge"], ["cook"], ["pilot"]])
    questions = load_questions(published(qa=(rows, with_column("perturbed_answer", List(Value("string"))))))
    compared = [questions.compared(row) for row in questions.about]
    assert [one.false_texts for one in compared] == [["cook", "judge"], ["cook"], ["pilot"]]
    assert compared[0].texts == ("baker", "pilot", "cook", "judge")
    assert [one.num_ranked for one in compared] == [2, 2, 2]
    only = load_questions(
        replace(published(qa=(rows, with_column("perturbed_answer", List(Value("string"))))), metrics=("truth_ratio",))
    )
    assert only.compared(only.about[0]).texts == ("baker", "cook", "judge")
    assert only.compared(only.about[0]).num_ranked == 0


def test_another_column_of_false_answers(published):
    rows = facts(lies=["cook", "cook", "cook"])
    settings = replace(published(qa=(rows, with_column("lies", Value("string")))), false_answers="lies")
    assert load_questions(settings).compared(rows[1]).false_texts == ["cook"]


def test_false_answers_are_set_against_a_column_of_true_ones():
    settings = replace(SETTINGS, config="perturbed", split="retain", metrics=("truth_ratio", "exposure"), max_rows=6)
    sentences = {"true_answers": "paraphrased_answer", "false_answers": "perturbed_paraphrase"}
    for queried in (settings, replace(settings, metrics=("truth_ratio",))):
        plain, reworded = load_questions(queried), load_questions(replace(queried, **sentences))
        for row in reworded.about:
            values, said = plain.compared(row), reworded.compared(row)
            assert (values.reference, values.false_texts) == (values.truth, row["perturbed_answer"])
            assert (said.texts[said.truth], said.texts[said.reference]) == (row["answer"], row["paraphrased_answer"])
            assert said.false_texts == row["perturbed_paraphrase"]
            assert said.num_ranked == values.num_ranked


def test_a_true_answer_that_is_none(published):
    settings = published(qa=(facts(said=["a nurse", " ", "a nurse"]), with_column("said", Value("string"))))
    with pytest.raises(CrossmemError, match=r"'Bo' has the said ' '; expected a text"):
        load_questions(replace(settings, true_answers="said"))


@pytest.mark.parametrize("bad", [["cook", "", "cook"], ["cook", "pilot", "cook"], ["cook", None, "cook"]])
def test_false_answers_that_are_none(published, bad):
    settings = published(qa=(facts(lies=bad), with_column("lies", Value("string"))))
    with pytest.raises(CrossmemError, match=r"'Bo' has the lies .* expected at least one other text"):
        load_questions(replace(settings, false_answers="lies"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": "quiz"}, "Unknown config 'quiz'"),
        ({"split": "tests"}, "Unknown split 'tests'"),
        ({"split": "forget[:0]"}, "corresponds to no data"),
        ({"config": "candidates", "split": "target"}, "holds no questions"),
        ({"dataset": "no/such"}, "Could not load split 'forget' of config 'qa' from 'no/such'"),
        ({"false_answers": "lies"}, "no column 'lies' of false answers; the rows have images, prompt"),
        ({"true_answers": "truths"}, "no column 'truths' of true answers; the rows have images, prompt"),
        ({"candidates_from": "recall_text"}, "expected attribute and values"),
        ({"candidates_from": "wrong"}, "Unknown config 'wrong'"),
    ],
)
def test_refused(changes, said):
    with pytest.raises(CrossmemError, match=said):
        load_questions(replace(SETTINGS, **changes))


def test_missing_columns_are_named(published):
    rows = [{name: value for name, value in row.items() if name != "answer"} for row in facts()]
    features = Features({name: kind for name, kind in features_of("qa").items() if name != "answer"})
    with pytest.raises(CrossmemError, match=r"lacks the column\(s\) answer"):
        load_questions(published(qa=(rows, features)))


@pytest.mark.parametrize("metric", ["exposure", "truth_ratio", "forget_diagnosis"])
def test_fewer_than_two_candidates(published, metric):
    settings = replace(published(qa=(facts()[:1], features_of("qa"))), metrics=(metric,))
    with pytest.raises(CrossmemError, match="There is 1 candidate for the attribute 'job': \\['baker'\\]"):
        load_questions(settings)
    assert len(load_questions(replace(settings, metrics=("rouge", "min_k_prob"))).rows) == 1


def test_an_answer_that_is_blank_or_not_among_the_candidates(published):
    rows = [*facts(), {**facts()[0], "answer": " "}]
    with pytest.raises(CrossmemError, match="Row 3 has the answer ' '"):
        load_questions(published(qa=(rows, features_of("qa"))))
    listed = [{"attribute": "job", "values": ["nurse", "baker"]}]
    settings = published(qa=(facts(), features_of("qa")), candidates=(listed, CANDIDATES))
    with pytest.raises(CrossmemError, match="'pilot' of row 1 is not among the 2 candidates for 'job'"):
        load_questions(settings)


def test_a_split_without_rows(published):
    with pytest.raises(CrossmemError, match=r"has no rows|Could not load"):
        load_questions(published(qa=([], features_of("qa"))))


def test_holdout_rows_are_checked_alike():
    assert len(rows_of(ScoreSettings(**TEXT), "validation")) == 20
    assert len(rows_of(ScoreSettings(**TEXT), "far")) == 20
    with pytest.raises(CrossmemError, match="Unknown split"):
        rows_of(ScoreSettings(**TEXT), "holdout")


@pytest.mark.parametrize("metric", ["recall", "exact_match", "forget_diagnosis", "rouge"])
def test_a_truth_that_a_metric_cannot_compare_is_named_before_any_pass(published, metric):
    nothing = "\u200b" if metric == "rouge" else "?!"
    rows = [*facts(), {**facts()[0], "answer": nothing}]
    settings = published(qa=(rows, features_of("qa")))
    with pytest.raises(CrossmemError, match=f"Row 3 has the answer .*, of which {metric} would compare nothing"):
        load_questions(replace(settings, metrics=("min_k_prob", metric)))
    assert len(load_questions(replace(settings, metrics=("min_k_prob", "exposure"))).rows) == 4


def test_a_sign_is_a_truth(published):
    rows = [{**row, "answer": sign} for row, sign in zip(facts(), ["+", "-", "A+"], strict=True)]
    every = ("recall", "exact_match", "forget_diagnosis", "rouge", "exposure", "truth_ratio")
    assert len(load_questions(replace(published(qa=(rows, features_of("qa"))), metrics=every)).rows) == 3


def test_a_truth_is_among_its_candidates_in_every_spelling(published):
    composed, taken_apart = "Jos\u00e9", "Jose\u0301"
    rows = [{**row, "answer": name} for row, name in zip(facts(), [composed, "Bo", taken_apart], strict=True)]
    listed = [{"attribute": "job", "values": ["Bo", taken_apart, composed, "Cy"]}]
    questions = load_questions(published(qa=(rows, features_of("qa")), candidates=(listed, CANDIDATES)))
    assert questions.by_attribute == {"job": ("Bo", taken_apart, "Cy")}
    first = questions.compared(questions.about[0])
    assert (first.texts, first.truth, first.false_texts) == (("Bo", composed, "Cy"), 1, ["Bo", "Cy"])
    assert questions.compared(questions.about[2]).texts == ("Bo", taken_apart, "Cy")


def test_a_false_answer_that_is_the_truth_in_another_spelling(published):
    rows = [{**row, "answer": "Jos\u00e9"} for row in facts(lies=["Jose\u0301", "cook", "cook"])]
    settings = published(qa=(rows, with_column("lies", Value("string"))))
    with pytest.raises(CrossmemError, match="expected at least one other text"):
        load_questions(replace(settings, false_answers="lies", metrics=("truth_ratio",)))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"answer": None}, "has the answer None"), ({"persona_id": None}, "has the persona_id None"), ({}, "")],
)
def test_a_row_says_who_what_and_through_which_modality(change, said):
    row = facts()[0] | change
    if said:
        with pytest.raises(CrossmemError, match=f"Row 7 {said}"):
            check_row(7, row)
    else:
        check_row(7, row)
