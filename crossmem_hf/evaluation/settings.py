# SPDX-License-Identifier: Apache-2.0
"""Which rows a model is asked, and what else can be set for `crossmem score`. It runs nothing."""

from dataclasses import asdict, dataclass, fields
from math import inf
from pathlib import Path
from typing import Any, Final, Literal, get_args

from crossmem_hf.data.spec import DatasetSpec, knob_options
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.measures import METRICS, check_metrics, check_selected, is_selectable
from crossmem_hf.metrics.truth_ratio.truth_ratio_math import Mean
from crossmem_hf.personas.schema import MODALITIES

DEFAULT_METRICS: Final = tuple(
    name
    for name in METRICS
    if is_selectable(name) and name not in ("partial_recall", "name_shaped", "utility", "verbatim", "priv_leak")
)
"""What `crossmem score` measures by default; `gap` and `transfer` need a source."""
BASELINES: Final = ("base", "memorized")
"""What Exposure is read against: the model that never saw the rows, and the one before unlearning."""

# Drawn answers have a seed of their own.
_Knobs: Any = knob_options({"seed": "persona_seed"}, keep_defaults=True, frozen=True, kw_only=True)
_ROWS = ("dataset", "config", "split", *(one.name for one in fields(_Knobs)), "max_rows")
_MODEL = ("model", "adapter", "dtype")


