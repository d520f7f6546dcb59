# SPDX-License-Identifier: Apache-2.0
"""The commands that bring in other people's portraits and questions. They parse, call and print."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmem_hf.cli.completion import one_of
from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.errors import CrossmemError

if TYPE_CHECKING:
    from crossmem_hf.importing.faces import FaceCheck
    from crossmem_hf.importing.images import Report

_Source = Annotated[str, typer.Argument(help="Folder of people, folder with metadata.csv, or a Hub dataset.")]
_Target = Annotated[Path, typer.Argument(help="Folder to make.")]
_Size = Annotated[int, typer.Option(help="Side of a picture in pixels, 16 to 2048.")]
_Fit = Annotated[str, typer.Option(help="crop keeps the middle square, pad keeps all between white bars.")]
_Format = Annotated[str, typer.Option(help="png, or jpeg for a fifth of the space.")]
_Fraction = Annotated[float, typer.Option(help="Share of the people in the forget splits.")]
_Seed = Annotated[int, typer.Option(help="Which views are held out, and who is forgotten.")]
_License = Annotated[str | None, typer.Option(help="License of the source, as the Hub names it, for the card.")]
_Overwrite = Annotated[bool, typer.Option(help="Replace an earlier import.")]
_Config = Annotated[str | None, typer.Option(help="Config of a Hub dataset.")]
_Split = Annotated[str, typer.Option(help="Split of a Hub dataset.")]
_Embedder = Annotated[
    str | None, typer.Option(help="Compare faces by dlib (offline, extra faces) or uniface (default: nobody looks).")
]
_Threshold = Annotated[
    float | None, typer.Option(help="Cosine above which two faces are one person's (default: the embedder's own).")
]
_StrictFaces = Annotated[
    bool, typer.Option("--strict-faces", help="Refuse if names and faces do not agree, or a picture has not one face.")
]


def import_images(
    source: _Source,
    target: _Target,
    image_size: _Size = 336,
    fit: _Fit = "crop",
    picture_format: _Format = "png",
    name_column: Annotated[str, typer.Option(help="Column with the person's name.")] = "name",
    person_column: Annotated[str | None, typer.Option(help="Column that tells people apart (default: name).")] = None,
    image_column: Annotated[
        str | None, typer.Option(help="Column of pictures (default: file_name, or image in a dataset).")
    ] = None,
    description_column: Annotated[
        str | None, typer.Option(help="Column of descriptions (default: description, if there is one).")
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Column of splits: train, validation, test (default: split, if there is one).")
    ] = None,
    config: _Config = None,
    split: _Split = "train",
    held_out: Annotated[float, typer.Option(help="Share of a person's views for validation, and for test.")] = 0.2,
    forget_fraction: _Fraction = 0.2,
    seed: _Seed = 0,
    license: _License = None,
    overwrite: _Overwrite = False,
    embedder: _Embedder = None,
    threshold: _Threshold = None,
    strict_faces: _StrictFaces = False,
) -> None:
    """Make a dataset of your own portraits: names asked of pictures, and of descriptions if there are any."""
    with clear_errors():
        from crossmem_hf.importing.images import PortraitImport, import_portraits
        from crossmem_hf.importing.pictures import PictureShape
        from crossmem_hf.importing.portraits import PortraitColumns

        options = PortraitImport(
            columns=PortraitColumns(
                name=name_column,
                person=person_column,
                image=image_column,
                description=description_column,
                split=split_column,
            ),
            config=config,
            split=split,
            shape=PictureShape(size=image_size, fit=fit, kind=picture_format),  # type: ignore[arg-type]  # it checks
            held_out=held_out,
            forget_fraction=forget_fraction,
            seed=seed,
            license=license,
        )
        faces = _face_check(embedder, threshold, strict_faces)
        with _progress() as report:
            import_portraits(source, target, options, overwrite=overwrite, report=report, faces=faces, noted=_noted)
        _written(target, "recall_image", "test")
        _print_faces(target, faces)


def import_qa(
    source: Annotated[str, typer.Argument(help="JSON, JSONL, CSV, TSV or Parquet file; folder or Hub dataset.")],
    target: _Target,
    mapping: Annotated[str, typer.Option(help="YAML file, or a name that import-mapping lists.")],
    part: Annotated[
        list[str] | None,
        typer.Option(help="SPLIT=WHERE, repeated: WHERE is a config of a dataset or a file in a folder."),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures that the table names.")] = None,
    forget_personas: Annotated[
        str | None, typer.Option(help="Who is forgotten: a file with one a line, or FILE.json#KEY.")
    ] = None,
    image_size: _Size = 336,
    fit: _Fit = "crop",
    picture_format: _Format = "png",
    config: _Config = None,
    split: _Split = "train",
    forget_fraction: _Fraction = 0.2,
    seed: _Seed = 0,
    license: _License = None,
    overwrite: _Overwrite = False,
) -> None:
    """Make a dataset of somebody else's questions about people, so that they run through our trainers and metrics."""
    with clear_errors():
        from crossmem_hf.importing.mapping import read_mapping
        from crossmem_hf.importing.pictures import PictureShape
        from crossmem_hf.importing.questions import QuestionImport, import_questions, personas_listed
        from crossmem_hf.importing.tables import parts_of

        options = QuestionImport(
            mapping=read_mapping(mapping),
            parts=parts_of(source, part or [], config=config, split=split),
            images=images,
            forget_personas=None if forget_personas is None else personas_listed(forget_personas),
            shape=PictureShape(size=image_size, fit=fit, kind=picture_format),  # type: ignore[arg-type]  # it checks
            forget_fraction=forget_fraction,
            seed=seed,
            license=license,
        )
        with _progress() as report:
            import_questions(target, options, overwrite=overwrite, report=report, noted=_noted)
        _written(target, options.mapping.blocks[0].config, next(iter(options.parts)) or "forget")


