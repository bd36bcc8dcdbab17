"""Draw the pictures of the review page, docs/images/review*.png, in Chromium: a street of its own, scored and watched.

python benchmarks/review_pictures.py WORK [OUT]

WORK keeps the street, the detector and its store, so that the pictures can be drawn again in seconds; five minutes
on two cores where it is empty. OUT is docs/images unless it is given.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

import oddframe
from oddframe.store.reading import EventQuery
from oddframe.street import World, render_world

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from oddframe.store.reading import StoredEvent

SIZE, SECONDS, SEED = (288, 512), 24.0, 5
CAMERAS = {"square": "01", "gate": "04", "yard": "05"}  # and the video that each sees
MOST_COLOURS = 256
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
MARKED = (("normal", "the postman"), ("unsure", "ask the guard"))
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 400, "height": 860}


def command(*arguments: object) -> None:
    """Run oddframe."""
    subprocess.run([sys.executable, "-m", "oddframe", *map(str, arguments)], check=True)


def prepare(work: Path) -> Path:
    """A folder with a store: scored videos, two cameras that were watched, and marks of somebody."""
    shown = work / "shown"
    if (work / "ready").exists():
        return shown
    shutil.rmtree(work, ignore_errors=True)
    street = render_world(work / "street", World(SEED, SIZE), videos=8, test_videos=6, seconds=SECONDS)
    command("fit", street / "training" / "videos", "--out", work / "run")
    videos = street / "testing" / "videos"
    command("score", work / "run", videos, "--out", shown, "--store", "auto", "--no-overlay")
    names = [part for name in CAMERAS for part in ("--name", name)]
    seen = [videos / f"{video}.mp4" for video in CAMERAS.values()]
    command("watch", work / "run", *seen, *names, "--out", work / "watched", "--store", shown / "events.db")
    with oddframe.open_store(str(shown)) as store:
        for event, (what, note) in zip(store.events(EventQuery(), 5)[3:], MARKED, strict=True):
            store.mark(event.id, what, who="anna", note=note)
    (work / "ready").touch()
    return shown


@contextmanager
def serving(folder: Path, run: Path) -> Iterator[str]:
    """The address of `oddframe review`."""
    arguments = [sys.executable, "-m", "oddframe", "review", str(folder), "--port", "0", "--run", str(run)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.split()[1] for line in process.stdout if line.startswith("review "))
        finally:
            process.terminate()


def shoot(browser: Browser, url: str, out: Path, ready: str, **context: Any) -> None:
    """Open the page, wait until `ready` is there, and keep a picture of few colours."""
    page = browser.new_context(reduced_motion="reduce", **context).new_page()
    page.goto(url)
    page.wait_for_selector(ready)
    page.wait_for_timeout(1500)  # for pictures
    page.screenshot(path=out)
    page.context.close()
    with Image.open(out) as picture:
        few = picture.convert("RGB").quantize(MOST_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(out, optimize=True)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def telling(folder: Path) -> tuple[str, str]:
    """The highest event of a video whose box lies in the middle of the picture, and the source of its timeline."""

    def central(event: StoredEvent) -> bool:
        if event.video is None or event.box is None or event.width is None:
            return False
        return 0.25 < (event.box[0] + event.box[2]) / 2 / event.width < 0.75

    with oddframe.open_store(str(folder)) as store:
        event = max(filter(central, store.every()), key=lambda one: one.above or 0.0)
        return event.id, f"video:{event.video_id}"


def main(work: Path, out: Path) -> None:
    """Draw all pictures."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    shown = prepare(work)
    id, source = telling(shown)
    out.mkdir(parents=True, exist_ok=True)
    with serving(shown, work / "run") as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM))
        event, frame = f"{url}#/event/{id}", ".frame[data-position]"
        shoot(browser, event, out / "review.png", frame, viewport=WIDE, color_scheme="light")
        shoot(browser, event, out / "review-dark.png", frame, viewport=WIDE, color_scheme="dark")
        timeline = f"{url}#/timeline?source={source}"
        shoot(browser, timeline, out / "review-timeline.png", ".found li", viewport=WIDE, color_scheme="light")
        touch = {"viewport": NARROW, "has_touch": True, "is_mobile": True}
        shoot(browser, event, out / "review-phone.png", frame, color_scheme="light", **touch)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path("docs/images"))
