# SPDX-License-Identifier: Apache-2.0
"""`crossmem study`, `run` and `compare`: one command a study, its options from the study's settings."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin

import typer
from rich.padding import Padding
from rich.text import Text
from typer.core import TyperGroup

from crossmem_hf.cli.completion import BASE_MODELS, Complete, one_of, some_of
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.cli.page import write_latex
from crossmem_hf.registry import Registry

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from crossmem_hf.report.record import Record
    from crossmem_hf.studies.plan import ComputedCell
    from crossmem_hf.studies.settings import StudySettings
    from crossmem_hf.studies.study import Study

STUDIES: Final = Registry["Study"](
    "study",
    {
        "first_light": "crossmem_hf.studies.first_light:STUDY",
        "compare": "crossmem_hf.studies.compare:STUDY",
        "bases": "crossmem_hf.studies.bases:STUDY",
        "cross_modal": "crossmem_hf.studies.cross_modal:STUDY",
        "two_hop": "crossmem_hf.studies.two_hop:STUDY",
        "remem": "crossmem_hf.studies.remem:STUDY",
        "memorization_dynamics": "crossmem_hf.studies.memorization_dynamics:STUDY",
        "watermark_probes": "crossmem_hf.studies.watermark_probes:STUDY",
        "representation_geometry": "crossmem_hf.studies.representation_geometry:STUDY",
        "residual_knowledge": "crossmem_hf.studies.residual_knowledge:STUDY",
        "metric_meta_evaluation": "crossmem_hf.studies.metric_meta_evaluation:STUDY",
        "tune": "crossmem_hf.studies.tune:STUDY",
        "tune_bases": "crossmem_hf.studies.tune_bases:STUDY",
    },
)
"""Name -> study; a new one is a file in `studies` and a line here."""

SHORT: Final[Mapping[str, str]] = {"run": "first_light", "compare": "compare"}
"""Commands of their own -> study."""

_FLOPS: Final = 0.4 * 312e12  # a second


class StudyGroup(TyperGroup):
    """`crossmem study`: its commands are made when one of them is needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all studies."""
        return list(STUDIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a study."""
        return study_command(cmd_name) if cmd_name in STUDIES else None


