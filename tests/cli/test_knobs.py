# SPDX-License-Identifier: Apache-2.0
"""A field of the spec is an option everywhere, without being written down again."""

import re
from dataclasses import dataclass

import typer
from typer.testing import CliRunner

from crossmem_hf.cli.knobs import with_knobs
from crossmem_hf.data.builder import builder_config
from crossmem_hf.data.spec import DatasetSpec, knob


@dataclass(frozen=True, slots=True, kw_only=True)
class Wider(DatasetSpec):
    num_hats: int = knob(3, "Hats a persona.", 1, 9)


def app_of(spec_type, seen, **options):
    app = typer.Typer()

    @app.command()
    @with_knobs(spec_type, **options)
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
    seen = {}
    app = app_of(DatasetSpec, seen, renamed={"seed": "persona_seed"})
    assert CliRunner().invoke(app, ["--persona-seed", "7"]).exit_code == 0
    assert seen["seed"] == 7


def test_materialize_offers_every_knob():
    from crossmem_hf.cli.app import app

    shown = CliRunner().invoke(app, ["materialize", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert [one.name for one in DatasetSpec.knobs() if f"--{one.name.replace('_', '-')} " not in shown] == []
