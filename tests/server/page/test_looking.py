"""The event and what is drawn over it: heat map, box, places to ignore; timeline, cameras, learning."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from found import notice
from page_site import Open, Site, Visit, site_of
from page_world import everything
from told import PATIENCE_S

from oddframe.store.reading import EventQuery, StoredEvent
from oddframe.store.sources import CameraState

# The colours that the overlay draws, over all of its pixels: how many are not transparent.
DRAWN = """() => {
  const canvas = document.querySelector(".over");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0;
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) drawn += 1;
  return drawn / (pixels.length / 4);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("looking")
    everything(folder)
    yield from site_of(folder)


def of_video(site: Site, name: str = "film") -> StoredEvent:
    return next(event for event in site.store.every(EventQuery()) if event.video == name)


def open_event(site: Site, visit: Open, event: StoredEvent, **context: Any) -> Visit:
    one = visit(site.url, f"#/event/{event.id}", **context)
    one.page.wait_for_selector(".frame[data-position]")
    one.page.wait_for_selector(".row.open")  # the list stands too, and moves nothing any more
    return one


def wait_for(what: Any, wanted: Any = True) -> None:
    until = time.monotonic() + PATIENCE_S
    while (found := what()) != wanted and time.monotonic() < until:
        time.sleep(0.02)
    assert found == wanted


def test_the_box_is_drawn_in_the_event_and_not_before_it(site: Site, visit: Open) -> None:
    one = open_event(site, visit, of_video(site))
    wait_for(lambda: 0 < one.page.evaluate(DRAWN) < 0.6)
    one.page.locator(".strip").focus()
    one.page.keyboard.press("Home")
    one.page.wait_for_selector('.frame[data-position="0"]')
    assert one.page.evaluate(DRAWN) == 0
    one.page.keyboard.press("e")
    wait_for(lambda: one.page.evaluate(DRAWN) > 0)
    one.page.keyboard.press("b")
    assert one.page.evaluate(DRAWN) == 0


# How opaque the overlay is in the middle of each cell of 4 rows and 6 columns, 0 to 255.
CELLS = """() => {
  const canvas = document.querySelector(".over");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const middle = (place, of, size) => Math.round((place + 0.5) * size / of);
  const opacity = (row, column) =>
    pixels[4 * (middle(row, 4, canvas.height) * canvas.width + middle(column, 6, canvas.width)) + 3];
  return [0, 1, 2, 3].map((row) => [0, 1, 2, 3, 4, 5].map((column) => opacity(row, column)));
}"""


def test_every_frame_has_its_own_heat_map(site: Site, visit: Open) -> None:
    event = of_video(site)
    one = open_event(site, visit, event)
    one.page.keyboard.press("b")
    assert one.page.evaluate(DRAWN) == 0
    one.page.keyboard.press(",")
    wait_for(lambda: one.page.locator(".frame").get_attribute("data-position"), str((event.peak_frame or 0) - 1))
    with one.page.expect_response("**/maps"):
        one.page.keyboard.press("h")
    wait_for(lambda: one.page.evaluate(DRAWN) > 0)
    assert one.page.locator(".frame").get_attribute("data-position") == str((event.peak_frame or 0) - 1)
    cells = one.page.evaluate(CELLS)
    assert [[level > 100 for level in row] for row in cells] == np.eye(4, 6, dtype=bool).tolist()
    assert max(map(max, cells)) <= round(0.62 * 255), "the picture below can be seen everywhere"
    one.page.locator(".strip").focus()
    one.page.keyboard.press("Home")
    one.page.wait_for_selector('.frame[data-position="0"]')
    assert one.page.evaluate(DRAWN) == 0, "nothing is unusual there"
    assert "heat map" not in one.page.locator(".frame").inner_text()
    other = of_video(site, "uneven")
    with one.page.expect_response("**/maps"):
        one.page.evaluate("id => { location.hash = `#/event/${id}` }", other.id)
    wait_for(lambda: one.page.evaluate(DRAWN) > 0)


