# SPDX-License-Identifier: Apache-2.0
"""Tables for a paper: that they are LaTeX, and say what the record says."""

import re
import shutil
import subprocess

import pytest

from crossmem_hf.report.latex import escaped, latex, latex_table
from crossmem_hf.report.record import Record, Verdict
from crossmem_hf.report.tables import Table


@pytest.fixture(scope="module")
def record(root):
    return Record.read(root / "results" / "compare")


def test_every_claim_is_a_row_with_its_effect(record):
    text = latex(record)
    for one in record.verdicts:
        (row,) = [line for line in text.splitlines() if line.startswith(f"{escaped(one.sentence)} &")]
        assert row.endswith(rf"& {one.verdict} \\")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") >= 2


def test_each_question_has_a_table(record):
    claims = [
        Verdict(**record.verdicts[0].model_dump() | {"question": name}) for name in ("Is it 5 %?", "Is it gone?")
    ]
    text = latex(record.model_copy(update={"verdicts": tuple(claims)}))
    assert re.findall(r"\\caption{(Is it.*?)}", text) == [r"Is it 5 \%?", "Is it gone?"]


def test_what_means_something_to_latex_is_escaped():
    assert escaped("a_b & 5 % {#1} ~x^2 $ \\ −3 – x\ny") == (
        r"a\_b \& 5 \% \{\#1\} \textasciitilde{}x\textasciicircum{}2 \$ \textbackslash{} $-$3 -- x y"
    )


def test_columns_are_set_as_the_table_says():
    table = Table(("what", "how", "n"), (("a", "b", "1"),), right=frozenset({2}), wrapped=frozenset({0}))
    assert r"p{.5\linewidth}lr}" in latex_table(table, "x")


def has_latex():
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    return subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_latex(), reason="needs pdflatex and booktabs")
def test_it_compiles(record, tmp_path):
    head = "\\documentclass{article}\\usepackage{array,booktabs}\\begin{document}\n"
    (tmp_path / "page.tex").write_text(f"{head}{latex(record)}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(["pdflatex", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
