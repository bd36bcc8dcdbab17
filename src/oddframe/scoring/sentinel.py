"""The sentinel: whether the camera itself is at fault while its frames are scored.

It looks at the first frame of every second of the media clock, at 160 x 256 grey pixels, and judges the median of the
last ten such glances (five are enough at the beginning). All other frames cost a comparison of two numbers. What it
says of a moment depends on the frames up to it alone, and not on how a stream is cut.

    dark      the brightest 5 % of the pixels are darker than in normal video
    bright    more of the picture is saturated
    moved     the edges fit better somewhere else, or turned, or nowhere
    covered   blocks that hang together show something else, and the rest is as it should be; or no edge is left
    blurred   the edges are in their places and not sharp
    frozen    glances repeat earlier ones exactly, as neither life nor noise does

Dark comes first, then bright, then the others: without light there are no edges to judge. One of these lasts at a time;
frozen is judged beside them. A fault opens after some judgements that agree, and closes after some that find less than
the eased limits (`Limits.eased`), so that it does not flutter. A pause ends what was open, and the medians begin anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from oddframe.scoring.glance import Edges, Grey, agree, defocused, glance, least_change, turned, turned_back
from oddframe.scoring.sentinel_reference import (
    FEW,
    MANY,
    SHARED,
    SURE,
    Comparison,
    Limits,
    SentinelReference,
    median_of,
    second_of,
)
from oddframe.types import CameraFault, FaultKind, VideoInfo
from oddframe.video.decode import Frame
from oddframe.video.pauses import PauseFinder

OPENS = 3  # judgements that agree before a fault opens
OPENS_PART = 12  # where a part of the picture is covered: people stop in front of a camera, too
CLOSES = 4  # judgements without a fault before one closes
FITS = 0.25  # correlation that a picture must have where it is moved to
DEFOCUS = (1.5, 3.0, 5.0, 8.0)  # pixels of a glance, of the lenses out of focus that are tried
STRONGER, TOLD_S = 1.2, 60.0  # how much stronger a fault must become to be told of again, or after how many seconds
EMPTY = frozenset({"covered", "dark", "bright"})  # nothing moves in such a picture, and that is no standstill
BLANK = 0.45  # amount of edges, relative to the view, below which nothing is left of them
WHOLE = 0.7  # share of blocks from which on all of the picture is covered


class Verdict(NamedTuple):
    """What is wrong at one moment: how strongly, 1 at the limit and more beyond it, in words.

    `opens` is how many such judgements open a fault, and `of_scene` whether what covers a part of the picture has edges
    of its own, as things of the scene have.
    """

    kind: FaultKind
    strength: float
    words: str
    opens: int = OPENS
    of_scene: bool = False


@dataclass(frozen=True)
class FaultChange:
    """A step in the life of a fault: it is opened once, updated any number of times, and closed once.

    `fault` is what is known of it now. Its id, kind and start stay.
    """

    kind: Literal["opened", "updated", "closed"]
    fault: CameraFault


class Sentinel:
    """Watches one stream of frames for faults of its camera.

    Args:
        reference: what is normal.
        info: the video; words tell of pixels of its displayed size.
        bundle: id that the faults carry.

    Attributes:
        open: the faults that last now.
    """

    def __init__(self, reference: SentinelReference, info: VideoInfo, bundle: str = "") -> None:
        self._reference, self._info = reference, info
        self._pauses = PauseFinder()
        self._second: int | None = None
        self._glances: deque[tuple[int, float, Grey]] = deque(maxlen=MANY)
        self._changes: deque[float] = deque(maxlen=reference.limits.still)
        self._times: deque[tuple[int, float]] = deque(maxlen=reference.limits.still + 1)
        self._tracks = [Track(info, bundle), Track(info, bundle)]  # of the picture; of its standstill

    @property
    def open(self) -> tuple[CameraFault, ...]:
        return tuple(track.fault for track in self._tracks if track.fault is not None)

    @property
    def memory(self) -> object:
        """All of what it saw that later faults depend on."""
        kept = list(self._glances), list(self._changes), list(self._times)
        return self._pauses, self._second, kept, [track.memory for track in self._tracks]

    def push(self, frame: Frame) -> list[FaultChange]:
        """Take the next frame, in the reference's colour and of any size; what it changes."""
        changes = self.flush() if self._pauses.push(frame.time) else []
        second = second_of(frame.time)
        if self._second is not None and second <= self._second:
            return changes
        self._second = second
        own = glance(frame.image, self._reference.colour)
        if self._glances:
            self._changes.append(least_change(own, [kept for _, _, kept in self._glances]))
        self._glances.append((frame.index, frame.time, own))
        self._times.append((frame.index, frame.time))
        here = frame.index, frame.time
        picture, standstill = self._tracks
        if len(self._glances) >= FEW:
            changes += self._look(picture, here)
        still = (None, None) if picture.fault is not None and picture.fault.kind in EMPTY else self._frozen()
        changes += standstill.push(*still, self._times[0], here)
        return changes

    def flush(self) -> list[FaultChange]:
        """End the stream, or a stretch of it: what was open closes, and the medians begin anew."""
        self._second = None
        for kept in (self._glances, self._changes, self._times):
            kept.clear()
        return [change for track in self._tracks for change in track.flush()]

    def _look(self, picture: Track, here: tuple[int, float]) -> list[FaultChange]:
        """Judge the median of the latest glances."""
        strict, eased = self._judge(median_of([kept for _, _, kept in self._glances]), picture.fault)
        if eased is not None and eased.of_scene and self._stands():
            if picture.fault is None:  # cars that stand in a picture which is frozen cover nothing
                return []
            strict = eased = None
        newer = len(self._glances) // 2 + 1  # a median turns when the newer half of its glances shows the fault
        return picture.push(strict, eased, self._glances[-newer][:2], here)

    def _stands(self) -> bool:
        """Whether the latest glance repeats an earlier one exactly, which nothing in normal video does."""
        limit = self._reference.limits.change
        return limit > 0 and bool(self._changes) and self._changes[-1] <= limit

    def _judge(self, median: Grey, lasting: CameraFault | None) -> tuple[Verdict | None, Verdict | None]:
        """By the strict limits, and by the eased ones where a fault lasts."""
        found = Comparison(median, self._reference)
        limits = self._reference.limits
        strict = judge(found, limits, self._info)
        if lasting is None or strict is not None:
            return strict, strict
        return None, judge(found, limits.eased(), self._info)

    def _frozen(self) -> tuple[Verdict | None, Verdict | None]:
        if len(self._changes) < self._reference.limits.still:
            return None, None
        middle = float(np.median(self._changes))
        lasts = self._times[-1][1] - self._times[0][1]
        verdict = Verdict(
            "frozen", 1.0, f"the picture stands still; for {lasts:.0f} s nothing changes in it, not even noise", 1
        )
        strict, eased = (limits.change for limits in (self._reference.limits, self._reference.limits.eased()))
        return verdict if middle <= strict else None, verdict if middle <= eased else None


