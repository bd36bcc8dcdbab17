"""A real server of the review page, and a visit to it that notes what it asks for and complains about."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from told import PATIENCE_S, Looks

import oddframe
from oddframe.server.access import access_for
from oddframe.server.app import make_app
from oddframe.server.library import open_library
from oddframe.server.serving import Server, listening
from oddframe.store.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass(frozen=True)
class Served:
    """A server that runs: its address without the slash at its end, and its looks at the store."""

    url: str
    looks: Looks


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """A server that shows a folder."""
    library, _ = open_library(str(folder))
    looks = Looks(library.store)
    with listening("127.0.0.1", 0) as one:
        server = Server(make_app(library, access_for("127.0.0.1", (), None, "anna")))
        thread = threading.Thread(target=server.run, args=([one],), daemon=True)
        thread.start()
        until = time.monotonic() + PATIENCE_S
        while not server.started and thread.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        assert server.started
        yield Served(f"http://127.0.0.1:{one.getsockname()[1]}", looks)
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@dataclass(frozen=True)
class Site:
    """A server, and the store that it shows."""

    url: str
    store: Store
    looks: Looks


def site_of(folder: Path) -> Iterator[Site]:
    """The server of a folder that holds a store."""
    with serving(folder) as served, oddframe.open_store(str(folder / "events.db")) as store:
        yield Site(served.url, store, served.looks)


@dataclass
class Visit:
    """A page that is open, and what it did.

    Attributes:
        asked: addresses of its requests.
        complaints: errors on its console, uncaught exceptions, and dialogs that somebody opened.
    """

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        """Note what the console says. Of answers that are errors it does not say the address; they are noted anyway."""
        if not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def until(self, condition: str, arg: Any = None) -> None:
        """Wait until a condition, JavaScript that may be a function of `arg`, holds.

        Playwright's own way evaluates texts in the page, which its policy refuses.
        """
        until = time.monotonic() + PATIENCE_S
        while not self.page.evaluate(condition, arg):
            assert time.monotonic() < until, f"it never came to be that {condition}"
            time.sleep(0.02)

    def until_open(self, id: str) -> None:
        """Wait until an event of the list is open, so that keys mean it."""
        self.until("id => location.hash === `#/event/${id}`", arg=id)
        self.until("id => document.querySelector('.row.open a')?.hash === `#/event/${id}`", arg=id)
        self.page.wait_for_selector("#event:not(.empty) h2:not(:empty)")

    def check(self) -> None:
        """Nothing was asked of another host, and nothing went wrong."""
        assert all(address.startswith(self.url) for address in self.asked), self.asked
        assert not self.complaints


Open = Callable[..., Visit]
"""Opens the page of a server at an address: (url, hash, **context of the browser)."""
