# SPDX-License-Identifier: Apache-2.0
"""What the shipped records found, in README.md and docs/studies.md, and their figures. A test holds both to them.

python docs/make_findings.py
"""

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from crossmem_hf.cli.studies import STUDIES
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE, bases
from crossmem_hf.models.loading import model_fingerprint
from crossmem_hf.personas.schema import Modality
from crossmem_hf.report.carried_table import carried_tables
from crossmem_hf.report.crossing_table import arms_table, crossing_table
from crossmem_hf.report.facts_left import facts_left
from crossmem_hf.report.figures import CLAIMS, figures_of
from crossmem_hf.report.hop_table import hop_table
from crossmem_hf.report.inside_tables import BOUNDS, depths, inside_tables
from crossmem_hf.report.method_findings import KNOWS, before, method_findings
from crossmem_hf.report.methods import method_legend, method_tables
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
from crossmem_hf.report.numbers import percent
from crossmem_hf.report.paired_claims import LEGEND, paired_claims, paired_markdown
from crossmem_hf.report.quality_table import quality_table
from crossmem_hf.report.question_tables import composition_table, left_table
from crossmem_hf.report.record import RECORD_FILE, SEEDS_NOTE, Measurement, Record
from crossmem_hf.report.residual_table import alone_table, fate_table, fates, most_told, residual_table
from crossmem_hf.report.tables import Column, Table, pivot, verdict_table
from crossmem_hf.report.text import markdown
from crossmem_hf.report.trust_table import believed, trust_table
from crossmem_hf.storage import write_atomic
from crossmem_hf.studies.meta_evaluation_claims import NAMES as NUMBERS
from crossmem_hf.studies.meta_evaluation_claims import WORDS
from crossmem_hf.studies.remem_cells import STARTS
from crossmem_hf.studies.remem_settings import EPOCHS, TOY
from crossmem_hf.studies.run import judged
from crossmem_hf.studies.seed_means import pooled_seeds
from crossmem_hf.training.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
README, STUDIES_PAGE, MODELS = ROOT / "README.md", ROOT / "docs" / "studies.md", ROOT / "docs" / "models.md"
SHIPPED = sorted(file.parent.name for file in RESULTS.glob(f"*/{RECORD_FILE}"))
FIGURES = {"matrix": "first_light", "curves": "compare", "residual": "residual_knowledge"}
"""Figure in docs/ -> the study whose record it is drawn from."""
_SMALLER = "the gap from one modality to the other is smaller than with nothing besides"
TOLD = (
    *(f"recalled less from the other ({base}, near" for base in ("micro-m", "micro-s", "micro-l")),
    *("recalled less from the other (micro-m, far", "micro-l recalls a larger share from the other than micro-s"),
    *("than after step-02400", "(names)", "5000 untaught names (micro-s)", "along the way is above 0 (micro-s)"),
    *(f"without names, {_SMALLER}", f"between portraits and descriptions {_SMALLER}", "would allow (near"),
    *("from the other where the model first describes whom it names (micro-s)", "recalled if the name is said first"),
)
"""Words of those claims of the studies cross_modal and two_hop that README.md tells."""
ANCHORS = {
    "cross_modal": "what-crosses-from-one-modality-to-the-other-crossmem-study-cross_modal",
    "metric_meta_evaluation": "which-metric-to-believe-crossmem-study-metric_meta_evaluation",
    "representation_geometry": "the-shape-of-what-is-known-crossmem-study-representation_geometry",
    "residual_knowledge": "is-it-gone-or-only-not-said-crossmem-study-residual_knowledge",
    "remem": "before-forgetting-learn-to-remember-crossmem-study-remem",
    "two_hop": "two-links-that-were-learned-apart-crossmem-study-two_hop",
}
"""Study -> its place in docs/studies.md."""

INSIDE = {
    "shapes": ("representation_geometry", "RankMe in states, all else in percent [95 % interval over persona seeds]"),
    "ordered": ("memorization_dynamics", "steps, times, or percent [95 % interval over seeds]"),
    "watermarked": ("watermark_probes", "in percent, cosines in hundredths [95 % interval over persona seeds]"),
}
"""Block -> a study that looks inside, and what its numbers are."""
TRUSTED = "[95 % interval over seeds]; 50 is a coin that tells who learned, of the others 100 had seen all before"
EXACT = "exact answers in percent [95 % interval over persona seeds and their personas]"
REMEMBERED = f"{EXACT}; EM is the exact answer, ROUGE-L and inverse perplexity are in percent, too"
LEFT = f"{EXACT}; read: after chosen steps, or at matched retained recall; Exposure and Min-K% to 100"
UNLEARNED = "remem_unlearning"
"""The record of what the study remem unlearned."""
CARRIED = ("bases", "bases_l")
"""The records of the study bases."""


