"""The page of all images in a real browser: nothing is fetched, every filter filters, keys and addresses work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from inspection.data.index import ImageIndex
from inspection.reporting.view_page import write_view_page
from tests.browser_page import Browser
from tests.unit.patch_material import box, marked, row, save, surface

pytestmark = pytest.mark.browser

IMAGES = 600
COUNT = "document.querySelector('#count').textContent"
CELLS = "document.querySelectorAll('.cell').length"
LARGE = "document.querySelector('#large').open"
NAME = "document.querySelector('#large h2').textContent"


def rows_of(root: Path) -> list[dict[str, Any]]:
    """Two classes of 300, three splits; every tenth has a box, every twentieth a warning, the last is broken."""
    save(root / "m.png", marked((30, 30, 60, 60)))
    for seed in range(8):
        save(root / f"{seed}.png", surface(seed))
    found = []
    for n in range(IMAGES):
        label = "dent" if n % 2 else "ok"
        path = f"{label}/part {n:04d}.png"
        (root / label).mkdir(exist_ok=True)
        (root / path).hardlink_to(root / f"{n % 8}.png")
        more: dict[str, Any] = {"split": ("train", "val", "test")[n % 3]}
        if n % 10 == 1:
            more["boxes"] = [box("dent", 10, 10, 50, 40)]
        if n % 20 == 3:
            more["warnings"] = ["palette: colours were looked up"]
        if n == 5:
            more["mask_path"] = "m.png"
        found.append(row(path, label, **more))
    (root / "broken.png").write_bytes(b"no")
    return [*found[:-1], row("broken.png", None, quarantine="truncated", detail="ends early")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    index = ImageIndex.from_rows(folder, rows_of(folder))
    faults = {path: ["leak"] for path in index.frame["path"][:12]}
    return write_view_page(index, folder / "view.html", title="Line 3", faults=faults).page


def opened(browser: Browser, page: Path, **more: Any) -> None:
    """A fresh load: an address that differs in its hash alone would not load again."""
    browser.call("Page.navigate", url="about:blank")
    browser.open(page, **more)
    until_true(browser, "document.querySelectorAll('.cell img').length > 0")


def until_true(browser: Browser, expression: str) -> None:
    until = time.monotonic() + 10
    while not browser.value(expression):
        assert time.monotonic() < until, expression
        time.sleep(0.02)


def facet(browser: Browser, name: str) -> None:
    browser.value(
        "[...document.querySelectorAll('.facet button')]"
        f".find(b => b.querySelector('.name').textContent === '{name}').click()"
    )


def typed(browser: Browser, words: str) -> None:
    browser.value(
        f"(w => {{ w.value = '{words}'; w.dispatchEvent(new Event('input')); }})"
        "(document.querySelector('#words'))"
    )


def press(browser: Browser, key: str) -> None:
    codes = {"Escape": 27, "Enter": 13}
    for kind in ("keyDown", "keyUp"):
        more = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **more)


def test_it_opens_without_network_or_complaint(browser: Browser, page: Path) -> None:
    opened(browser, page)
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    assert browser.value(COUNT) == "600 images"


def test_only_what_can_be_seen_is_in_the_page(browser: Browser, page: Path) -> None:
    opened(browser, page)
    assert 20 < browser.value(CELLS) < 120
    browser.value("document.querySelector('#grid').scrollTop = 1e9")
    until_true(
        browser, "[...document.querySelectorAll('.cell')].some(c => c.ariaPosInSet === '600')"
    )
    assert browser.value(CELLS) < 120
    until_true(
        browser,
        "document.querySelector('.void .why')?.textContent === 'no picture: unknown format'",
    )


def test_filters_count_and_combine(browser: Browser, page: Path) -> None:
    opened(browser, page)
    facet(browser, "dent")
    assert browser.value(COUNT) == "299 of 600 images"
    facet(browser, "palette")
    assert browser.value(COUNT) == "30 of 600 images"
    facet(browser, "leak")  # either fault
    assert browser.value(COUNT) == "35 of 600 images"
    typed(browser, "PART 000")
    assert browser.value(COUNT) == "5 of 600 images"
    typed(browser, "no such part")
    assert browser.value("!document.querySelector('#empty').hidden")
    browser.value("document.querySelector('.tools button').click()")
    assert browser.value(COUNT) == "600 images"
    facet(browser, "truncated")
    assert browser.value(COUNT) == "1 of 600 images"


def test_numbers_beside_filters_say_what_a_click_would_show(browser: Browser, page: Path) -> None:
    opened(browser, page)
    facet(browser, "palette")
    numbers = browser.value(
        "Object.fromEntries([...document.querySelectorAll('.facet button')]"
        ".map(b => [b.querySelector('.name').textContent, b.querySelector('.many').textContent]))"
    )
    assert (numbers["dent"], numbers["ok"], numbers["leak"]) == ("30", "0", "12")
    facet(browser, "leak")
    assert browser.value(COUNT) == "41 of 600 images"


def test_the_address_brings_it_all_back(browser: Browser, page: Path) -> None:
    opened(browser, page)
    facet(browser, "dent")
    facet(browser, "val")
    typed(browser, "part 00")
    count = browser.value(COUNT)
    browser.value("document.querySelectorAll('.cell')[2].click()")
    name, link = browser.value(NAME), browser.value("location.href")
    browser.call("Page.navigate", url="about:blank")
    browser.call("Page.navigate", url=link)
    until_true(browser, f"document.querySelector('#large')?.open && {NAME} === '{name}'")
    assert browser.value(COUNT) == count
    assert browser.value("document.querySelectorAll('.facet [aria-pressed=true]').length") == 2


def test_keys_walk_open_turn_and_close(browser: Browser, page: Path) -> None:
    opened(browser, page)
    facet(browser, "dent")
    browser.value("document.querySelector('#grid').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft", "Enter"):
        press(browser, key)
    assert browser.value(LARGE)
    assert browser.value(NAME) == "part 0003.png"
    press(browser, "ArrowRight")
    assert browser.value(NAME) == "part 0005.png"
    press(browser, "ArrowLeft")
    press(browser, "Escape")
    assert not browser.value(LARGE)
    assert browser.value("document.activeElement.id") == "grid"
    press(browser, "End")
    shown = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).ariaPosInSet"
    assert browser.value(shown) == "299"


def test_outlines_are_drawn_and_can_be_hidden(browser: Browser, page: Path) -> None:
    opened(browser, page)
    until_true(browser, "document.querySelectorAll('.cell .marks').length >= 2")
    assert browser.value("document.querySelectorAll('.cell polygon.mask').length") == 1
    seen = "getComputedStyle(document.querySelector('.cell .marks')).display"
    assert browser.value(seen) != "none"
    browser.value(
        "[...document.querySelectorAll('.tools button')].find(b => b.textContent === 'Outlines').click()"
    )
    assert browser.value(seen) == "none"
    assert "outlines=off" in browser.value("location.hash")


def test_the_large_view_tells_every_fact(browser: Browser, page: Path) -> None:
    opened(browser, page)
    typed(browser, "0001.png")
    browser.value("document.querySelector('.cell').click()")
    told = browser.value("document.querySelector('#large .told').innerText")
    for fact in ("part 0001.png", "leak", "100 × 80 px", "dent (10, 10) to (50, 40)", "val"):
        assert fact in told
    assert (
        browser.value("document.querySelector('#large img').getBoundingClientRect().height") > 400
    )


@pytest.mark.parametrize("width", [390, 820, 1366, 1920])
def test_no_width_needs_sideways_scrolling(browser: Browser, page: Path, width: int) -> None:
    opened(browser, page, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("document.documentElement.scrollHeight") <= 850
    assert browser.value("document.querySelector('#grid').scrollWidth") <= width


def test_dark_and_light(browser: Browser, page: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    opened(browser, page)
    light = browser.value(ground)
    opened(browser, page, scheme="dark")
    assert browser.value(ground) != light
    browser.value("[...document.querySelectorAll('.tools button')].at(-1).click()")
    assert browser.value(ground) == light


def test_hostile_names_run_nothing(browser: Browser, tmp_path: Path) -> None:
    attack = (
        "\"><img src=x onerror='window.owned=1'></script><script>window.owned=1</script>\u202egnp"
    )
    rows = [row("a.png", attack, boxes=[box(attack, 1, 1, 50, 50)], group=attack, split="train"),
            row(attack, None, quarantine=attack, detail=attack, warnings=[attack])]  # fmt: skip
    save(tmp_path / "a.png", surface(1))
    index = ImageIndex.from_rows(tmp_path, rows)
    report = write_view_page(index, tmp_path / "v.html", title=attack, faults={"a.png": [attack]})
    opened(browser, report.page)
    for button in range(3):
        browser.value(f"document.querySelectorAll('.facet button')[{button}].click()")
    browser.value("document.querySelector('.tools button').click()")
    browser.value("document.querySelector('.cell').click()")
    press(browser, "ArrowRight")
    assert browser.value("typeof window.owned") == "undefined"
    assert browser.value("document.querySelectorAll('img[src=x]').length") == 0
    assert "\\u{202e}" in browser.value("document.querySelector('#large .told').textContent")
    assert browser.complaints == []
    assert len(browser.requests) == 1
