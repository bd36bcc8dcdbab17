from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from oddframe.report.html import ReportVideo, write_report
from oddframe.report.thumbnails import grab_thumbnails
from oddframe.scoring.calibrate import Calibration
from oddframe.types import Event, FrameScores, VideoInfo

if TYPE_CHECKING:
    from tests.report.conftest import Scene

VOID = {"meta", "img", "br"}


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


def test_needs_no_other_file_but_the_overlay(page: Page) -> None:
    assert all(value.startswith("data:image/jpeg;base64,") for value in page.values("src"))
    links = [value for value in page.values("href") if not value.startswith("#")]
    assert set(links) == {"overlays/gate%201.mp4"}
    assert not page.tags & {"script", "link", "iframe"}


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    inner = {value[1:] for value in page.values("href") if value.startswith("#")}
    assert len(inner) == 2  # the video and its event
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
        value
        for tag, name, value in page.attributes
        if (tag, name) == ("path", "d") and value.count("L") > 100 and not value.endswith("Z")
    ]
    heights = [float(point.split()[1]) for point in curve[1:].split("L")]
    (peak,) = [float(value) for tag, name, value in page.attributes if (tag, name) == ("circle", "cy")]
    assert min(heights) == peak
    assert sorted(heights)[1] > peak + 100
    assert "1:06:40" in page.text


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
    assert "unusual" not in plain.text


def test_a_page_without_videos_is_still_a_page(calibration: Calibration, tmp_path: Path) -> None:
    assert "No events in no videos" in write(tmp_path / "r.html", [], calibration).text


def test_tells_how_the_threshold_came_about(calibration: Calibration, tmp_path: Path) -> None:
    text = write(tmp_path / "r.html", [], calibration).text
    assert "1.00 was measured on 45.0 minutes of normal video (2 pieces)" in text
    assert "no more than 4 alarms per hour" in text
    assert "raises 3 alarms" in text
    assert "a limit of 1.33 alarms per hour or more" in text
    shares = re.findall(r"(50 %|90 %|99 %|99\.9 %|100 %|threshold) \d", text.partition("Share of frames")[2])
    assert shares == ["50 %", "90 %", "99 %", "99.9 %", "threshold", "100 %"]  # in order of their scores


def test_tells_of_a_quantile_and_of_a_threshold_given_by_hand(calibration: Calibration, tmp_path: Path) -> None:
    quantile = replace(calibration, rate=None, quantile=0.99)
    assert "It is the 0.99 quantile" in write(tmp_path / "q.html", [], quantile).text
    by_hand = replace(calibration, rate=None, note="nothing is promised")
    text = write(tmp_path / "h.html", [], by_hand).text
    assert "was set by hand" in text
    assert "Nothing is promised." in text
    assert "alarms per hour" not in text


def test_an_old_report_is_replaced_whole(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    write(path, [], calibration)
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]