def main() -> None:
    """Hold the records to the claims, then write the pages and their figures."""
    for name in SHIPPED:
        found = judged_again(name)
        found.write(RESULTS / name / RECORD_FILE)
        if (RESULTS / name / "report.md").exists():
            write_atomic(RESULTS / name / "report.md", markdown(found))
        for figure in figures_of(found) if (RESULTS / name / "figures").exists() else ():
            if figure.name.startswith(CLAIMS):
                write_atomic(RESULTS / name / "figures" / f"{figure.name}.png", figure.encoded("png"))
    for page, blocks in pages().items():
        text = page.read_text(encoding="utf-8")
        for name, block in blocks.items():
            text = replaced(text, name, block)
        write_atomic(page, text)
    for name, study in FIGURES.items():
        (figure,) = [one for one in figures_of(record(study)) if one.name == name]
        write_atomic(ROOT / "docs" / f"{name}.png", figure.encoded("png", dpi=150))


def pages() -> dict[Path, dict[str, str]]:
    """Page -> the text between the marks of each name."""
    first_light, compare = record("first_light"), record("compare")
    crossed, hops, remem, facts = (record(name) for name in ("cross_modal", "two_hop", "remem", UNLEARNED))
    found = findings(first_light, compare, crossed, hops)
    attacked, trusted = record("residual_knowledge"), record("metric_meta_evaluation")
    told = " ".join((found, *told_of(facts, attacked, trusted, record("representation_geometry"))))
    return {
        README: {"matrix": caption(first_light, record("bases")), "findings": told},
        STUDIES_PAGE: {
            "compare": comparison(compare),
            "carried": carried(*map(record, CARRIED)),
            "crossed": what_crosses(crossed),
            "hops": _told(hops, hop_table(hops.measurements, hops.config["bases"][0])),
            "remembered": _told(remem, composition_table(remem.measurements, TOY, EPOCHS[-1]), REMEMBERED),
            "unlearned": _told(facts, left_table(facts.measurements, (*STARTS, *METHODS)), LEFT, name=UNLEARNED),
            "attacked": hidden(attacked),
            "trusted": _told(trusted, trust_table(trusted.measurements), TRUSTED),
            **inside(),
        },
        MODELS: {"bases": base_table(), "others": others(first_light)},
    }


def record(study: str) -> Record:
    """The shipped record of a study."""
    return Record.read(RESULTS / study)


def judged_again(name: str) -> Record:
    """A shipped record whose numbers are held to what its study claims today."""
    found = record(name)
    study = STUDIES.find(found.study)
    settings = study.settings(
        **{key: value for key, value in found.config.items() if key in study.settings.model_fields}
    )
    return found.model_copy(update={"verdicts": judged(study, settings, found.measurements)})


def base_of(found: Record) -> str:
    """The shipped base that a record is of."""
    name = next(one for one in BASES if model_fingerprint(one) == found.fingerprints["model"])
    return f"`{name}`"


def replaced(text: str, name: str, block: str) -> str:
    """The page with other text between `<!-- name:begin -->` and `<!-- name:end -->`."""
    before, begin, rest = text.partition(f"<!-- {name}:begin -->")
    _, end, after = rest.partition(f"<!-- {name}:end -->")
    assert begin, name
    assert end, name
    return f"{before}{begin}\n{block}\n{end}{after}"


def caption(found: Record, alone: Record) -> str:
    """What the figure of the 2x2 shows, and what it would of names that are learned alone."""
    same = {one: _recall(found, one, one) for one in ("image", "text")}
    other = {"image": _recall(found, "image", "text"), "text": _recall(found, "text", "image")}
    return (
        f"*Names learned from portraits are recalled for {percent(same['image'].value)} of new portraits and "
        f"{percent(other['image'].value)} of descriptions; names learned from descriptions, for "
        f"{percent(same['text'].value)} of new descriptions and {percent(other['text'].value)} of portraits. One "
        f"private fact each, learned beside the names: {_facts(found, 'image')}; {_facts(found, 'text')}. Names "
        f"learned without facts cross more often, {_alone(alone, 'image')} and {_alone(alone, 'text')} "
        "([what a base can carry](docs/studies.md#what-a-base-can-carry-crossmem-study-bases)). The "
        f"embedded VLM {base_of(found)}, {found.config['num_personas']} personas, {len(found.seeds)} persona seeds; "
        "[record](results/first_light/record.json), [what the words mean](docs/metrics.md#terms).*"
    )


