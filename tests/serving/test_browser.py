"""The page, driven in headless Chromium, wide and narrow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.serving.running import Running, model_directory, serving, until
from understudy.serving.keys import add_key

pytest.importorskip("mlserver")
pytest.importorskip("selenium")
CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on the machine"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    root = tmp_path_factory.mktemp("browser")
    key = add_key(root / "keys.json", "ann", "sampler")
    with serving(model_directory(root), root, "--keys", str(root / "keys.json")) as running:
        yield running, key


@pytest.fixture(params=[1280, 400], ids=["wide", "narrow"])
def page(request: Any, server: tuple[Running, str], tmp_path: Path) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"):  # fmt: skip
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": request.param < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(server[0].url + "/")
        until(lambda: "enter a key" in text(driver, "message"))
        find(driver, "#key").send_keys(server[1] + "\t")
        until(lambda: driver.find_elements("css selector", "#margins svg"))
        driver.get_log("browser")  # the refusals before the key
        yield driver
        assert [x for x in driver.get_log("browser") if x["level"] == "SEVERE" and "400" not in x["message"]] == []
        assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        driver.quit()


def find(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def text(driver: Any, name: str) -> str:
    return str(find(driver, f"#{name}").text)


def choose(driver: Any, name: str, value: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(find(driver, f"#{name}")).select_by_value(value)


def test_conditions_rows_margins_and_code(page: Any) -> None:
    assert text(page, "title") == "model" and "PASS" in text(page, "facts")
    choose(page, "add", "age")
    find(page, '[aria-label="age at least"]').send_keys("60")
    choose(page, "add", "region")
    find(page, '.choices input[value="west"]').click()
    find(page, "#rows").clear()
    find(page, "#rows").send_keys("40")
    find(page, "#go").click()
    until(lambda: text(page, "message").startswith("40 rows"))
    head = [x.text for x in page.find_elements("css selector", "#table th")]
    rows = [[x.text for x in r.find_elements("css selector", "td")] for r in page.find_elements("css selector", "#table tbody tr")]
    assert len(rows) == 40 and {r[head.index("region")] for r in rows} == {"west"}
    assert min(int(r[head.index("age")]) for r in rows) >= 60
    assert len(page.find_elements("css selector", "#margins rect.m")) > 20
    wanted = '{"n_rows":40,"where":{"age":{"min":60},"region":"west"}}'
    assert wanted in text(page, "curl") and "$UNDERSTUDY_KEY" in text(page, "curl")
    assert 'client.sample(n_rows=40, where={"age": {"min": 60}, "region": "west"})' in text(page, "python")


def test_a_mistake_is_told_in_the_servers_words(page: Any) -> None:
    choose(page, "add", "age")
    find(page, '[aria-label="age at least"]').send_keys("600")
    find(page, "#go").click()
    until(lambda: "bad" in find(page, "#message").get_attribute("class"))
    assert "age" in text(page, "message")


def test_a_download(page: Any, tmp_path: Path) -> None:
    find(page, "#download").click()
    until(lambda: (tmp_path / "model.csv").exists())
    time.sleep(0.2)
    assert len(pd.read_csv(tmp_path / "model.csv")) == 500
