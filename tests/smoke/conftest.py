"""A real browser for the tests of pages; no run outlives its test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.browser_page import NAMES, Browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = next((found for name in NAMES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    started = Browser(binary, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture
def nothing_left_running() -> Iterator[None]:
    """A test that fails half-way must not leave a training behind."""
    import psutil

    yield
    for child in psutil.Process().children(recursive=True):
        if "pipelines.entry" in " ".join(child.cmdline()):
            child.kill()
