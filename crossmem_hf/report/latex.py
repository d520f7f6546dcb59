# SPDX-License-Identifier: Apache-2.0
"""A record's claims and methods as tables for a paper. All of it follows from the record."""

from collections.abc import Iterator, Sequence
from typing import Final

from crossmem_hf.report.methods import method_tables
from crossmem_hf.report.numbers import significant
from crossmem_hf.report.record import Record, Verdict
from crossmem_hf.report.tables import NOTHING, Table
from crossmem_hf.report.text import questions

_MEANT: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}
_WRAPPED: Final = r">{\raggedright\arraybackslash}p{.5\linewidth}"


def latex(record: Record) -> str:
    r"""The claims, a table a question, and the table of methods if there is one; for ``\usepackage{array,booktabs}``.

    Effects have their 95 % intervals over persona seeds behind them.
    """
    return "\n".join(
        (
            f"% {escaped(record.study)}, {len(record.seeds)} persona seeds; \\usepackage{{array,booktabs}}",
            *_claims(record),
            *(latex_table(table, title) for title, table in method_tables(record)),
        )
    )


def latex_table(table: Table, caption: str) -> str:
    r"""A ``table`` of it, whose wrapped columns are half a line wide.

    Example:
        >>> print(latex_table(Table(("claim", "n"), (("Up by 5 %.", "3"),), right=frozenset({1})), "What rose"))
        \begin{table}
        \caption{What rose}
        \begin{tabular}{lr}
        \toprule
        claim & n \\
        \midrule
        Up by 5 \%. & 3 \\
        \bottomrule
        \end{tabular}
        \end{table}
    """
    kinds = ["r" if place in table.right else "l" for place in range(len(table.heads))]
    columns = "".join(_WRAPPED if place in table.wrapped else kind for place, kind in enumerate(kinds))
    return "\n".join(
        (
            r"\begin{table}",
            rf"\caption{{{escaped(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _row(table.heads),
            r"\midrule",
            *map(_row, table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        )
    )


def escaped(text: str) -> str:
    r"""The text as LaTeX prints it, on one line.

    Example:
        >>> escaped("50 % of a_b")
        '50 \\% of a\\_b'
    """
    return "".join(_MEANT.get(sign, sign) for sign in " ".join(text.split()))


def _claims(record: Record) -> Iterator[str]:
    heads = ("claim", "effect", "unit", "seeds", "verdict")
    for question, claims in questions(record).items():
        rows = tuple((one.sentence, _effect(one), one.unit, str(one.n), one.verdict) for one in claims)
        table = Table(heads, rows, right=frozenset({1, 3}), wrapped=frozenset({0}))
        yield latex_table(table, question or "Claims")


def _effect(one: Verdict) -> str:
    if one.effect is None:
        return NOTHING
    ends = "" if one.ci is None else f" [{significant(one.ci[0])}, {significant(one.ci[1])}]"
    return f"{significant(one.effect)}{ends}"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(escaped, cells)) + r" \\"
