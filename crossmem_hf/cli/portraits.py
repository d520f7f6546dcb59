# SPDX-License-Identifier: Apache-2.0
"""`crossmem portraits`: it parses, calls and prints. Heavy imports wait until needed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmem_hf.cli.console import clear_errors, console
from crossmem_hf.errors import CrossmemError

if TYPE_CHECKING:
    from crossmem_hf.data.albums.settings import PortraitSettings

_Pipeline = Annotated[
    str | None,
    typer.Option(help="How views follow the anchor: img2img, ip-adapter, or edit (InstructPix2Pix and the like)."),
]
_Model = Annotated[
    str | None, typer.Option(help="Diffusers pipeline, Hub name or folder; with edit, the one that edits.")
]
_OutputDir = Annotated[Path | None, typer.Option(help="Gets images/, metadata.jsonl, portraits.json; resumed from.")]
_Strength = Annotated[
    float,
    typer.Option(help="img2img: share of noise, 1 forgets the anchor; ip-adapter: how much the anchor counts."),
]
_FaceModel = Annotated[
    str,
    typer.Option(
        "--embedder",
        "--face-model",
        help="Who compares faces: dlib (offline, extra faces), uniface (its arcface_resnet), arcface_mnet, or none: "
        "every picture that is safe is kept.",
    ),
]
_Threshold = Annotated[
    float | None,
    typer.Option(
        help="Cosine above which two pictures are one person (default: the embedder's own; uniface has none)."
    ),
]
_Calibrate = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Make nothing: measure the embedder's cosines on a folder of people, or an album; suggest a threshold.",
    ),
]
_Output = Annotated[Path | None, typer.Option(metavar="FILE", help="With --calibrate: gets the numbers, as JSON.")]
_SafetyModel = Annotated[
    str | None, typer.Option(help="Stable Diffusion safety checker, for pipelines that come without one.")
]
_NegativePrompt = Annotated[str | None, typer.Option(help="What is not wanted (default: in prompts_portraits.py).")]


def portraits(
    context: typer.Context,
    pipeline: _Pipeline = None,
    model: _Model = None,
    output_dir: _OutputDir = None,
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch of the model.")] = None,
    variant: Annotated[str | None, typer.Option(help="Which of the model's weights, such as fp16.")] = None,
    anchor_model: Annotated[str | None, typer.Option(help="edit: text-to-image pipeline for the anchors.")] = None,
    anchor_revision: Annotated[str | None, typer.Option(help="Commit, tag or branch of that.")] = None,
    adapter: Annotated[str | None, typer.Option(help="ip-adapter: Hub name or folder of the adapter.")] = None,
    adapter_revision: Annotated[str | None, typer.Option(help="Commit, tag or branch of that.")] = None,
    adapter_subfolder: Annotated[str, typer.Option(help="Where in it the weights are.")] = "models",
    adapter_weight: Annotated[str | None, typer.Option(help="Their file, in safetensors.")] = None,
    safety_model: _SafetyModel = None,
    num_personas: Annotated[int, typer.Option(help="People a population.")] = 50,
    views: Annotated[int, typer.Option(help="Training views a person; held-out ones come on top.")] = 8,
    seed: Annotated[int, typer.Option(help="Persona seed.")] = 0,
    populations: Annotated[str, typer.Option(help="target, background or both.")] = "target,background",
    face_model: _FaceModel = "arcface_resnet",
    threshold: _Threshold = None,
    max_attempts: Annotated[int, typer.Option(help="Pictures tried for each that is wanted.")] = 5,
    batch_size: Annotated[int, typer.Option(help="Pictures at a time, 1 to 16.")] = 8,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 30,
    guidance: Annotated[float, typer.Option(help="How much the prompt counts.")] = 7.5,
    strength: _Strength = 0.6,
    image_size: Annotated[int, typer.Option(help="Side of a picture in pixels, a multiple of 8.")] = 512,
    negative_prompt: _NegativePrompt = None,
    calibrate: _Calibrate = None,
    output: _Output = None,
) -> None:
    """Make photograph-like portraits by an image model: an anchor a person, then views of it. Resumes if killed.

    Shares the work under accelerate launch -m crossmem_hf portraits ..., or torchrun. The folder is what
    crossmem materialize --portraits and load_rows(portraits=...) take.
    """
    given = dict(locals())
    with clear_errors():
        if calibrate is not None:
            _only_calibrated(context)
            _calibrate(calibrate, face_model, threshold, output)
            return
        from crossmem_hf.data.albums.making import run_portraits
        from crossmem_hf.runs.distributed import joined_state, leave

        folder = _checked(given)
        about = run_portraits(_settings(given), folder)
        if joined_state().is_main_process:
            _print_counts(about, folder)
        leave()


def _checked(given: dict[str, Any]) -> Path:
    """The folder to fill, if all is there that making portraits needs."""
    for name in ("pipeline", "model", "output_dir"):
        if given[name] is None:
            option = f"--{name.replace('_', '-')}"
            raise CrossmemError(
                f"Missing option {option!r}.", f"Pass {option}, or --calibrate to measure a threshold."
            )
    if given["output"] is not None:
        raise CrossmemError(
            f"--output {str(given['output'])!r} is for --calibrate.", "Leave it out; portraits go to --output-dir."
        )
    return Path(given["output_dir"])


def _only_calibrated(context: typer.Context) -> None:
    used = ("calibrate", "face_model", "threshold", "output")
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in used and source is not None and source.name == "COMMANDLINE":
            raise CrossmemError(
                f"--{name.replace('_', '-')} says how to make portraits, and --calibrate makes none.",
                "Pass one of them.",
            )


def _calibrate(folder: Path, embedder: str, threshold: float | None, output: Path | None) -> None:
    from crossmem_hf.importing.calibration import run_calibration
    from crossmem_hf.rendering.faces.recognition import load_face_model
    from crossmem_hf.report.calibration_text import calibration_text
    from crossmem_hf.storage import write_atomic

    if embedder == "none":
        raise CrossmemError("--embedder 'none' compares no faces.", "Pass --embedder dlib or uniface.")
    with console.status("Looking at pictures") as status:
        record = run_calibration(
            str(folder),
            load_face_model(embedder),
            threshold=threshold,
            report=lambda done: status.update(f"Looking at pictures: {done}"),
        )
    typer.echo(calibration_text(record))
    if output is not None:
        write_atomic(output, json.dumps(record, indent=2) + "\n")
    if record["missing"]:
        raise CrossmemError(
            f"No threshold can be suggested: there are {record['missing']}.",
            "Give a folder with a subfolder a person and at least two pictures in some, or an album.",
        )


def _settings(given: dict[str, Any]) -> "PortraitSettings":
    from crossmem_hf.data.albums.settings import PortraitSettings
    from crossmem_hf.rendering.diffusion.settings import DiffusionSettings

    diffusion = {name: given[name] for name in DiffusionSettings.__slots__ if given[name] is not None}
    own = ("num_personas", "seed", "face_model", "threshold", "max_attempts", "batch_size")
    return PortraitSettings(
        diffusion=DiffusionSettings(**diffusion),
        populations=tuple(part.strip() for part in given["populations"].split(",")),
        num_views=given["views"],
        **{name: given[name] for name in own},
    )


def _print_counts(about: dict[str, Any], folder: Path) -> None:
    for stage, counts in about["attempts"].items():
        listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        console.print(f"{stage}: {listed}", highlight=False)
    console.print(f"{about['num_portraits']} portraits in {folder.resolve()}", highlight=False, soft_wrap=True)
