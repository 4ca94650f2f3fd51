"""A real browser: playwright's own chromium or the system's. Without one these tests are skipped, and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ADVICE = "THE PAGES ARE NOT TESTED: {}. `make test-browser` installs what is missing."

Open = Callable[..., Any]


def _missing(why: str) -> None:
    if os.environ.get("SQLFT_BROWSER") == "required":
        pytest.fail(why)
    pytest.skip(ADVICE.format(why))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One for each file: as long as it is there, playwright has an event loop running that other tests would meet."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        path = str(own) if own.exists() else next(filter(None, map(shutil.which, NAMES)), None)
        if path is None:
            _missing("there is no chromium")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Open:
    """Opens a file as a reader would, offline, and fails where the page complains or asks for anything else."""

    @contextmanager
    def open_page(path: Path, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Any]:
        context = chromium.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        yield page
        context.close()
        assert complaints == [f"request: {path.as_uri()}"]

    return open_page
