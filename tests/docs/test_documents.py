# SPDX-License-Identifier: Apache-2.0
"""What the pages say exists: blocks compile, commands and recipes take the options shown, links lead somewhere."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from tests import sources
from tests.docs.blocks import LANGUAGES, REASONS, Block, blocks, commands, documents, pages

MAX_README_LINES = 150
NUMBERS = dict(enumerate(("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")))
NUMBERS |= dict(enumerate(("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"), start=11))


def shell() -> list[Block]:
    return [block for page in documents() for block in blocks(page) if block.language == "bash"]


def test_readme_is_short():
    assert len(sources.text(Path("README.md")).splitlines()) <= MAX_README_LINES


def test_blocks_have_a_language_and_a_reason_not_to_run():
    found = [block for page in pages() for block in blocks(page)]
    assert found
    fences = sum(len(re.findall(r"^```", sources.text(page), flags=re.MULTILINE)) for page in pages())
    assert fences == 2 * sum(1 + (block.shown is not None) for block in found), "a fence is not closed, or indented"
    assert not [block.place for block in found if block.language not in LANGUAGES]
    assert not [block.place for block in found if block.reason and block.reason not in REASONS]
    assert not [block.place for block in found if block.reason and block.language not in ("python", "bash")]


def test_python_compiles():
    for page in documents():
        for block in blocks(page):
            if block.language == "python":
                compile(block.code, block.place, "exec")


def of_our_command(words: list[str]) -> list[str] | None:
    """What follows `crossmem`, or `-m crossmem_hf` under a launcher."""
    if words[0] == "crossmem":
        return words[1:]
    launched = words[0] in ("python", "torchrun", "accelerate") and "crossmem_hf" in words
    return words[words.index("crossmem_hf") + 1 :] if launched else None


def parsed(words: list[str]) -> None:
    """Click and typer look at the words, and nothing is run."""
    from typer.main import get_command

    from crossmem_hf.cli.app import app

    command, name, context = get_command(app), "crossmem", None
    while True:
        if "--help" in words:
            return
        context = command.make_context(name, list(words), parent=context)
        if not hasattr(command, "resolve_command"):
            return
        left = [*context._protected_args, *context.args]
        if not left:
            return
        name, command, words = command.resolve_command(context, list(left))


def test_commands_are_understood():
    found, wrong = 0, []
    for block in shell():
        for words in filter(None, map(of_our_command, commands(block.code))):
            found += 1
            try:
                parsed(words)
            except Exception as error:  # click's and typer's, and what a command's own checks raise
                wrong.append(f"{block.place}: crossmem {' '.join(words)}: {getattr(error, 'message', error)}")
    assert found > 20
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("words", [["score", "--nope"], ["publish", "metric"], ["study", "compare", "--seed", "x"]])
def test_commands_that_do_not_exist_are_noticed(words):
    with pytest.raises(Exception, match=r"No such|valid integer"):
        parsed(words)


def recipe_calls() -> list[tuple[str, Path, list[str]]]:
    """(place, script, its options) of every call of a recipe."""
    found = []
    for block in shell():
        for words in commands(block.code):
            scripts = [at for at, word in enumerate(words) if re.fullmatch(r"(\.\./)*recipes/\w+\.py", word)]
            if words[:2] == ["crossmem", "recipe"] and "--" in words:
                at = words.index("--")
                name = next(word for word in words[2:] if not word.startswith("-"))
                found.append((block.place, Path(f"recipes/{name}.py"), words[at + 1 :]))
            elif scripts:
                found.append((block.place, Path("recipes") / Path(words[scripts[0]]).name, words[scripts[0] + 1 :]))
    return found


class StopError(Exception):
    """Raised in the place of a recipe's work."""


