"""Draw the picture of the report, docs/images/report.png, in Chromium, and the same page in all the forms that it has.

python benchmarks/report_picture.py WORK [OUT]

WORK keeps a street, a detector and its report, so that the pictures can be drawn again in seconds; some minutes on two
cores where it is empty. OUT is docs/images unless it is given. The dark page, the narrow one and the printed one, which
nothing shows but WORK, are for looking at.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from oddframe.street import World, render_world

SIZE, SECONDS, SEED = (180, 320), 20.0, 5
PARTS = ("options.parts=[monitors, scene]", "options.monitors={exemplars: 400, rows: 8000}")  # quick, and good enough
MOST_COLOURS = 256
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
FORMS = {
    "light": {"viewport": {"width": 1200, "height": 1180}},
    "dark": {"viewport": {"width": 1200, "height": 1180}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 900}},
}


def command(work: Path, *arguments: str) -> None:
    """Run oddframe in a folder, so that the page names no place of this machine."""
    subprocess.run([sys.executable, "-m", "oddframe", *arguments], check=True, cwd=work)


def prepare(work: Path) -> Path:
    """The report of a few videos of a street."""
    page = work / "scores" / "report.html"
    if page.is_file():
        return page
    shutil.rmtree(work, ignore_errors=True)
    render_world(work / "street", World(SEED, SIZE), videos=5, test_videos=4, seconds=SECONDS)
    changes = [part for change in PARTS for part in ("--set", change)]
    command(work, "fit", "street/training/videos", "--out", "run", "--workers", "1", *changes)
    command(work, "score", "run", "street/testing/videos", "--out", "scores", "--clips")
    return page


def draw(report: Path, folder: Path) -> None:
    """Draw a report in Chromium in all its forms: light, dark, narrow, and printed as a PDF."""
    from playwright.sync_api import sync_playwright

    address = report.absolute().as_uri()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM))
        for name, context in FORMS.items():
            page = browser.new_context(**context).new_page()
            page.goto(address)
            page.screenshot(path=folder / f"{name}.png")
            page.screenshot(path=folder / f"{name}-whole.png", full_page=True)
            page.context.close()
        page = browser.new_page()
        page.goto(address)
        page.pdf(path=folder / "printed.pdf", format="A4", print_background=True)
        browser.close()


def main() -> None:
    """Draw all of them."""
    work = Path(sys.argv[1])
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "docs" / "images"
    draw(prepare(work), work)
    with Image.open(work / "light.png") as picture:
        few = picture.convert("RGB").quantize(MOST_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(out / "report.png", optimize=True)
    print(f"{out / 'report.png'}: {(out / 'report.png').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
