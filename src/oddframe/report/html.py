"""The report of scored videos, `report.html`: one self-contained page that needs no network.

Its top answers what a reader wants to know (`oddframe.report.answers`), then come the events by rank
(`oddframe.report.cards`), the videos with their timelines, and what the scores rest on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from oddframe import __version__
from oddframe.account import count_of
from oddframe.atomic import replacing
from oddframe.report.answers import Findings, answers
from oddframe.report.cards import gallery
from oddframe.report.curve import labelled_spans
from oddframe.report.ranking import ReportVideo, event_anchor, rank_events
from oddframe.report.style import clock, colour_rules, significant
from oddframe.report.svg import HATCHES, Timeline, timeline
from oddframe.report.units import ThresholdUnits, times_text
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.promise import Fit, alarms_text
from oddframe.video.pauses import plausible_seconds

POINTS, FEWEST_POINTS, MOST_POINTS = 60_000, 200, 2000  # of all curves of a page, and of each


def write_report(
    path: Path,
    *,
    title: str,
    videos: Sequence[ReportVideo],
    calibration: Calibration,
    card: Mapping[str, str],
    doubts: Sequence[str] = (),
    agreement: Fit | None = None,
) -> None:
    """Write the page atomically.

    Args:
        path: the .html file. Missing folders are created.
        title: heading of the page.
        videos: the videos in the order of the page.
        calibration: the origin of the threshold.
        card: short facts about what made the scores, name -> value, such as the detector and the bundle.
        doubts: sentences that say why the page should not be believed without a second look; they stand at its top.
        agreement: whether the alarms agree with the promise; None where no rate is promised.
    """
    ranked, units = rank_events(videos), ThresholdUnits.of(calibration)
    used = Counter[str]()
    for video in videos:
        used.update(video.calibrations)
    cards, rules = gallery(ranked, units)
    points = min(MOST_POINTS, max(FEWEST_POINTS, POINTS // max(len(videos), 1)))
    sections = "".join(_video(number, video, units, points) for number, video in enumerate(videos, start=1))
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in card.items())
    body = f"""<header>
<h1>{escape(title)}</h1>
<p class="lead">{_lead(videos)}</p>
{"".join(f'<p class="warning">{escape(doubt)}</p>' for doubt in doubts)}
{answers(Findings(videos, ranked, calibration, agreement, path.parent))}
</header>
<main>
{cards}
{_overview(videos, units)}
{sections}
{_threshold(calibration, units, used)}
<section aria-labelledby="made"><h2 id="made">What made these scores</h2><dl class="facts">{facts}</dl></section>
</main>
<footer>Written by oddframe {__version__}. This page needs no files except the overlays and clips that it links to.
</footer>"""
    write_page(path, title, body, rules)


def write_page(path: Path, title: str, body: str, rules: str = "") -> None:
    """Write a page in the style of the report, atomically.

    Args:
        path: the .html file. Missing folders are created.
        title: of the window.
        body: HTML.
        rules: of this page's own style sheet.
    """
    style = colour_rules() + files("oddframe.report").joinpath("report.css").read_text(encoding="utf-8") + rules
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
{HATCHES}
{body}
</body>
</html>
"""
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _count(number: int, noun: str) -> str:
    return count_of(number, noun) if number else f"no {noun}s"


def _lead(videos: Sequence[ReportVideo]) -> str:
    events = sum(len(video.events) for video in videos)
    seconds = sum(plausible_seconds(video.scores.time) for video in videos)
    hit = sum(bool(video.events) for video in videos)
    text = f"{_count(events, 'event')} in {_count(len(videos), 'video')}, {clock(seconds)} in all".capitalize()
    return f"{text}; {_count(len(videos) - hit, 'video')} without events." if 0 < hit < len(videos) else f"{text}."


