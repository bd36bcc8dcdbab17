"""The form for the token in a real browser: its rules on origins and cookies are not those of a test client."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from oddframe.server.access import COOKIE, access_for
from oddframe.server.app import make_app
from oddframe.server.library import open_library
from oddframe.server.serving import Server, listening

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_a_browser_shows_the_token_once(scored: Path, tmp_path: Path) -> None:
    sync = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    (tmp_path / "token").write_text(TOKEN)
    library, _ = open_library(str(scored))
    with listening("127.0.0.1", 0) as one, sync.sync_playwright() as playwright:
        server = Server(make_app(library, access_for("127.0.0.1", (), tmp_path / "token", "ann")))
        thread = threading.Thread(target=server.run, args=([one],), daemon=True)
        thread.start()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        here = f"http://127.0.0.1:{one.getsockname()[1]}"
        page.goto(f"{here}/")
        assert page.url == f"{here}/login"
        page.fill("input[name=token]", "wrong" * 5)
        page.click("button")
        page.wait_for_selector("text=This is not the token.")
        page.fill("input[name=who]", "bob")
        page.fill("input[name=token]", TOKEN)
        page.click("button")
        page.wait_for_url(f"{here}/")
        assert page.evaluate("fetch('/api/session').then(r => r.json()).then(s => s.who)") == "bob"
        assert page.evaluate("document.cookie") == "", "no script sees the cookie"
        marked = page.evaluate(
            """async () => {
                const {csrf} = await (await fetch('/api/session')).json()
                const {events} = await (await fetch('/api/events')).json()
                const body = JSON.stringify({ids: [events[0].id], what: 'normal'})
                const headers = {'X-CSRF-Token': csrf, 'Content-Type': 'application/json'}
                return (await fetch('/api/marks', {method: 'POST', body, headers})).status
            }"""
        )
        assert marked == 200 and COOKIE in {cookie["name"] for cookie in page.context.cookies()}
        browser.close()
        server.should_exit = True
        thread.join(20)