def test_where_the_peak_alone_has_a_heat_map_the_page_says_so(site: Site, visit: Open) -> None:
    event = of_video(site)
    one = visit(site.url)
    one.page.wait_for_selector(".row.open")
    one.page.route("**/frames", lambda route: route.fulfill(json={**route.fetch().json(), "map_size": None}))
    one.page.goto(f"{site.url}/?again#/event/{event.id}")
    one.page.wait_for_selector(".frame[data-position]")
    assert one.page.get_by_role("button", name="Heat map of the peak").is_visible()
    one.page.keyboard.press("b")
    one.page.keyboard.press(",")
    one.page.keyboard.press(",")
    wait_for(lambda: one.page.locator(".frame").get_attribute("data-position"), str((event.peak_frame or 0) - 2))
    one.page.keyboard.press("h")
    wait_for(lambda: one.page.locator(".frame").get_attribute("data-position"), str(event.peak_frame))
    wait_for(lambda: one.page.evaluate(DRAWN) == 1)
    one.page.keyboard.press(".")
    wait_for(lambda: one.page.evaluate(DRAWN) == 0)
    assert "the heat map is that of the peak alone" in one.page.locator(".frame").inner_text()


def test_a_place_is_drawn_by_keys_kept_and_taken_back(site: Site, visit: Open) -> None:
    event = of_video(site)
    one = open_event(site, visit, event)
    before = site.store.zones()
    one.page.keyboard.press("i")
    one.page.keyboard.press("Escape")
    assert site.store.zones() == before
    one.page.keyboard.press("i")
    one.page.keyboard.press("ArrowRight")
    one.page.keyboard.press("Shift+ArrowUp")
    one.page.keyboard.press("Tab")
    one.page.keyboard.press("ArrowLeft")
    one.page.keyboard.press("Enter")
    wait_for(lambda: len(site.store.zones()), len(before) + 1)
    zone = site.store.zones()[max(site.store.zones())]
    assert zone.bundle == event.bundle and zone.who == "anna"
    box, (width, height) = event.box, (event.width, event.height)
    assert box is not None and width and height
    # Around the box, a hundredth to the right, and five up as far as the picture goes.
    right = (box[2] + 0.15 * (box[2] - box[0])) / width
    assert zone.corners[1][0] == pytest.approx(min(1, min(1, right) + 0.01), abs=1e-3) or right >= 0.99
    top, bottom = zone.corners[0][1], zone.corners[3][1]
    assert 0 <= top < bottom <= 1 and zone.corners[3][0] == pytest.approx(zone.corners[0][0] + 0.01, abs=1e-3)
    one.page.locator(".zones li").wait_for()
    one.page.keyboard.press("z")
    wait_for(lambda: len(site.store.zones()), len(before))
    one.page.locator(".zones li").wait_for(state="detached")


def test_a_place_is_drawn_by_pointer(site: Site, visit: Open) -> None:
    one = open_event(site, visit, of_video(site))
    one.page.get_by_role("button", name="Ignore this place").click()
    handle = one.page.locator(".handle").nth(2)
    area, stage = handle.bounding_box(), one.page.locator(".stage").bounding_box()
    assert area and stage
    mouse = one.page.mouse
    mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    mouse.down()
    mouse.move(stage["x"] + 0.9 * stage["width"], stage["y"] + 0.8 * stage["height"], steps=4)
    mouse.up()
    one.page.get_by_role("button", name="Keep").click()
    wait_for(lambda: len(site.store.zones()), 1)
    (zone,) = site.store.zones().values()
    assert zone.corners[2] == pytest.approx((0.9, 0.8), abs=0.01)
    one.page.get_by_role("button", name="Ignore no longer").click()
    wait_for(lambda: site.store.zones(), {})


def test_why_has_words_numbers_and_what_is_normal(site: Site, visit: Open) -> None:
    event = of_video(site)
    text = open_event(site, visit, event).page.locator(".why").inner_text()
    for name, value in event.why.items():
        assert name in text and f"{value:.1f} σ" in text


def test_the_timeline_leads_to_events(site: Site, visit: Open) -> None:
    one = visit(site.url, "#/timeline")
    select = one.page.locator("#timeline-source")
    select.locator("option").first.wait_for(state="attached")
    one.page.locator(".span").filter(has_text="to").wait_for()  # of the source that is shown first
    film = next(text for text in select.locator("option").all_inner_texts() if text.startswith("film"))
    with one.page.expect_response("**/api/timeline?*"):
        select.select_option(label=film)
    one.until("document.querySelectorAll('.found li').length === 3")
    span = one.page.locator(".span").inner_text()
    canvas = one.page.locator("canvas.timeline")
    canvas.hover()
    one.page.mouse.wheel(0, -600)
    wait_for(lambda: one.page.locator(".span").inner_text() != span)
    one.until("document.querySelectorAll('.found li').length < 3")
    canvas.focus()
    one.page.keyboard.press("0")
    wait_for(lambda: one.page.locator(".span").inner_text(), span)
    one.until("document.querySelectorAll('.found li').length === 3")
    event = of_video(site)
    video = next(one for one in site.store.sources() if one.name == "film")
    area = canvas.bounding_box()
    assert area and video.last_s
    first = video.first_s or 0.0
    x = (event.peak_s - first) / (video.last_s - first) * area["width"]
    one.page.mouse.click(area["x"] + x, area["y"] + area["height"] / 2)
    wait_for(lambda: one.page.evaluate("location.hash"), f"#/event/{event.id}")


