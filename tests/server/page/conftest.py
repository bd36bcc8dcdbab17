"""A real Chromium, and visits in it to a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import chromium
from page_site import Open, Visit
from told import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is slow: Chromium takes seconds to start, and as much processor time as the server."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; tests that ask for it are skipped where there is none."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens a page of a server; at the end nothing may have been asked of another host, and nothing gone wrong."""
    visits: list[Visit] = []

    def open_page(url: str, hash: str = "", **context: Any) -> Visit:
        options = {"viewport": {"width": 1400, "height": 900}, "reduced_motion": "reduce", **context}
        page = browser.new_context(**options).new_page()
        one = Visit(page, url)
        page.on("request", lambda request: one.asked.append(request.url))
        page.on("console", lambda told: one.complain(told.text) if told.type == "error" else None)
        page.on("response", lambda got: got.status >= 400 and one.complaints.append(f"{got.status} {got.url}"))
        page.on("pageerror", lambda error: one.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (one.complaints.append(dialog.message), dialog.dismiss()))
        visits.append(one)
        page.set_default_timeout(1000 * PATIENCE_S)
        page.goto(f"{url}/{hash}")
        return one

    yield open_page
    for one in visits:
        one.page.context.close()
        one.check()
