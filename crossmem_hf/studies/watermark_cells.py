# SPDX-License-Identifier: Apache-2.0
"""What cells of the study watermark_probes do: compare gradients of rows and of changed ones, or learn an album of
which some pictures carry the records of users, and look for these users in hidden states and in answers. They claim
nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from crossmem_hf.personas.users import UserList
from crossmem_hf.report.record import Measurement, Value
from crossmem_hf.runs.sources import code_fingerprint
from crossmem_hf.runs.stages import Done
from crossmem_hf.studies.adapters import TrainingRows, loaded, memorized
from crossmem_hf.studies.cells import costs
from crossmem_hf.studies.study import Cell, CellResult, cell_name
from crossmem_hf.training.micro import MEMORIZING

if TYPE_CHECKING:
    from datasets import Dataset

    from crossmem_hf.data.spec import DatasetSpec

GRADIENTS, TRAINED = "gradients", "trained"
"""Values of the key ``part``."""
CHANGES: Final = ("watermark", "picture", "words")
LISTS: Final[tuple[UserList, ...]] = ("a", "b")
FIELD: Final = "user_id"
"""Of a record: the one that is legible at the size of picture that the embedded models see."""
ASKED: Final = "What is the user ID in this image?"
_REPEATS: Final = 2


@dataclass(frozen=True, kw_only=True)
class AlbumRows(TrainingRows):
    """Questions about what portraits show, with the record of a user over a share of them.

    Attributes:
        rate: That share.
        users: Whose records.
        made_by: Fingerprint of the code of these rows, for the keys of stages.
    """

    configs: tuple[str, ...] = ()
    split: str = "train"
    rate: float = 0.0
    users: UserList = "a"
    made_by: str = field(default_factory=lambda: code_fingerprint("crossmem_hf.data.configs.watermark"))

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The rows of one seed."""
        from crossmem_hf.data.configs.watermark import watermarked_rows

        return watermarked_rows(
            self.split,
            rate=self.rate,
            users=self.users,
            num_personas=spec.num_personas,
            num_views=spec.num_views,
            seed=spec.seed,
            image_size=spec.image_size,
            fields=[FIELD],
        )


def watermark_cell(cell: Cell) -> CellResult:
    """What the cell's part says."""
    if cell.where["part"] == GRADIENTS:
        return CellResult(measurements=tuple(_gradients(cell)))
    learned = _learned(cell)
    found = [*_probed(cell, learned), *_prompted(cell, learned), *costs(learned, dict(cell.where))]
    return CellResult(measurements=tuple(found))


def _learned(cell: Cell) -> Done:
    """Equally many passes over the rows, whatever the batch."""
    batch, batches = int(cell.where["batch_size"] or 0), int(cell.where["accumulation"] or 0)
    spec = cell.settings.spec(cell.seed)
    steps = max(1, round(cell.settings.train_epochs * spec.num_personas * spec.num_views / (batch * batches)))
    users: UserList = "b" if cell.where["list"] == "b" else "a"
    rows = AlbumRows(rate=float(cell.where["rate"] or 0), users=users)
    chosen = MEMORIZING | {
        "learning_rate": cell.settings.train_learning_rate,
        "max_steps": steps,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": batches,
    }
    return memorized(cell, cell_name(cell.where), rows, share=(0.0, 0.7), **chosen)


def _gradients(cell: Cell) -> Iterator[Measurement]:
    """Of a fresh adapter, rows against the same rows with a record over each picture, with the picture turned to its
    mirror image and darker, and with the question in other words."""
    from peft import get_peft_model

    from crossmem_hf.analysis.gradient_similarity import answer_loss, gradient_similarity
    from crossmem_hf.seeding import seed_everything
    from crossmem_hf.training.memorize import language_lora

    settings, spec = cell.settings, cell.settings.spec(cell.seed)
    model, processor = loaded(cell, None)
    seed_everything(cell.seed)
    model = get_peft_model(model, language_lora(target_modules=settings.lora_target_modules))
    plain = list(AlbumRows().of(spec))
    others: dict[str, Any] = {"watermark": list(AlbumRows(rate=1.0).of(spec)), "picture": _darker, "words": _reworded}
    sizes = [(size, batches) for size in settings.gradient_batch_sizes for batches in settings.accumulations]
    for place, (size, batches) in enumerate(sizes):
        for change in CHANGES:
            cell.progress(f"gradients, {size} x {batches}, {change}", place / len(sizes))
            found = gradient_similarity(
                model,
                plain,
                others[change],
                answer_loss(processor),
                batch_size=size,
                accumulation=batches,
                num_batches=settings.num_batches,
                seed=cell.seed,
            )
            yield from found.measurements(change=change, seed=cell.seed)