def options_of(script: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The options that a recipe's parser knows."""
    import argparse

    known: set[str] = set()

    def stop(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        known.update(option for action in parser._actions for option in action.option_strings)
        raise StopError

    spec = importlib.util.spec_from_file_location(script.stem, sources.ROOT / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("trl.TrlParser.parse_args_and_config", stop)
    monkeypatch.setattr("argparse.ArgumentParser.parse_args", stop)
    monkeypatch.setattr("sys.argv", [str(script)])
    with pytest.raises(StopError):
        module.main()
    return known | {"--config"}


def test_recipes_have_the_options_that_are_shown(monkeypatch):
    calls, wrong = recipe_calls(), []
    assert {script.stem for _, script, _ in calls} >= {"sft", "unlearn", "unlearn_npo", "unlearn_dpo"}
    known = {script: options_of(script, monkeypatch) for script in {script for _, script, _ in calls}}
    for place, script, words in calls:
        named = {word.split("=")[0] for word in words if word.startswith("--")}
        wrong += [f"{place}: {script} has no {option}" for option in sorted(named - known[script])]
    assert not wrong, wrong


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", sources.text(page), flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} (.+)$", text, flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if not again else f"{slug}-{again}" for slug, last in found.items() for again in range(last + 1)}


def links(page: Path) -> list[tuple[str, str]]:
    """(path, anchor) of the links and pictures of a page that stay in the repository."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", sources.text(page), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in targets) if ":" not in path]


def test_links_and_anchors_lead_somewhere():
    lost = []
    for page in documents():
        for path, anchor in links(page):
            target = (sources.ROOT / page.parent / path).resolve() if path else sources.ROOT / page
            if not target.exists():
                lost.append(f"{page}: {path}")
            elif anchor and anchor not in anchors(target.relative_to(sources.ROOT)):
                lost.append(f"{page}: {path}#{anchor}")
    assert not lost, lost


def linked_from(page: Path) -> set[Path]:
    found = {(sources.ROOT / page.parent / path).resolve() for path, _ in links(page) if path}
    return {path.relative_to(sources.ROOT) for path in found if path.is_relative_to(sources.ROOT)}


def test_no_page_and_no_picture_of_docs_is_an_orphan():
    readme = linked_from(Path("README.md"))
    reached = readme.union(*(linked_from(page) for page in pages()))
    docs = [path for path in sources.files() if path.parts[0] == "docs" and path.suffix != ".py"]
    assert not [str(path) for path in docs if path.suffix in (".md", ".ipynb") and path not in readme]
    assert not [str(path) for path in docs if path not in reached]


def test_counts_are_those_of_the_tables():
    from crossmem_hf.training.methods import METHODS
    from crossmem_hf.training.objectives import FORGET_TERMS, RETAIN_TERMS

    metrics = {path.parts[1] for path in sources.files() if path.parts[0] == "metrics" and len(path.parts) > 2}
    tables = {
        "methods": len(METHODS),
        "forget losses": len(FORGET_TERMS),
        "retain losses": len({*RETAIN_TERMS, "none"}),
        "metric modules": len(metrics),
        "public names": len(sources.literal(Path("crossmem_hf/__init__.py"), "_HOMES")),
    }
    counted = set(NUMBERS.values())
    for page in [*pages(), Path("CONTRIBUTING.md"), Path("recipes/README.md")]:
        for name, number in tables.items():
            words = {word.lower() for word in re.findall(rf"\b(\w+) {name}\b", sources.text(page))}
            wrong = [word for word in words if word.isdigit() or word in counted]
            assert not [word for word in wrong if word not in (NUMBERS[number], str(number))], (page, name, wrong)
    readme = sources.text(Path("README.md")).lower()
    assert all(f"{NUMBERS[tables[name]]} {name}" in readme for name in tables if name != "retain losses")


def record(path: str) -> dict:
    return json.loads(sources.text(Path("results") / path))


def test_speed_in_readme_is_that_of_the_records():
    """Ratios of CPU seconds and of wall seconds, as docs/benchmarks.md has them."""
    (names,) = [
        one
        for one in record("benchmarks/scoring.json")["results"]
        if (one["case"], one["opponent"]) == ("K = 100, one question", "one by one")
    ]
    metrics = record("benchmarks/scoring_metrics.json")["results"][0]
    words = " ".join(sources.text(Path("README.md")).split())
    assert f"{names['ratio']:.0f} times less CPU time and {names['wall_ratio']:.0f} times less wall time" in words
    assert f"{metrics['ratio']:.1f} and {metrics['wall_ratio']:.1f} times less" in words


def test_findings_in_pages_are_those_of_the_records():
    made = sources.script("docs/make_findings.py")
    for page, parts in made.pages().items():
        text = page.read_text(encoding="utf-8")
        for name, block in parts.items():
            assert made.replaced(text, name, block) == text, "run python docs/make_findings.py"


def test_records_are_held_to_the_claims_of_today():
    made = sources.script("docs/make_findings.py")
    assert {"compare", "first_light"} <= set(made.SHIPPED)
    for name in made.SHIPPED:
        assert made.judged_again(name) == made.record(name), "run python docs/make_findings.py"