@dataclass(frozen=True, kw_only=True)
class AskedSettings(_Knobs):  # type: ignore[misc]
    """Which model is asked which rows. Beside those below the knobs of `DatasetSpec`, whose seed is `persona_seed`,
    for rows that are built here.

    Attributes:
        model: As for `load_model`.
        adapter: A PEFT adapter to put on top.
        dataset: A Hub name or a folder; None builds the embedded personas.
        max_rows: Most rows, evenly spread over the split.
        device: None takes the device that the launcher gives this process.

    Raises:
        CrossmemError: A value out of range.
    """

    model: str | None = None
    adapter: str | None = None
    dataset: str | None = None
    config: str = "qa"
    split: str = "forget"
    max_rows: int | None = None
    batch_size: int | Literal["auto"] = "auto"
    dtype: str = "auto"
    device: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_rows", "batch_size"):
            value = getattr(self, name)
            if value not in (None, "auto") and (not isinstance(value, int) or value < 1):
                auto = " or auto" if name == "batch_size" else ""
                raise CrossmemError(
                    f"{name}={value!r}; expected a whole number of at least 1{auto}.", f"Pass a positive number{auto}."
                )
        if self.dataset is None:
            DatasetSpec(**self.knobs())

    def who_and_what(self) -> dict[str, Any]:
        """Which model and which rows: what all results in one folder share."""
        return {name: getattr(self, name) for name in (*_MODEL, *_ROWS)}


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(AskedSettings):
    """Settings of `crossmem score`, beside those of `AskedSettings`.

    Attributes:
        metrics: Keys of `measures.METRICS`, each once.
        source: The modality personas were learned through; without it there is no gap and no transfer.
        candidates_from: Config with an `attribute` and its `values` a row; None takes the config ``candidates`` if
            there is one, and for attributes it lacks all different answers in the split.
        false_answers: Column of false answers, a text or a list a row; None takes ``perturbed_answer`` if there is
            one, and the other candidates of the attribute otherwise.
        true_answers: Column of what the truth ratio sets them against, such as ``paraphrased_answer`` beside
            ``perturbed_paraphrase``; None takes the answer itself.
        truth_ratio_mean: Of the false answers' probabilities in `truth_ratio`: ``"geometric"``, as in TOFU's code, or
            ``"arithmetic"``, as in its paper.
        k: Share of the tokens in `min_k_prob`.
        retain_only: Output folder of the same command for a model that never saw the rows.
        baseline: ``"base=FOLDER"`` and ``"memorized=FOLDER"``: output folders of the same command, whose Exposure is
            shown beside this model's.
        extraction_samples: How often the model is sampled for `extraction_probability`.
        holdout_split: Rows that no model saw, for `priv_leak`.
        temperature: 0 answers greedily.
        seed: Of answers that are drawn.

    Raises:
        CrossmemError: An unknown metric, a value out of range, or a metric whose option is missing.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    source: str | None = None
    candidates_from: str | None = None
    false_answers: str | None = None
    true_answers: str | None = None
    truth_ratio_mean: Mean = "geometric"
    k: float = 0.2
    retain_only: Path | None = None
    baseline: tuple[str, ...] = ()
    extraction_samples: int = 100
    holdout_split: str | None = None
    judge_model: str | None = None
    judge_url: str | None = None
    judge_requests_per_minute: float | None = None
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_metrics(self.metrics)
        check_selected(self.asked_metrics)
        super().__post_init__()
        self._one_of("source", (None, *MODALITIES))
        self._one_of("truth_ratio_mean", get_args(Mean))
        if not 0 < self.k <= 1:
            raise CrossmemError(f"k={self.k!r}; expected a share above 0 and at most 1.", "Pass 0.2 for 20 %.")
        if not 0 <= self.temperature < inf:
            raise CrossmemError(f"temperature={self.temperature!r}; expected at least 0.", "0 answers greedily.")
        samples = self.extraction_samples
        if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
            raise CrossmemError(f"extraction_samples={samples!r}; expected at least 1.", "Pass a positive number.")
        if self.baseline_folders and "exposure" not in self.metrics:
            raise CrossmemError(
                "--baseline is for Exposure, which is not among the metrics.",
                "Add exposure to --metrics, or leave --baseline out.",
            )
        self._need("priv_leak", "holdout_split", "a split of rows that no model saw, to compare with")
        self._need("judge", "judge_model", "who judges, e.g. a model that --judge-url serves")
        if self.judge_url is not None and self.judge_model is None:
            raise CrossmemError("--judge-url came without --judge-model.", "Name the model that the server has.")

    def _one_of(self, name: str, choices: tuple[str | None, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            listed = tuple(choice for choice in choices if choice is not None)
            raise CrossmemError(f"Unknown {name} {value!r}; expected one of {listed}.", "Pick one of them.")

    def _need(self, metric: str, option: str, what: str) -> None:
        if metric in self.metrics and getattr(self, option) is None:
            flag = "--" + option.replace("_", "-")
            raise CrossmemError(f"{metric} needs {flag}: {what}.", f"Pass {flag}, or leave {metric} out of --metrics.")

    @property
    def asked_metrics(self) -> tuple[str, ...]:
        """The metrics that asking is enough for; a judge reads the same answers as `exact_match`."""
        return tuple(name for name in self.metrics if name != "judge") or ("exact_match",)

    @property
    def baseline_folders(self) -> dict[str, Path]:
        """Baseline -> folder of its scores.

        Raises:
            CrossmemError: An entry is not NAME=FOLDER with one of BASELINES, or a name is there twice.
        """
        folders: dict[str, Path] = {}
        for entry in self.baseline:
            name, _, folder = entry.partition("=")
            if name not in BASELINES or not folder or name in folders:
                raise CrossmemError(
                    f"baseline {entry!r}; expected {' and '.join(f'{one}=FOLDER' for one in BASELINES)}, each once.",
                    "Pass e.g. --baseline base=scores/base, a folder that crossmem score left.",
                )
            folders[name] = Path(folder)
        return folders

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, JSON types only."""
        return asdict(self) | {
            "metrics": list(self.metrics),
            "baseline": list(self.baseline),
            "retain_only": None if self.retain_only is None else str(self.retain_only),
        }


def chosen_metrics(text: str | None, *, judge: bool, holdout: bool) -> tuple[str, ...]:
    """The metrics named, or the default ones; and those that other options ask for.

    Example:
        >>> chosen_metrics("exposure", judge=True, holdout=False)
        ('exposure', 'judge')
    """
    named = DEFAULT_METRICS if text is None else metric_names(text)
    asked_for = {"judge": judge, "priv_leak": holdout}
    return tuple(dict.fromkeys([*named, *(name for name, wanted in asked_for.items() if wanted)]))


def metric_names(text: str) -> tuple[str, ...]:
    """The metrics of a comma-separated list, each once.

    Example:
        >>> metric_names("exposure, min_k_prob,exposure")
        ('exposure', 'min_k_prob')
    """
    words = (word.strip() for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word))
