# SPDX-License-Identifier: Apache-2.0
"""Which answers a truth is ranked among: a dataset's own lists, a user's, or all that occur. It runs no model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crossmem_hf.data.configs.candidates import UNTAUGHT
from crossmem_hf.data.configs.table import SPLITS, check_config
from crossmem_hf.data.loading import load_rows, published_rows, silent_progress
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.questions import ByAttribute, spelled
from crossmem_hf.evaluation.settings import ScoreSettings

Candidates = Sequence[str] | Mapping[str, Sequence[str]]
"""One list for all rows, or one an attribute."""

_CONFIG = "candidates"


def different(texts: Iterable[Any]) -> tuple[Any, ...]:
    """Each text once, in the first of its Unicode spellings."""
    first: dict[Any, Any] = {}
    for text in texts:
        first.setdefault(spelled(text), text)
    return tuple(first.values())


def answers_by_attribute(rows: Any) -> ByAttribute:
    """Attribute -> all different answers that rows give about it; this is ReMem's protocol (arXiv 2605.03759)."""
    attributes = rows["attribute"] if "attribute" in rows.column_names else [None] * len(rows)
    answers: dict[Any, list[str]] = {}
    for attribute, answer in zip(attributes, rows["answer"], strict=True):
        answers.setdefault(attribute, []).append(answer)
    return {attribute: different(own) for attribute, own in answers.items()}


def given_by_attribute(candidates: Candidates, rows: Any) -> ByAttribute:
    """Attribute -> the candidates that a user gave for it, for the attributes of the rows.

    Raises:
        CrossmemError: An attribute has none, or a candidate is blank, no text, or there twice.
    """
    queried = list(dict.fromkeys(rows["attribute"] if "attribute" in rows.column_names else [None]))
    if not isinstance(candidates, Mapping):
        return dict.fromkeys(queried, _checked(candidates, ""))
    missing = [attribute for attribute in queried if attribute not in candidates]
    if missing:
        raise CrossmemError(
            f"There are no candidates for {missing[0]!r}; there are for {sorted(map(str, candidates))!r}.",
            "Add a list for every attribute of the rows.",
        )
    return {attribute: _checked(candidates[attribute], f" of {attribute!r}") for attribute in queried}


def untaught_by_attribute(untaught: Candidates, taught: ByAttribute) -> ByAttribute:
    """Attribute -> the values that no model was taught, for attributes that have some.

    Raises:
        CrossmemError: A value is blank, no text, there twice, or among those that were taught.
    """
    given = untaught if isinstance(untaught, Mapping) else dict.fromkeys(taught, untaught)
    found = {}
    for attribute, known in taught.items():
        if not given.get(attribute):
            continue
        found[attribute] = _checked(given[attribute], f" of {attribute!r}")
        both = {spelled(text) for text in known} & {spelled(text) for text in found[attribute]}
        if both:
            raise CrossmemError(
                f"{sorted(both)[0]!r} is among the candidates of {attribute!r} and among its untaught values.",
                "Take values out of untaught that any row has as its answer.",
            )
    return found


def _checked(candidates: Sequence[str], of: str) -> tuple[str, ...]:
    own = list(candidates)
    odd = [text for text in own if not isinstance(text, str) or not text.strip()]
    if isinstance(candidates, str) or odd or len(different(own)) != len(own):
        raise CrossmemError(
            f"The candidates{of} are {candidates if isinstance(candidates, str) else own[:5]!r}; expected texts, each "
            "once.",
            "Pass all values that the answer may have, such as the names of all personas.",
        )
    return tuple(own)


def listed_by_attribute(
    settings: ScoreSettings, every: Any, queried: Sequence[Any]
) -> tuple[ByAttribute, ByAttribute, str]:
    """Attribute -> candidates of a score: from the dataset's list, or all different answers of the split; attribute ->
    values that no model was taught, as far as the dataset lists some; and which these are, in words.

    Args:
        every: All rows of the split.
        queried: The attributes asked about.

    Raises:
        CrossmemError: The dataset's list cannot be read.
    """
    listed, untaught = _listed(settings)
    answered = answers_by_attribute(every)
    origins = []
    if listed.keys() & set(queried):
        origins.append(f"the values in config {settings.candidates_from or _CONFIG!r}")
    if set(queried) - listed.keys():
        origins.append("all different answers of the split")
    values = {attribute: different(listed.get(attribute) or answered[attribute]) for attribute in queried}
    others = untaught_by_attribute(untaught, values)
    besides = "; ranked among values that no model was taught where there are some" if others else ""
    return values, others, " or else ".join(origins) + besides


def _listed(settings: ScoreSettings) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What the dataset lists, and of it what no model was taught."""
    config, dataset = settings.candidates_from or _CONFIG, settings.dataset
    if settings.candidates_from is None and config not in _configs(dataset):
        return {}, {}
    found: dict[str, list[str]] = {}
    untaught: dict[str, list[str]] = {}
    for split in _splits(dataset, config):
        if dataset is None:
            rows = load_rows(None, config, split, **settings.knobs())
        else:
            rows = published_rows(dataset, config, split)
        if not {"attribute", "values"} <= set(rows.column_names):
            raise CrossmemError(
                f"Config {config!r} has the columns {', '.join(rows.column_names)}; expected attribute and values.",
                "Name a config that lists the values of each attribute as --candidates-from, or leave it out.",
            )
        values = dict(zip(rows["attribute"], rows["values"], strict=True))
        (untaught if split == UNTAUGHT else found).update(values)
    return found, untaught


def _configs(dataset: str | None) -> Sequence[str]:
    from datasets import get_dataset_config_names

    return tuple(SPLITS) if dataset is None else _names(get_dataset_config_names, dataset)


def _splits(dataset: str | None, config: str) -> Sequence[str]:
    from datasets import get_dataset_split_names

    if dataset is None:
        check_config(config)
    return SPLITS[config] if dataset is None else _names(get_dataset_split_names, dataset, config)


def _names(listing: Callable[..., list[str]], *of: str) -> list[str]:
    try:
        with silent_progress():
            return listing(*of)
    except (OSError, ValueError, RuntimeError) as error:
        raise CrossmemError(
            f"Could not look for candidates in {' / '.join(of)}: {error}.",
            "Check the name given as --candidates-from.",
        ) from error
