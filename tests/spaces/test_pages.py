# SPDX-License-Identifier: Apache-2.0
"""Every metric's Space in a real browser: opens, computes, shows the metric's number, says what is wrong, fits."""

import importlib
import json
from pathlib import Path

import pytest

from crossmem_hf.metrics.drawing import number
from tests import sources
from tests.metrics.conftest import PAGES

pytestmark = pytest.mark.slow

# A table that is on no page, as a visitor would paste it; what compute gets for it; one with a fault, and its words.
CASES = {
    "cross_modal_recall": (
        "persona_id,source,target,prediction,reference\na,image,image,Ada,Ada\na,image,text,Bo,Ada\n",
        {
            "predictions": ["Ada", "Bo"],
            "references": [["Ada"], ["Ada"]],
            "source": ["image"] * 2,
            "target": ["image", "text"],
            "persona_id": ["a", "a"],
        },
        "gap_image",
        ("persona_id,source,target,prediction,reference\na,sound,text,Ada,Ada\n", "Row 1: source 'sound'"),
    ),
    "exposure": (
        '[{"nll": [1.0, 2.0, 3.0], "truth": 1}, {"nll": [1.0, 2.0, 3.0, 0.5], "truth": 3}]',
        {"predictions": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 0.5]], "references": [1, 3]},
        "exposure",
        ('nll,truth\n"1, 2",0\n"1, 2",2\n', "Row 2: truth index 2"),
    ),
    "extraction_strength": (
        'answer,predicted\n"5, 6, 7","9, 6, 7"\n',
        {"predictions": [[9, 6, 7]], "references": [[5, 6, 7]]},
        "extraction_strength",
        ('answer,predicted\n"5, 6","5"\n', "Row 1: 1 predicted tokens"),
    ),
    "forget_diagnosis": (
        "prediction,reference\nIt is Ada,Ada\nBo,Ada\n\n",
        {"predictions": ["It is Ada", "Bo"], "references": [["Ada"], ["Ada"]]},
        "forgotten",
        ("prediction,reference\nAda,!!\n", "Row 1: reference '!!'"),
    ),
    "min_k_prob": (
        'logprobs,member\n"-0.1, -0.2",1\n"-3.0, -0.2",0\n"-0.05, -2.0",0\n',
        {"predictions": [[-0.1, -0.2], [-3.0, -0.2], [-0.05, -2.0]], "references": [1, 0, 0], "k": 0.2},
        "auroc_min_k",
        ('logprobs,member\n"0.7, -0.2",1\n', "Row 1: token log-probability"),
    ),
    "priv_leak": (
        'side,logprobs\nforget,"-0.1, -0.2"\nholdout,"-3.0, -0.2"\nholdout,"-0.05, -0.15"\n',
        {
            "predictions": [[-0.1, -0.2], [-3.0, -0.2], [-0.05, -0.15]],
            "references": [1, 0, 0],
            "auc_retain_only": 0.5,
            "k": 0.4,
        },
        "priv_leak",
        ("side,logprobs\nforget,-0.1\n", "No holdout rows"),
    ),
    "truth_ratio": (
        'true_nll,false_nlls\n1.0,"2.0, 2.4"\n',
        {"predictions": [[2.0, 2.4]], "references": [1.0], "retain_only": [0.8, 1.3, 0.9, 1.1, 1.0, 0.7]},
        "truth_ratio",
        ("true_nll,false_nlls\n-4,2\n", "Row 1: true answer 0 has an NLL of -4.0"),
    ),
}


def direct(root, name, call):
    """The metric as anybody would load it."""
    evaluate = importlib.import_module("evaluate")
    return evaluate.load(str(root / "metrics" / name / f"{name}.py")).compute(**call)


@pytest.fixture(scope="module")
def address(serve, request):
    return serve(f"metrics/{request.param}")


