"""The report and the comparison in a real Chromium: nothing from elsewhere, contrast, structure, narrow and printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from chromium import chromium
from page_checks import CONTRAST, NAMELESS, TOO_WIDE

from oddframe.report.compare import ScoredRun, compare_runs, write_comparison
from oddframe.report.html import write_report
from oddframe.report.moments import MomentKeeper
from oddframe.report.ranking import ReportVideo
from oddframe.scoring.calibrate import Calibration
from oddframe.types import CameraFault, Event, FrameScores, VideoInfo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LEVEL_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Texts of the timeline that lie over one another, and those that leave the picture.
TOUCHING = """() => [...document.querySelectorAll("svg.timeline")].flatMap((drawing) => {
  const whole = drawing.closest(".plot").getBoundingClientRect();
  const areas = [...drawing.querySelectorAll("text")].filter((one) => one.checkVisibility())
    .map((one) => [one.getBoundingClientRect(), one.textContent]);
  const out = areas.filter(([area]) => area.left < whole.left - 1 || area.right > whole.right + 12);
  const over = areas.filter(([a], at) => areas.slice(at + 1).some(([b]) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
  return [...out, ...over].map(([, text]) => text);
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; tests that ask for it are skipped where there is none."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report with all that one can hold and a hundred events, one without events, and a comparison."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    time = np.arange(6000) / 10
    time[3000:] += 60
    info = VideoInfo("gate", "gate.mp4", 320, 240, 10.0, 6000, "h264", ("3 frames missing",), notes=("a note",))
    score = np.abs(rng.normal(0.2, 0.1, 6000))
    events = []
    for start in (np.sort(rng.choice(590, 100, replace=False)) * 10).tolist():
        score[start : start + 5] = rng.uniform(1.1, 4.0)
        peak = start + int(np.argmax(score[start : start + 5]))
        events.append(
            Event("gate", start, peak, start + 5, time[start], time[peak], time[start + 5], float(score[peak]),
                  (40, 40, 120, 160), {"error": 6.0}, reasons=("looks like an object foreign to this scene",),
                  held="moved" if start < 200 else "")
        )  # fmt: skip
    scores = FrameScores("gate", np.arange(6000), time, {}, score, info)
    keeper = MomentKeeper()
    keeper.see("normal", 3.0, np.full((90, 160, 3), 120, np.uint8))
    shot = np.full((240, 320, 3), 90, np.uint8)
    labels = np.zeros(6000, np.int8)
    labels[1000:1400] = 1
    faults = [CameraFault("gate", "moved", 0, 200, 0.0, 20.0, 2.0, "the camera was moved")]
    quantiles = {"0.5": 0.2, "0.9": 0.4, "0.99": 0.6, "0.999": 0.9, "1.0": 1.0}
    calibration = Calibration(1.1, 0.6, 2.0, 0.0, 4.0, None, 3, 2700.0, 2, 4 / 3, quantiles, note="a note")
    video = ReportVideo(
        scores, events, {event.peak_frame: shot for event in events}, labels, "overlays/gate.mp4",
        nearest={event.peak_frame: keeper.moments[0] for event in events}, faults=faults,
        clips={events[0].id: "clips/a.mp4"},
    )  # fmt: skip
    made = {name: folder / f"{name}.html" for name in ("full", "calm", "compared")}
    card = {"Detector": "camera, preset paper", "Bundle": "run (0123456789ab)"}
    write_report(made["full"], title="Events", videos=[video], calibration=calibration, card=card, doubts=["a doubt"])
    quiet = replace(scores, video="calm", score=np.full(6000, 0.1))
    write_report(made["calm"], title="Events", videos=[ReportVideo(quiet, [])], calibration=calibration, card=card)
    one = ScoredRun("a", "camera", "0123", calibration, [scores], events, faults)
    other = ScoredRun("b", "mnad", "4567", replace(calibration, threshold=2.0, low=1.0), [scores], events[::2])
    write_comparison(made["compared"], compare_runs(one, other))
    return made


def opened(browser: Browser, path: Path, **context: Any) -> Page:
    """A page of a file; the test fails where it asks for anything else."""
    page = browser.new_context(**context).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    return page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "calm", "compared"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_level_aa(browser: Browser, pages: dict[str, Path], name: str, theme: Any) -> None:
    pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
    page = opened(browser, pages[name], color_scheme=theme)
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    rules = json.dumps({"runOnly": [*LEVEL_AA, "best-practice"]})
    found = page.evaluate(f"axe.run(document, {rules})")
    assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found["violations"]] == []
    assert len(found["passes"]) > 15
    texts, faults = page.evaluate(CONTRAST)
    assert texts > 10 and not faults
    assert not page.evaluate(NAMELESS)
    page.context.close()


@pytest.mark.parametrize("width", [320, 400, 1000])
@pytest.mark.parametrize("name", ["full", "compared"])
def test_it_fits_the_screen_and_labels_never_touch(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    page = opened(browser, pages[name], viewport={"width": width, "height": 800})
    assert not page.evaluate(TOO_WIDE)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(TOUCHING) == []
    shown = page.evaluate("[...document.querySelectorAll('.events text')].filter((t) => t.checkVisibility()).length")
    assert name == "compared" or shown >= (5 if width < 640 else 15)
    page.context.close()


def test_it_prints_without_overlap_and_in_light_colours(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["full"], color_scheme="dark", viewport={"width": 700, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(TOUCHING) == []
    assert not page.evaluate("[...document.querySelectorAll('details')].some((one) => one.checkVisibility())")
    assert page.pdf(format="A4", print_background=True).startswith(b"%PDF")
    page.context.close()


@pytest.mark.slow
def test_a_link_of_the_timeline_leads_to_its_event(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["full"])
    page.locator("svg.timeline a").nth(7).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector(':target').id") == "video-1-event-8"
    page.context.close()