def test_two_fingers_zoom_the_timeline_and_one_pulls_it(site: Site, visit: Open) -> None:
    video = next(one for one in site.store.sources() if one.name == "film")
    one = visit(site.url, f"#/timeline?source={video.id}", has_touch=True, viewport={"width": 800, "height": 900})
    one.until("document.querySelectorAll('.found li').length === 3")
    area = one.page.locator("canvas.timeline").bounding_box()
    assert area
    client = one.page.context.new_cdp_session(one.page)

    def fingers(kind: str, *shares: float) -> None:
        y = area["y"] + area["height"] / 2
        points = [{"x": area["x"] + share * area["width"], "y": y, "id": n} for n, share in enumerate(shares)]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def limits() -> tuple[float, float]:
        from_, to = one.page.locator(".span").inner_text().split(" to ")
        seconds = [60 * float(text.split(":")[0]) + float(text.split(":")[1]) for text in (from_, to)]
        return seconds[0], seconds[1]

    def settled(before: tuple[float, float]) -> tuple[float, float]:
        """The limits once they are others than before, and stay for a while."""
        until, last, since = time.monotonic() + PATIENCE_S, limits(), time.monotonic()
        while (last == before or time.monotonic() - since < 0.3) and time.monotonic() < until:
            if (now := limits()) != last:
                last, since = now, time.monotonic()
        return last

    whole = limits()
    fingers("touchStart", 0.4, 0.6)
    for step in (0.05, 0.1, 0.15, 0.2):
        fingers("touchMove", 0.4 - step, 0.6 + step)
    fingers("touchEnd")
    near = settled(whole)
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 3, rel=0.1), "three times as far apart"
    assert sum(near) / 2 == pytest.approx(sum(whole) / 2, abs=0.1 * (whole[1] - whole[0]))
    one.until("document.querySelectorAll('.found li').length < 3")
    fingers("touchStart", 0.6)
    for share in (0.5, 0.4, 0.3):
        fingers("touchMove", share)
    fingers("touchEnd")
    pulled = settled(near)
    assert pulled[1] - pulled[0] == pytest.approx(near[1] - near[0], abs=0.11) and pulled[0] > near[0] + 0.1
    fingers("touchStart", 0.2, 0.8)
    for step in (0.1, 0.2, 0.25):
        fingers("touchMove", 0.2 + step, 0.8 - step)
    fingers("touchEnd")
    wait_for(lambda: limits()[1] - limits()[0] > near[1] - near[0] + 0.5)


def test_what_is_chosen_last_is_what_the_timeline_shows(site: Site, visit: Open) -> None:
    """The days of a camera may arrive after a video has been chosen instead of it."""
    one, held = visit(site.url, "#/timeline"), list[Any]()
    select = one.page.locator("#timeline-source")
    one.page.locator(".span").filter(has_text="to").wait_for()
    named = {text.split(" ")[0]: text for text in select.locator("option").all_inner_texts()}
    one.page.route("**/api/days*", lambda route: held.append(route))
    with one.page.expect_request("**/api/days*"):
        select.select_option(label=next(text for name, text in named.items() if name == "front"))
    with one.page.expect_response("**/api/timeline?*"):
        select.select_option(label=named["film"])
    one.until("document.querySelectorAll('.found li').length === 3")
    with one.page.expect_response("**/api/days*"):
        held[0].continue_()
    time.sleep(0.2)
    assert one.page.locator(".found li").count() == 3 and one.page.locator("#timeline-day").is_hidden()


def test_the_timeline_of_a_camera_has_its_gaps_and_faults(site: Site, visit: Open) -> None:
    one = visit(site.url, "#/timeline?source=camera:front")
    lead = one.page.get_by_text("5 events, 1 gap, 1 fault of the camera.")
    lead.wait_for()
    assert one.page.locator("#timeline-day").is_visible()
    one.page.locator(".found a").first.click()
    one.page.wait_for_selector("#event:not(.empty) h2:not(:empty)")


