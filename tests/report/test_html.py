from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from oddframe.report.html import write_report
from oddframe.report.moments import MomentKeeper
from oddframe.report.ranking import ReportVideo
from oddframe.report.thumbnails import grab_thumbnails
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.promise import Promise, fits
from oddframe.types import CameraFault, Event, FrameScores, VideoInfo

if TYPE_CHECKING:
    from tests.report.conftest import Scene

VOID = {"meta", "img", "br", "line"}


class Page(HTMLParser):
    """A page taken apart: fails on tags that do not match, collects attributes and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += " ".join(data.split()) + " "

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


def write(path: Path, videos: list[ReportVideo], calibration: Calibration, **card: str) -> Page:
    write_report(path, title="Night <shift>", videos=videos, calibration=calibration, card=card)
    return Page(path)


@pytest.fixture
def page(scene: Scene, calibration: Calibration, tmp_path: Path) -> Page:
    pictures = grab_thumbnails(scene.source, [event.peak_frame for event in scene.events])
    video = ReportVideo(scene.scores, scene.events, pictures, scene.labels, "overlays/gate 1.mp4")
    return write(tmp_path / "report.html", [video], calibration, Detector="sdmae & co")


def test_says_what_was_found(scene: Scene, page: Page) -> None:
    assert "1 event in 1 video" in page.text
    assert "Night <shift>" in page.text
    assert "sdmae & co" in page.text
    assert f"frame {scene.events[0].peak_frame}" in page.text
    assert "labelled anomalous" in page.text


def test_needs_no_other_file_but_the_overlay(scene: Scene, page: Page) -> None:
    assert all(value.startswith("data:image/jpeg;base64,") for value in page.values("src"))
    links = [value for value in page.values("href") if not value.startswith("#")]
    start = scene.events[0].start_s
    assert set(links) == {"overlays/gate%201.mp4", f"overlays/gate%201.mp4#t={max(start - 2, 0):.1f}"}
    assert not page.tags & {"script", "link", "iframe"}


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    inner = {value[1:] for value in page.values("href") if value.startswith("#")}
    assert inner == {"video-1", "video-1-event-1"}
    assert inner <= set(page.values("id"))
    assert len(page.values("id")) == len(set(page.values("id")))


def test_thumbnails_are_inside_with_the_box_of_the_event(scene: Scene, page: Page) -> None:
    data = base64.b64decode(page.values("src")[0].partition(",")[2])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (240, 320, 3)
    left, top, right, bottom = scene.events[0].box
    x, y, width, height = left / 160, top / 120, (right - left) / 160, (bottom - top) / 120
    assert f"left:{x:.2%};top:{y:.2%};width:{width:.2%};height:{height:.2%}" in page.values("style")


def test_pictures_and_drawings_have_words(scene: Scene, page: Page) -> None:
    assert all("event 1" in value for value in page.values("alt"))
    (drawing,) = [v for v in page.values("aria-label") if v.startswith("Score of gate")]
    assert "1 events, 1 stretches labelled anomalous" in drawing
    assert not [tag for tag, name, _ in page.attributes if tag == "svg" and name == "id"]


def test_names_cannot_break_the_page(scene: Scene, calibration: Calibration, tmp_path: Path) -> None:
    name = """<script>alert("1")</script>'&"""
    info = replace(scene.scores.info, codec="<em>", damage=("<s>lost</s>",))
    video = ReportVideo(replace(scene.scores, video=name, info=info), scene.events, overlay=f"{name}.mp4")
    page = write(tmp_path / "r.html", [video], replace(calibration, note="<u>short</u>"), **{"<k>": "<v>"})
    assert name in page.text
    assert not page.tags & {"script", "em", "s", "u", "k", "v"}
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert all(f"&lt;{tag}&gt;" in text for tag in ("script", "em", "s", "u", "k", "v"))


def test_two_hours_make_a_small_page_that_keeps_the_peak(calibration: Calibration, tmp_path: Path) -> None:
    n = 2 * 3600 * 25
    score = np.random.default_rng(0).uniform(0, 0.5, n)
    score[100_000] = 5.0
    info = VideoInfo("long", "long.mp4", 1280, 720, 25.0, n)
    scores = FrameScores("long", np.arange(n), np.arange(n) / 25, {}, score, info)
    events = [Event("long", 100_000, 100_000, 100_000, 4000.0, 4000.0, 4000.0, 5.0)]
    page = write(tmp_path / "r.html", [ReportVideo(scores, events)], calibration)
    assert (tmp_path / "r.html").stat().st_size < 100_000
    (curve,) = [
        value for tag, name, value in page.attributes if (tag, name) == ("path", "d") and value.count("L") > 100
    ]
    heights = [float(point.split()[1]) for point in curve[1:].split("L")]
    (peak,) = [float(value) for tag, name, value in page.attributes if (tag, name) == ("circle", "cy")]
    assert min(heights) == peak
    assert sorted(heights)[1] > peak + 100
    assert "1:06:40" in page.text


