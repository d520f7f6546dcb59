# SPDX-License-Identifier: Apache-2.0
"""The Spaces as folders: shared files are links, a flat copy imports nothing that it lacks, cards make a Space."""

import ast
import re
import sys

import pytest
import yaml

from tests.metrics.conftest import PAGES

SPACES = [*(f"metrics/{name}" for name in PAGES), "spaces/explorer"]
SHARED = ("look.py", "look.css", "drawing.py", "tables.py")
WITH_GRADIO = {"gradio", "huggingface_hub", "PIL", "numpy", "pandas"}  # what a Space has because gradio needs it


@pytest.mark.parametrize("space", SPACES)
def test_shared_files_are_links_to_the_one_copy(root, space):
    """A formatter or an editor that writes through a link leaves a copy, which then goes its own way."""
    for name in SHARED:
        link = root / space / name
        assert link.is_symlink(), f"{link} is a copy; make it a link again"
        assert link.resolve() == root / "metrics" / name


def test_the_explorer_needs_only_what_it_lists(flat):
    folder = flat("spaces/explorer")
    listed = {re.split(r"[<>=!~ ]", line)[0] for line in (folder / "requirements.txt").read_text().split()}
    ours = {path.stem for path in folder.glob("*.py")}
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                if path.name == "look.py" and top == "evaluate":
                    continue  # only a metric's page computes
                assert top in sys.stdlib_module_names or top in listed | ours | WITH_GRADIO, f"{path.name}: {name}"


def test_the_explorers_card_makes_a_space(root):
    _, front, body = (root / "spaces/explorer/README.md").read_text(encoding="utf-8").split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["sdk"] == "gradio"
    metric = (root / "metrics/exposure/README.md").read_text(encoding="utf-8")
    assert f"sdk_version: {card['sdk_version']}\n" in metric, "all Spaces run the same gradio"
    assert (root / "spaces/explorer" / card["app_file"]).is_file()
    assert len(card["short_description"]) <= 60
    assert "python app.py" in body


@pytest.mark.parametrize("name", PAGES)
def test_every_section_of_a_card_is_on_its_page(root, name):
    card = (root / "metrics" / name / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", card, flags=re.MULTILINE)
    sys.path.insert(0, str(root / "metrics"))
    try:
        import look
    finally:
        sys.path.remove(str(root / "metrics"))
    sections = look.card_sections(root / "metrics" / name)
    assert list(sections) == ["Formula, range, direction, chance", *headings]
    assert all(sections.values())
    assert "| formula" in next(iter(sections.values())) or name in ("forget_diagnosis", "priv_leak")
