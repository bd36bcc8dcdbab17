"""What is shown is the frame that was asked for: read from the bar code in the picture itself."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from page_site import Open, Site, Visit, site_of
from page_world import everything

from oddframe.store.reading import EventQuery

VIDEOS = ("film", "uneven", "both ways", "old")

# The number in the picture of the video, by the blocks of `bars.bars`.
READ = """function read() {
  const copy = new OffscreenCanvas(96, 64).getContext("2d");
  copy.drawImage(document.querySelector("video"), 0, 0, 96, 64);
  let number = 0;
  for (let bit = 0; bit < 6; bit += 1) {
    const pixels = copy.getImageData(bit * 16 + 4, 6, 8, 12).data;
    let sum = 0;
    for (let at = 0; at < pixels.length; at += 4) sum += pixels[at] + pixels[at + 1] + pixels[at + 2];
    if (sum / (3 * pixels.length / 4) > 125) number += 1 << bit;
  }
  return number;
}"""

# The clip has come to the frame that it opens with: before that, its first frame may be shown for a moment.
LANDED = """times => {
  const [video, told] = ["video", ".frame"].map((name) => document.querySelector(name));
  const place = times.findLastIndex((time) => time <= video.currentTime);
  return !video.seeking && video.currentTime > 0 && Number(told.dataset.position) === place;
}"""

# Points at the strip where each wanted frame lies, waits until the page says that it is shown, and reads the picture.
SEEK = (
    """async ({ wanted, times }) => {
  """
    + READ
    + """
  const [strip, video, told] = [".strip", "video", ".frame"].map((name) => document.querySelector(name));
  strip.setPointerCapture = () => {};  // no real pointer is down
  const found = [];
  for (const position of wanted) {
    const share = (times[position] - times[0]) / (times.at(-1) - times[0]);
    const area = strip.getBoundingClientRect();
    const x = area.left + 1 + 6 + share * (area.width - 2 - 12);
    const place = { clientX: x, clientY: area.top + 20, pointerId: 1, bubbles: true };
    strip.dispatchEvent(new PointerEvent("pointerdown", place));
    const until = performance.now() + 20000;
    while ((video.seeking || Number(told.dataset.position) !== position) && performance.now() < until) {
      await new Promise((done) => setTimeout(done, 4));
    }
    found.push([position, Number(told.dataset.position), read()]);
    if (performance.now() >= until) break;
  }
  return found;
}"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("seeking")
    everything(folder)
    yield from site_of(folder)


def open_video(site: Site, visit: Open, name: str) -> tuple[Visit, list[float], list[int]]:
    """The page with an event of a video; the times of its clip, and the numbers of its frames in the video."""
    event = next(event for event in site.store.every(EventQuery()) if event.video == name)
    one = visit(site.url, f"#/event/{event.id}", viewport={"width": 3840, "height": 1400})
    one.page.wait_for_selector(".frame[data-position]")
    table = one.page.evaluate("id => fetch(`/api/events/${id}/frames`).then(answer => answer.json())", event.id)
    one.page.wait_for_function(LANDED, arg=table["times"])
    return one, table["times"], table["frames"]


def check(site: Site, visit: Open, name: str, seeks: int) -> None:
    one, times, frames = open_video(site, visit, name)
    wanted = [random.Random(name).randrange(len(times)) for _ in range(seeks - 2)]
    wanted += [0, len(times) - 1]
    found = one.page.evaluate(SEEK, {"wanted": wanted, "times": times})
    assert [(told, number) for _, told, number in found] == [(place, frames[place] % 64) for place in wanted]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_few_seeks(site: Site, visit: Open, name: str) -> None:
    check(site, visit, name, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", VIDEOS)
def test_eighty_seeks(site: Site, visit: Open, name: str) -> None:
    check(site, visit, name, 80)


def test_frame_by_frame(site: Site, visit: Open) -> None:
    one, _, frames = open_video(site, visit, "uneven")
    place = int(one.page.locator(".frame").get_attribute("data-position") or -1)
    for key in "...,.,,,.":
        place += 1 if key == "." else -1
        one.page.keyboard.press(key)
        one.page.wait_for_selector(f'.frame[data-position="{place}"]')
        assert one.page.evaluate(f"() => {{ {READ}; return read(); }}") == frames[place] % 64
    for _ in range(12):  # as fast as they come: seeks that are under way become one
        one.page.keyboard.press(".")
    one.page.wait_for_selector(f'.frame[data-position="{place + 12}"]')
    assert one.page.evaluate(f"() => {{ {READ}; return read(); }}") == frames[place + 12] % 64


def test_the_label_follows_while_it_plays(site: Site, visit: Open) -> None:
    one, times, frames = open_video(site, visit, "uneven")
    pairs, last, number = one.page.evaluate(
        f"""async (frames) => {{
      {READ}
      const [video, told] = ["video", ".frame"].map((name) => document.querySelector(name));
      const found = [];
      const look = () => video.requestVideoFrameCallback((_, frame) => {{
        found.push([Number(told.dataset.position), frame.mediaTime]);
        look();
      }});
      look();
      await video.play();
      const wait = async (holds) => {{
        const until = performance.now() + 20000;
        while (!holds() && performance.now() < until) await new Promise((done) => setTimeout(done, 20));
      }};
      await wait(() => found.length > 10);
      video.pause();
      await new Promise((done) => setTimeout(done, 100));
      await wait(() => read() === frames[Number(told.dataset.position)] % 64);
      return [found, Number(told.dataset.position), read()];
    }}""",
        frames,
    )
    assert len(pairs) > 10
    for place, moment in pairs:  # what the browser says that it shows is what the page tells
        assert times[place] == pytest.approx(moment, abs=1e-3)
    assert frames[last] % 64 == number