@pytest.mark.slow
def test_a_day_with_two_hundred_events_is_a_page_below_three_megabytes(
    calibration: Calibration, tmp_path: Path
) -> None:
    """At 5 frames a second, with pictures that hardly compress, each with a nearest moment of normal life."""
    rng = np.random.default_rng(0)
    n, info = 24 * 3600 * 5, VideoInfo("day", "day.mp4", 1280, 720, 5.0, 24 * 3600 * 5)
    scores = FrameScores("day", np.arange(n), np.arange(n) / 5, {}, rng.uniform(0, 1.2, n), info)
    at = np.sort(rng.choice(n - 20, 200, replace=False))
    events = [
        Event("day", k, k + 5, k + 10, k / 5, k / 5 + 1, k / 5 + 2, 1.1 + k / n, (100, 100, 400, 300), {"error": 4.0})
        for k in at.tolist()
    ]
    keeper = MomentKeeper()
    for number in range(50):
        keeper.see("normal", 2.0 * number, cv2.GaussianBlur(rng.integers(0, 255, (90, 160, 3), np.uint8), (3, 3), 0))
    shot = cv2.GaussianBlur(rng.integers(0, 255, (180, 320, 3), np.uint8), (5, 5), 0)
    video = ReportVideo(
        scores, events, {event.peak_frame: shot for event in events}, overlay="overlays/day.mp4",
        nearest={event.peak_frame: keeper.moments[k % 50] for k, event in enumerate(events)},
    )  # fmt: skip
    page = write(tmp_path / "r.html", [video], calibration)
    assert (tmp_path / "r.html").stat().st_size < 3_000_000
    assert len([value for value in page.values("src") if value.startswith("data:image/jpeg")]) == 200
    assert page.text.count("nearest normal moment") == 200


