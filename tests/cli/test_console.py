# SPDX-License-Identifier: Apache-2.0
"""A user's mistake is told on two lines, as it is, and ends with 2."""

import pytest
import typer

from crossmem_hf.cli.console import clear_errors
from crossmem_hf.errors import CrossmemError


def test_a_mistake_is_told_word_for_word(capsys):
    with pytest.raises(typer.Exit) as caught, clear_errors():
        raise CrossmemError("Setting '[/bold]' is [red]no[/red] color.", "Choose [another].")
    assert caught.value.exit_code == 2
    reported = capsys.readouterr().err
    assert "error: Setting '[/bold]' is [red]no[/red] color." in reported
    assert "Choose [another]." in reported


def test_an_interrupt_ends_with_130(capsys):
    with pytest.raises(typer.Exit) as caught, clear_errors():
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert "goes on from there" in capsys.readouterr().err


def test_any_other_error_is_not_hidden():
    with pytest.raises(ZeroDivisionError), clear_errors():
        raise ZeroDivisionError
