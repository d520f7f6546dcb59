# SPDX-License-Identifier: Apache-2.0
"""What a shell is offered, asked as bash asks."""

import pytest

from crossmem_hf.cli.app import app
from crossmem_hf.cli.completion import one_of, some_of
from crossmem_hf.models.embedded import BASES


def offered(line, monkeypatch, capsys):
    words = line.split(" ")
    monkeypatch.setenv("_CROSSMEM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        app(args=[], prog_name="crossmem")
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("crossmem study t", ["two_hop", "tune", "tune_bases"]),
        ("crossmem score --metrics recall,exp", ["recall,exposure", "recall,exposure_taught"]),
        ("crossmem score --source ", ["image", "text"]),
        ("crossmem compare --methods npo,r", ["npo,rmu"]),
        ("crossmem study compare --forget-modality image,", ["image,text", "image,both"]),
        ("crossmem compare --dataset-config ", ["recall", "qa"]),
        ("crossmem materialize --preset ", ["remem", "wen", "clear", "fiubench", "mllmu"]),
        ("crossmem import-mapping ml", ["mllmu"]),
        ("crossmem score --model micro-", list(BASES)),
        ("crossmem check-model micro-l", ["micro-l"]),
        ("crossmem run --model-name-or-path micro-", list(BASES)),
        ("crossmem reproduce record.json --model micro-", list(BASES)),
        ("crossmem publish model micro-", list(BASES)),
    ],
)
def test_values_are_offered(line, values, monkeypatch, capsys):
    assert offered(line, monkeypatch, capsys) == values


def test_names_are_asked_for_only_when_a_shell_asks():
    asked = []
    for make in (one_of, some_of):
        complete = make(lambda: asked.append(1) or ["ab", "ac", "b"])
        assert not asked
        assert complete("a") == ["ab", "ac"]
        asked.clear()
