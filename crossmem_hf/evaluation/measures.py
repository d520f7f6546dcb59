# SPDX-License-Identifier: Apache-2.0
"""The one table of metrics: what each needs of a prediction, how it is computed, and which of its numbers are read, in
which units and direction. It does not know where predictions come from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.evaluation import likelihoods, summaries
from crossmem_hf.evaluation.readings import Reading, Sense
from crossmem_hf.evaluation.summaries import Against, Found, Item
from crossmem_hf.report.record import Measurement, Value

Pass = Literal["generation", "candidates", "answers"]
PASSES: Final[Mapping[Pass, tuple[str, ...]]] = MappingProxyType(
    {
        "generation": ("answer", "correct"),
        "candidates": (
            *(
                "truth_rank",
                "exposure",
                "taught_rank",
                "num_taught",
                "candidates",
                "candidate_nll_nats",
                "candidate_num_tokens",
            ),
            *("truth_index", "false_indices", "reference_index"),
        ),
        "answers": ("token_logprobs", "token_means", "token_stds", "token_matches", "num_end_tokens"),
    }
)
"""Pass of a model over rows -> the columns that it gives: free answers, the likelihoods of candidates, and the right
answer token by token."""


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        found: What it makes of predictions.
        needs: The columns it reads of them, beside who is asked about, in which modality, and the truth.
        readings: What is read of its summary; the first is its headline.
        splits: Columns by which `crossmem score` reports parts of the rows.
        across: Columns whose values it compares, so that it is never split by them.
    """

    found: Callable[[Sequence[Item], Against], Found]
    needs: tuple[str, ...]
    readings: tuple[Reading, ...]
    splits: tuple[str, ...] = ("target", "hops", "kind")
    across: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The metric of its first measurement."""
        return self.readings[0].metric or self.readings[0].name


_MORE: Final[Sense] = "more memorized"
_LESS: Final[Sense] = "less memorized"
_EVERYTHING = ("target", "hops", "kind", "attribute")
_ANSWER = ("answer", "correct")
_FALSE = ("candidate_nll_nats", "candidate_num_tokens", "truth_index", "false_indices", "reference_index")
_GAP = Reading("gap", "proportion", greater_means="larger gap", n="gap_n")
_TRANSFER = Reading("transfer", "ratio", greater_means="more transfer", n="transfer_n")


def _effect(name: str, restored: str) -> Metric:
    """A metric of causal tracing: of which run the answer's log-probability is set against the corrupted run's."""
    found, back = partial(likelihoods.effect, name=name, restored=restored), "more comes back"
    readings = Reading(name, "proportion", "", back), Reading(f"{name}_logprob", "nats", "", back)
    return Metric(found, (restored, "corrupted_logprob"), readings, splits=())


def _share(name: str, sense: Sense) -> Metric:
    """A metric of shares that an analysis of the inside gives, a column of the same name."""
    return Metric(partial(likelihoods.share, name=name), (name,), (Reading(name, "proportion", sense),), splits=())


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        "recall": Metric(
            summaries.recall, _ANSWER, (Reading("recall", "proportion", _MORE, chance="chance"),), splits=("target",)
        ),
        "gap": Metric(summaries.across, _ANSWER, (_GAP,), splits=(), across=("target",)),
        "transfer": Metric(summaries.across, _ANSWER, (_TRANSFER,), splits=(), across=("target",)),
        "exposure": Metric(
            summaries.exposure,
            ("truth_rank", "exposure"),
            (
                Reading("exposure", "0-100", _MORE, chance="chance_exposure"),
                Reading("exposure_bits", "bits", _MORE, chance="chance_exposure_bits"),
                Reading("exposure_linear", "0-100", _MORE, chance="chance_exposure_linear"),
                Reading("mrr", "proportion", _MORE, chance="chance_mrr"),
            ),
            splits=_EVERYTHING,
        ),
        "exposure_taught": Metric(
            summaries.exposure_taught,
            ("taught_rank", "num_taught"),
            (Reading("exposure_taught", "0-100", _MORE, chance="chance"),),
            splits=_EVERYTHING,
        ),
        "partial_recall": Metric(
            summaries.partial_recall, _ANSWER, (Reading("partial_recall", "proportion", _MORE, chance="chance"),)
        ),
        "name_shaped": Metric(
            summaries.name_shaped,
            _ANSWER,
            (Reading("name_shaped", "proportion", "better", "more names"),),
        ),
        "utility": Metric(
            summaries.utility,
            _ANSWER,
            (
                Reading("utility", "proportion", "better", "more utility"),
                Reading("utility_visual_attributes", "proportion", "better", "more utility", n="n_visual_attributes"),
                Reading("utility_full_name", "proportion", "better", "more utility", n="n_full_name"),
                Reading("utility_unknown_name", "proportion", "better", "more refusals", n="n_unknown_name"),
            ),
        ),
        "rouge": Metric(
            summaries.rouge,
            _ANSWER,
            (Reading("rouge_l", "proportion", _MORE), Reading("rouge_l_recall", "proportion", _MORE)),
        ),
        "exact_match": Metric(
            summaries.exact_match,
            _ANSWER,
            (Reading("exact_match", "proportion", _MORE, chance="chance"),),
            splits=_EVERYTHING,
        ),
        "verbatim": Metric(
            summaries.verbatim,
            _ANSWER,
            (
                Reading("verbatim_match", "proportion", _MORE),
                Reading("matching_length", "characters", _MORE),
                Reading("edit_distance", "proportion", _LESS),
            ),
        ),
        "min_k_prob": Metric(
            likelihoods.min_k,
            PASSES["answers"],
            (
                Reading("min_k_prob", "0-100", _MORE),
                Reading("min_k_plus_plus", "standard deviations", _MORE),
                Reading("max_renyi", "nats", _LESS),
                Reading("reference_ratio", "nats a token", _MORE),
                Reading("inverse_perplexity", "0-100", _MORE),
                Reading("logprob_per_token", "nats", _MORE),
            ),
        ),
        "extraction_strength": Metric(
            likelihoods.strength,
            PASSES["answers"],
            (
                Reading("extraction_strength", "proportion", _MORE),
                Reading("token_match", "proportion", _MORE),
            ),
        ),
        "extraction_probability": Metric(
            likelihoods.extraction,
            ("token_logprobs", "num_end_tokens"),
            (
                Reading("extraction_probability", "proportion", _MORE),
                Reading("discoverable", "proportion", _MORE),
                Reading("log10_samples", "log10", _LESS),
            ),
        ),
        "extracted": Metric(
            likelihoods.extracted,
            ("extracted", "num_samples"),
            (Reading("extracted", "proportion", _MORE, chance="chance"),),
        ),
        "residual": Metric(
            likelihoods.residual,
            ("extracted", "extracted_retain_only"),
            (Reading("residual", "proportion", _MORE),),
        ),
        "unlearning_depth": _share("unlearning_depth", _LESS),
        "circuit_left": _share("circuit_left", _MORE),
        "truth_ratio": Metric(
            likelihoods.truth_ratio,
            _FALSE,
            (
                Reading("truth_ratio", "proportion", _LESS),
                Reading("truth_ratio_retain", "proportion", _MORE),
                Reading("truth_probability", "proportion", _MORE, chance="no_difference"),
                Reading("forget_quality", "p-value", "better", "closer to the retain-only model"),
            ),
        ),
        "forget_diagnosis": Metric(
            summaries.diagnosis,
            (*_ANSWER, "truth_rank", "exposure"),
            (
                Reading("still_known", "proportion", _MORE),
                Reading("latent", "proportion", _MORE, chance="chance_first", metric="still_known_unsaid"),
                Reading("refused", "proportion", greater_means="more refusals"),
                Reading("refusals", "proportion", greater_means="more refusals"),
                Reading("collapsed", "proportion", greater_means="more damage"),
                Reading("forgotten", "proportion", _LESS),
                Reading(
                    "normalized_rank_forgotten",
                    "proportion",
                    _LESS,
                    chance="chance_rank_forgotten",
                    n="n_forgotten",
                    metric="rank_of_forgotten",
                ),
            ),
        ),
        "priv_leak": Metric(
            likelihoods.leak,
            PASSES["answers"],
            (
                Reading("auc", "proportion", _LESS, chance="no_difference", metric="priv_leak_auc"),
                Reading("priv_leak", "percent", greater_means="0 is ideal"),
            ),
            splits=(),
        ),
        "total_effect": _effect("total_effect", "clean_logprob"),
        "indirect_effect": _effect("indirect_effect", "restored_logprob"),
        "judge": Metric(summaries.judge, (*_ANSWER, "judge_score"), (Reading("judge_score", "proportion", _MORE),)),
    }
)
"""Name -> metric."""


def check_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """The names, if there is at least one and all are in `METRICS`.

    Raises:
        CrossmemError: One is not, or there is none.
    """
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    others = [name for name in names if name not in METRICS]
    if others:
        raise unknown("metric", others, [name for name in METRICS if is_selectable(name) or name == "judge"])
    if not names:
        raise CrossmemError("There is no metric; expected at least one.", f"Choose from {', '.join(METRICS)}.")
    return names


def is_selectable(name: str) -> bool:
    """Whether the passes over rows give all that a metric reads; what others read, an attack or a judge gives."""
    return set(METRICS[name].needs) <= {column for columns in PASSES.values() for column in columns}


def check_selected(metrics: Sequence[str]) -> tuple[str, ...]:
    """The names, if all are of metrics that asking rows is enough for.

    Raises:
        CrossmemError: As `check_metrics`, or one reads what only an attack or a judge gives.
    """
    names = check_metrics(metrics)
    for name in names:
        if not is_selectable(name):
            raise CrossmemError(
                f"{name} reads {', '.join(METRICS[name].needs)} of predictions, which asking alone does not give.",
                f"Leave it out here, and measure {name} of what does: attacks of `analysis.attacks`, or "
                "`analysis.causal_tracing`; for judge, 'crossmem score --judge-model'.",
            )
    return names


def passes_for(metrics: Sequence[str]) -> tuple[Pass, ...]:
    """The passes over rows that some metrics are made from.

    Example:
        >>> passes_for(["exposure", "recall"])
        ('generation', 'candidates')
    """
    needs = {column for name in metrics for column in METRICS[name].needs}
    return tuple(name for name, columns in PASSES.items() if needs & set(columns))


def computed(name: str, items: Sequence[Item], against: Against, place: str) -> Found:
    """A metric's summary of predictions, and its columns.

    Args:
        place: Which predictions they are, in words, for errors.

    Raises:
        CrossmemError: The metric refuses them; metric and place are named.
    """
    try:
        return METRICS[name].found(items, against)
    except KeyError as error:
        raise CrossmemError(
            f"{name} could not be computed ({place}): the predictions have no column {error}.",
            f"Evaluate with {name!r} among the metrics.",
        ) from error
    except ValueError as error:
        raise CrossmemError(
            f"{name} could not be computed ({place}): {error}", "Leave it out of the metrics, or see its card."
        ) from error


def measurements_of(
    name: str,
    summary: Mapping[str, float],
    where: Mapping[str, Value],
    by_seed: Mapping[int, Mapping[str, float]] = MappingProxyType({}),
) -> Iterator[Measurement]:
    """The measurements of a metric's summary.

    Args:
        by_seed: The same summary of each seed, where seeds are pooled.
    """
    for reading in METRICS[name].readings:
        if reading.name in summary:
            low, high = (summary.get(f"{reading.name}_ci_{end}") for end in ("low", "high"))
            yield Measurement(
                metric=reading.metric or reading.name,
                where=dict(where),
                value=summary[reading.name],
                ci=None if low is None or high is None else (low, high),
                n=int(summary[reading.n]),
                chance=summary.get(reading.chance),
                unit=reading.unit,
                greater_is_better=reading.greater_is_better(where),
                greater_means=reading.greater_means or reading.sense,
                by_seed={seed: own[reading.name] for seed, own in by_seed.items() if reading.name in own},
            )


def columns_of(metrics: Sequence[str], items: Sequence[Item], against: Against) -> dict[str, list[Any]]:
    """Columns with a value a prediction, such as ``min_k`` or ``outcome``, of all metrics that have some.

    Raises:
        CrossmemError: A metric refuses the predictions.
    """
    found: dict[str, list[Any]] = {}
    for name in metrics:
        found |= computed(name, items, against, "all")[1]
    return {name.removeprefix("item_"): values for name, values in found.items()}