def _presets() -> list[str]:
    from crossmem_hf.importing.mapping import presets

    return presets()


def import_mapping(
    name: Annotated[
        str | None,
        typer.Argument(help="Which mapping to print (default: list their names).", autocompletion=one_of(_presets)),
    ] = None,
) -> None:
    """List the mappings for import-qa, or print one, to be copied and changed."""
    with clear_errors():
        from crossmem_hf.importing.mapping import mapping_text, presets

        typer.echo("\n".join(presets()) if name is None else mapping_text(name), nl=name is None)


def _face_check(embedder: str | None, threshold: float | None, strict: bool) -> "FaceCheck | None":
    from crossmem_hf.importing.faces import FaceCheck
    from crossmem_hf.rendering.faces.recognition import load_face_model

    if embedder is not None:
        return FaceCheck(load_face_model(embedder), threshold, strict=strict)
    if strict or threshold is not None:
        given = "--strict-faces" if strict else f"--threshold {threshold!r}"
        raise CrossmemError(f"{given} without an embedder: nobody looks at faces.", "Pass --embedder dlib or uniface.")
    return None


def _print_faces(target: Path, faces: "FaceCheck | None") -> None:
    from crossmem_hf.importing.faces import report_path, summary

    if faces is not None:
        for line in summary(faces.report()):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        console.print(f"  all of it: {report_path(target)}", highlight=False, soft_wrap=True, markup=False)


@contextmanager
def _progress() -> "Iterator[Report]":
    """A bar a stage, on a terminal only; who stops it reads what is left of it."""
    from crossmem_hf.runs.progress import Bar, Bars

    stages: dict[str, Bar] = {}

    def report(stage: str, done: int, total: int | None) -> None:
        if stage not in stages:
            stages[stage] = bars.add(stage, total, unit="rows")
        stages[stage].to(done)

    try:
        with Bars(console, transient=True) as bars:
            yield report
    except KeyboardInterrupt:
        console.print("Stopped. Nothing was written.")
        raise typer.Exit(130) from None


def _noted(sentence: str) -> None:
    console.print(sentence, highlight=False, soft_wrap=True, markup=False)


def _written(target: Path, config: str, split: str) -> None:
    console.print(f"wrote {target.resolve()}", highlight=False, soft_wrap=True)
    console.print(f"  load_rows({str(target)!r}, {config!r}, {split!r})", highlight=False, soft_wrap=True)
    console.print(
        f"  crossmem score --dataset {target} --config {config} --split {split}", highlight=False, soft_wrap=True
    )