def test_the_wall_shows_cameras_and_what_is_left(site: Site, visit: Open) -> None:
    one = visit(site.url, "#/cameras")
    card = one.page.locator(".wall > li")
    card.get_by_text("something moves").or_(card.get_by_text("covered")).first.wait_for()
    assert "front" in card.inner_text() and "7 events to review" in card.inner_text()
    card.get_by_text("7 events to review").click()
    one.until("document.querySelectorAll('.rows .row').length === 7")


def test_the_wall_is_told_states_and_last_events_as_they_change(site: Site, visit: Open) -> None:
    now = time.time()
    site.store.tell([notice(50, "closed", "gate")])
    site.store.tell_states([CameraState("gate", None, "running", "", now, now)])
    one = visit(site.url, "#/cameras")
    card = one.page.locator(".wall > li", has_text="gate")
    card.get_by_text("Running").wait_for()
    lead = one.page.locator("#view-cameras > .dim")
    assert lead.inner_text() == "2 cameras, 1 running."
    card.get_by_role("link", name="Something moves").wait_for()
    one.page.locator("#link.stands").wait_for()
    site.looks.wait()
    asked = len(one.asked)
    site.store.tell_states([CameraState("gate", None, "stalled", "no pictures for 12 s", now, time.time())])
    card.get_by_text("No pictures", exact=True).wait_for()
    assert "no pictures for 12 s" in card.inner_text() and lead.inner_text() == "2 cameras, 0 running."
    site.store.tell([notice(51, "closed", "gate", text="something else moves")])
    card.get_by_role("link", name="Something else moves").wait_for()
    assert "2 events to review" in card.inner_text()
    site.store.tell_states([CameraState("gate", None, "running", "", now, now - 3600)])
    card.get_by_text("Not known").wait_for()
    assert len(one.asked) - asked <= 8, "the server tells; the page does not ask in rounds"
    # The other tests of this file count cameras and events.
    with site.store._database.engine.begin() as connection:
        connection.exec_driver_sql("delete from events where camera_id in (select id from cameras where name = 'gate')")
        connection.exec_driver_sql("delete from cameras where name = 'gate'")


def test_learning_says_what_each_step_changed_on_held_out_marks(site: Site, visit: Open) -> None:
    before = {"normal_marks": 6, "alarms_on_them": 6, "abnormal_marks": None, "found_of_them": None}
    step = {"did": "the threshold is found anew", "threshold": 4.5, "marks_learned": 12, "marks_held_out": 6}
    result = {
        "out": "run-2", "id": "ab" * 6, "parent": "cd" * 6, "normal": 18, "abnormal": 2, "threshold": 4.5, "note": "",
        "steps": [{**step, "name": "recalibrate", "before": before, "after": {**before, "alarms_on_them": 2}}],
        "split": "by time: figures come from the later 6 marks alone", "split_utc": None, "gone": ["old.mp4 is gone"],
        "too_few": "too few abnormal marks", "promise": "at most one alarm per hour",
    }  # fmt: skip
    version = {
        "path": "run-2", "id": "ab" * 6, "model": "toy", "recipe": "toy", "parent": "cd" * 6, "normal": 18,
        "abnormal": 2, "made_utc": "2026-12-01T12:00:00Z", "threshold": 4.5, "promise": "", "learned": None,
        "current": False, "in_use": True,
    }  # fmt: skip
    posted: list[str | None] = []

    def with_a_bundle(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(json={**answer.json(), "can_learn": True})

    def learning(route: Any) -> None:
        if route.request.method == "POST":
            posted.append(route.request.headers.get("x-csrf-token"))
            route.fulfill(status=202, json={"running": True})
        else:
            route.fulfill(json={"running": False, "lines": ["memory 3 of 4"], "result": result})

    one = visit(site.url)
    one.page.route("**/api/session", with_a_bundle)
    one.page.route("**/api/learn", learning)
    one.page.route("**/api/bundles", lambda route: route.fulfill(json=[version]))
    one.page.goto(f"{site.url}/?again#/learn")
    section = one.page.locator("#view-learn")
    section.get_by_text("By time: figures come from the later 6 marks alone").wait_for()
    text = section.inner_text()
    for words in ("6 → 2 of 6", "too few marks", "recalibrate", "memory 3 of 4", "old.mp4 is gone", "run-2", "in use"):
        assert words in text
    with one.page.expect_response(lambda answer: answer.request.method == "POST"):
        section.get_by_role("button", name="Learn from the marks").click()
    section.get_by_text("Learning goes on").wait_for()
    assert posted and posted[0]
    assert section.get_by_role("button", name="Learn from the marks").is_disabled()
