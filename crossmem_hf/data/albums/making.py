# SPDX-License-Identifier: Apache-2.0
"""Portraits of people by image models, into a folder: anchors, then views, each tried until it is accepted.

Every attempt is a round over all that is still wanted, shared between processes and kept on disk, so that a run that
is killed goes on where it was and makes the same pictures, whatever the number of processes.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.albums.folder import Made, Tries, finish, own
from crossmem_hf.data.albums.settings import UNIT, PortraitSettings
from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona
from crossmem_hf.pictures.reading import BadPictureError, as_seen
from crossmem_hf.rendering.diffusion.pipeline import DiffusionRenderer, Picture, Request
from crossmem_hf.rendering.faces.identity import Anchors, Embedder, apart
from crossmem_hf.rendering.faces.recognition import load_face_model
from crossmem_hf.rendering.scenes import anchor_scene, scene_for
from crossmem_hf.runs.distributed import in_shards, joined_state, together
from crossmem_hf.runs.sources import code_fingerprint
from crossmem_hf.seeding import seed_for
from crossmem_hf.storage import fingerprint, write_atomic

if TYPE_CHECKING:
    from PIL import Image

Item = dict[str, Any]
Outcome = dict[str, Any]


def run_portraits(
    settings: PortraitSettings,
    folder: Path,
    *,
    renderer: DiffusionRenderer | None = None,
    embedder: Embedder | None = None,
) -> dict[str, Any]:
    """Make all portraits that the folder does not hold yet; what `portraits.json` then says.

    Args:
        folder: Seen by all processes; gets ``images/``, ``metadata.jsonl`` and ``portraits.json``.
        renderer: Who makes pictures; None loads the settings' models.
        embedder: Who compares faces; None loads the settings' face model.

    Raises:
        CrossmemError: The folder holds something else, a model cannot be had, or pictures are missing after all
            attempts: the message counts them, everything accepted is kept, and more attempts go on from there.
    """
    state = joined_state()

    def models() -> tuple[DiffusionRenderer, Embedder | None]:
        return renderer or DiffusionRenderer(settings.diffusion, state.device), embedder or _embedder(settings)

    def download() -> None:
        if state.num_processes > 1 and state.is_local_main_process:
            models()

    together(download)  # by one process of each machine; the others find what it downloaded
    run = _Run(settings, folder, *models())
    together(lambda: own(folder, run.made_from, settings, run.made_by) if state.is_main_process else None)
    anchors = run.anchors()
    views = run.views(anchors)
    tries = Tries(counts=run.counts, cosines=run.cosines)
    return together(lambda: finish(folder, run.made_from, settings, run.made_by, tries, anchors, views))[0]


def _embedder(settings: PortraitSettings) -> Embedder | None:
    return None if settings.face_model == "none" else load_face_model(settings.face_model)


class _Run:
    def __init__(
        self, settings: PortraitSettings, folder: Path, renderer: DiffusionRenderer, embedder: Embedder | None
    ) -> None:
        self.settings, self.folder, self.renderer, self.embedder = settings, folder, renderer, embedder
        self.made_by = {**renderer.provenance, "face_model": embedder.name if embedder else None}
        self.made_from = fingerprint([settings.decisive(), self.made_by, code_fingerprint(run_portraits)])
        self.counts: dict[str, Counter[str]] = {"anchors": Counter(), "views": Counter()}
        self.cosines: dict[str, list[float]] = {"own_similarity": [], "other_similarity": []}
        self._personas = {person.id: person for person in settings.personas()}

    def anchors(self) -> list[Made]:
        """One portrait of everybody, no two of which could be of the same person.

        Raises:
            CrossmemError: Somebody has none after all attempts.
        """
        kept: dict[str, Made] = {}
        for attempt in range(self.settings.max_attempts):
            items = [self._anchor_item(person, attempt) for person in self._personas.values() if person.id not in kept]
            outcomes = self._round("anchors", attempt, items, self._anchor_outcomes)
            vectors = {name: made.outcome["vector"] for name, made in kept.items()}
            fresh = {
                item["persona_id"]: outcome["vector"]
                for item, outcome in zip(items, outcomes, strict=True)
                if outcome["verdict"] == "kept"
            }
            alike = self._alike(vectors, fresh)
            for item, outcome in zip(items, outcomes, strict=True):
                other = alike.get(item["persona_id"])
                final = outcome if other is None else {**outcome, "verdict": "lookalike", "nearest": other}
                self.counts["anchors"][final["verdict"]] += 1
                if final["verdict"] == "kept":
                    kept[item["persona_id"]] = Made(item, final)
        missing = [name for name in self._personas if name not in kept]
        if missing:
            raise CrossmemError(
                f"No anchor portrait of {len(missing)} of {len(self._personas)} people was accepted in "
                f"{self.settings.max_attempts} attempts each (first {missing[0]!r}; "
                f"{_counted(self.counts['anchors'])}).",
                "Raise --max-attempts to go on from there, or choose another model or threshold in another folder.",
            )
        return [kept[name] for name in self._personas]

    def views(self, anchors: Sequence[Made]) -> list[Made | None]:
        """Every view of everybody, in the order of the settings; None where no attempt was accepted."""
        compare = (
            Anchors({made.item["persona_id"]: made.outcome["vector"] for made in anchors}) if self.embedder else None
        )
        paths = {made.item["persona_id"]: made.item["file_name"] for made in anchors}
        open_anchor = lru_cache(maxsize=256)(lambda name: _opened(self.folder / paths[name]))
        wanted = list(self.settings.views())
        kept: dict[int, Made] = {}

        def outcomes(items: list[Row]) -> list[Outcome]:
            return self._view_outcomes(items, compare, open_anchor)

        for attempt in range(self.settings.max_attempts):
            places = [place for place in range(len(wanted)) if place not in kept]
            items = [self._view_item(*wanted[place], attempt) for place in places]
            made = self._round("views", attempt, items, outcomes)
            for place, item, outcome in zip(places, items, made, strict=True):
                self.counts["views"][outcome["verdict"]] += 1
                for name, found in self.cosines.items():
                    if outcome.get(name) is not None:
                        found.append(outcome[name])
                if outcome["verdict"] == "kept":
                    kept[place] = Made(item, outcome)
        return [kept.get(place) for place in range(len(wanted))]

    def _round(
        self, stage: str, attempt: int, items: list[Item], work: Callable[[list[Row]], list[Outcome]]
    ) -> list[Outcome]:
        keys = [item["file_name"] for item in items]
        return in_shards(
            items,
            work,
            results_log=self.folder / "log" / f"{stage}-{attempt}",
            fingerprint=fingerprint([self.made_from, stage, attempt, keys]),
            unit_rows=UNIT,
            label=f"{stage}, attempt {attempt + 1}",
        )

    def _anchor_item(self, person: Persona, attempt: int) -> Item:
        return self._item(person, "anchor", 0, attempt, anchor_scene(person), f"anchor-{attempt}")

    def _view_item(self, person: Persona, split: Any, index: int, attempt: int) -> Item:
        # a whole "train" or "test" in a name would make `datasets` tear the image folder into splits
        name = f"{split[:2]}{index:05d}"
        return self._item(person, split, index, attempt, scene_for(person, split, index), name)

    def _item(self, person: Persona, split: str, index: int, attempt: int, scene: Any, name: str) -> Item:
        return {
            "images": [],  # a row as in_shards knows them
            "file_name": f"images/{person.id}/{name}.png",
            "persona_id": person.id,
            "split": split,
            "view": index,
            "layout": scene.layout,
            "prompt": scene.prompt,
            "seed": seed_for(person.seed, "portrait", person.id, split, index, attempt),
            "attempt": attempt,
        }

    def _anchor_outcomes(self, items: list[Row]) -> list[Outcome]:
        requests = [Request(prompt=item["prompt"], seed=item["seed"]) for item in items]
        pictures = self.renderer.pictures(requests, self.settings.batch_size)
        outcomes = []
        for item, picture, vector in zip(items, pictures, self._vectors(pictures), strict=True):
            verdict = "refused" if picture.refused else "kept"
            if not picture.refused and self.embedder is not None and vector is None:
                verdict = "no face"
            outcomes.append({"verdict": verdict, "vector": vector, "sha256": self._saved(item, picture, verdict)})
        return outcomes

    def _view_outcomes(
        self, items: list[Row], anchors: Anchors | None, open_anchor: "Callable[[str], Image.Image]"
    ) -> list[Outcome]:
        requests = [
            Request(prompt=item["prompt"], seed=item["seed"], anchor=open_anchor(item["persona_id"])) for item in items
        ]
        pictures = self.renderer.pictures(requests, self.settings.batch_size)
        outcomes = []
        for item, picture, vector in zip(items, pictures, self._vectors(pictures), strict=True):
            outcome: Outcome = {"verdict": "refused" if picture.refused else "kept"}
            if not picture.refused and anchors is not None and self.settings.threshold is not None:
                outcome["verdict"] = "no face"
                if vector is not None:
                    like = anchors.compare(item["persona_id"], vector, self.settings.threshold)
                    outcome = {
                        "verdict": like.verdict,
                        "own_similarity": like.own,
                        "other_similarity": like.others,
                        "nearest": like.nearest,
                    }
            outcomes.append({**outcome, "sha256": self._saved(item, picture, outcome["verdict"])})
        return outcomes

    def _vectors(self, pictures: Sequence[Picture]) -> list[Any]:
        """An embedding a picture; None where it was refused, shows no single face, or nobody compares faces."""
        if self.embedder is None:
            return [None] * len(pictures)
        found = iter(self.embedder([picture.image for picture in pictures if not picture.refused]))
        return [None if picture.refused else _listed(next(found)) for picture in pictures]

    def _alike(self, kept: dict[str, Any], fresh: dict[str, Any]) -> dict[str, str | None]:
        if self.embedder is None or self.settings.threshold is None:
            return {}
        return apart(kept, fresh, self.settings.threshold)

    def _saved(self, item: Row, picture: Picture, verdict: str) -> str | None:
        if verdict != "kept":
            return None
        buffer = BytesIO()
        picture.image.save(buffer, format="PNG")
        write_atomic(self.folder / item["file_name"], buffer.getvalue())
        return hashlib.sha256(buffer.getvalue()).hexdigest()


def _listed(vector: Any) -> list[float] | None:
    return None if vector is None else [float(number) for number in vector]


def _opened(path: Path) -> "Image.Image":
    try:
        return as_seen(path)
    except BadPictureError as error:
        raise CrossmemError(
            f"The anchor {str(path)!r}, which was made before, cannot be read: {error.reason}.",
            "Put it back, or start in another folder.",
        ) from error


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
