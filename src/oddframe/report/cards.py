"""The events of a report, one card each, the most unusual first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

from oddframe.models.teaching import ALIKE
from oddframe.report.moments import Moment
from oddframe.report.pictures import moment_rules, packed
from oddframe.report.ranking import RankedEvent
from oddframe.report.style import clock, significant
from oddframe.report.units import ThresholdUnits, times_text
from oddframe.types import Event


def gallery(ranked: Sequence[RankedEvent], units: ThresholdUnits) -> tuple[str, str]:
    """The cards of all events as HTML, and the style sheet of their pictures of normal moments."""
    if not ranked:
        return "", ""
    shown = [one for one in ranked if one.event.peak_frame in one.video.thumbnails]
    addresses = packed([one.video.thumbnails[one.event.peak_frame] for one in shown])
    pictures = dict(zip((one.anchor for one in shown), addresses, strict=True))
    nearest = [one.video.nearest.get(one.event.peak_frame) for one in ranked]
    names, rules = moment_rules(moment for moment in nearest if moment is not None)
    cards = "".join(
        _card(one, units, pictures.get(one.anchor, ""), _nearest(moment, names))
        for one, moment in zip(ranked, nearest, strict=True)
    )
    heading = "The event" if len(ranked) == 1 else f"The {len(ranked)} events, the most unusual first"
    return (
        f'<section aria-labelledby="events"><h2 id="events">{heading}</h2><ol class="gallery">{cards}</ol></section>',
        rules,
    )


def _card(one: RankedEvent, units: ThresholdUnits, picture: str, nearest: str) -> str:
    event, video = one.event, one.video
    shot = ""
    if picture:
        alt = f"{event.video} at {clock(event.peak_s, 1)}, the peak of event {one.number}"
        shot = f'<div class="shot"><img alt="{escape(alt)}" src="{picture}">{_box(one)}</div>'
    return (
        f'<li id="{one.anchor}">{shot}<h3><span class="rank">{one.rank}</span> {one.name}</h3>'
        f"<p>{video.moment(event.start_s)} – {clock(event.end_s, 1)}<br>"
        f"<b>{times_text(units(event.score))} times the threshold</b> at {clock(event.peak_s, 1)}, frame "
        f"{event.peak_frame} (score {significant(event.score)})"
        f"{'<br>in the picture at the peak: ' + one.field if one.field else ''}{_why(one)}{_held(event)}</p>"
        f'<p class="links">{_links(one)}</p>{_clip(one)}{nearest}</li>'
    )


def _links(one: RankedEvent) -> str:
    """Ways to look at an event. Their names say of which event, since readers of screens list links by themselves."""
    place = one.anchor.partition("-event-")[0]
    links = [f'<a href="#{place}">timeline of {escape(one.event.video)}</a>']
    overlay = one.video.overlay_at(one.event.start_s)
    if overlay:
        links.insert(0, f'<a href="{overlay}">overlay at {clock(one.event.start_s, 1)}</a>')
    return " · ".join(links)


def _clip(one: RankedEvent) -> str:
    clip = one.video.clips.get(one.event.id)
    if clip is None:
        return ""
    return (
        f'<details><summary>Play the clip</summary><video controls muted playsinline preload="none" '
        f'aria-label="Clip of {one.name}" src="{escape(quote(clip))}"></video></details>'
    )


def _held(event: Event) -> str:
    """Why nobody was told of the event: the camera was at fault while it lasted, or marks of people say so."""
    if not event.held:
        return ""
    taught = event.held == ALIKE or event.held.startswith("zone ")
    return f"<br>on hold: {escape(event.held if taught else f'the camera is at fault ({event.held})')}"


def _nearest(moment: Moment | None, names: Mapping[bytes, str]) -> str:
    """The normal moment that looks most like an event's peak, as a small picture with its place in the video."""
    if moment is None:
        return ""
    words = escape(f"nearest normal moment: {moment.video} at {moment.time:.1f} s")
    return f'<div class="normal-moment"><i class="{names[moment.jpeg]}"></i><span>{words}</span></div>'


def _why(one: RankedEvent) -> str:
    """What stood out, in words, the most unusual first: the reasons, and the components with their deviations."""
    reasons = "".join(f"<br><strong>{escape(reason)}</strong>" for reason in one.event.reasons)
    return reasons + (f"<br>unusual in {escape('; '.join(one.phrases))}" if one.phrases else "")


def _box(one: RankedEvent) -> str:
    """The box of the event as an HTML element that scales with the picture."""
    info, event = one.video.scores.info, one.event
    if event.box is None:
        return ""
    left, top, right, bottom = event.box
    return (
        f'<i style="left:{left / info.width:.2%};top:{top / info.height:.2%};'
        f'width:{(right - left) / info.width:.2%};height:{(bottom - top) / info.height:.2%}"></i>'
    )