class RootGroup(TyperGroup):
    """All of `crossmem`: the studies with a command of their own are made when one of them is needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, those of `SHORT` first."""
        return [*SHORT, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name."""
        return study_command(SHORT[cmd_name], cmd_name) if cmd_name in SHORT else super().get_command(ctx, cmd_name)


study_app = typer.Typer(cls=StudyGroup, help="Run a study: a grid of cells, a record, a page. Resumes if killed.")


@study_app.callback(invoke_without_command=True)
def _studies(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--list", help="Name all studies, and stop.")] = False,
) -> None:
    if show or context.invoked_subcommand is None:
        for name in STUDIES:
            study = STUDIES.find(name)
            console.print(name, style="bold")
            console.print(Padding(Text(f"{study.title}\n{study.paper}"), (0, 0, 0, 2)))
        raise typer.Exit


def study_command(name: str, command: str | None = None) -> Any:
    """The command of a study, with an option for each of its settings."""
    study = STUDIES.find(name)

    def run(
        output_dir: Path | None, config: Path | None, quick: bool, dry_run: bool, overwrite: bool,
        latex: bool, workers: int | None, **given: Any,
    ) -> None:  # fmt: skip
        with clear_errors():
            from crossmem_hf.studies.run import default_folder
            from crossmem_hf.studies.settings import settings_from

            chosen = {option: value for option, value in given.items() if value is not None}
            settings = settings_from(study.settings, config, chosen, quick=study.quick if quick else {})
            folder = output_dir or default_folder(study, settings)
            if dry_run:
                _plan(study, settings, folder)
                return
            _run(study, settings, folder, latex=latex, workers=workers, overwrite=overwrite)

    options = [*_settings_options(study.settings), *_run_options()]
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    title = study.title if study.title.endswith("?") else f"{study.title}."
    run.__doc__ = f"{title} {study.paper}. Resumes if killed."
    app = typer.Typer(pretty_exceptions_show_locals=False, add_completion=False)
    app.command(command or name)(run)
    return typer.main.get_command(app)


def _settings_options(kind: "type[StudySettings]") -> Iterator[inspect.Parameter]:
    """An option a setting; one that is left out leaves the setting to the YAML file or its default."""
    for name, field in kind.model_fields.items():
        default = field.default
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        text = field.description or ""
        hint = "" if default is None or default is False else f" (default: {shown})"
        option = typer.Option(help=text + hint, show_default=False, autocompletion=_values(name, field))
        yield _option(name, _option_type(field), option)


def _values(setting: str, field: "FieldInfo") -> Complete | None:
    """What a shell offers for a setting that has names as its values."""
    from crossmem_hf.studies.settings import Names

    if setting == "model_name_or_path":
        return BASE_MODELS
    names = next((one.known for one in field.metadata if isinstance(one, Names)), None)
    if names is not None:
        return some_of(lambda: names)
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return one_of(lambda: map(str, choices)) if choices else None


def _option_type(field: "FieldInfo") -> Any:
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not type(None)]
    kind = kinds[0] if len(kinds) == 1 and get_origin(field.annotation) is not tuple else str
    return kind if kind in (int, float, bool, str) else str


def _option(name: str, kind: Any, option: Any, default: Any = None) -> inspect.Parameter:
    wanted: Any = kind if default is False else kind | None
    annotation = Annotated[wanted, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _run_options() -> Iterator[inspect.Parameter]:
    """Options of every study."""
    yield _option("output_dir", Path, typer.Option(help="Where everything goes (default: under crossmem_runs/)."))
    yield _option("config", Path, typer.Option(help="YAML with any of these settings; options replace them."))
    yield _option("quick", bool, typer.Option("--quick", help="A small grid."), False)
    yield _option(
        "dry_run", bool, typer.Option("--dry-run", help="Print the cells and what they cost, and stop."), False
    )
    yield _option("overwrite", bool, typer.Option("--overwrite", help="Replace what another run left there."), False)
    yield _option("latex", bool, typer.Option("--latex", help="Write report.tex, too: tables for a paper."), False)
    yield _option("workers", int, typer.Option(min=1, help="Cells at a time (default: one a core)."))


def _run(study: "Study", settings: "StudySettings", folder: Path, *, latex: bool, **how: Any) -> None:
    from crossmem_hf.report.text import headline
    from crossmem_hf.studies.run import NOT_RUN, run_study

    record = run_study(study, settings, folder, console=console, **how)
    console.print(f"\n{headline(record)}\n", highlight=False, markup=False)
    _print_findings(study, record)
    refused = study.uninterpretable(record)
    if refused is not None:
        console.print(f"[bold red]NOT MEMORIZED[/]: {refused}", highlight=False)
        console.print("  What comes after is not interpreted; --allow-unmemorized overrides.", highlight=False)
    console.print(f"record  {(folder / 'record.json').resolve()}", highlight=False, soft_wrap=True)
    console.print(f"page    {(folder / 'report.html').resolve()}", highlight=False, soft_wrap=True)
    if latex:
        write_latex(record, folder / "report.tex")
    if refused is not None or any(failure.error.startswith(NOT_RUN) for failure in record.failures):
        raise typer.Exit(3)


def _print_findings(study: "Study", record: "Record") -> None:
    from crossmem_hf.report.methods import brief_method_table
    from crossmem_hf.report.tables import headline_tables, place_words
    from crossmem_hf.report.text import summary

    table = brief_method_table(record)
    if table is not None:
        console.print(table.terminal(), "")
    for title, numbers in headline_tables(record, study.headline):
        console.print(Text(title, style="bold"), numbers.terminal(), "", sep="\n")
    for sentence in summary(record):
        console.print(f"- {sentence}", highlight=False, markup=False)
    for sentence in map(place_words, record.failures):
        console.print(f"- {sentence}", style="red", highlight=False, markup=False)
    for note in record.notes:
        console.print(f"- {note}", style="dim", highlight=False, markup=False)


def _plan(study: "Study", settings: "StudySettings", folder: Path) -> None:
    from crossmem_hf.report.tables import Table
    from crossmem_hf.studies.plan import computed, planned

    worked_out = computed(study, settings)
    cells = planned(study, settings, folder)
    rows = tuple(
        (
            cell.name,
            "done" if cell.done else "to do",
            "unknown" if cell.cpu_s is None else f"{cell.cpu_s:.0f}",
            "unknown" if cell.peak_mib is None else f"{cell.peak_mib:.0f}",
            cell.known_from,
        )
        for cell in cells
    )
    heads = ("cell", "", "CPU seconds", "peak MiB", "known from")
    console.print(Table(heads, rows, right=frozenset({2, 3})).terminal())
    missing = [cell for cell in cells if not cell.done]
    known = [cell.cpu_s for cell in missing if cell.cpu_s is not None]
    unknown = len(missing) - len(known)
    costs = [f"{sum(known):.0f} CPU seconds"] * bool(known or not unknown)
    costs += [f"{unknown} cells of unknown cost (none like them was run here, or ships)"] * bool(unknown)
    console.print(f"{len(missing)} of {len(cells)} cells to do: {', and '.join(costs)}; in {folder}")
    if worked_out:
        _print_computed(worked_out)


def _print_computed(cells: "Sequence[ComputedCell]") -> None:
    from crossmem_hf.report.tables import Table

    rows = tuple(
        (
            one.name,
            f"{one.num_rows}",
            f"{one.steps}",
            f"{one.steps * one.cost.tokens / 1e6:.2f}",
            f"{one.steps * one.cost.flops / 1e15:.3g}",
            f"{one.cost.memory_bytes / 2**30:.1f}",
        )
        for one in cells
    )
    heads = ("cell", "rows", "steps", "million tokens", "PFLOP", "GiB")
    console.print(Table(heads, rows, right=frozenset(range(1, len(heads)))).terminal())
    first, whole = cells[0].cost, sum(one.steps * one.cost.flops for one in cells)
    console.print(
        f"Computed from the configuration, not measured, of training alone: {first.parameters / 1e9:.2f} billion "
        f"parameters, {first.trained / 1e6:.2f} million trained, {whole / 1e15:.3g} PFLOP in all, which are "
        f"{whole / _FLOPS / 3600:.2g} hours at {_FLOPS / 1e12:.0f} TFLOP/s (40 % of an A100 in bfloat16).",
        highlight=False,
    )
