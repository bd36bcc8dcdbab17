"""From marks in an event store to lessons: marked events with their video, which is checked by its content.

Only the mark that counts is looked at, and only "normal" and "abnormal" teach. The earlier two thirds of the lessons
are `learned` and the rest `reported`: figures come from the rest alone, and from a detector that has not learned it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from oddframe.account import count_of
from oddframe.bundle import Bundle
from oddframe.errors import InputError, OddframeError
from oddframe.models.ignored import IgnoredPlace
from oddframe.video.identity import content_key, content_of
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource, with_levels

if TYPE_CHECKING:  # only who learns from marks needs the libraries of databases
    from oddframe.store.reading import StoredEvent
    from oddframe.store.store import Store

SHARE = 2 / 3  # of the lessons, the earlier ones
GUARD = 10.0  # seconds between a lesson that is learned and one of the same video that is reported

Span = tuple[float, float]
Normality = Literal["normal", "abnormal"]


@dataclass(frozen=True)
class Footage:
    """A video, or the clip of a live event.

    Attributes:
        key: of its content.
        whole: the whole of it is a part of the life of the camera; a clip shows the seconds around an event alone.
        shut: (start, stop) seconds of the events that nobody has marked as normal: they are no normal video.
    """

    source: VideoSource
    key: str
    whole: bool
    shut: tuple[Span, ...] = ()


@dataclass(frozen=True)
class MarkedEvent:
    """A marked event.

    Attributes:
        id: of the event.
        what: the mark.
        start, stop: seconds of the footage in which the event lasts.
        utc: seconds since 1970 at its start; None for events of files.
    """

    id: str
    what: Normality
    footage: Footage
    start: float
    stop: float
    utc: float | None = None

    @property
    def normal(self) -> bool:
        """Whether somebody says that this is normal."""
        return self.what == "normal"


@dataclass(frozen=True)
class LiveSpan:
    """When an event of a watched camera lasted, in seconds since 1970, and whether somebody marked it as normal."""

    camera: str
    start: float
    stop: float
    normal: bool


@dataclass(frozen=True)
class Lessons:
    """What marks teach.

    Attributes:
        learned: the earlier lessons, in order of time.
        reported: the later ones, without those that lie too near to a learned one.
        between: later ones that do.
        zones: to ignore.
        gone: a line for each video that is missing or another one now, and for marks that cannot be used.
        live: all events of the watched cameras.
        ids: that scores of the very bundle carry.
    """

    learned: tuple[MarkedEvent, ...]
    reported: tuple[MarkedEvent, ...]
    between: tuple[MarkedEvent, ...] = ()
    zones: tuple[IgnoredPlace, ...] = ()
    gone: tuple[str, ...] = ()
    live: tuple[LiveSpan, ...] = ()
    ids: frozenset[str] = frozenset()

    @property
    def all(self) -> tuple[MarkedEvent, ...]:
        """All lessons."""
        return (*self.learned, *self.between, *self.reported)

    @property
    def earlier(self) -> tuple[MarkedEvent, ...]:
        """The learned lessons, with footage that is shut from the first later lesson in it on."""
        begins: dict[str, float] = {}
        for one in (*self.between, *self.reported):
            begins[one.footage.key] = min(one.start, begins.get(one.footage.key, inf))
        return tuple(
            replace(one, footage=replace(one.footage, shut=(*one.footage.shut, (begins[one.footage.key], inf))))
            if one.footage.key in begins
            else one
            for one in self.learned
        )

    @property
    def split_utc(self) -> float | None:
        """Where the later lessons of live events begin, in seconds since 1970; None where there are none."""
        return min((one.utc for one in (*self.between, *self.reported) if one.utc is not None), default=None)

    def known_zones(
        self, sizes: Mapping[str, tuple[int, int]], boxes: Mapping[str, tuple[int, int, int, int] | None]
    ) -> tuple[IgnoredPlace, ...]:
        """The zones in which the middle of an earlier normal lesson lies; others may rest on what is reported.

        Args:
            sizes: key of footage -> (width, height).
            boxes: id of a lesson -> its box.
        """
        middles = [
            ((box[0] + box[2]) / 2 / sizes[one.footage.key][0], (box[1] + box[3]) / 2 / sizes[one.footage.key][1])
            for one in self.learned
            if one.normal and one.footage.key in sizes and (box := boxes.get(one.id)) is not None
        ]
        return tuple(zone for zone in self.zones if any(zone.holds(*middle) for middle in middles))

    def split(self) -> str:
        """How the lessons are divided, in words."""
        first = next(iter(self.reported), None)
        words = (
            f"by time: figures come from the later {count_of(len(self.reported), 'mark')} alone, and from a detector "
            f"that has learned from the earlier {len(self.learned)}"
        )
        near = f"; {count_of(len(self.between), 'mark')} too near to them in between" if self.between else ""
        return words + near + ("" if first is None else f"; the later ones begin with event {first.id}")


def gather_lessons(bundle: Bundle, store: Store) -> Lessons:
    """The lessons of a store for a bundle: from marks of its own events, and of those of the bundles it comes from.

    Raises:
        InputError: there are none.
    """
    from oddframe.store.reading import EventQuery

    family = _family(bundle, store)
    events = list(store.every(EventQuery(kind="anomaly", order="time")))
    own = [event for event in events if event.bundle in family and not event.open]
    marked = [event for event in own if event.mark in ("normal", "abnormal")]
    others = sum(event.mark in ("normal", "abnormal") for event in events) - len(marked)
    zones = _zones(bundle, store, family, own)
    if not marked and not zones:
        more = f"; {count_of(others, 'mark')} are of events of other bundles" if others else ""
        raise InputError(
            f"{store.shown}: no event of bundle {bundle.id} is marked as normal or abnormal{more}; mark some with "
            "`oddframe review`, or with `oddframe events mark normal ID`"
        )
    lessons, gone = _with_video(bundle, marked, own, None if store.file is None else store.file.absolute().parent)
    if others:
        gone.append(f"{count_of(others, 'mark')} of events of other bundles teach nothing here")
    ids = frozenset({bundle.id, *(one.id for one in store.bundles() if one.detector == bundle.id)})
    live = tuple(
        LiveSpan(event.camera, event.start_utc, event.end_utc, event.mark == "normal")
        for event in own
        if event.camera is not None and event.start_utc is not None and event.end_utc is not None
    )
    return replace(_split(lessons, zones, gone), live=live, ids=ids)


def _family(bundle: Bundle, store: Store) -> set[str]:
    """Ids that events of the bundle, and of those that it comes from, carry."""
    known = store.bundles()
    parents = {one.detector: one.parent for one in known} | {bundle.id: bundle.data.parent}
    detectors, here = set[str](), bundle.id
    while here and here not in detectors:
        detectors.add(here)
        here = parents.get(here, "")
    return detectors | {one.id for one in known if one.detector in detectors}


def _zones(bundle: Bundle, store: Store, family: set[str], own: Sequence[StoredEvent]) -> tuple[IgnoredPlace, ...]:
    """The places that the bundle ignores already, and those of the store for it and for the cameras that it watches."""
    cameras = {event.camera for event in own if event.camera is not None}
    before = () if bundle.data.taught is None else bundle.data.taught.zones
    found = [
        IgnoredPlace(str(number), zone.corners)
        for number, zone in store.zones().items()
        if zone.bundle in family or zone.camera in cameras
    ]
    return (*before, *(zone for zone in found if zone.corners not in {old.corners for old in before}))


def _with_video(
    bundle: Bundle, marked: Sequence[StoredEvent], own: Sequence[StoredEvent], folder: Path | None
) -> tuple[list[MarkedEvent], list[str]]:
    """The lessons whose video is there with the same content, and a line for each of the others."""
    shut: dict[str, list[Span]] = {}
    for event in own:
        if event.key is not None and event.mark != "normal":
            shut.setdefault(event.key, []).append((event.start_s, event.end_s))
    lessons, gone = list[MarkedEvent](), dict[str, str]()
    known: dict[str, Footage | None] = {}
    for event in marked:
        place = event.key or event.id
        if place not in known:
            known[place] = None
            try:
                known[place] = _footage(bundle, event, tuple(shut.get(place, ())), own, folder)
            except OddframeError as error:
                number = sum((other.key or other.id) == place for other in marked)
                gone[place] = f"{error}; {count_of(number, 'mark')} of it teach nothing"
        footage = known[place]
        if footage is not None:
            start, stop = (event.start_s, event.end_s) if footage.whole else (0.0, inf)
            what: Normality = "normal" if event.mark == "normal" else "abnormal"
            lessons.append(MarkedEvent(event.id, what, footage, start, stop, event.start_utc))
    return lessons, list(gone.values())


def _footage(
    bundle: Bundle, event: StoredEvent, shut: tuple[Span, ...], own: Sequence[StoredEvent], folder: Path | None
) -> Footage:
    """The video of an event.

    Raises:
        OddframeError: it is gone, is another one now, or cannot be read.
    """
    name = event.video or f"the clip of event {event.id}"
    if event.key is None:
        if event.clip is None:
            raise InputError(f"event {event.id} of camera {event.camera} has no clip")
        path = Path(event.clip) if folder is None else folder / event.clip
        if event.mark == "normal" and any(_together(event, other) for other in own):
            raise InputError(f"{name}: another event that is not marked as normal lasts at the same time")
    else:
        path = Path(event.path or "")
        if event.key.startswith("name:"):
            raise InputError(f"{name}: its content is not known; score it again")
    if not path.exists():
        raise InputError(f"{name}: {path} is gone")
    found = with_levels(find_videos(path), bundle.data.levels)
    if len(found) != 1:
        raise InputError(f"{name}: {path} holds {count_of(len(found), 'video')}, not one")
    source = found[0]
    if "@" in (event.key or ""):  # frames without time stamps, scored at a given rate
        source = replace(source, fps=float(str(event.key).partition("@")[2].partition("~")[0]))
    key = content_key(source)
    if event.key is not None and content_of(key) != content_of(event.key):
        raise InputError(f"{name}: {path} holds another video than the one that was scored")
    return Footage(source, key, event.key is not None, shut)


def _together(event: StoredEvent, other: StoredEvent) -> bool:
    """Whether another event of the camera, which is not marked as normal, lasts while this one does."""
    if other.mark == "normal" or other.camera != event.camera or other.start_utc is None or other.end_utc is None:
        return False
    assert event.start_utc is not None and event.end_utc is not None, "live events have moments"
    return other.start_utc <= event.end_utc and other.end_utc >= event.start_utc


def _split(lessons: Sequence[MarkedEvent], zones: tuple[IgnoredPlace, ...], gone: Sequence[str]) -> Lessons:
    """The earlier ones, and the later ones that lie far enough from them."""
    count = ceil(SHARE * len(lessons) - 1e-9)
    learned, later = lessons[:count], lessons[count:]
    near = [lesson for lesson in later if _near(lesson, learned)]
    return Lessons(
        tuple(learned), tuple(lesson for lesson in later if lesson not in near), tuple(near), zones, tuple(gone)
    )


def _near(lesson: MarkedEvent, others: Iterable[MarkedEvent]) -> bool:
    for other in others:
        if lesson.utc is not None and other.utc is not None:
            near = abs(lesson.utc - other.utc) < GUARD
        else:
            apart = max(lesson.start - other.stop, other.start - lesson.stop)
            near = lesson.footage.key == other.footage.key and apart < GUARD
        if near:
            return True
    return False


def open_spans(lesson: MarkedEvent, pad: float) -> list[Span]:
    """The seconds of a lesson, and `pad` beside it, without those of events that are not normal."""
    spans = [(max(lesson.start - pad, 0.0), lesson.stop + pad)]
    for start, stop in lesson.footage.shut:
        spans = [
            part
            for first, last in spans
            for part in ((first, min(last, start - pad)), (max(first, stop + pad), last))
            if part[1] > part[0]
        ]
    return spans


def by_footage(lessons: Iterable[MarkedEvent]) -> Mapping[str, tuple[Footage, tuple[MarkedEvent, ...]]]:
    """Key of footage -> the footage with its lessons, in order."""
    found: dict[str, tuple[Footage, tuple[MarkedEvent, ...]]] = {}
    for lesson in lessons:
        before = found.get(lesson.footage.key, (lesson.footage, ()))[1]
        found[lesson.footage.key] = lesson.footage, (*before, lesson)
    return found
