"""What a camera shows when nothing is wrong with it: views, and limits of what is normal.

A view is the median picture of one state of the camera: by day, by lamps, in infra-red, at each preset of a camera that
turns. A bundle keeps them as `sentinel.npz`. They are learned from glances at normal video:

1. Ten glances after each other make a median.
2. Medians with the same edges in the same place make a view.
3. Every median is held against its view as the medians of other videos make it, or where there is one video, those of
   its other half. The limits lie beyond what that finds, so no limit rests on a median that is compared with itself.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import replacing
from oddframe.errors import BundleError
from oddframe.reading.arrays import member, refuse_bomb
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object, record_of
from oddframe.scoring.glance import (
    HEIGHT,
    WIDTH,
    Agreement,
    Brightness,
    Edges,
    Grey,
    Move,
    View,
    agree,
    glance,
    least_change,
    placed,
    sharpness,
)
from oddframe.scoring.glance import shift as shift_of
from oddframe.types import Colour

NAME = "sentinel.npz"
VERSION = 1
EVERY = 1.0  # seconds of the media clock between two glances
MANY = 10  # glances of a median
FEW = 5  # glances from which on a median is judged
MOST_VIEWS = 8
MOST_MEDIANS = 240  # that are learned from
SAME, APART = 0.5, 1.5  # agreement and pixels within which medians are of one view
SURE = 0.05  # by how much a median must fit better where it is moved, for the move to be believed
BAD, EDGY = 0.3, 0.3  # agreement of a block that shows something else, and the weight of a block that can tell
SWINGS = 8.0  # pixels that a camera which does not turn may swing by
SEVERAL, FARTHER = (
    6,
    (3.0, 1.5),
)  # medians; how many times as far as it has swung a camera may swing, below and from there
EXACT = 0.01  # grey levels by which a picture may differ from another one that it repeats
SHARED = 0.75  # of the blocks that tell, how many must fit better where a picture is moved
TELLS = 0.1  # difference of agreements, moved and unmoved, from which on a block tells
POOR = 0.03  # amount of edges below which a picture has nothing to compare


@dataclass(frozen=True)
class Limits:
    """Beyond which a fault begins. Every value of normal video that was learned from lies inside.

    Attributes:
        agreement: least agreement of the edges.
        shift: pixels of a glance.
        sharpness: least sharpness relative to the view.
        covered: share of the blocks with edges that hang together and show something else.
        dark: grey level that the brightest 5 % of the pixels reach.
        bright: share of saturated pixels.
        change: grey levels by which a glance differs from each of the last ten while something moves, or noise does.
        still: glances that must differ by less from one of them, in their median.
        edges: whether the edges can be compared; not where the picture has none, or where it shows many views.
        sway: pixels of a glance by which the camera swings in normal video; 0 where it stands still.
    """

    agreement: float = 0.42
    shift: float = 1.5
    sharpness: float = 0.78
    covered: float = 0.2
    dark: float = 40.0
    bright: float = 0.5
    change: float = 0.0
    still: int = 20
    edges: bool = True
    sway: float = 0.0

    def eased(self) -> Limits:
        """The limits that must be met again before a fault is over."""
        return replace(
            self,
            agreement=self.agreement + 0.04,
            shift=0.8 * self.shift,
            sharpness=self.sharpness + 0.04,
            covered=0.7 * self.covered,
            dark=1.2 * self.dark,
            bright=0.85 * self.bright,
            change=1.5 * self.change,
        )


@dataclass(frozen=True)
class SentinelReference:
    """What the sentinel of a bundle knows of its camera.

    Attributes:
        colour: of the frames that it looks at, as the detector's window has it.
        views: (160, 256) median pictures, the most frequent first; none where the video shows more than eight.
        limits: of what is normal.
        seconds: of normal video that was glanced at.
    """

    colour: Colour
    views: tuple[Grey, ...]
    limits: Limits
    seconds: float = 0.0

    @cached_property
    def shown(self) -> tuple[View, ...]:
        """The views, with what is computed of each once."""
        return tuple(map(View, self.views))


class Comparison:
    """A median held against the views of a reference: everything that rules are made of, each measured once."""

    def __init__(self, median: Grey, reference: SentinelReference) -> None:
        self.median = median
        self.brightness = Brightness.of(median)
        self._reference = reference

    @cached_property
    def edges(self) -> Edges:
        """Of the median."""
        return Edges.of(self.median)

    @cached_property
    def _agreements(self) -> list[Agreement]:
        return (
            [
                agree(self._swung_back(move), view.edges)
                for move, view in zip(self._moves, self._reference.shown, strict=True)
            ]
            if self._reference.limits.sway
            else [agree(self.edges, view.edges) for view in self._reference.shown]
        )

    def _swung_back(self, move: Move) -> Edges:
        """The edges of a camera that swings, put back where the view has them, if it may have swung so far."""
        swung = move.gain >= SURE and move.pixels < self._reference.limits.shift
        return placed(self.edges, move) if swung else self.edges

    @cached_property
    def nearest(self) -> int:
        """Number of the view that agrees best."""
        return int(np.argmax([agreement.whole for agreement in self._agreements]))

    @property
    def agreement(self) -> Agreement:
        """With the nearest view."""
        return self._agreements[self.nearest]

    @property
    def view(self) -> View:
        """The nearest one."""
        return self._reference.shown[self.nearest]

    @cached_property
    def _moves(self) -> list[Move]:
        return [shift_of(self.edges, view) for view in self._reference.shown]

    @property
    def move(self) -> Move:
        """To the view that fits best where it is moved to."""
        return max(self._moves, key=lambda move: move.fit)

    @property
    def moved_to(self) -> View:
        """That view."""
        return self._reference.shown[self._moves.index(self.move)]

    @cached_property
    def shared(self) -> float:
        """Share of the blocks that tell which fit better where the picture is moved; see `shared_by`."""
        return self.shared_by(placed(self.edges, self.move), self.moved_to)

    def shared_by(self, back: Edges, view: View) -> float:
        """Share of the blocks that tell which fit a view better after a move is undone; 1 where none tells.

        A camera that was moved moves everything. Things that somebody has put elsewhere move alone.

        Args:
            back: the edges after it is undone.
        """
        unmoved, moved = agree(self.edges, view.edges), agree(back, view.edges)
        seen = (unmoved.weight >= EDGY) & (unmoved.seen >= 0.5) & (moved.seen >= 0.5)
        gains = (moved.parts - unmoved.parts)[seen]
        better, worse = int((gains >= TELLS).sum()), int((gains <= -TELLS).sum())
        return better / (better + worse) if better + worse else 1.0

    @cached_property
    def sharpness(self) -> float:
        """Relative to the nearest view."""
        return sharpness(self.median, self.view)

    @cached_property
    def covered(self) -> float:
        """Share of the blocks with edges that hang together and show something else than the nearest view."""
        return covered_share(self.agreement)


def covered_share(found: Agreement) -> float:
    """See `Comparison.covered`."""
    from scipy import ndimage

    telling = (found.weight >= EDGY) & (found.seen >= 0.5)
    bad = telling & (found.parts < BAD)
    if not bad.any():
        return 0.0
    labels, _ = ndimage.label(bad, np.ones((3, 3)))
    return float(np.bincount(labels[bad]).max() / telling.sum())


@dataclass(frozen=True)
class Median:
    """Ten glances of one video.

    Attributes:
        video: name of the video.
        median: of them.
        view: number of the view that it belongs to.
    """

    video: str
    median: Grey
    view: int = -1


@dataclass
class ReferenceLearner:
    """Takes glances at normal video and makes a reference of them."""

    colour: Colour
    seen: list[Median] = field(default_factory=list)
    _changes: list[list[float]] = field(default_factory=list)
    _glances: list[Grey] = field(default_factory=list)
    _video: str = ""
    _second: int | None = None
    _latest: deque[Grey] = field(default_factory=lambda: deque(maxlen=MANY))

    def begin(self, video: str) -> None:
        """A new stretch of consecutive frames begins."""
        self._end()
        self._video, self._second = video, None
        self._changes.append([])

    def see(self, time: float, image: NDArray[np.uint8]) -> None:
        """The next frame of the stretch; only the first one of a second is looked at."""
        second = second_of(time)
        if self._second is not None and second <= self._second:
            return
        self._second = second
        own = glance(image, self.colour)
        if self._latest:
            self._changes[-1].append(least_change(own, self._latest))
        self._latest.append(own)
        self._glances.append(own)
        if len(self._glances) == MANY:
            self._median()

    def learned(self) -> SentinelReference | None:
        """The reference; None where nothing was seen. `seen` then tells which view each median belongs to."""
        self._end()
        if not self.seen:
            return None
        self.seen = thinned(self.seen)
        self.seen, views = _cluster(self.seen)
        seconds = EVERY * sum(len(part) + 1 for part in self._changes)
        few = len(views) <= MOST_VIEWS
        limits = _limits(self.seen, views if few else [], self._changes)
        return SentinelReference(self.colour, tuple(views) if few else (), limits, seconds)

    def _end(self) -> None:
        known = any(seen.video == self._video for seen in self.seen)
        if len(self._glances) >= FEW or (self._glances and not known):
            self._median()
        self._glances.clear()
        self._latest.clear()

    def _median(self) -> None:
        self.seen.append(Median(self._video, median_of(self._glances)))
        self._glances.clear()


def second_of(time: float) -> int:
    """The second of the media clock that a time stamp lies in; a stamp a hair before it counts as in it."""
    return int(np.floor(time / EVERY + 1e-6))


def median_of(glances: Sequence[Grey]) -> Grey:
    """The median picture of some glances; between two middle values the lower one."""
    middle = (len(glances) - 1) // 2
    if len(glances) > MANY:
        return np.asarray(np.partition(np.stack(glances), middle, axis=0)[middle], np.uint8)
    rows = list(glances)  # sorted by comparing whole pictures, which takes a tenth of the time of `np.partition`
    for turn in range(len(rows)):
        for k in range(turn % 2, len(rows) - 1, 2):
            rows[k], rows[k + 1] = np.minimum(rows[k], rows[k + 1]), np.maximum(rows[k], rows[k + 1])
    return rows[middle]


def thinned(seen: Sequence[Median]) -> list[Median]:
    """At most `MOST_MEDIANS` of them, evenly spread."""
    step = -(-len(seen) // MOST_MEDIANS)
    return list(seen[::step])


def belongs(edges: Edges, view: View) -> float:
    """The agreement of edges with a view that they may belong to; -1 where they do not."""
    whole = agree(edges, view.edges).whole
    if whole < SAME:
        return -1.0
    move = shift_of(edges, view)
    return -1.0 if move.pixels >= APART and move.gain >= SURE else whole


def _cluster(seen: Sequence[Median]) -> tuple[list[Median], list[Grey]]:
    """The medians with the numbers of their views, and the views, the most frequent first."""
    leaders: list[View] = []
    numbers: list[int] = []
    for one in seen:
        own = View(one.median)
        found = [belongs(own.edges, leader) for leader in leaders]
        best = int(np.argmax(found)) if found else 0
        if not found or found[best] < 0:
            best = len(leaders)
            leaders.append(own)
        numbers.append(best)
    counts = np.bincount(numbers, minlength=len(leaders))
    order = np.argsort(-counts, kind="stable").tolist()
    ranks = {old: new for new, old in enumerate(order)}
    marked = [replace(one, view=ranks[number]) for one, number in zip(seen, numbers, strict=True)]
    views = [median_of([one.median for one in marked if one.view == view][:200]) for view in range(len(order))]
    return marked, views


def _limits(seen: Sequence[Median], views: Sequence[Grey], changes: Sequence[Sequence[float]]) -> Limits:
    """Beyond all that normal video shows; wider where it is little."""
    lights = [Brightness.of(one.median) for one in seen]
    darkest, saturated = min(light.high for light in lights), max(light.saturated for light in lights)
    calm, still = _frozen(changes)
    limits = Limits(
        dark=min(45.0, 0.45 * darkest), bright=min(0.9, max(0.5, saturated + 0.3)), change=calm, still=still
    )
    scattered = len(views) >= 3 and len(views) > len(seen) / 2  # hardly two medians show the same
    if not views or scattered or Edges.of(views[0]).amount < POOR:
        return replace(limits, edges=False)
    found, sway = list(_against_others(seen)), _sway(seen, views)
    if not found:
        return replace(limits, shift=max(limits.shift, FARTHER[0] * sway), sway=sway)
    margin = 0.75 if len(found) >= SEVERAL else 0.65
    covered = max(look.covered for look in found)
    return replace(
        limits,
        agreement=min(0.6, margin * min(look.agreement.whole for look in found)),
        shift=max(1.2, 2 * max(look.move.pixels for look in found), FARTHER[len(found) >= SEVERAL] * sway),
        sway=sway,
        sharpness=min(0.85, 0.85 * min(look.sharpness for look in found)),
        covered=min(0.8, max(0.12, 1.5 * covered)),
    )


def _sway(seen: Sequence[Median], views: Sequence[Grey]) -> float:
    """The largest distance, in pixels, of two views between which the camera swings within one video; 0 without any.

    Farther ones are presets of a camera that turns.
    """
    shown = [View(view) for view in views]
    pairs = {
        (first.view, second.view)
        for first, second in pairwise(seen)
        if first.video == second.video and first.view != second.view
    }
    moves = [shift_of(shown[first].edges, shown[second]) for first, second in sorted(pairs)]
    return max((move.pixels for move in moves if move.gain >= SURE and move.pixels <= SWINGS), default=0.0)


def _against_others(seen: Sequence[Median]) -> list[Comparison]:
    """Every median against its view as the medians of other videos, or of the other half of its video, make it."""
    looks = []
    for view in range(max(one.view for one in seen) + 1):
        own = [one for one in seen if one.view == view]
        videos = {one.video for one in own}
        groups = [one.video for one in own] if len(videos) > 1 else [f"{2 * k // len(own)}" for k in range(len(own))]
        for group in sorted(set(groups)):
            others = [one.median for one, its in zip(own, groups, strict=True) if its != group]
            if not others:
                continue
            reference = SentinelReference("gray", (median_of(others[:200]),), Limits())
            looks += [Comparison(one.median, reference) for one, its in zip(own, groups, strict=True) if its == group]
    return looks


def _frozen(changes: Sequence[Sequence[float]]) -> tuple[float, int]:
    """`change` and `still` of the limits: below what ten normal glances in a row differ by.

    An encoder that is given one picture again and again comes back to the same decoded pictures, exactly, after some
    seconds, whatever its key frames do. Noise keeps a picture of which nothing else moves from doing so.
    """
    medians = [
        float(np.median(part[start : start + MANY]))
        for part in changes
        for start in range(max(0, len(part) - MANY + 1))
    ]
    calm = 0.25 * min(medians, default=4 * EXACT)
    if calm >= EXACT:  # where there is too little video to know how calm normal life is, it may be calm for longer
        return EXACT, MANY if len(medians) >= 30 else MANY * 3 // 2
    longest = 0
    for part in changes:
        run = 0
        for value in part:
            run = run + 1 if value <= 0 else 0
            longest = max(longest, run)
    return 0.0, max(2 * MANY, 2 * longest + MANY)


def save_reference(folder: Path, reference: SentinelReference | None) -> None:
    """Write a reference into a bundle; without one an older file is removed."""
    if reference is None:
        (folder / NAME).unlink(missing_ok=True)
        return
    meta = {
        "version": VERSION, "colour": reference.colour, "seconds": round(reference.seconds, 3),
        "limits": asdict(reference.limits),
    }  # fmt: skip
    views = np.stack(reference.views) if reference.views else np.zeros((0, HEIGHT, WIDTH), np.uint8)
    with replacing(folder / NAME) as temporary, temporary.open("wb") as file:
        np.savez(file, meta=np.array(json.dumps(meta)), views=views)


def load_reference(folder: Path) -> SentinelReference | None:
    """The reference of a bundle or an exported detector; None where it keeps none.

    Raises:
        BundleError: the file is damaged, or of a newer version.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    with reading(path, "damaged", "remove the file to do without the sentinel, or copy it again", BundleError):
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            refuse_bomb(kept)
            meta, views = read_object(str(member(kept, "meta"))), member(kept, "views")
        if meta["version"] != VERSION:
            raise ValueError(f"version {meta['version']}, this oddframe reads {VERSION}")
        if views.dtype != np.uint8 or views.ndim != 3 or views.shape[1:] != (HEIGHT, WIDTH) or len(views) > MOST_VIEWS:
            raise ValueError(f"its views are {views.dtype} of shape {views.shape}")
        if meta["colour"] not in ("bgr", "rgb", "gray"):
            raise ValueError(f"there is no colour {meta['colour']!r}")
        limits = record_of(Limits, meta["limits"])
        if limits.still < 1 or (limits.edges and not len(views)):
            raise ValueError("its limits do not fit its views")
        return SentinelReference(meta["colour"], tuple(views), limits, float(meta["seconds"]))
