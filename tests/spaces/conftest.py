# SPDX-License-Identifier: Apache-2.0
"""Spaces as visitors meet them: flat folders, run with `python app.py`, opened in a headless Chromium."""

import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
]
PATIENCE_S = 180  # a page opens in two seconds, unless other programs share the cores
EXPLORER_MODULES = (
    "look",
    "drawing",
    "tables",
    "records",
    "personas",
    "comparing",
    "hub_records",
    "personas_tab",
    "results_tab",
    "app",
)


@pytest.fixture(scope="session")
def flat(tmp_path_factory, root):
    """Copies a Space's folder as it is published: links resolved, nothing else around."""

    def copied(source: str) -> Path:
        target = tmp_path_factory.mktemp("flat") / Path(source).name
        shutil.copytree(root / source, target, symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
        return target

    return copied


@pytest.fixture(scope="session")
def explorer(flat):
    """The modules of the explorer, imported from a copy of its folder as its app imports them."""
    folder = flat("spaces/explorer")
    hidden = {name: sys.modules.pop(name) for name in EXPLORER_MODULES if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        modules = {name: importlib.import_module(name) for name in EXPLORER_MODULES}
    finally:
        sys.path.remove(str(folder))
        for name in EXPLORER_MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)
    return type("Explorer", (), modules)


@pytest.fixture(scope="session")
def materialized(tmp_path_factory):
    """A folder with the data set of six people."""
    from crossmem_hf.data.spec import DatasetSpec
    from crossmem_hf.publishing.materialize import materialize

    folder = tmp_path_factory.mktemp("data")
    materialize(folder, DatasetSpec(num_personas=6, num_views=2, forget_fraction=0.34, image_size=48))
    return folder


@pytest.fixture(scope="module")
def serve(flat):
    """Runs `python app.py ...` in a copy of a Space, in place of the one before; the address once it answers."""
    pytest.importorskip("gradio", reason="gradio is an extra: pip install -e .[spaces]")
    running = []

    def stop() -> None:
        for process, log in running:
            process.terminate()
            process.wait(20)
            log.close()
        running.clear()

    def started(source: str, *arguments: str) -> str:
        stop()
        folder = flat(source)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        env = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
        env.pop("PYTHONPATH", None)  # a Space has only its own folder
        log = (folder / "log.txt").open("w")
        process = subprocess.Popen(
            [sys.executable, "app.py", *arguments], cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT
        )
        running.append((process, log))
        address = f"http://127.0.0.1:{port}/"
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and process.poll() is None:
            try:
                with urllib.request.urlopen(address, timeout=5):
                    return address
            except OSError:
                time.sleep(0.3)
        raise AssertionError((folder / "log.txt").read_text())

    yield started
    stop()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium with an empty profile that logs what it requests."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="the browser tests need selenium: pip install selenium"
    )
    if not (CHROMIUM and DRIVER):
        pytest.skip("the browser tests need chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service(DRIVER))
    driver.set_page_load_timeout(PATIENCE_S)
    yield driver
    driver.quit()


class Tab:
    """What a test does in the browser, in words of the page.

    Args:
        driver: The browser.
        width: Of the window in pixels; below 500 it behaves like a phone.
    """

    def __init__(self, driver, address: str, width: int = 1280) -> None:
        self.driver = driver
        self.resize(width)
        for kind in ("performance", "browser"):
            driver.get_log(kind)  # forget what came before
        driver.get(address)
        self.wait("return !!document.querySelector('.cm-head') && document.querySelectorAll('table').length > 0")
        self.wait("return !document.body.innerText.includes('Loading...')")

    def resize(self, width: int) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def wait(self, script: str, *arguments):
        """The script's value once it is true."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if value := self.driver.execute_script(script, *arguments):
                return value
            time.sleep(0.2)
        raise AssertionError(f"never true: {script} {arguments}; the page says {self.text()[:2000]}")

    def text(self, selector: str = "body") -> str:
        found = "const e = document.querySelector(arguments[0]); return e ? e.innerText : ''"
        return self.driver.execute_script(found, selector)

    def wait_for(self, text: str, selector: str = "body") -> str:
        script = "const e = document.querySelector(arguments[0]); return e && e.innerText.includes(arguments[1])"
        self.wait(script, selector, text)
        return self.text(selector)

    def click(self, selector: str) -> None:
        self.wait("return !!document.querySelector(arguments[0])", selector)
        self.driver.execute_script("document.querySelector(arguments[0]).click()", selector)

    def click_text(self, text: str, selector: str = "button") -> None:
        find = (
            "const e = [...document.querySelectorAll(arguments[0])]"
            ".find(e => e.innerText.trim().startsWith(arguments[1]));"
            "if (e) e.click(); return !!e"
        )
        self.wait(find, selector, text)

    def find(self, selector: str):
        self.wait("return !!document.querySelector(arguments[0])", selector)
        return self.driver.find_element("css selector", selector)

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.driver.execute_script("return document.documentElement.scrollWidth - innerWidth")

    def foreign_requests(self) -> set[str]:
        """Addresses on other hosts that the page asked for."""
        found = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if address.startswith(("http", "ws")) and not address.split("/")[2].startswith("127.0.0.1"):
                    found.add(address)
        return found

    def severe_errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def open_tab(browser):
    return lambda address, width=1280: Tab(browser, address, width)