def _facts(found: Record, source: Modality) -> str:
    """Recall of facts, with the name in the question and without."""
    shares = [
        percent(fmean(_recall(found, source, target, hops=hops).value for hops in (1, 2)))
        for target in (source, other(source))
    ]
    here, there = (MODALITY_NAMES[one] for one in (source, other(source)))
    return f"from {here}, {shares[0]} by new {here} and {shares[1]} by {there}"


def _alone(found: Record, source: Modality) -> str:
    """Recall in the other modality of names that were learned without facts."""
    one = found.one("recall", base=DEFAULT_BASE, learned="names", source=source, target=other(source), views="test")
    assert one is not None
    return percent(one.value)


def _recall(found: Record, source: str, target: str, **where: int) -> Measurement:
    one = found.one("recall", stage="memorized", source=source, target=target, **where)
    assert one is not None
    return one


def findings(first_light: Record, compare: Record, *others: Record) -> str:
    """Claims of the shipped records with their verdicts, and unlearning methods side by side."""
    told = paired_claims(first_light.verdicts)
    every = [row for found in others for row in paired_claims(v for v in found.verdicts if v.effect is not None).rows]
    rows = [row for row in every if any(words in row[0] for words in TOLD)]
    links = " and ".join(f"[{found.study}](docs/studies.md#{ANCHORS[found.study]})" for found in others)
    parts = [
        "Made from the records by `python docs/make_findings.py`. A claim needs five persona seeds and an interval "
        f"beyond its threshold; [what an interval covers](docs/statistics.md). {LEGEND} "
        f"{first_light.config['num_personas']} personas a seed ({others[-1].config['num_personas']} in two_hop), "
        f"{base_of(first_light)} where no base is named; the last {len(rows)} are of the {len(every)} of {links}.",
        replace(told, rows=(*told.rows, *rows)).markdown().rstrip(),
        f"Unlearning, of names by {base_of(compare)}, {len(compare.seeds)} seeds, each method (IdkPO is `dpo`) on a "
        f"budget of {max(compare.config['evaluate_at'])} steps and the same number of trials for its settings, read "
        "where it keeps 90 % of the retained recall ([curves and all "
        "numbers](docs/studies.md#methods-side-by-side-crossmem-compare)):",
        method_findings(compare, _names()).markdown().rstrip("\n"),
        "Exposure is in points of 100, of the forget set. Of the memorized and of the retain-only model: Exposure "
        f"{before(compare, 'exposure', group='forget')}, refused {before(compare, 'refused', group='forget')}, "
        f"known of others {before(compare, *KNOWS)} (visual attributes, names that the base knows, strangers whom "
        "it refuses to name; their mean is the record's `utility`). Bold: the "
        "claim that the difference is above 0 is supported; italics: it is contradicted; else it is open. A method "
        "whose model refuses although the true name still ranks first has masked it, which is "
        "counted as known.",
    ]
    return "\n\n".join(parts)


def _names() -> dict[str, str]:
    """Method -> its name in sentences."""
    return {name: method.name for name, method in METHODS.items()}


def base_table() -> str:
    """What each base that was taught facts can do, on views and wordings that it has not met."""
    every = {name: json.loads((BASES[name] / "quality.json").read_text(encoding="utf-8")) for name in bases()}
    return quality_table(every).markdown().rstrip("\n")


def others(found: Record) -> str:
    """What a base still knows of others after it has learned and unlearned personas."""
    keys = {"stage": "stage", "source": "learned from"}
    columns = (
        Column(head="utility", metrics=("utility",), where={}, with_interval=True),
        Column(head="attributes / names / strangers refused", metrics=KNOWS, where={}),
    )
    table = pivot([one for one in found.measurements if one.metric.startswith("utility")], keys, columns)
    assert table is not None
    return (
        f"Percent [95 % interval], {base_of(found)}, {len(found.seeds)} persona seeds, of "
        "[results/first_light/record.json](../results/first_light/record.json):\n\n" + table.markdown().rstrip("\n")
    )


def carried(*found: Record) -> str:
    """What the bases have learned and say again, of records that share no base; the first is the longest."""
    seeds = " and ".join(
        f"{len(one.seeds)} ({', '.join(f'`{base}`' for base in one.config['bases'])})" for one in found
    )
    links = " and ".join(f"[results/{name}/record.json](../results/{name}/record.json)" for name in CARRIED)
    made = (
        f"Made from {links} by `python docs/make_findings.py`: exact answers in percent [95 % interval over persona "
        f"seeds and their personas], persona seeds: {seeds}; on what was learned from (train), near views (test) and "
        f"far ones. {SEEDS_NOTE}"
    )
    tables = carried_tables(found, bases())
    return "\n\n".join((made, *(f"**{title}**\n\n{table.markdown().rstrip()}" for title, table in tables)))


