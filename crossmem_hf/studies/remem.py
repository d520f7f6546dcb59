# SPDX-License-Identifier: Apache-2.0
"""Before forgetting, learn to remember: how much must be asked about a person until a model knows them, and what is
left when it unlearns them. Every claim of ReMem (arXiv 2605.03759), on our own personas and base models.

Their profiles, most of their wordings, the formula of their Exposure and the settings of their methods are not known;
ours are in `prompts` and here, and no number equals theirs. What a cell does is in `remem_cells`, the claims are in
`remem_claims`.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from crossmem_hf.report.record import Record, Value
from crossmem_hf.studies.curves import curve_notes
from crossmem_hf.studies.learning import FACTS
from crossmem_hf.studies.remem_cells import (
    HELD_OUT,
    STARTS,
    TRAINING,
    UNDER_TRAINED,
    composition_of,
    memorizing_steps,
    remem_cell,
)
from crossmem_hf.studies.remem_claims import remem_claims
from crossmem_hf.studies.remem_measures import remem_measurements
from crossmem_hf.studies.remem_settings import (
    COMPOSITIONS,
    HOPS_QUESTIONS,
    MAIN,
    Composition,
    RememSettings,
)
from crossmem_hf.studies.study import Study, Training, Where, not_memorized
from crossmem_hf.training.micro import FACT_LORA


def _grid(settings: RememSettings) -> list[Where]:
    found: list[Where] = []
    if "memorizing" in settings.parts:
        toys: list[dict[str, Value]] = [
            {"part": "memorizing", "base": settings.toy_base, **composition.as_dict(), "budget": budget}
            for composition, budget in _compositions(settings)
        ]
        found += [toy | {"seed": seed} for toy, seed in product(toys, settings.all_seeds)]
    for base, percent in _forgetting(settings):
        part = settings.part_of(base, percent)
        if part not in settings.parts:
            continue
        first = part == "unlearning"
        models = (*STARTS, *settings.methods) if first else ("base", "memorized", *settings.compared)
        found += [
            {"part": part, "base": base, "method": method, "forget": percent, "seed": seed}
            for method, seed in product(models, settings.all_seeds)
        ]
    return found


def _compositions(settings: RememSettings) -> list[tuple[Composition, str]]:
    """Each once, with what its training is limited by."""
    turned = [Composition(questions=count) for count in settings.questions]
    turned += [Composition(questions=HOPS_QUESTIONS, single_hop=int(share)) for share in settings.single_hop]
    found = [(one, "epochs") for one in (*turned, *COMPOSITIONS.values())]
    found += [(one, "steps") for name, one in COMPOSITIONS.items() if name != "remem"]
    return list(dict.fromkeys(found))


def _forgetting(settings: RememSettings) -> list[tuple[str, int]]:
    """Bases and how many of a hundred they forget: the first base each of these, others the last."""
    main, *others = settings.all_bases
    last = settings.forget_percents[-1]
    return [(main, percent) for percent in reversed(settings.forget_percents)] + [(base, last) for base in others]


def _training(settings: RememSettings, where: Where) -> Training:
    """The base, and the under-trained model, train nothing of their own; each step of an unlearning takes a batch to
    forget and one to retain."""
    suited, method, rows = settings.memorizing(str(where["base"])), where.get("method"), FACTS
    size, batches = suited["per_device_train_batch_size"], suited.get("gradient_accumulation_steps", 1)
    steps, composed = settings.memorize_steps, {}
    if method is None:
        composed, steps = composition_of(where).settings(), memorizing_steps(settings, where)[-1]
    else:
        composed = {"forget_fraction": int(where["forget"] or 0) / 100}
    if method in ("base", UNDER_TRAINED):
        steps = 0
    elif method == "retain_only":
        rows = replace(FACTS, split="retain")
    elif method is not None and method not in STARTS:
        chosen = settings.unlearning(str(method))
        rows, batches = replace(FACTS, split="forget"), 2 * batches
        size, steps = chosen["per_device_train_batch_size"], chosen["max_steps"]
    spec = settings.replaced(**composed).spec(int(where["seed"] or 0))
    return Training(rows=rows.of(spec), steps=steps, batch_size=size, batches=batches, lora=FACT_LORA)


def _places_of_memorized(record: Record) -> Iterator[Where]:
    """Where it is measured whether a base from which facts were unlearned had memorized them."""
    place: dict[str, Value] = {"method": "memorized", "asked": TRAINING, "group": "retain", "target": "image"}
    for base in dict.fromkeys(one.where["base"] for one in record.find("recall", **place, hops=None)):
        yield place | {"base": base, "hops": None}


STUDY = Study(
    name="remem",
    title="Before forgetting, learn to remember: how facts are memorized, and what is left when they are unlearned",
    paper="ReMem (arXiv 2605.03759), on our own personas and base models",
    settings=RememSettings,
    grid=_grid,
    cell=remem_cell,
    configs=lambda _: ("qa", "qa_test"),
    measure=remem_measurements,
    claims=remem_claims,
    training=_training,
    headline=(("recall", {"asked": HELD_OUT, "group": "forget", "target": "image", "hops": None, "layers": None}),),
    quick={
        "seeds": 1,
        "bases": (MAIN,),
        "questions": (10, 100),
        "single_hop": ("0", "70"),
        "methods": ("gd", "npo"),
        "forget_percents": (20,),
    },
    config=lambda settings: {
        "unlearning": {name: settings.unlearning(name) for name in settings.methods},
        "lora": FACT_LORA,
    },
    notes=lambda settings, _: (
        "recall is the exact answer (EM). Facts are learned from portraits alone. rouge_l_recall of forgotten rows "
        "stands in the place of the paper's judge.",
        f"asked {TRAINING}: rows that were learned from; {HELD_OUT}: new questions about new views of the personas. "
        "Two views (of compositions, of the retained, with weights brought back) ask for five of the seven facts; "
        "one, where answers are traced, for three.",
        *curve_notes(settings.evaluate_at),
    ),
    uninterpretable=lambda record: not_memorized(record, *_places_of_memorized(record)),
)