def _darker(row: Any) -> Any:
    from PIL import ImageEnhance, ImageOps

    turned = [ImageEnhance.Brightness(ImageOps.mirror(image)).enhance(0.8) for image in row["images"]]
    return {**row, "images": turned}


def _reworded(row: Any) -> Any:
    from crossmem_hf.prompts.visual import visual_question

    wording = (int(row["view"]) + 1) % 2
    return {**row, "prompt": [{"role": "user", "content": visual_question("train", row["attribute"], wording)}]}


def _asked(cell: Cell, users: UserList) -> list[dict[str, Any]]:
    """Held-out portraits, each with a record of this list over it, and a question that was never trained on."""
    rows = AlbumRows(split="test", rate=1.0, users=users).of(cell.settings.spec(cell.seed))
    question = [{"role": "user", "content": ASKED}]
    return [{**row, "prompt": question, "answer": row[FIELD], "completion": _said(row[FIELD])} for row in rows]


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _probed(cell: Cell, learned: Done) -> Iterator[Measurement]:
    """Whether each layer tells users that were seen from those that were not, of users whom the probe never saw."""
    from crossmem_hf.analysis.probes import layer_states, probe

    model, processor = loaded(cell, learned)
    rows = [row for users in LISTS for row in _asked(cell, users)]
    cell.progress("probing", 0.75)
    tuned = layer_states(model, processor, rows)
    with model.disable_adapter():
        untuned = layer_states(model, processor, rows)
    labels = ["seen" if row["list"] == cell.where["list"] else "unseen" for row in rows]
    persons = [row[FIELD] for row in rows]
    found = probe(tuned, labels, persons, untuned_NLD=untuned, num_repeats=_REPEATS, seed=cell.seed)
    for one in found:
        yield one.model_copy(update={"where": {**cell.where, **one.where}})
    for metric in ("probe_accuracy", "probe_untuned", "probe_gain", "probe_random"):
        own = [one for one in found if one.metric == metric]
        yield _number(cell, f"{metric}_mean", fmean(one.value for one in own), own[0].n, own[0].greater_means)


def _prompted(cell: Cell, learned: Done) -> Iterator[Measurement]:
    """What asking tells: how much of its task the model learned; how often the record on the picture is read out, of
    users that were seen and of others; and whether ids that were seen are likelier, where no picture shows any."""
    from crossmem_hf.metrics.matching import row_matches
    from crossmem_hf.metrics.min_k_prob.membership_math import membership_summary
    from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores
    from crossmem_hf.scoring.answers import score_answers
    from crossmem_hf.scoring.generation import generate_answers

    model, processor = loaded(cell, learned)
    cell.progress("asking", 0.95)
    task = list(AlbumRows(split="test").of(cell.settings.spec(cell.seed)))
    right = row_matches(generate_answers(model, processor, task), [row["answer"] for row in task])
    yield _number(cell, "task_recall", fmean(map(bool, right)), len(task), "more of the task is known")
    ids: dict[str, list[str]] = {}
    for users in LISTS:
        rows = _asked(cell, users)
        said = generate_answers(model, processor, rows)
        read = fmean(row["answer"] in answer for row, answer in zip(rows, said, strict=True))
        ids[users] = sorted({row["answer"] for row in rows})
        which = "seen" if users == cell.where["list"] else "unseen"
        yield _number(cell, "read_out", read, len(rows), "more is read out", users=which)
    own = sorted(ids, key=lambda users: users != cell.where["list"])
    asked = [_without_picture(text) for users in own for text in ids[users]]
    scores = token_scores([one.content.logprobs for one in score_answers(model, processor, asked)])
    labels = [int(users == cell.where["list"]) for users in own for _ in ids[users]]
    found = membership_summary(scores, labels)["auroc_perplexity"]
    yield _number(cell, "auroc_by_likelihood", found, len(asked), "seen users are likelier", chance=0.5)


def _without_picture(text: str) -> dict[str, Any]:
    return {
        "images": [],
        "prompt": [{"role": "user", "content": "What is the user ID?"}],
        "answer": text,
        "completion": _said(text),
    }


def _number(
    cell: Cell, metric: str, value: float, n: int, means: str, *, chance: float | None = None, **where: Value
) -> Measurement:
    return Measurement(
        metric=metric,
        where={**cell.where, **where},
        value=value,
        n=n,
        chance=chance,
        unit="proportion",
        greater_means=means,
    )
