# SPDX-License-Identifier: Apache-2.0
"""A Space as a picture for a document, two pixels a point; needs selenium, chromium and chromedriver.

make space NAME=explorer                                # in another terminal
python docs/make_screenshots.py docs/space_explorer.png --tab Personas
make space NAME=cross_modal_recall
python docs/make_screenshots.py docs/space_metric.png
"""

import argparse
import io
import shutil
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

WIDTH, HEIGHT, SCALE, COLORS = 900, 900, 2, 128
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
WAITED_S = 180


def pictured(address: str, tab: str) -> bytes:
    """The page at the address as PNG, once it is drawn; `tab` is clicked first, if any."""
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    service = webdriver.chrome.service.Service(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": SCALE, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(address)
        wait = WebDriverWait(driver, WAITED_S)
        wait.until(lambda page: page.find_elements("css selector", ".cm-head"))
        if tab:
            click = "[...document.querySelectorAll('button[role=tab]')].find(e => e.innerText.includes(arguments[0]))"
            wait.until(lambda page: page.execute_script(f"const e = {click}; if (e) e.click(); return !!e", tab))
        loaded = "return [...document.images].every(e => e.complete && e.naturalWidth)"
        wait.until(lambda page: page.execute_script(loaded))
        time.sleep(3)  # fonts, and what moves on a click
        return driver.get_screenshot_as_png()
    finally:
        driver.quit()


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--address", default="http://127.0.0.1:7860")
    parser.add_argument("--tab", default="")
    chosen = parser.parse_args()
    picture = Image.open(io.BytesIO(pictured(chosen.address, chosen.tab))).convert("RGB")
    picture.quantize(COLORS).save(chosen.file, optimize=True)
    print(chosen.file, picture.size, chosen.file.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
