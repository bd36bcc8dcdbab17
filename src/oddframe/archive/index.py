"""The index of a merged archive: a page that lists its videos, those with the highest events first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from oddframe import __version__
from oddframe.account import count_of
from oddframe.archive.status import Status
from oddframe.atomic import write_text
from oddframe.report.style import clock
from oddframe.report.units import ThresholdUnits, times_text
from oddframe.types import Event, FrameScores
from oddframe.video.pauses import plausible_seconds


@dataclass(frozen=True)
class Entry:
    """A video of the index.

    Attributes:
        video: its name.
        seconds: its length without pauses.
        events: how many.
        highest: the highest score of an event in units of the threshold; None without events.
        faults: of the camera, how many.
        page: of the video, relative to the index; "" where there is none.
    """

    video: str
    seconds: float
    events: int
    highest: float | None
    faults: int
    page: str

    @classmethod
    def of(cls, scores: FrameScores, events: Sequence[Event], faults: int, page: str, units: ThresholdUnits) -> Entry:
        """The entry of a video with these events."""
        highest = max((units(event.score) for event in events), default=None)
        return cls(scores.video, plausible_seconds(scores.time), len(events), highest, faults, page)


def write_index(path: Path, entries: Sequence[Entry], status: Status, facts: Mapping[str, str]) -> None:
    """Write the page atomically. `facts` stand at its top; empty ones are left out."""
    style = files("oddframe.report").joinpath("report.css").read_text(encoding="utf-8")
    events, seconds = sum(entry.events for entry in entries), sum(entry.seconds for entry in entries)
    lead = f"{count_of(events, 'event')} in {count_of(len(entries), 'video')}, {clock(seconds)} in all."
    left = "" if status.finished else _warning(f"{status.left[0].upper()}{status.left[1:]}.")
    told = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts.items() if fact)
    ordered = sorted(entries, key=lambda entry: (not entry.events, -(entry.highest or 0.0), entry.video))
    write_text(
        path,
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Archive</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>Archive</h1>
<p class="lead">{escape(lead)}</p>
{left}<dl>{told}</dl>
</header>
<main>
{_videos(ordered)}
{_named("Not done", status.failed)}
{_named("Left out of the plan", status.skipped)}
{_named("Copies, scored once", status.copies)}
</main>
<footer>Written by oddframe {escape(__version__)}. The pages that it links to lie in the folder videos.</footer>
</body>
</html>
""",
    )


def _warning(sentence: str) -> str:
    return f'<p class="warning">{escape(sentence)}</p>\n'


def _videos(entries: Sequence[Entry]) -> str:
    rows = []
    for entry in entries:
        name = escape(entry.video)
        link = f'<a href="{escape(quote(entry.page))}">{name}</a>' if entry.page else name
        highest = "–" if entry.highest is None else times_text(entry.highest)
        cells = (clock(entry.seconds), str(entry.events), highest, str(entry.faults))
        rows.append(
            f'<tr><th scope="row">{link}</th>' + "".join(f'<td class="number">{cell}</td>' for cell in cells) + "</tr>"
        )
    heads = ("Length", "Events", "Highest score, times the threshold", "Camera faults")
    titles = "".join(f'<th scope="col" class="number">{head}</th>' for head in heads)
    head = f'<thead><tr><th scope="col">Video</th>{titles}</tr></thead>'
    return f'<section class="scroll"><table>{head}<tbody>{"".join(rows)}</tbody></table></section>'


def _named(title: str, lines: Mapping[str, str]) -> str:
    """A list of videos with what there is to say of each; nothing without any."""
    if not lines:
        return ""
    items = "".join(f"<li>{escape(name)}: {escape(what)}</li>" for name, what in lines.items())
    return f"<section><h2>{escape(title)}</h2><ul>{items}</ul></section>"
