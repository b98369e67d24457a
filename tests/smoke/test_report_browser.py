"""The report in a real browser: nothing is fetched, nothing complains, everything shows, the buttons work."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspection.reporting.monitor_report import MonitorReport, write_monitor_report
from inspection.reporting.report import render_report, write_report
from tests.unit.reporting_material import NOW, drift, full_run, small_run

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium listens on descriptor 3 and answers on 4.
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
SECONDS = 30.0


class Browser:
    """One page of a headless Chromium, spoken to over the DevTools pipe: no port, no extra package."""

    def __init__(self, binary: str, profile: Path) -> None:
        to_read, self._to = os.pipe()
        self._from, from_write = os.pipe()
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_read, from_write)]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", LAUNCH, *map(str, theirs), binary, *FLAGS),
                *(f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (to_read, from_write, *theirs):
            os.close(fd)
        os.set_blocking(self._from, False)
        self._buffer = b""
        self._sent = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._sent += 1
        message: dict[str, Any] = {"id": self._sent, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._sent:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            assert time.monotonic() < until, "Chromium does not answer"
            assert self.process.poll() is None, "Chromium has ended"
            try:
                self._buffer += os.read(self._from, 1 << 16)
            except BlockingIOError:
                time.sleep(0.01)
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def open(self, path: Path, *, width: int = 1366, scheme: str = "light") -> None:
        """Load a file and wait until it and its pictures are there."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=850,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.call("Page.navigate", url=path.as_uri())
        until = time.monotonic() + SECONDS
        loaded = "location.protocol === 'file:' && document.readyState === 'complete'"
        while not self.value(loaded):
            assert time.monotonic() < until, "the page does not finish loading"
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives on the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @property
    def complaints(self) -> list[str]:
        """Everything that the console would show in red or yellow, exceptions included."""
        loud = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(e["params"]) for e in self.events if e["method"] in loud]

    @property
    def requests(self) -> list[str]:
        """Addresses asked for, inlined data left out."""
        asked = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = [str(e["params"]["request"]["url"]) for e in asked]
        return [url for url in urls if not url.startswith("data:")]

    def close(self) -> None:
        self._session = None
        try:
            self.call("Browser.close")
            self.process.wait(SECONDS)
        finally:
            self.process.kill()
            os.close(self._to)
            os.close(self._from)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = next((found for name in NAMES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    started = Browser(binary, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report(full_run(folder / "data", 14), folder / "report.html")


def test_the_report_opens_without_network_or_complaint(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert browser.requests == [report.as_uri()]
    assert browser.complaints == []


def test_every_chapter_and_every_picture_shows(browser: Browser, report: Path) -> None:
    browser.open(report)
    heights = browser.value(
        "Object.fromEntries([...document.querySelectorAll('main > section')]"
        ".map(s => [s.id, s.getBoundingClientRect().height]))"
    )
    assert len(heights) == 13
    assert min(heights.values()) > 60
    pictures = browser.value("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert len(pictures) > 30
    assert all(pictures)
    charts = browser.value(
        "[...document.querySelectorAll('.chart')].map(c => c.getBoundingClientRect().height)"
    )
    assert len(charts) >= 6
    assert min(charts) > 150


@pytest.mark.parametrize("width", [390, 820, 1366, 1920])
def test_no_width_needs_sideways_scrolling(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_dark_and_light_follow_the_system_and_the_button(browser: Browser, report: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(report)
    light = browser.value(ground)
    browser.open(report, scheme="dark")
    dark = browser.value(ground)
    assert light != dark
    browser.value("[...document.querySelectorAll('.tools button')].at(-1).click()")
    assert browser.value(ground) == light


def test_a_picture_opens_large_and_the_keys_turn_pages(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.value("document.querySelector('#mistakes .zoom').click()")
    shown = "document.querySelector('.lightbox .words').textContent"
    first = browser.value(shown)
    assert browser.value("document.querySelector('.lightbox').open")
    assert browser.value("document.querySelector('.lightbox img').height") > 400
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
    assert browser.value(shown) != first
    browser.value("document.querySelector('.lightbox .close').click()")
    assert not browser.value("document.querySelector('.lightbox').open")


def test_filters_and_outlines_hide_and_show(browser: Browser, report: Path) -> None:
    browser.open(report)
    seen = "document.querySelectorAll('#quarantine figure:not([hidden])').length"
    every = browser.value(seen)
    browser.value("document.querySelectorAll('#quarantine .filters button')[1].click()")
    assert 0 < browser.value(seen) < every
    browser.value("document.querySelectorAll('#quarantine .filters button')[0].click()")
    assert browser.value(seen) == every
    outline = "getComputedStyle(document.querySelector('.outline')).display"
    assert browser.value(outline) != "none"
    browser.value("document.querySelector('.tools button').click()")
    assert browser.value(outline) == "none"


def test_one_class_of_the_feature_map_can_be_seen_alone(browser: Browser, report: Path) -> None:
    browser.open(report)
    away = "document.querySelectorAll('#features .dots.away').length"
    assert browser.value(away) == 0
    browser.value("document.querySelector('#features .legend button').click()")
    assert browser.value(away) == 5
    browser.value("document.querySelector('#features .legend button').click()")
    assert browser.value(away) == 0


def test_hostile_names_run_nothing(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    attack = '"><img src=x onerror="window.owned=1"><script>window.owned=1<\\script>'
    run = small_run(tmp_path / "data", lambda name: name + attack)
    browser.open(write_report(run, tmp_path / "report.html"))
    browser.value("document.querySelector('.zoom').click()")
    assert browser.value("typeof window.owned") == "undefined"
    assert browser.complaints == []
    assert len(browser.requests) == 1


def test_the_policy_stops_what_escaping_would_miss(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    document = render_report(small_run(tmp_path / "data"))
    planted = "<script>window.owned=1</script><img src=x onerror=window.owned=1>"
    broken = tmp_path / "broken.html"
    broken.write_text(document.replace("<h1>", planted + "<h1>"), encoding="utf-8")
    browser.open(broken)
    assert browser.value("typeof window.owned") == "undefined"
    assert any("Content Security Policy" in words for words in browser.complaints)


def test_the_monitor_page_opens_without_network_or_complaint(
    browser: Browser, tmp_path: Path
) -> None:
    found = MonitorReport("line 3", NOW, drift(), "ab" * 32, "today", "evidently.html")
    page = write_monitor_report(found, tmp_path / "monitor.html")
    browser.open(page)
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    assert browser.value("document.querySelector('.headline').textContent") == "Drifted"
