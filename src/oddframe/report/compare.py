"""Two runs over the same videos on one page: which events both find, which only one of them, and both curves.

Both curves have the same axes, in units of their own threshold, so that detectors whose scores have nothing in common
can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from oddframe import __version__
from oddframe.account import count_of
from oddframe.report.html import legend, write_page
from oddframe.report.style import clock, significant
from oddframe.report.svg import Timeline, highest, timeline
from oddframe.report.units import ThresholdUnits, times_text
from oddframe.scoring.calibrate import Calibration
from oddframe.types import CameraFault, Event, FrameScores
from oddframe.video.pauses import plausible_seconds

POINTS, FEWEST_POINTS, MOST_POINTS = 60_000, 200, 2000  # of all curves of a page, and of each
BUNDLE = "Bundle, whose id says what was learned and not the threshold"
TOLD = "Events that overlap in time are one."


@dataclass(frozen=True)
class ScoredRun:
    """What one run made of its videos.

    Attributes:
        name: what people call it.
        model: the system.
        bundle: id of what made the scores.
        calibration: its threshold.
        scores: of its videos.
        events: of all videos.
        faults: of the camera, in all videos.
        report: path of its own report, relative to the page; empty where there is none.
    """

    name: str
    model: str
    bundle: str
    calibration: Calibration
    scores: Sequence[FrameScores]
    events: Sequence[Event]
    faults: Sequence[CameraFault] = ()
    report: str = ""

    @property
    def units(self) -> ThresholdUnits:
        """Its scores in units of its threshold."""
        return ThresholdUnits.of(self.calibration)

    @property
    def hours(self) -> float:
        """Of video that was watched."""
        return sum(plausible_seconds(one.time) for one in self.scores) / 3600

    def events_of(self, scores: FrameScores) -> list[Event]:
        """The events of one of its videos, in order of time."""
        return [event for event in self.events if event.video == scores.video]


@dataclass(frozen=True)
class EventPair:
    """An event that both runs find, or one of them: those that overlap in time are one.

    Attributes:
        video: its name in the first run.
        one, other: the events of either run; at least one of them is not empty.
    """

    video: str
    one: tuple[Event, ...]
    other: tuple[Event, ...]

    @property
    def start_s(self) -> float:
        """Seconds at which the first of them begins."""
        return min(event.start_s for event in (*self.one, *self.other))

    @property
    def end_s(self) -> float:
        """Seconds at which the last of them ends."""
        return max(event.end_s for event in (*self.one, *self.other))


@dataclass(frozen=True)
class RunComparison:
    """Two runs side by side.

    Attributes:
        one, other: the runs.
        pairs: the scores of the videos that both have scored.
        events: of these videos, in order of video and time.
        alone: names of the videos that only one of them has scored.
    """

    one: ScoredRun
    other: ScoredRun
    pairs: tuple[tuple[FrameScores, FrameScores], ...]
    events: tuple[EventPair, ...]
    alone: tuple[str, ...]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Events that both find, that only the first one finds, and that only the other finds."""
        both = sum(bool(pair.one and pair.other) for pair in self.events)
        first = sum(not pair.other for pair in self.events)
        return both, first, len(self.events) - both - first


def compare_runs(one: ScoredRun, other: ScoredRun) -> RunComparison:
    """Put two runs side by side. Videos are the same where their content is, or their name where no key is known. Of
    several copies those of one name are a pair, if there are any."""
    named = {(_identity(scores), scores.video): scores for scores in other.scores}
    copies = {_identity(scores): scores for scores in reversed(other.scores)}
    mine = {_identity(scores) for scores in one.scores}
    pairs = [
        (scores, named.get((own, scores.video), copies[own]))
        for scores in one.scores
        if (own := _identity(scores)) in copies
    ]
    alone = [scores.video for scores in one.scores if _identity(scores) not in copies]
    alone += [scores.video for scores in other.scores if _identity(scores) not in mine]
    events = [pair for own, its in pairs for pair in pair_events(own.video, one.events_of(own), other.events_of(its))]
    return RunComparison(one, other, tuple(pairs), tuple(events), tuple(alone))


def _identity(scores: FrameScores) -> str:
    return scores.info.key or f"named {scores.video}"


def pair_events(video: str, one: Sequence[Event], other: Sequence[Event]) -> list[EventPair]:
    """The events of a video in groups that overlap in time, in order of time."""
    rows = [(event.start_s, event.end_s, 0, event) for event in one] + [(e.start_s, e.end_s, 1, e) for e in other]
    rows.sort(key=lambda row: row[:3])
    groups: list[tuple[list[Event], list[Event]]] = []
    until = 0.0
    for start, end, side, event in rows:
        if not groups or start > until:
            groups.append(([], []))
            until = end
        groups[-1][side].append(event)
        until = max(until, end)
    return [EventPair(video, tuple(first), tuple(second)) for first, second in groups]