def judge(found: Comparison, limits: Limits, info: VideoInfo) -> Verdict | None:
    """What is wrong with a picture; None where nothing is."""
    light = found.brightness
    if light.high < limits.dark:
        words = f"the picture is dark: hardly a pixel is brighter than {light.high:.0f} of 255"
        return Verdict("dark", limits.dark / max(light.high, 1.0), words)
    if light.saturated > limits.bright:
        return _bright(found, limits)
    if not limits.edges:
        return None
    return _by_edges(found, limits, info)


def _bright(found: Comparison, limits: Limits) -> Verdict:
    saturated = found.brightness.saturated
    return Verdict(
        "bright", saturated / limits.bright, f"the picture is too bright: {saturated:.0%} of it is saturated"
    )


def _by_edges(found: Comparison, limits: Limits, info: VideoInfo) -> Verdict | None:
    whole, move = found.agreement.whole, found.move
    across, down = info.width / found.median.shape[1], info.height / found.median.shape[0]
    if move.pixels >= limits.shift and move.gain >= SURE and move.fit >= FITS and found.shared >= SHARED:
        words = f"the camera was moved: the picture lies {_offset(move.right * across, move.down * down)}"
        return Verdict("moved", move.pixels / limits.shift, words)
    soft = found.sharpness < limits.sharpness
    if whole >= limits.agreement:
        if found.covered >= limits.covered:
            return _covered(found, limits)
        if soft:
            return Verdict("blurred", limits.sharpness / found.sharpness, _soft(found))
        return None
    if soft and _defocus(found) >= max(limits.agreement, whole + 0.08):
        return Verdict("blurred", limits.sharpness / max(found.sharpness, 0.01), _soft(found))
    if found.covered >= WHOLE and _blank(found):  # the little that is left may fit anywhere
        return _covered(found, limits)
    strength = (1 - whole) / (1 - limits.agreement)
    turn = turned(found.median, found.view.picture)
    back = turned_back(found.median, turn)
    if turn.gain >= SURE and turn.fit >= FITS and found.shared_by(back, found.view) >= SHARED:
        words = f"the camera was turned by about {abs(turn.turn):.1f} degrees"
        return Verdict("moved", strength, words)
    if found.covered >= limits.covered and (_rest(found) >= limits.agreement or _blank(found)):
        return _covered(found, limits)
    return Verdict(
        "moved", strength, f"the camera was moved, or shows another scene: its edges agree by {max(whole, 0):.2f}"
    )


def _covered(found: Comparison, limits: Limits) -> Verdict:
    whole = found.covered >= WHOLE
    words = "the camera is covered" if whole else f"something covers {found.covered:.0%} of the picture"
    opens = OPENS if whole else OPENS_PART
    return Verdict("covered", found.covered / limits.covered, words, opens, not whole and not _blank(found))


def _rest(found: Comparison) -> float:
    """Median agreement of the blocks that are not bad."""
    agreement = found.agreement
    good = (agreement.weight >= 0.3) & (agreement.seen >= 0.5) & (agreement.parts >= 0.3)
    return float(np.median(agreement.parts[good])) if good.sum() >= 3 else 0.0