def _overview(videos: Sequence[ReportVideo], units: ThresholdUnits) -> str:
    rows = []
    for number, video in enumerate(videos, start=1):
        name = escape(video.scores.video)
        overlay = "–"
        if video.overlay:
            overlay = f'<a href="{escape(quote(video.overlay))}" aria-label="Overlay of {name}">watch</a>'
        highest = times_text(units(float(video.scores.score.max())))
        rows.append(
            f'<tr><th scope="row"><a href="#video-{number}">{name}</a></th>'
            f'<td class="number">{clock(float(video.scores.time[-1]))}</td><td class="number">{len(video.events)}</td>'
            f'<td class="number">{highest}</td><td>{overlay}</td></tr>'
        )
    return (
        '<section aria-labelledby="videos"><h2 id="videos">Videos</h2><div class="scroll" tabindex="0" role="group" '
        'aria-labelledby="videos"><table><thead><tr><th scope="col">Video</th>'
        '<th scope="col" class="number">Length</th>'
        '<th scope="col" class="number">Events</th><th scope="col" class="number">Highest, in thresholds</th>'
        f'<th scope="col">Overlay</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div></section>'
    )


def _video(number: int, video: ReportVideo, units: ThresholdUnits, points: int) -> str:
    scores, info = video.scores, video.scores.info
    facts = [
        f"{info.width} × {info.height}",
        f"{info.fps:.3g} frames/s" if info.fps else "",
        f"{len(scores.frame)} frames scored",
        escape(info.codec),
        f"begins {video.began:%Y-%m-%d %H:%M:%S %Z}" if video.began else "",
        ", ".join(f"{escape(name)} {clock(seconds)}" for name, seconds in video.calibrations.items()),
        f'<a href="{escape(quote(video.overlay))}">overlay of {escape(scores.video)}</a>' if video.overlay else "",
    ]
    parts = [
        f'<section class="video" id="video-{number}" aria-labelledby="name-{number}">'
        f'<h2 id="name-{number}">{escape(scores.video)}</h2>',
        f'<p class="dim">{" · ".join(fact for fact in facts if fact)}</p>',
    ]
    if info.damage:
        parts.append(f'<p class="warning">Damaged: {escape("; ".join(info.damage))}</p>')
    if info.notes:
        parts.append(f'<p class="dim">{escape("; ".join(info.notes))}</p>')
    for remark in info.account.remarks() if info.account else ():
        parts.append(f'<p class="dim">{escape(remark)}</p>')
    for fault in video.faults:
        span = f"{clock(fault.start_s, 1)} – {clock(fault.end_s, 1)}"
        parts.append(f'<p class="warning">Camera at fault, {fault.kind}, {span}: {escape(fault.words)}.</p>')
    truth = [] if video.labels is None else labelled_spans(video.labels, scores.frame, scores.time)
    links = [f"#{event_anchor(number, place)}" for place in range(1, len(video.events) + 1)]
    drawing = Timeline(scores, units, video.events, links, truth, video.faults, points, video.changes)
    parts += [f'<div class="plot">{timeline(drawing)}</div>', legend(drawing)]
    if not video.events:
        parts.append("<p>No event.</p>")
    return "".join([*parts, "</section>"])


def legend(*drawings: Timeline, other: tuple[str, str] | None = None) -> str:
    """What the marks of timelines mean, as far as they have them.

    Args:
        other: whose scores the curves show, where there are two of them: of the class "score", and of "other".
    """
    of_one, of_other = ("", "") if other is None else (f" of {escape(name)}" for name in other)
    entries = {
        "score": (True, f"score{of_one}, in units of the threshold"),
        "other": (other is not None, f"score{of_other}, in units of its own threshold"),
        "threshold": (True, "threshold (1.0)"),
        "normal": (
            any((one.units.normal or 0) > 0 for one in drawings),
            "normal range: 99 % of held-out normal frames",
        ),
        "event": (any(one.events for one in drawings), "event"),
        "fault": (any(one.faults for one in drawings), "camera at fault"),
        "gap": (any(one.gaps() for one in drawings), "not watched"),
        "change": (any(one.changes for one in drawings), "another calibration holds"),
        "truth": (any(one.truth for one in drawings), "labelled anomalous"),
    }
    shown = "".join(f'<li><i class="{kind}"></i>{words}</li>' for kind, (there, words) in entries.items() if there)
    return f'<ul class="legend">{shown}</ul>'