def write_comparison(path: Path, found: RunComparison) -> None:
    """Write the page atomically. Missing folders are created."""
    one, other = found.one, found.other
    both, first, second = found.counts
    points = min(MOST_POINTS, max(FEWEST_POINTS, POINTS // max(2 * len(found.pairs), 1)))
    sections = "".join(_pair(number, found, points) for number in range(len(found.pairs)))
    names = escape(", ".join(found.alone))
    alone = f'<p class="warning">Scored by one of them alone: {names}.</p>' if names else ""
    body = f"""<header>
<h1>{escape(one.name)} and {escape(other.name)}</h1>
<p class="lead">Of {count_of(len(found.events), "event")} in {count_of(len(found.pairs), "video")}, both find {both};
{first} only {escape(one.name)}, {second} only {escape(other.name)}.</p>
{alone}
</header>
<main>
{_facts(one, other)}
{_events(found)}
{sections}
</main>
<footer>Written by oddframe {__version__}. {TOLD} Scores are in units of each run's own
threshold: 1.0 is the threshold.</footer>"""
    write_page(path, f"{one.name} and {other.name}", body)


def is_comparison(path: Path) -> bool:
    """Whether a file is a page of `write_comparison`."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1000))
        return TOLD.encode() in file.read()


def _facts(one: ScoredRun, other: ScoredRun) -> str:
    rows: dict[str, list[str]] = {"Detector": [], BUNDLE: [], "Threshold": [], "Promise": [], "Watched": []}
    rows |= {"Events": [], "On hold": [], "Report": []}
    for run in (one, other):
        rows["Detector"].append(escape(run.model))
        rows[BUNDLE].append(f"<code>{escape(run.bundle)}</code>")
        rows["Threshold"].append(significant(run.calibration.threshold))
        rows["Promise"].append(escape(run.calibration.sentence()))
        rows["Watched"].append(f"{clock(3600 * run.hours)} of {count_of(len(run.scores), 'video')}")
        rows["Events"].append(str(len(run.events)))
        rows["On hold"].append(str(sum(bool(event.held) for event in run.events)))
        label = f"report of {escape(run.name)}"
        rows["Report"].append(f'<a href="{escape(quote(run.report))}">{label}</a>' if run.report else "–")
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{value}</td>" for value in values)}</tr>'
        for name, values in rows.items()
    )
    return _table("runs", "The runs", ["", escape(one.name), escape(other.name)], body)


def _events(found: RunComparison) -> str:
    if not found.events:
        return "<p>Neither run has an event in the videos that both have scored.</p>"
    body = "".join(
        f'<tr><th scope="row"><a href="#video-{_number(found, pair) + 1}">{escape(pair.video)}</a></th>'
        f"<td>{clock(pair.start_s, 1)} – {clock(pair.end_s, 1)}</td>"
        f"<td>{_cell(pair.one, found.one.units)}</td><td>{_cell(pair.other, found.other.units)}</td></tr>"
        for pair in found.events
    )
    heads = ["Video", "Time", escape(found.one.name), escape(found.other.name)]
    return _table("events", "Events", heads, body)


def _number(found: RunComparison, pair: EventPair) -> int:
    return next(number for number, (own, _) in enumerate(found.pairs) if own.video == pair.video)


def _cell(events: Sequence[Event], units: ThresholdUnits) -> str:
    if not events:
        return "no event"
    text = ", ".join(times_text(units(event.score)) for event in events)
    held = sorted({event.held for event in events if event.held})
    return f"{text} (on hold: {escape(', '.join(held))})" if held else text


def _table(name: str, heading: str, heads: Sequence[str], body: str) -> str:
    columns = "".join(f'<th scope="col">{head}</th>' if head else "<td></td>" for head in heads)
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2><div class="scroll" tabindex="0" '
        f'role="group" aria-labelledby="{name}"><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>'
        "</div></section>"
    )


def _pair(number: int, found: RunComparison, points: int) -> str:
    """The curves of both runs over one video: two charts, one above the other, whose axes are the same."""
    scores = found.pairs[number]
    shown = [
        Timeline(
            own, run.units, run.events_of(own), faults=[f for f in run.faults if f.video == own.video], points=points
        )
        for run, own in zip((found.one, found.other), scores, strict=True)
    ]
    duration = max(float(own.time[-1]) for own in scores)
    top = max(highest(one) for one in shown)
    drawings = "".join(
        f'<h3>{escape(run.name)}</h3><div class="plot">{timeline(one, duration=duration, top=top, kind=kind)}</div>'
        for run, one, kind in zip((found.one, found.other), shown, ("", "other"), strict=True)
    )
    names = dict.fromkeys(own.video for own in scores)
    words = legend(*shown, other=(found.one.name, found.other.name))
    return (
        f'<section class="video" id="video-{number + 1}" aria-labelledby="name-{number + 1}">'
        f'<h2 id="name-{number + 1}">{escape(" = ".join(names))}</h2>{drawings}{words}</section>'
    )