def _blank(found: Comparison) -> bool:
    """Whether hardly an edge is left where the view has some."""
    agreement = found.agreement
    bad = (agreement.weight >= 0.3) & (agreement.seen >= 0.5) & (agreement.parts < 0.3)
    return bool(bad.any()) and float(np.median(agreement.present[bad])) < BLANK


def _defocus(found: Comparison) -> float:
    """The best agreement with the view as a lens out of focus shows it."""
    return max(agree(found.edges, Edges.of(defocused(found.view.picture, sigma))).whole for sigma in DEFOCUS)


def _soft(found: Comparison) -> str:
    return f"the picture is not sharp: {found.sharpness:.0%} of its usual sharpness"


def _offset(right: float, down: float) -> str:
    parts = [
        f"{abs(value):.0f} pixels {words[value < 0]}"
        for value, words in ((right, ("to the right", "to the left")), (down, ("lower", "higher")))
        if abs(value) >= 0.5
    ]
    return " and ".join(parts) or "less than a pixel beside its place"


class Track:
    """The life of the faults of which one lasts at a time."""

    def __init__(self, info: VideoInfo, bundle: str) -> None:
        self._info, self._bundle = info, bundle
        self.fault: CameraFault | None = None
        self._waiting: tuple[Verdict, tuple[int, float], int] | None = None
        self._without, self._told = 0, 0.0

    @property
    def memory(self) -> object:
        """All that later faults depend on; how long nothing was told of a fault counts while it lasts."""
        return self.fault, self._waiting, self._without, None if self.fault is None else self._told

    def push(
        self, strict: Verdict | None, eased: Verdict | None, since: tuple[int, float], here: tuple[int, float]
    ) -> list[FaultChange]:
        """Take the judgement of a moment; `since` is the frame that shows the fault first, if there is one."""
        changes: list[FaultChange] = []
        self._wait(strict, since)
        if self.fault is not None:
            if eased is not None and eased.kind == self.fault.kind:
                self._without = 0
                changes += self._update(eased, here)
            else:
                self._without += 1
                if self._without >= CLOSES or (self._due and eased is not None):
                    changes += self._close()
        if self.fault is None and self._waiting is not None and self._due:
            changes.append(self._begin(here))
        return changes

    def flush(self) -> list[FaultChange]:
        """End: what lasts closes."""
        self._waiting, self._without = None, 0
        return self._close()

    @property
    def _due(self) -> bool:
        return self._waiting is not None and self._waiting[2] >= self._waiting[0].opens

    def _wait(self, strict: Verdict | None, since: tuple[int, float]) -> None:
        """Count judgements of one kind after each other; the strongest of them stays."""
        if strict is None or (self.fault is not None and strict.kind == self.fault.kind):
            self._waiting = None
        elif self._waiting is None or self._waiting[0].kind != strict.kind:
            self._waiting = strict, since, 1
        else:
            before, begun, count = self._waiting
            best = strict if strict.strength >= before.strength else before
            self._waiting = best._replace(opens=strict.opens), begun, count + 1

    def _begin(self, here: tuple[int, float]) -> FaultChange:
        assert self._waiting is not None
        verdict, (frame, time), _ = self._waiting
        self._waiting, self._without, self._told = None, 0, here[1]
        self.fault = CameraFault(
            video=self._info.name, kind=verdict.kind, start_frame=frame, end_frame=here[0], start_s=time, end_s=here[1],
            strength=verdict.strength, words=verdict.words, bundle=self._bundle, key=self._info.key,
        )  # fmt: skip
        return FaultChange("opened", self.fault)

    def _update(self, verdict: Verdict, here: tuple[int, float]) -> list[FaultChange]:
        """The fault goes on; that is told where it becomes stronger, and once a minute."""
        assert self.fault is not None
        stronger = verdict.strength > STRONGER * self.fault.strength
        self.fault = replace(self.fault, end_frame=here[0], end_s=here[1])
        if stronger:
            self.fault = replace(self.fault, words=verdict.words, strength=verdict.strength)
        if not stronger and here[1] - self._told < TOLD_S:
            return []
        self._told = here[1]
        return [FaultChange("updated", self.fault)]

    def _close(self) -> list[FaultChange]:
        fault, self.fault, self._without = self.fault, None, 0
        return [] if fault is None else [FaultChange("closed", fault)]


def watched(frames: Iterable[Frame], sentinel: Sentinel, changes: list[FaultChange]) -> Iterator[Frame]:
    """The same frames; what a sentinel finds in them goes to `changes`."""
    for frame in frames:
        changes += sentinel.push(frame)
        yield frame
    changes += sentinel.flush()


def closed(changes: Iterable[FaultChange]) -> tuple[CameraFault, ...]:
    """The faults that ended, in order of their start."""
    faults = [change.fault for change in changes if change.kind == "closed"]
    return tuple(sorted(faults, key=lambda fault: (fault.start_s, fault.kind)))