def _calibrations(c: Calibration, used: Mapping[str, float]) -> str:
    """A table of several calibrations, and for how long each of them held; empty where there is one alone."""
    if c.schedule is None:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="number">{clock(used.get(name, 0.0))}</td>'
        f'<td class="number">{significant(part.threshold)}</td><td>{escape(part.sentence())}</td></tr>'
        for name, part in c.parts.items()
    )
    return f"""<p>Calibrations are chosen {escape(c.schedule.words)}. Scores are in units of the calibration that holds
for the frame: 1 is its threshold, and 0 the median score of its normal video. An event may go on over a change.</p>
<div class="scroll" tabindex="0" role="group" aria-labelledby="origin"><table>
<caption>The calibrations, and for how long each of them held in these videos</caption>
<thead><tr><th scope="col">Calibration</th><th scope="col" class="number">Held for</th>
<th scope="col" class="number">Threshold</th><th scope="col">Promise</th></tr></thead>
<tbody>{rows}</tbody></table></div>"""


def _threshold(calibration: Calibration, units: ThresholdUnits, used: Mapping[str, float]) -> str:
    """The section about the threshold: its origin in sentences, and quantiles of the held-out scores.

    Args:
        used: name of each of several calibrations -> seconds for which it held.
    """
    c = calibration
    if c.rate is None and c.quantile is None:
        origin = "was set by hand. It promises no rate of alarms.</p>"
    elif c.assumed_fps is not None:  # nobody knows how long the held-out video lasts
        origin = f"promises {escape(c.sentence())}.</p>"
    else:
        origin = f"""was measured on {c.seconds / 60:.1f} minutes of normal video ({_count(c.videos, "piece")}) that the
detector was not trained on. It promises {escape(c.sentence())}.
No anomalous video was used.</p>
<p>This amount of normal video can count a limit of {alarms_text(c.lowest_rate)} per hour or more.
Hold out more normal video for a lower limit.</p>"""
    note = f'<p class="warning">{escape(c.note[:1].upper() + c.note[1:])}.</p>' if c.note else ""
    rows = [(f"{100 * float(share):g} %", value, "") for share, value in c.scores.items()]
    rows = sorted([*rows, ("threshold", c.threshold, ' class="chosen"')], key=lambda row: row[1])
    extent = max(units(rows[-1][1]), 1.0)
    table = "".join(
        f'<tr{mark}><th scope="row">{name}</th><td class="number">{significant(value)}</td>'
        f'<td class="number">{times_text(units(value))}</td>'
        f'<td class="bar"><i style="width:{max(units(value), 0.0) / extent:.1%}"></i></td></tr>'
        for name, value, mark in rows
    )
    threshold = f"threshold of <b>{significant(c.threshold)}</b>"
    if c.parts and c.threshold == 1:
        threshold = "threshold of each calibration"
    return f"""<section id="threshold" aria-labelledby="origin">
<h2 id="origin">Where the threshold comes from</h2>
<p>The {threshold} {origin}
{_calibrations(c, used)}
<p>An event lasts while the score is at least {significant(c.low)}, and its score reaches the threshold at least once.
Events at most {c.merge_s:g} s apart count as one.
{f"Events shorter than {c.min_s:g} s do not count." if c.min_s else ""}</p>
<p>Axes are in units of the threshold: 1.0 is the threshold, and {escape(units.words)}. What lies below 0 is drawn
at 0.</p>
{note}
<div class="scroll" tabindex="0" role="group" aria-labelledby="origin"><table>
<caption>Scores of the held-out normal video: the share of its frames at or below each score</caption>
<thead><tr><th scope="col">Share of frames</th><th scope="col" class="number">Score</th>
<th scope="col" class="number">In thresholds</th><td></td></tr></thead>
<tbody>{table}</tbody></table></div>
</section>"""
