# SPDX-License-Identifier: Apache-2.0
"""A field of the spec is an option everywhere, without being written down again."""

import re
from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from crossmem_hf.cli.knobs import with_knobs
from crossmem_hf.data.builder import builder_config
from crossmem_hf.data.spec import DatasetSpec, knob
from crossmem_hf.errors import CrossmemError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wider(DatasetSpec):
    num_hats: int = knob(3, "Hats a persona.", 1, 9)


def app_of(spec_type, seen):
    app = typer.Typer()

    @app.command()
    @with_knobs(spec_type)
    def make(draws: int = 1, **knobs):
        seen.update(knobs, draws=draws)

    return app


def test_a_new_field_reaches_builder_config_and_command_line():
    assert builder_config(Wider)(name="qa", num_hats=5).spec() == Wider(num_hats=5)
    shown = CliRunner().invoke(app_of(Wider, {}), ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert re.search(r"--num-hats .*Hats a persona\. Default: 3\.", shown)
    seen = {}
    assert CliRunner().invoke(app_of(Wider, seen), ["--num-hats", "4", "--draws", "2"]).exit_code == 0
    assert (seen["num_hats"], seen["draws"], seen["num_views"]) == (4, 2, None)
    assert Wider.preset(None, **{name: value for name, value in seen.items() if name != "draws"}) == Wider(num_hats=4)


def test_with_knobs_renames_an_option_that_the_command_needs_for_itself():
    seen, app = {}, typer.Typer()

    @app.command()
    @with_knobs(renamed={"seed": "persona_seed"})
    def draw(seed: int = 1, **knobs):
        seen.update(knobs, seed=seed)

    assert CliRunner().invoke(app, ["--persona-seed", "7", "--seed", "3"]).exit_code == 0
    assert (seen["persona_seed"], seen["seed"]) == (7, 3)


@pytest.mark.parametrize("command", ["materialize", "score"])
def test_commands_offer_every_knob(command):
    from crossmem_hf.cli.app import app

    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    names = ["persona-seed" if (command, one.name) == ("score", "seed") else one.name for one in DatasetSpec.knobs()]
    assert [name for name in names if f"--{name.replace('_', '-')} " not in shown] == []


def test_settings_of_score_and_recipes_have_every_knob():
    from crossmem_hf.evaluation.settings import ScoreSettings
    from crossmem_hf.training.arguments import RowArguments

    assert DatasetSpec(**ScoreSettings(num_views=3, persona_seed=4).knobs()) == DatasetSpec(num_views=3, seed=4)
    assert set(RowArguments().knobs()) == {one.name for one in DatasetSpec.knobs()}
    assert set(RowArguments().knobs().values()) == {None}
    with pytest.raises(CrossmemError, match="image_size=5; expected a whole number from 48"):
        ScoreSettings(image_size=5)
