# SPDX-License-Identifier: Apache-2.0
"""A Space's files are those of the metric's folder."""

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.publishing.spaces import metric_names, publish_metrics, publish_space, space_files


def test_every_metric_has_a_space(root):
    folders = sorted(path.name for path in (root / "metrics").iterdir() if (path / "app.py").is_file())
    assert list(metric_names()) == folders
    for name in folders:
        files = space_files(name)
        assert {f"{name}.py", "app.py", "README.md", "requirements.txt", "tests.py"} <= set(files)
        for path, content in files.items():
            assert content == (root / "metrics" / name / path).read_bytes()


def test_in_another_namespace_the_card_names_that_one():
    files = space_files("exposure", "you")
    assert b'evaluate.load("you/exposure")' in files["README.md"]
    assert b'"crossmem/exposure"' not in files["README.md"]
    assert {name: content for name, content in files.items() if name != "README.md"} == {
        name: content for name, content in space_files("exposure").items() if name != "README.md"
    }


def test_an_unknown_metric_is_refused_before_anybody_is_asked():
    with pytest.raises(CrossmemError, match="no metric 'bleu'"):
        publish_metrics(["exposure", "bleu"])


@pytest.mark.parametrize("card", [None, "no front matter\n", "---\nsdk: static\n---\n", "---\nsdk: gradio\n---\n"])
def test_a_folder_that_is_no_space_is_refused_before_anybody_is_asked(card, tmp_path):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    with pytest.raises(CrossmemError, match="is no Gradio Space"):
        publish_space(tmp_path)
