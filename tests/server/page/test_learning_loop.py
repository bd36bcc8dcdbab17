"""The whole loop in the browser: marks by keys, learning, and a new version that is used and left again."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from page_site import Open, serving
from taught import fitted, record, write_street
from told import PATIENCE_S

import oddframe
from oddframe.store.reading import EventQuery

RARE, ODD = ((4.0, 7.0), (15.0, 18.0)), ((10.0, 12.0),)
VIDEOS = [f"{number:02d}" for number in range(1, 9)]
WITH_ODD = VIDEOS[:3]  # in the earlier two thirds, so that there are figures of normal marks alone
LONGEST_S = 300.0  # for learning, on a busy machine


@pytest.mark.slow
def test_marks_by_keys_become_a_version_that_is_used_and_left_again(tmp_path: Path, visit: Open) -> None:
    run, spans = fitted(tmp_path), dict[str, tuple[tuple[float, float], ...]]()
    for name in VIDEOS:
        odd = ODD if name in WITH_ODD else ()
        write_street(tmp_path / "videos" / f"{name}.mp4", 22, RARE, odd, seed=int(name) + 1)
        spans[name] = (*RARE, *odd)
    record(run, tmp_path / "videos", tmp_path / "scores", spans).close()
    with serving(tmp_path / "scores") as served, oddframe.open_store(tmp_path / "scores") as store:
        one = visit(served.url)
        page = one.page
        left = {event.id: event for event in store.every(EventQuery(kind="anomaly"))}
        assert len(left) == 2 * len(VIDEOS) + len(WITH_ODD)
        while left:
            one.until("ids => ids.includes(location.hash.slice(8))", arg=list(left))
            event = left.pop(page.evaluate("location.hash.slice(8)"))
            one.until_open(event.id)
            is_odd = any(event.start_s <= stop and event.end_s >= start for start, stop in ODD)
            page.keyboard.press("a" if is_odd and event.video in WITH_ODD else "n")
        until = time.monotonic() + PATIENCE_S
        while store.count(EventQuery(mark="none", kind="anomaly")) and time.monotonic() < until:
            time.sleep(0.05)
        assert store.count(EventQuery(mark="normal")) == 2 * len(VIDEOS)
        assert store.count(EventQuery(mark="abnormal")) == len(WITH_ODD)

        held = list[Any]()  # an answer that was asked for before the button is pressed, and arrives after it
        page.route(
            "**/api/learn", lambda route: held.append(route) if route.request.method == "GET" else route.fallback()
        )
        section = page.locator("#view-learn")
        with page.expect_request("**/api/learn"):
            page.evaluate("location.hash = '#/learn'")
        section.get_by_text("made from run and the marks").wait_for()
        start = section.get_by_role("button", name="Learn from the marks")
        start.focus()
        page.keyboard.press("Enter")
        section.get_by_text("Learning goes on").wait_for()
        with page.expect_response("**/api/learn"):
            held[0].fulfill(json={"running": False, "lines": [], "result": None})
        page.unroute("**/api/learn")
        page.wait_for_timeout(300)
        assert start.is_disabled()
        section.get_by_role("heading", name="What each step changed").wait_for(timeout=1000 * LONGEST_S)
        rows = section.locator("table").first.locator("tbody tr").all_inner_texts()
        assert [row.split()[0] for row in rows] == ["recalibrate", "zones", "memory", "classifier"]
        # Which marks are the later ones depends on the order in which the page showed the events.
        figures = re.search(r"6 → (\d) of 6", rows[0])
        assert figures and int(figures[1]) < 6, (
            f"fewer later ones raise an alarm once the earlier ones are known: {rows[0]}"
        )
        assert "16 normal marks went into the memory of monitors, scene" in rows[2] and " of 6" in rows[2]
        assert all("too few marks" in row for row in rows), "no later mark is abnormal"
        assert "No mark is used to learn and to report" in section.inner_text()

        versions = section.locator("table").last
        versions.locator("tbody tr").nth(1).wait_for()
        taught = oddframe.load_run(tmp_path / "run-2").bundle.id
        assert [taught in row for row in versions.locator("tbody tr").all_inner_texts()] == [False, True]
        for name, id in (("run-2", taught), ("run", run.bundle.id)):
            section.get_by_role("button", name=f"Use this version, {id}").click()
            section.get_by_text(f"made from {name} and the marks").wait_for()
            row = versions.locator("tr.chosen", has_text=id)
            row.get_by_text("in use").wait_for()
            assert (tmp_path / "current").resolve() == tmp_path / name
            assert versions.locator("tr.chosen").count() == 1
        one.check()
        page.goto("about:blank")  # before the server ends