def paste(tab, text):
    """Fill the box as typing would, and press the button."""
    tab.click_text("Paste CSV or JSON", "button")
    tab.find("#cm-paste textarea")
    script = (
        "const e = document.querySelector('#cm-paste textarea');"
        "Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(e, arguments[0]);"
        "e.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    tab.driver.execute_script(script, text)
    tab.click("#cm-fill")


@pytest.mark.parametrize(("address", "name"), [(name, name) for name in PAGES], indirect=["address"], ids=PAGES)
def test_a_metric_can_be_tried(root, address, name, open_tab):
    text, call, headline, (broken, fault) = CASES[name]
    tab = open_tab(address)
    first = tab.text("#cm-value")
    assert first

    paste(tab, text)
    wanted = direct(root, name, call)
    tab.wait("return document.querySelector('#cm-value')?.innerText === arguments[0]", number(wanted[headline]))
    assert tab.text(".cm-headline code") == headline
    low, high = (wanted.get(f"{headline}_{end}") for end in ("ci_low", "ci_high"))
    if low is not None:
        assert f"{number(low)} to {number(high)}" in tab.text(".cm-headline")
    shown = tab.text(".cm-numbers")
    for key, value in wanted.items():
        if not key.endswith(("_ci_low", "_ci_high", "_n")):
            assert f"{key}\n" in shown, key
            assert number(value) in shown, key

    tab.driver.execute_script("document.querySelector('#cm-fill').scrollIntoView()")
    script = (
        "const e = document.querySelector('#cm-paste textarea');"
        "Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(e, arguments[0]);"
        "e.dispatchEvent(new Event('input', {bubbles: true})); document.querySelector('#cm-fill').click()"
    )
    tab.driver.execute_script(script, broken)
    assert fault in tab.wait_for("cannot be scored", "#cm-out [role=alert]")
    assert not tab.text("#cm-value"), "no old number beside an error"

    tab.click("#cm-example input")  # the first example once more: the page has not broken
    tab.driver.execute_script("document.querySelectorAll('#cm-example input')[1].click()")
    tab.wait("return !document.querySelector('#cm-out [role=alert]') && !!document.querySelector('#cm-value')")
    tab.driver.execute_script("document.querySelectorAll('#cm-example input')[0].click()")
    tab.wait("return document.querySelector('#cm-value')?.innerText === arguments[0]", first)

    assert tab.foreign_requests() == set()
    assert tab.severe_errors() == []


@pytest.mark.parametrize(("address", "name"), [(name, name) for name in PAGES], indirect=["address"], ids=PAGES)
def test_a_metric_fits_a_phone(address, name, open_tab):
    tab = open_tab(address, width=390)
    assert tab.text("#cm-value")
    assert tab.overflow() <= 0
    sizes = tab.driver.execute_script(
        "return [...document.querySelectorAll('.cm-figure text')].map(e => e.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 10, "letters in the figures are large enough to read"
    outside = tab.driver.execute_script(
        "return [...document.querySelectorAll('.cm-figure text')].filter(e => {"
        "const b = e.getBoundingClientRect(); return b.right > innerWidth || b.left < 0}).map(e => e.textContent)"
    )
    assert outside == []


@pytest.mark.parametrize("address", ["exposure"], indirect=True)
def test_a_cell_can_be_changed_and_a_file_loaded(root, address, open_tab, tmp_path):
    keys = importlib.import_module("selenium.webdriver.common.keys").Keys
    chains = importlib.import_module("selenium.webdriver.common.action_chains")
    rows = [list(row) for row in sources.literal(Path("metrics/exposure/app.py"), "EXAMPLES")["Memorized"]]
    tab = open_tab(address)
    cell = tab.wait(
        "return [...document.querySelectorAll('#cm-table [role=gridcell]')]"
        ".find(e => e.innerText.includes(arguments[0]))",
        rows[0][0],
    )
    chains.ActionChains(tab.driver).double_click(cell).perform()
    tab.wait("return document.activeElement.tagName === 'TEXTAREA'")
    typing = chains.ActionChains(tab.driver).key_down(keys.CONTROL).send_keys("a").key_up(keys.CONTROL)
    typing.send_keys("9.9, 4.8, 5.1").send_keys(keys.ENTER).perform()
    rows[0][0] = "9.9, 4.8, 5.1"
    call = {
        "predictions": [[float(word) for word in row[0].split(",")] for row in rows],
        "references": [int(row[1]) for row in rows],
        "persona_id": [row[2] for row in rows],
    }
    changed = number(direct(root, "exposure", call)["exposure"])
    tab.wait("return document.querySelector('#cm-value')?.innerText === arguments[0]", changed)
    assert "3 of 3" in tab.text("#cm-out")

    path = tmp_path / "table.json"
    path.write_text(json.dumps([{"nll": [0.1, 2.0], "truth": 1, "persona_id": "ada"}]))
    tab.driver.find_element("css selector", "input[type=file][accept*=json]").send_keys(str(path))
    wanted = direct(root, "exposure", {"predictions": [[0.1, 2.0]], "references": [1], "persona_id": ["ada"]})
    tab.wait("return document.querySelector('#cm-value')?.innerText === arguments[0]", number(wanted["exposure"]))


@pytest.mark.parametrize("address", ["exposure"], indirect=True)
def test_the_keyboard_is_enough(address, open_tab):
    """From the head of the page, the tabulator and the space bar alone choose another example."""
    keys = importlib.import_module("selenium.webdriver.common.keys").Keys
    tab = open_tab(address)
    first = tab.text("#cm-value")
    unchosen = "const e = document.activeElement; return !!e.closest('#cm-example') && !e.checked"
    for _ in range(20):
        tab.driver.switch_to.active_element.send_keys(keys.TAB)
        if tab.driver.execute_script(unchosen):
            break
    assert tab.driver.execute_script(unchosen)
    tab.driver.switch_to.active_element.send_keys(keys.SPACE)
    tab.wait("const v = document.querySelector('#cm-value'); return v && v.innerText !== arguments[0]", first)
