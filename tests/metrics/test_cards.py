# SPDX-License-Identifier: Apache-2.0
"""Cards and Space folders: the front matter a Space needs, examples that print what they show, no stray imports."""

import ast
import contextlib
import io
import re
import sys

import pytest
import yaml

from crossmem_hf.metrics.cross_modal_recall.recall_math import recall_summary
from crossmem_hf.metrics.exposure.exposure_math import (
    chance_exposure,
    chance_exposure_bits,
    chance_reciprocal_rank,
    exposure_items,
    exposure_summary,
)
from tests.metrics.conftest import NAMES, PAGES

PAGE_FILES = {"app.py", "look.py", "drawing.py", "tables.py"}  # only a page needs gradio and its own neighbors
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<shown>.*?)```", re.DOTALL)


def card(root, name):
    _, front, body = (root / "metrics" / name / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


@pytest.mark.parametrize("name", NAMES)
def test_front_matter_makes_a_space(root, name):
    front, _ = card(root, name)
    assert front["tags"] in (["evaluate", "metric"], ["evaluate", "measurement"])
    assert front["sdk"] == "gradio"
    major = 6 if name in PAGES else 3  # evaluate's widget uses what later ones no longer have
    assert re.fullmatch(rf"{major}\.\d+\.\d+", front["sdk_version"])
    assert (root / "metrics" / name / front["app_file"]).is_file()
    assert front["pinned"] is False
    assert front["title"]


@pytest.mark.parametrize("name", NAMES)
def test_examples_print_what_the_card_shows(evaluate, root, spaces, monkeypatch, name):
    monkeypatch.chdir(spaces)
    examples = list(EXAMPLE.finditer(card(root, name)[1]))
    assert examples
    for example in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example["code"], f"{name}/README.md", "exec"), {})
        assert printed.getvalue() == example["shown"]


def test_chance_levels_of_the_card(root):
    listed = re.search(
        r"chance level .*: ([\d.]+) at K = 2, ([\d.]+) at 10, ([\d.]+) at 20, ([\d.]+) at 50",
        card(root, "exposure")[1],
    )
    assert [float(value) for value in listed.groups()] == [round(chance_exposure(k), 1) for k in (2, 10, 20, 50)]
    levels = {"exposure": (chance_exposure, 1), "exposure_bits": (chance_exposure_bits, 3)}
    for key, (chance, digits) in {**levels, "mrr": (chance_reciprocal_rank, 3)}.items():
        (row,) = re.findall(rf"\n\|[^|]*\| `{key}` \|.*\| ([\d., ]+) \|\n", card(root, "exposure")[1])
        assert [float(value) for value in row.split(",")] == [round(chance(k), digits) for k in (2, 10, 20, 50)]


def test_the_card_claims_no_equality_with_remem(root):
    body = card(root, "exposure")[1]
    assert "2608.30649" in body
    assert "is our reading" not in body
    assert "most probable" not in body


@pytest.mark.parametrize("name", NAMES)
def test_cards_explain_every_argument(root, name):
    module = ast.parse((root / "metrics" / name / f"{name}.py").read_text(encoding="utf-8"))
    compute = next(node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name == "_compute")
    arguments = {argument.arg for argument in (*compute.args.args, *compute.args.kwonlyargs)} - {"self"}
    needed = {"predictions", "persona_seed"} | ({"references"} if name != "extraction_probability" else set())
    assert needed <= arguments or "measurement" in card(root, name)[0]["tags"]
    assert not [argument for argument in sorted(arguments) if f"`{argument}`" not in card(root, name)[1]]


def test_cards_explain_every_result(root):
    items = exposure_items([[1.0, 2.0]], [0])
    for key in exposure_summary(items) | items.as_lists():
        assert f"`{key}`" in card(root, "exposure")[1]
    cells = [(source, target) for source in ("image", "text") for target in ("image", "text")]
    summary = recall_summary(["Ada"] * 4, ["Ada"] * 4, *zip(*cells, strict=True), ["p0"] * 4, num_candidates=2)
    for key in summary:
        stem = re.sub("_(ci_low|ci_high|n)$", "", key)
        assert f"`{stem}`" in card(root, "cross_modal_recall")[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_space_needs_only_what_it_lists(spaces, name):
    """datasets comes with evaluate, gradio with the Space."""
    folder = spaces / "crossmem" / name
    listed = {re.split(r"[<>=!~ ]", line)[0] for line in (folder / "requirements.txt").read_text().splitlines()}
    assert listed <= {"evaluate", "numpy", "scipy"}
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1
                assert (folder / f"{node.module}.py").is_file()
                continue
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for module in names:
                top = module.split(".")[0]
                ours = {sibling.stem for sibling in folder.glob("*.py")}
                allowed = {"datasets", *listed} | (ours | {"gradio"} if path.name in PAGE_FILES else set())
                assert top in sys.stdlib_module_names or top in allowed, f"{path.name} imports {module}"


@pytest.mark.parametrize("name", NAMES)
def test_the_script_names_every_helper_of_its_helpers(root, name):
    """evaluate copies only what the main script imports, so a helper's own helpers must be named there too."""
    folder = root / "metrics" / name

    def siblings(path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return {node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.level}

    direct = siblings(folder / f"{name}.py")
    assert direct
    assert set().union(*(siblings(folder / f"{helper}.py") for helper in direct)) <= direct
