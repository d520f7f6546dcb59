# SPDX-License-Identifier: Apache-2.0
"""The one evaluator: rows are asked, and every answer kept as a prediction, shared between processes and on disk.

It does not know what the numbers mean, or whether the model is in training.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.evaluation.candidates import Candidates
from crossmem_hf.evaluation.measures import METRICS, PASSES, check_selected, passes_for
from crossmem_hf.evaluation.passes import Passes
from crossmem_hf.evaluation.predictions import FILE, Prediction, Predictions
from crossmem_hf.evaluation.questions import Questions
from crossmem_hf.evaluation.rows import questions_from
from crossmem_hf.evaluation.summaries import Against
from crossmem_hf.metrics.matching import chance_recall, row_matches
from crossmem_hf.runs.distributed import joined_state, together
from crossmem_hf.scoring.batches import Auto

if TYPE_CHECKING:
    from crossmem_hf.data.personas import PersonaDataset

LOGS = "jobs"
_ABOUT = ("persona_id", "attribute", "modality", "hops", "view", "template")


class Evaluator:
    """Asks any model the same rows: ``evaluator(model, processor)`` gives `predictions.Predictions`, a row each.

    The check whether personas are memorized, the callback of a trainer, `crossmem score` and the studies all call it.
    Every process of a launch must call it; they share the rows, and each gets the predictions that one process would
    get, to the bit.

    Args:
        rows: A Dataset in the row schema, with the columns images, prompt, answer, modality and persona_id, and
            attribute where candidates depend on it; or `rows.Questions` that were checked before.
        metrics: Names in `measures.METRICS` but those that read what an attack gives; the passes over the rows that
            they need are made, each once.
        candidates: What answers are ranked among: one list, or one an attribute. None takes all different answers to
            the same attribute among the rows.
        untaught: Values that no model was taught, one list or one an attribute; where there are some, the truth is
            ranked among itself and them, and metrics such as ``exposure_taught`` have its rank among the candidates.
        forgotten: Ids of the personas to forget; gives predictions their ``group``, "forget" or "retain".
        batch_size: As for `scoring.candidates.score_candidates`.
        max_new_tokens: Where an answer is cut; None: 8 tokens more than the longest truth of all rows.
        temperature: 0 answers greedily.
        seed: Of answers that are drawn.
        logits_processor: Changes the logits of each next token of free answers, as `scoring.generation` takes it.
        holdout: Rows that no model saw, for the metric `priv_leak`.
        keep: Which columns predictions have: "needed" by the metrics, or "all" that the passes give.
        name: What the rows are called in errors, e.g. "forget".

    Raises:
        CrossmemError: Unknown metrics, rows that cannot be asked, candidates that cannot be used, or ids in
            `forgotten` that no row has; before any pass.

    Example:
        >>> from crossmem_hf.data.loading import load_rows
        >>> from crossmem_hf.models.loading import load_model
        >>> evaluator = Evaluator(load_rows(None, "recall_text", "test", num_personas=5), metrics=["recall"])
        >>> print(evaluator(*load_model()))
        recall (proportion)  asked in text
        all                  0 [0, 0.522], n=20, chance 0.2
    """

    def __init__(
        self,
        rows: Any,
        *,
        metrics: Sequence[str],
        candidates: Candidates | None = None,
        untaught: Candidates | None = None,
        forgotten: Iterable[str] | None = None,
        batch_size: int | Auto = "auto",
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        logits_processor: Any = None,
        holdout: Any = None,
        keep: Literal["needed", "all"] = "needed",
        name: str = "",
    ) -> None:
        self.metrics = check_selected(metrics)
        self.questions = (
            rows
            if isinstance(rows, Questions)
            else questions_from(rows, self.metrics, candidates, untaught=untaught, name=name)
        )
        self.holdout = None
        if holdout is None and "priv_leak" in self.metrics:
            raise CrossmemError(
                "priv_leak compares with rows that no model saw, and there are none.", "Pass holdout=."
            )
        if holdout is not None:
            self.holdout = holdout if isinstance(holdout, Questions) else questions_from(holdout, ("priv_leak",), None)
        self.forgotten = None if forgotten is None else _known(forgotten, self._personas)
        self.batch_size, self.max_new_tokens = batch_size, max_new_tokens
        self.temperature, self.seed, self.keep = temperature, seed, keep
        self.logits_processor = logits_processor

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.questions.rows)} rows, metrics={list(self.metrics)})"

    def altered(self, **options: Any) -> "Evaluator":
        """An evaluator that asks the same rows in the same way, but for some options.

        Args:
            options: As for `Evaluator`, e.g. ``temperature=1.0``.

        Raises:
            CrossmemError: As `Evaluator`.
        """
        names = ("metrics", "forgotten", "batch_size", "max_new_tokens", "temperature", "seed", "logits_processor")
        kept: dict[str, Any] = {name: getattr(self, name) for name in (*names, "holdout", "keep")}
        rows = self.rows if "metrics" in options else self.questions  # others may need what was not compared so far
        if "rows" in options and self.forgotten is not None:  # perhaps fewer people
            kept["forgotten"] = self.forgotten.intersection(map(person_key, options["rows"]["persona_id"]))
        lists = {"candidates": self.questions.by_attribute, "untaught": self.questions.untaught}
        return Evaluator(**({"rows": rows, **lists, **kept} | options))

    @property
    def _personas(self) -> frozenset[str]:
        return frozenset(person_key(row["persona_id"]) for row in self.questions.about)

    @property
    def modalities(self) -> list[str]:
        """The modalities that the rows ask in, in alphabetical order."""
        return sorted({row["modality"] for row in self.questions.about})

    @property
    def rows(self) -> Any:
        """The rows, as a Dataset."""
        return self.questions.rows

    @property
    def groups(self) -> tuple[str, ...]:
        """Which of "forget" and "retain" the rows are about; none if nobody is forgotten."""
        return tuple(sorted({str(one["group"]) for one in self._about(self.questions) if "group" in one}))

    def chance(self, group: str | None = None) -> dict[str, float]:
        """Modality -> recall of a guesser among the candidates, 0 to 1.

        Args:
            group: "forget" or "retain" for rows about these alone.
        """
        counts: dict[str, list[int]] = {}
        for one in self._about(self.questions):
            if group in (None, one.get("group")):
                counts.setdefault(one["modality"], []).append(one["num_candidates"])
        return {modality: chance_recall(several, len(several)) for modality, several in sorted(counts.items())}

    def __call__(
        self, model: Any, processor: Any, *, output_dir: Path | str | None = None, made_from: str | None = None
    ) -> Predictions:
        """What the model answers, a prediction a row, in every process; model and random numbers stay as they are.

        Args:
            output_dir: Folder on disk that all processes see: gets ``predictions.jsonl``, and under ``jobs`` every
                finished part of a pass, from which a killed run goes on. None keeps nothing.
            made_from: Goes with `output_dir`: fingerprint of model, code and logits processor; parts made from others
                are not used.

        Raises:
            CrossmemError: Whatever a pass refuses, with finished parts kept, or only one of the two arguments.
        """
        if (output_dir is None) != (made_from is None):
            raise CrossmemError(
                f"output_dir={output_dir!r} came with made_from={made_from!r}; expected both or neither.",
                "Pass a fingerprint of the model and the code as made_from: it keeps results of others apart.",
            )
        asked = self._passes(model, processor, None if output_dir is None else Path(output_dir) / LOGS, made_from)
        wanted = passes_for(self.metrics)
        items = self._about(self.questions)
        if "candidates" in wanted:
            _add(items, asked.candidates(self.questions))
        if "answers" in wanted:
            _add(items, asked.answers(self.questions))
        if "generation" in wanted:
            _add(items, asked.generation(self.questions))
        held: list[Prediction] = []
        if self.holdout is not None:
            held = self._about(self.holdout)
            _add(held, asked.answers(self.holdout, "holdout"))
        kept = Predictions([self._kept(item) for item in items], against=Against(holdout=held))
        if output_dir is not None:
            folder = Path(output_dir)
            together(lambda: kept.write(folder / FILE) if joined_state().is_main_process else None)
        return kept

    def judged(self, answers: Sequence[str]) -> Predictions:
        """Predictions of answers that came from elsewhere, one a row, for metrics of free answers.

        Raises:
            CrossmemError: Another number of answers than rows.
        """
        if len(answers) != len(self.questions.rows):
            raise CrossmemError(
                f"{len(answers)} answers to {len(self.questions.rows)} rows.", "Give one answer a row, in their order."
            )
        items = self._about(self.questions)
        right = row_matches(answers, [row["answer"] for row in self.questions.about])
        _add(items, [{"answer": said, "correct": bool(hit)} for said, hit in zip(answers, right, strict=True)])
        return Predictions([self._kept(item) for item in items])

    def recall(self, model: Any, processor: Any) -> float:
        """Share of the rows answered with the full right answer and nothing else, 0 to 1."""
        right: list[bool] = [prediction["correct"] for prediction in self(model, processor)]
        return sum(right) / len(right)

    def with_perplexity(self, predictions: Predictions, model: Any, processor: Any) -> Predictions:
        """The predictions, those about the personas to forget with the perplexity of their answer under a model, such
        as the base model; None where the answer is blank or about others.

        Args:
            predictions: Of this evaluator, all of them, in their order.

        Raises:
            CrossmemError: They are of other rows.
        """
        if [prediction["row"] for prediction in predictions] != list(self.questions.keys):
            raise CrossmemError("These predictions are of other rows.", "Pass what this evaluator returned, whole.")
        places = [
            place
            for place, prediction in enumerate(predictions)
            if prediction.get("group") != "retain" and prediction["answer"].strip()
        ]
        rows = self.questions.rows
        said = [{**rows[place], "answer": predictions[place]["answer"], "completion": None} for place in places]

        known = self._passes(model, processor).perplexities(said) if said else []
        perplexity = dict(zip(places, known, strict=True))
        return Predictions(
            [{**prediction, "perplexity": perplexity.get(place)} for place, prediction in enumerate(predictions)],
            against=predictions.against,
        )

    def _passes(self, model: Any, processor: Any, folder: Path | None = None, made_from: str | None = None) -> Passes:
        return Passes(
            model,
            processor,
            folder,
            made_from,
            batch_size=self.batch_size,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=self.seed,
            logits_processor=self.logits_processor,
        )

    def _about(self, questions: Questions) -> list[Prediction]:
        """Of every row who is asked what."""
        asked: list[Prediction] = []
        for row, key in zip(questions.about, questions.keys, strict=True):
            item: Prediction = {"row": key, **{name: row.get(name) for name in _ABOUT}}
            if self.forgotten is not None:
                item["group"] = "forget" if person_key(row["persona_id"]) in self.forgotten else "retain"
            item |= {"question": row["prompt"][-1]["content"], "truth": row["answer"]}
            asked.append(item | {"num_candidates": questions.num_rivals(row)})
        return asked

    def _kept(self, item: Prediction) -> Prediction:
        if self.keep == "all":
            return item
        needs = {column for name in self.metrics for column in METRICS[name].needs}
        given = {column for columns in PASSES.values() for column in columns}
        return {name: value for name, value in item.items() if name in needs or name not in given}


class CrossModalEvaluator(Evaluator):
    """An `Evaluator` on names (or facts) of the personas of a dataset, asked through pictures and through text.

    Args:
        data: The personas; says which candidates there are, and who is to be forgotten.
        metrics: Names in `measures.METRICS`.
        split: "test", "far", "validation" or "train" views of the same personas.
        config: "recall" asks for names, "qa" for facts (with the splits "test" and "far": new questions about them).
        options: As for `Evaluator`.

    Raises:
        CrossmemError: As `Evaluator`, or an unknown config or split.
    """

    def __init__(
        self,
        data: "PersonaDataset",
        metrics: Sequence[str] = ("recall", "exposure"),
        split: str = "test",
        *,
        config: Literal["recall", "qa"] = "recall",
        **options: Any,
    ) -> None:
        self.split, self.config = split, config
        lists = {} if "candidates" in options else {"candidates": data.candidates(), "untaught": data.untaught()}
        chosen = {**lists, "forgotten": data.forgotten} | options
        super().__init__(cross_modal_rows(data, config, split), metrics=metrics, **chosen)


def cross_modal_rows(data: "PersonaDataset", config: str, split: str) -> Any:
    """Rows that ask about all personas through pictures and through text, pictures first.

    Args:
        config: "recall", whose splits are "train", "validation", "test" and "far"; or "qa", which has no validation
            rows: a model that learned them is asked the same ones.

    Raises:
        CrossmemError: An unknown config or split.
    """
    from datasets import concatenate_datasets

    if config == "recall":
        return concatenate_datasets([data[f"recall_{modality}", split] for modality in ("image", "text")])
    if config == "qa":
        return data[f"qa_{split}" if split in ("test", "far") else "qa", "forget+retain"]
    raise CrossmemError(f"Unknown config {config!r}; expected 'recall' or 'qa'.", "Or pass rows to Evaluator.")


def _known(forgotten: Iterable[str], personas: frozenset[str]) -> frozenset[str]:
    """The ids, if all of them are asked about."""
    ids = frozenset(map(person_key, [forgotten] if isinstance(forgotten, str) else forgotten))
    if ids - personas:
        raise unknown(
            "id", sorted(ids - personas), sorted(personas), f"forgotten= takes some of the {len(personas)} persona_id."
        )
    return ids


def _add(items: Sequence[Prediction], found: Sequence[Prediction]) -> None:
    for item, more in zip(items, found, strict=True):
        item.update(more)
