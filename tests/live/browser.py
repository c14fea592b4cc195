"""A real browser for the live tests: Chromium without a window, driven by Selenium."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

_BROWSERS = ("chromium", "google-chrome", "google-chrome-stable")
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,860"),
]
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
DRAWN = 15.0  # seconds from the load of the page to its first drawing, before it is loaded once more
PATIENCE = 120.0  # seconds: a browser on a busy machine is slow


def _programs() -> tuple[str, str]:
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.fail("Chromium and chromedriver are not both on PATH: tools/setup.sh browser installs them")
    return browser, driver


class Browser:
    """`text` and `click` wait until what they are about is there: the page draws when it has heard from the service."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def until(self, what: Callable[[], Any], why: str, seconds: float = PATIENCE) -> Any:
        end, last = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                if found := what():
                    return found
            except (WebDriverException, IndexError) as error:  # not there yet, or drawn anew just then
                last = str(error).splitlines()[0]
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {why} ({last})\n{self.body()[:3000]}")

    def open(self, url: str) -> None:
        """Where a network of this machine comes or goes just then, Chromium gives up loading: once more then."""

        def loaded() -> bool:
            self.driver.get("about:blank")  # another # alone would be the same page
            self.driver.get(url)
            end = time.monotonic() + DRAWN
            while not (there := self.all(".top")) and time.monotonic() < end:
                time.sleep(0.1)
            return bool(there)

        self.until(loaded, f"{url} is loaded")

    def script(self, text: str, *values: Any) -> Any:
        return self.driver.execute_script(text, *values)

    def body(self) -> str:
        return str(self.script("return document.body.innerText"))

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def shows(self, *words: str) -> None:
        self.until(lambda: all(w in self.body() for w in words), f"the page shows {words}")

    def named(self, css: str, text: str) -> WebElement:
        """The element with this text or accessible name."""
        found: WebElement = self.until(
            lambda: next((e for e in self.all(css) if text in (e.text.strip(), e.accessible_name)), None),
            f"there is {css} with {text!r}",
        )
        return found

    def click(self, css: str, text: str | None = None) -> None:
        """The first one, or the one with this text."""

        def done() -> bool:
            (self.all(css)[0] if text is None else self.named(css, text)).click()
            return True

        self.until(done, f"{css} {text or ''} can be clicked")

    def write(self, css: str, text: str) -> None:
        """In place of what stands there."""

        def done() -> bool:
            element = self.all(css)[0]
            self.script(
                "arguments[0].focus(); arguments[0].value = arguments[1];"
                "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
                element,
                text,
            )
            return True

        self.until(done, f"{css} takes text")

    def media(self, scheme: str) -> None:
        """light or dark."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def size(self, width: int, height: int, phone: bool = False) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone},
        )

    def complaints(self) -> list[str]:
        """What the page's scripts and its policy said on the console since the last call."""
        return [str(e["message"]) for e in self.driver.get_log("browser") if e["source"] not in ("network",)]  # type: ignore[no-untyped-call]


@contextmanager
def own_network() -> Iterator[None]:
    """Within it, this thread and what it starts have a loopback of their own.  Chromium breaks off whatever it loads when an interface
    of its network comes or goes, as containers' do all the time.  Without the right to a network of its own, it has to bear that."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_NEW_NETWORK) != 0:
            yield
            return
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert libc.setns(before, _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(before)


@contextmanager
def browser(*more: str) -> Iterator[Browser]:
    """`more`: further options of Chromium's."""
    path, driver_path = _programs()
    with tempfile.TemporaryDirectory(prefix="aerie-browser-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = path
        for flag in (*_FLAGS, *more, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(driver_path))
        try:
            driver.set_script_timeout(PATIENCE)
            driver.set_page_load_timeout(DRAWN)  # then it is loaded once more
            yield Browser(driver)
        finally:
            driver.quit()
