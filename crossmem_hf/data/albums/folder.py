# SPDX-License-Identifier: Apache-2.0
"""What a folder of portraits holds besides the pictures: whose it is, what was made, what is missing."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.data.albums.album import ABOUT, LISTING
from crossmem_hf.data.albums.settings import PortraitSettings
from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.faces.identity import VERDICTS
from crossmem_hf.runs.distributed import joined_state
from crossmem_hf.runs.stages import own_folder
from crossmem_hf.storage import write_atomic


@dataclass(frozen=True, slots=True)
class Made:
    """A picture that was accepted.

    Attributes:
        item: What was asked for.
        outcome: What came out.
    """

    item: dict[str, Any]
    outcome: dict[str, Any]

    def line(self, settings: PortraitSettings, made_by: Mapping[str, str | None]) -> dict[str, Any]:
        """Its line in the listing."""
        asked = {name: value for name, value in self.item.items() if name != "images"}
        came = {name: value for name, value in self.outcome.items() if name not in ("vector", "verdict")}
        by_anchor_model = self.item["split"] == "anchor" and settings.diffusion.anchor_model is not None
        which = "anchor_" if by_anchor_model else ""
        model = {
            "model": getattr(settings.diffusion, f"{which}model"),
            "revision": getattr(settings.diffusion, f"{which}revision"),
            "model_commit": made_by.get(f"{which}model_commit"),
        }
        return {**asked, "negative_prompt": settings.diffusion.negative_prompt, **came, **model}


@dataclass(frozen=True, slots=True)
class Tries:
    """What all attempts came to, accepted or not.

    Attributes:
        counts: Stage -> verdict -> how many.
        cosines: Which -> that of every view with a face.
    """

    counts: Mapping[str, Counter[str]]
    cosines: Mapping[str, Sequence[float]]

    def quartiles(self) -> dict[str, list[float]]:
        """Lowest, lower quartile, median, upper quartile and highest of each kind of cosine there is."""
        from numpy import quantile

        shares = (0, 0.25, 0.5, 0.75, 1)
        return {
            name: [round(float(value), 4) for value in quantile(found, shares)]
            for name, found in self.cosines.items()
            if found
        }


def own(folder: Path, made_from: str, settings: PortraitSettings, made_by: Mapping[str, Any]) -> None:
    """Make the folder this run's, if it is nobody's; nothing if it is this run's already.

    Raises:
        CrossmemError: It holds another run's portraits, or files that no run of ours wrote.
    """
    named = {name: value for values in settings.decisive().values() for name, value in values.items()}
    remedy = "Choose another folder, or the same settings to go on."
    own_folder(folder, made_from, overwrite=False, settings={**named, **made_by}, remedy=remedy)


def finish(
    folder: Path,
    made_from: str,
    settings: PortraitSettings,
    made_by: Mapping[str, Any],
    tries: Tries,
    anchors: Sequence[Made],
    views: Sequence[Made | None],
) -> dict[str, Any]:
    """What the folder's ``portraits.json`` says in the end; the main process writes it, and the listing.

    Raises:
        CrossmemError: A picture was changed or removed since it was made, or some views were never accepted.
    """
    wanted = [f"{person.id}/{split}/{index}" for person, split, index in settings.views()]
    missing = [name for name, made in zip(wanted, views, strict=True) if made is None]
    made = [*anchors, *(view for view in views if view is not None)]
    counted = {stage: {verdict: count[verdict] for verdict in VERDICTS} for stage, count in tries.counts.items()}
    about = {
        **_head(made_from, settings, made_by),
        "complete": not missing,
        "num_portraits": len(made) - len(anchors),
        "attempts": counted,
        "similarities": tries.quartiles(),
        "max_attempts": settings.max_attempts,
        "missing": missing,
    }
    if joined_state().is_main_process:
        _check_files(folder, made)
        _drop_rejected(folder, anchors)
        lines = [json.dumps(one.line(settings, made_by)) for one in made]
        write_atomic(folder / LISTING, "\n".join(lines) + "\n")
        write_atomic(folder / ABOUT, _as_text(about))
    if missing:
        raise CrossmemError(
            f"{len(missing)} of {len(wanted)} portraits were not accepted in {settings.max_attempts} attempts each, "
            f"first {missing[0]!r} (views tried: {counted['views']}; cosines from lowest over quartiles to highest: "
            f"{tries.quartiles() or 'none'}).",
            "All others are in the folder. Raise --max-attempts to go on from there; if most are 'unlike', lower "
            "--strength (img2img) or raise it (ip-adapter), in another folder.",
        )
    return about


def _head(made_from: str, settings: PortraitSettings, made_by: Mapping[str, Any]) -> dict[str, Any]:
    decisive = settings.decisive()
    head = {"fingerprint": made_from, "personas": decisive["personas"], "settings": decisive, "made_by": dict(made_by)}
    return {**head, "models": _models(settings, made_by)}


def _models(settings: PortraitSettings, made_by: Mapping[str, Any]) -> list[str]:
    """Name and commit of each image model, as a card may say them: a folder without the way to it."""
    names = {name: getattr(settings.diffusion, name) for name in ("model", "anchor_model", "adapter")}
    shown = {name: Path(found).name if Path(found).is_dir() else found for name, found in names.items() if found}
    return [f"{found} ({made_by.get(f'{name}_commit')})" for name, found in shown.items()]


def _check_files(folder: Path, made: Sequence[Made]) -> None:
    for one in made:
        path = folder / one.item["file_name"]
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            digest = ""
        if digest != one.outcome["sha256"]:
            raise CrossmemError(
                f"The portrait {str(path)!r} was {'changed' if digest else 'removed'} since it was made.",
                "Put it back, or start in another folder.",
            )


def _drop_rejected(folder: Path, anchors: Sequence[Made]) -> None:
    """Remove anchors that were saved and turned out to look like somebody else."""
    kept = {folder / made.item["file_name"] for made in anchors}
    for made in anchors:
        for path in (folder / made.item["file_name"]).parent.glob("anchor-*.png"):
            if path not in kept:
                path.unlink()


def _as_text(about: Mapping[str, Any]) -> str:
    return json.dumps(about, indent=2, sort_keys=True) + "\n"