def test_many_short_recordings_share_the_points_of_their_curves(calibration: Calibration, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    videos = []
    for number in range(288):
        name = f"{number:03}"
        info = VideoInfo(name, name, 640, 360, 5.0, 1500)
        videos.append(
            ReportVideo(
                FrameScores(name, np.arange(1500), np.arange(1500) / 5, {}, rng.uniform(0, 0.5, 1500), info), []
            )
        )
    write(tmp_path / "r.html", videos, calibration)
    assert (tmp_path / "r.html").stat().st_size < 3_000_000


def test_events_are_ranked_and_those_on_hold_come_last(scene: Scene, calibration: Calibration, tmp_path: Path) -> None:
    first = scene.events[0]
    events = [
        replace(first, score=2.0, id="a"),
        replace(first, score=9.0, held="moved", id="b"),
        replace(first, score=3.0, id="c"),
    ]
    page = write(tmp_path / "r.html", [ReportVideo(scene.scores, events)], calibration)
    cards = [value for tag, name, value in page.attributes if (tag, name) == ("li", "id")]
    assert cards == ["video-1-event-3", "video-1-event-1", "video-1-event-2"]
    top = page.text.partition("The 3 events")[0]
    assert top.index("gate, event 3") < top.index("gate, event 1") < top.index("gate, event 2")
    assert "1 event on hold: nobody is told of it" in top


def test_the_top_answers_what_when_where_how_unusual_and_what_next(
    scene: Scene, calibration: Calibration, tmp_path: Path
) -> None:
    reason = "patches, look: looks like an object foreign to this scene, on the left (x 1 to 20, y 3 to 40)"
    event = replace(scene.events[0], reasons=(reason,), box=(110, 80, 150, 118))
    began = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
    video = ReportVideo(scene.scores, [event], began=began)
    agreement = fits(9, 2.0, Promise(1.0, 1.0, 0.5, 10.0, 1, 0.4, 0.95, 0.0, 1.0, "counted"))
    path = tmp_path / "my out" / "r.html"
    write_report(path, title="t", videos=[video], calibration=calibration, card={}, agreement=agreement)
    top = Page(path).text.partition("The event")[0]
    assert "event 1 : looks like an object foreign to this scene, on the left" in top and "patches" not in top
    start = (began + timedelta(seconds=event.start_s)).strftime("2026-03-01 %H:%M:%S UTC")
    assert start in top and "no file says" not in top
    assert "Lower right of the picture" in top
    peak = scene.scores.score.max()
    assert f"reaches {peak:.2f} times the threshold" in top
    assert "highest score is 1.10 times the threshold" in top and "99 % of the frames stay below 0.80" in top
    assert "at most 4 alarms per hour" in top and "9 alarms in 2.0 h where 1 per hour was promised" in top
    assert f"oddframe review '{tmp_path / 'my out'}'" in top and "oddframe calibrate RUN" in top


def test_without_clock_or_box_or_promise_the_top_says_so(
    scene: Scene, calibration: Calibration, tmp_path: Path
) -> None:
    event = replace(scene.events[0], box=None)
    page = write(tmp_path / "r.html", [ReportVideo(scene.scores, [event])], calibration)
    assert "no file says at what time of day it was taken" in page.text
    assert "does not say where in the picture" in page.text
    assert "Came: 1 event in" in page.text


def test_a_clip_stands_beside_its_event_and_is_not_loaded_unasked(
    scene: Scene, calibration: Calibration, tmp_path: Path
) -> None:
    video = ReportVideo(scene.scores, scene.events, clips={scene.events[0].id: "clips/a b.mp4"})
    page = write(tmp_path / "r.html", [video], calibration)
    found = {name: value for tag, name, value in page.attributes if tag == "video"}
    assert (found["src"], found["preload"]) == ("clips/a%20b.mp4", "none")
    assert "autoplay" not in found and found["aria-label"] == "Clip of gate, event 1"


def test_faults_of_the_camera_and_gaps_are_drawn_and_explained(
    scene: Scene, calibration: Calibration, tmp_path: Path
) -> None:
    time = np.arange(100) / 10
    time[50:] += 30
    info = replace(scene.scores.info, frames=100)
    scores = FrameScores("gate", np.arange(100), time, {}, np.full(100, 0.2), info)
    fault = CameraFault("gate", "moved", 10, 20, 1.0, 2.0, 3.0, "the camera was <moved>")
    page = write(tmp_path / "r.html", [ReportVideo(scores, [], faults=[fault])], calibration)
    assert "camera at fault, moved: the camera was <moved>" in page.text
    assert "not watched, 0:05 to 0:35" in page.text
    assert "The camera itself was at fault: moved (1)" in page.text and "Look at the camera" in page.text
    curves = [value for tag, name, value in page.attributes if (tag, name) == ("path", "d") and "L" in value]
    assert len(curves) == 2, "no line is drawn across the time that nobody has watched"
    calm = write(tmp_path / "c.html", [ReportVideo(scene.scores, [])], calibration)
    assert "not watched" not in calm.text and "camera at fault" not in calm.text


def test_calm_videos_say_so(scene: Scene, calibration: Calibration, tmp_path: Path) -> None:
    calm = replace(scene.scores, video="calm", score=scene.scores.score * 0)
    videos = [ReportVideo(calm, []), ReportVideo(scene.scores, scene.events)]
    page = write(tmp_path / "r.html", videos, calibration)
    assert "No event." in page.text
    assert "1 event in 2 videos" in page.text
    assert "1 video without events" in page.text


def test_says_why_in_words_the_most_unusual_first(scene: Scene, calibration: Calibration, tmp_path: Path) -> None:
    event = replace(scene.events[0], why={"error": 3.5, "map_max": 12.25, "class": 1.9})
    words = {"error": "how the frame was rebuilt", "class": "its class"}
    page = write(tmp_path / "r.html", [ReportVideo(scene.scores, [event], words=words)], calibration)
    assert "unusual in map max (12.2 σ); how the frame was rebuilt (3.5 σ)" in page.text
    assert "its class" not in page.text
    plain = write(tmp_path / "r.html", [ReportVideo(scene.scores, [replace(event, why={})])], calibration)
    assert "unusual in" not in plain.text


def test_a_page_without_videos_is_still_a_page(calibration: Calibration, tmp_path: Path) -> None:
    assert "No events in no videos" in write(tmp_path / "r.html", [], calibration).text


def test_tells_how_the_threshold_came_about(calibration: Calibration, tmp_path: Path) -> None:
    text = write(tmp_path / "r.html", [], calibration).text
    assert "1.00 was measured on 45.0 minutes of normal video (2 pieces)" in text
    assert "It promises at most 4 alarms per hour of normal video, as an estimate: 3 alarms came in the 45 min" in text
    assert "a limit of 1.4 alarms per hour or more" in text, "rates are rounded up, here as everywhere"
    shares = re.findall(r"(50 %|90 %|99 %|99\.9 %|100 %|threshold) \d", text.partition("Share of frames")[2])
    assert shares == ["50 %", "90 %", "99 %", "99.9 %", "threshold", "100 %"]  # in order of their scores


def test_tells_of_a_quantile_and_of_a_threshold_given_by_hand(calibration: Calibration, tmp_path: Path) -> None:
    quantile = replace(calibration, rate=None, quantile=0.99)
    assert "It promises the 0.99 quantile" in write(tmp_path / "q.html", [], quantile).text
    by_hand = replace(calibration, rate=None, note="nothing is promised")
    text = write(tmp_path / "h.html", [], by_hand).text
    assert "was set by hand. It promises no rate of alarms." in text
    assert "Nothing is promised." in text
    assert "alarms per hour" not in text


def test_what_speaks_against_the_page_stands_at_its_top(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    doubts = ["another <scene>", "the class head has learned nothing"]
    write_report(path, title="t", videos=[], calibration=calibration, card={"Promise": "x"}, doubts=doubts)
    page = Page(path)
    assert page.text.index("another <scene>") < page.text.index("the class head") < page.text.index("In short")
    assert page.values("class").count("warning") == 2


def test_an_old_report_is_replaced_whole(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    write(path, [], calibration)
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]
