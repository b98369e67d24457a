"""The page of all images with 10,000 of them, in headless Chromium: size, first pictures, scrolling, filters.

Needs Chromium. Images are small surfaces in coloured noise with a scratch each and its box: no picture compresses well.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from machine import write_result

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from inspection.data.index import ImageIndex  # noqa: E402
from inspection.reporting.view_page import write_view_page  # noqa: E402
from tests.browser_page import NAMES, Browser  # noqa: E402

IMAGES, SIDE, CLASSES = 10_000, 160, 8
FAULTS = ("leak", "near_copy", "label_doubted")
SHOWN = (
    "[...document.querySelectorAll('.cell img')].filter(i => i.complete && i.naturalWidth).length"
)
SCROLL = """new Promise(done => {
  const grid = document.querySelector('#grid'), gaps = [], long = [];
  const watch = new PerformanceObserver(list => long.push(...list.getEntries().map(e => e.duration)));
  watch.observe({entryTypes: ['longtask']});
  let last = performance.now(), left = 150;
  const step = now => {
    gaps.push(now - last); last = now;
    grid.scrollTop += left > 50 ? 400 : grid.scrollHeight / 50;
    if (grid.scrollTop + grid.clientHeight >= grid.scrollHeight) grid.scrollTop = 0;
    if (left-- > 0) requestAnimationFrame(step);
    else setTimeout(() => { watch.disconnect(); done({gaps: gaps.slice(2), long}); }, 100);
  };
  requestAnimationFrame(step);
})"""
FILTER = """new Promise(done => {
  const words = document.querySelector('#words'), spent = [], painted = [];
  const typed = ['s', 'su', 'sur', 'surf', 'surf 9', 'surf 99', 'surf 999', 'class_3', 'class_3 17', 'nothing', ''];
  const next = k => {
    if (k === typed.length) return done({spent, painted});
    const before = performance.now();
    words.value = typed[k];
    words.dispatchEvent(new Event('input'));
    document.querySelector('#count').getBoundingClientRect();
    spent.push(performance.now() - before);
    requestAnimationFrame(() => setTimeout(() => { painted.push(performance.now() - before); next(k + 1); }));
  };
  next(0);
})"""
CLICK = """(() => { const spent = [];
  for (const button of document.querySelectorAll('.facet button')) for (const again of [0, 1]) {
    const before = performance.now();
    button.click();
    document.querySelector('#grid').getBoundingClientRect();
    spent.push(performance.now() - before);
  }
  return spent; })()"""


def data_set(root: Path) -> ImageIndex:
    """Coloured noise with one bright scratch each; every tenth image has a warning."""
    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for number in range(IMAGES):
        label = f"class_{number % CLASSES}"
        path = root / label / f"surface_{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.normal(120, 24, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
        x, y, length = (int(value) for value in random.integers(10, 60, 3))
        cv2.line(pixels, (x, y), (x + length, y + length // 2), (220, 220, 220), 2)
        cv2.imwrite(str(path), pixels)
        box = {"x0": x, "y0": y, "x1": x + length, "y1": y + length // 2 + 1, "label": label}
        rows.append(
            {
                "path": path.relative_to(root).as_posix(),
                "label": label,
                "image_id": f"{number:064x}",
                "width": SIDE,
                "height": SIDE,
                "format": "jpeg",
                "split": ("train", "train", "val", "test")[number % 4],
                "boxes": [{k: float(v) if k != "label" else v for k, v in box.items()}],
                "warnings": ["wrong_extension: the content is png"] if number % 10 == 0 else [],
            }
        )
    return ImageIndex.from_rows(root, rows)


def awaited(browser: Browser, expression: str) -> Any:
    """What a promise on the page gives."""
    answer = browser.call(
        "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
    )
    assert "exceptionDetails" not in answer, answer
    return answer["result"]["value"]


def opened(browser: Browser, page: Path) -> dict[str, float]:
    """Milliseconds until something is painted, until the first screen has its pictures, until all is read."""
    browser.call("Page.navigate", url="about:blank")
    started = time.perf_counter()
    browser.call("Page.navigate", url=page.as_uri())
    pictures = None
    while browser.value("document.readyState") != "complete" or pictures is None:
        if pictures is None and browser.value(SHOWN) >= 40:
            pictures = time.perf_counter() - started
        time.sleep(0.01)
    complete = time.perf_counter() - started
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
    return {
        "first_paint_ms": round(float(browser.value(paint)), 1),
        "first_pictures_ms": round(pictures * 1000, 1),
        "complete_ms": round(complete * 1000, 1),
    }


def in_browser(page: Path, binary: str, profile: Path) -> dict[str, Any]:
    """Loading three times, then scrolling, typing and clicking once."""
    browser = Browser(binary, profile)
    try:
        browser.open(page)
        loads = [opened(browser, page) for _ in range(3)]
        scrolled = awaited(browser, SCROLL)
        typed = awaited(browser, FILTER)
        clicked = sorted(browser.value(CLICK))
        gaps = sorted(scrolled["gaps"])
        return {
            "load_median": {k: statistics.median(each[k] for each in loads) for k in loads[0]},
            "scroll": {
                "frames": len(gaps),
                "median_frame_ms": round(statistics.median(gaps), 1),
                "p95_frame_ms": round(gaps[int(len(gaps) * 0.95)], 1),
                "longest_frame_ms": round(gaps[-1], 1),
                "longest_task_ms": round(max(scrolled["long"], default=0.0), 1),
                "tasks_over_50_ms": len(scrolled["long"]),
            },
            "typed_filter": {
                "median_ms": round(statistics.median(typed["spent"]), 1),
                "worst_ms": round(max(typed["spent"]), 1),
                "worst_until_painted_ms": round(max(typed["painted"]), 1),
            },
            "clicked_filter": {
                "median_ms": round(statistics.median(clicked), 1),
                "worst_ms": round(clicked[-1], 1),
            },
            "cells_in_page": browser.value("document.querySelectorAll('.cell').length"),
            "heap_mb": round(browser.value("performance.memory.usedJSHeapSize") / 1e6, 1),
            "complaints": browser.complaints,
        }
    finally:
        browser.close()


def main() -> None:
    """One page, one browser, one file."""
    binary = next((found for name in NAMES if (found := shutil.which(name))), None)
    if binary is None:
        raise SystemExit(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        index = data_set(place / "data")
        paths = list(index.frame["path"])
        faults = {path: [FAULTS[i % len(FAULTS)]] for i, path in enumerate(paths) if i % 7 == 0}
        started = time.perf_counter()
        report = write_view_page(index, place / "view.html", title="10,000 images", faults=faults)
        seconds = time.perf_counter() - started
        figures = {
            "images": report.images,
            "page_mb": round(report.bytes / 1e6, 1),
            "written_in_s": round(seconds, 1),
            **in_browser(report.page, binary, place / "profile"),
        }
    assert not figures["complaints"], figures["complaints"]
    write_result("view", figures)


if __name__ == "__main__":
    main()