def what_crosses(found: Record) -> str:
    """The study of what crosses: recall beside what needs no learning, and every claim."""
    words = f"{EXACT}; nearest row: what the nearest training row answers, by raw pixels or words, without a model"
    beside = [f"**Ways to learn ({base}, near views)**" for base in found.config["compared_on"]]
    tables = [arms_table(found.measurements, base) for base in found.config["compared_on"]]
    return _told(found, crossing_table(found.measurements, {"arm": "usual"}), words, *zip(beside, tables, strict=True))


def hidden(found: Record) -> str:
    """The study of attacks: what each leaves of each method, what each tells alone, and every claim."""
    words = "in percent, what an attack gets out beyond what it gets out of the retain-only model [95 % interval]"
    through = [("both", "both"), *((one, MODALITY_NAMES[one]) for one in ("image", "text"))]
    tables = [(f"**Forgotten through {said}**", residual_table(found, name)) for name, said in through]
    alone = ("**What an attack alone tells**", alone_table(found))
    told = _told(found, fate_table(found, _names()), words, *tables, alone)
    return f"![Utility of each method against what the worst attack still gets out of it](residual.png)\n\n{told}"


def inside() -> dict[str, str]:
    """The studies that look inside, as far as they have a record: block -> numbers, and every claim."""
    blocks = {}
    for block, (study, words) in INSIDE.items():
        if study in SHIPPED:
            found = record(study)
            blocks[block] = _told(found, None, words, *inside_tables(list(pooled_seeds(found.measurements, BOUNDS))))
    return blocks


def told_of(facts: Record, attacked: Record, trusted: Record, shapes: Record) -> tuple[str, ...]:
    """After what unlearning left of names: of facts, under attack, in layers, and which number is to be believed."""
    facts_at, attacked_at, trusted_at, shapes_at = (
        f"[{name}](docs/studies.md#{ANCHORS[name]}), {len(found.seeds)} seeds"
        for name, found in (("remem", facts), *((one.study, one) for one in (attacked, trusted, shapes)))
    )
    return (
        f"Of facts in the sizes of ReMem ({facts_at}, ten methods, each after the steps that were chosen for it "
        f"elsewhere) this was found: {facts_left(facts, _names())}.",
        f"Under {len(attacked.config['attacks'])} attacks ({attacked_at}) names forgotten through both modalities, at "
        f"90 % of the retained recall, were (in brackets, points of utility lost) {fates(attacked, _names())}. "
        f"{most_told(attacked)}",
        "The name that a model was pushed away from is the least likely of all, which `avoided` finds. How deep each "
        f"method reached into the layers, which cannot see that ({shapes_at}; 100 is as the retain-only model): "
        f"{depths(shapes.measurements, _names())}.",
        f"Which number to believe rather than the exact answer, and which not ({trusted_at}; each tells perfectly who "
        "learned, and ten steps of relearning teach the retain-only model, too, most of what likelihoods measure): "
        f"{believed(trusted, NUMBERS, WORDS)}.",
    )


def _told(
    found: Record, table: Table | None, words: str = EXACT, *more: tuple[str, Table | None], name: str | None = None
) -> str:
    """Where the record is, its tables, and every claim."""
    tables = [part for title, own in (("", table), *more) if own for part in (title, own.markdown().rstrip()) if part]
    where = f"results/{name or found.study}/record.json"
    seeds = f"{len(found.seeds)} persona seeds"
    made = f"Made from [{where}](../{where}) ({seeds}) by `python docs/make_findings.py`, {words}."
    return "\n\n".join((made, *tables, paired_markdown(found)))


def comparison(found: Record) -> str:
    """The comparison of methods: its claims, its curves, its tables."""
    parts = [
        f"Made from [results/compare/record.json](../results/compare/record.json) ({base_of(found)}, "
        f"{len(found.seeds)} persona seeds) by `python docs/make_findings.py`; it has every number with its interval, "
        "and its report is [results/compare/report.md](../results/compare/report.md).",
        "![Exposure of the forget set and recall of the retain set along the steps of unlearning](curves.png)",
        verdict_table(found.verdicts).markdown().rstrip("\n"),
        *(f"**{title}**\n\n{table.markdown().rstrip()}" for title, table in method_tables(found)),
        *method_legend(found),
        *found.notes,
    ]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
