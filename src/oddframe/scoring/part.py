"""Scoring a long video in parts, on different machines, and joining them to what scoring it whole gives, bit for bit.

A part is entered some time before its first frame: decoding, windows, the map filter, detectors with a memory and the
sentinel have warmed up when it begins. That this was long enough is not believed but shown. At both ends of a part
a `digest` is taken of all that the scores of later frames depend on: the number and the time of the frame, the clock,
the pictures that windows still see, and what the detector, the sentinel and the choice of frames remember. Where a part
begins with the digest that the one before has ended with, both have computed what one would have. Where it does not,
that part is scored once more with a longer warm-up, at last with all of the video before it.

Smoothing and events come after the join, on the whole video.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddframe.account import Account
from oddframe.datasets.windows import Chunk
from oddframe.errors import VideoError
from oddframe.reading.arrays import in_place, open_archive
from oddframe.reading.records import read_object
from oddframe.runtime.runtime import Runtime
from oddframe.scoring.files import PREFIX, MapSpool, fault_of, write_archive
from oddframe.scoring.memory import digest
from oddframe.scoring.scorer import WindowScorer
from oddframe.scoring.sentinel import Sentinel
from oddframe.scoring.stream import Collected, Maps, Piece, score_frames
from oddframe.types import CameraFault, ChunkErrors, FrameScores, VideoInfo
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.pauses import PauseFinder
from oddframe.video.rate import PacedFrames
from oddframe.video.sources import VideoSource

COUNTED = (
    "seen", "hidden", "decoded", "flawed", "unsound", "before_key", "corrupt", "missing", "replaced", "resets",
    "pauses", "paused_s",
)  # fmt: skip
"""Of an account: what adds up over the parts of a video."""


@dataclass(frozen=True)
class VideoPart:
    """A part of a video, by the numbers of frames and their times in seconds.

    Attributes:
        number, of: which part of how many, counted from 0.
        first, first_s: the first frame whose scores it gives.
        stop: the first frame of the next part; None for the last part.
        enter, enter_s: the frame at which reading begins, before `first`; 0 is the beginning of the video.
    """

    number: int
    of: int
    first: int
    first_s: float
    stop: int | None
    enter: int
    enter_s: float


@dataclass(frozen=True)
class PartScores:
    """What came of a part.

    Attributes:
        part: which it was.
        piece: its frames with their components, without a map.
        map: (M, h, w), or None.
        info: the video as far as it was read.
        faults: of the camera that ended in this part; None where nobody looked for them.
        before, after: digests at its first frame, and at the first frame of the next part; "" at the ends of the video.
        account: what was counted between its ends (see `COUNTED`), and what else the reader says at the end.
    """

    part: VideoPart
    piece: Piece
    map: NDArray[np.float16] | None
    info: VideoInfo
    faults: tuple[CameraFault, ...] | None
    before: str
    after: str
    account: Account = field(default_factory=Account)

    def save(self, path: Path, maps: MapSpool | None = None) -> None:
        """Write it as one file, which appears whole or not at all. `maps` takes the place of `map`."""
        meta = {
            "part": asdict(self.part), "info": asdict(self.info), "before": self.before, "after": self.after,
            "faults": None if self.faults is None else [asdict(fault) for fault in self.faults],
            "account": asdict(self.account),
        }  # fmt: skip
        arrays: dict[str, NDArray[Any]] = {"meta": np.array(json.dumps(meta))}
        arrays |= {"frame": self.piece.index, "time": self.piece.time}
        arrays |= {PREFIX + name: values for name, values in self.piece.components.items()}
        write_archive(path, arrays if self.map is None else {**arrays, "map": self.map}, maps)


def load_part(path: Path) -> PartScores:
    """What `PartScores.save` wrote.

    Raises:
        InputError: it is damaged.
    """
    with open_archive(
        path, "not a part of a video that oddframe scored", "delete it, and run the plan again"
    ) as stored:
        meta = read_object(str(stored["meta"]))
        components = {name.removeprefix(PREFIX): stored[name] for name in stored.files if name.startswith(PREFIX)}
        piece = Piece(stored["frame"], stored["time"], components, None)
        account = {**meta["account"], "others": tuple(meta["account"]["others"])}
        return PartScores(
            VideoPart(**meta["part"]), piece, in_place(path, "map.npy") if "map" in stored.files else None,
            VideoInfo.parse(meta["info"]),
            None if meta["faults"] is None else tuple(fault_of(row) for row in meta["faults"]),
            meta["before"], meta["after"], Account(**account),
        )  # fmt: skip


def why_not_cut(scorer: object) -> str:
    """Why a detector's scores of a part of a video cannot be shown to be those of the whole; empty where they can."""
    if not isinstance(scorer, WindowScorer):
        return "this detector looks at a video as a whole"
    if scorer.rule.schedule is not None:
        return "which of its calibrations holds may depend on all frames before"
    if scorer.carries_over or scorer.runtime.memory is None:
        return "this detector learns while it scores"
    return ""


def score_part(
    scorer: WindowScorer, source: VideoSource, key: str, part: VideoPart, times: NDArray[np.float64], maps: Maps = None
) -> PartScores:
    """Score a part of a video.

    Args:
        key: of its content.
        times: (N,) seconds of all frames of the video, from its timeline.
        maps: takes the anomaly maps; None drops them.

    Raises:
        VideoError: it cannot be read, or ends before this part.
    """
    window = scorer.runtime.signature.window
    with VideoReader(source, window.size, window.colour, window.resize, start=part.enter_s) as reader:
        info = replace(reader.info, key=key)
        frames = _PartFrames(scorer, reader, info, part)
        paced = _paced(frames, reader.info, scorer.learned, times[: part.enter])
        runtime = _Followed(scorer.runtime, part)
        collected = Collected(maps)
        with closing(score_frames(runtime, frames.kept(paced), scorer.batch)) as pieces:
            for piece in pieces:
                collected.add(_within(piece, part))
                if part.stop is not None and len(piece.index) and piece.index[-1] >= part.stop:
                    break
        at_end = frames.ends.get(part.stop)
        if part.stop is None:
            last = reader.account()
        elif at_end is None:
            raise VideoError(f"{source.where}: ends before frame {part.stop}; it was changed, so plan again")
        else:
            last = at_end.account
        begun = frames.ends[part.first].account if part.number else Account()
        return PartScores(
            part, collected.whole(), None, replace(reader.info, key=key), frames.faults(),
            "" if not part.number else _both(frames.ends[part.first].state, runtime.states.get(part.first, "")),
            "" if at_end is None else _both(at_end.state, runtime.states.get(part.stop, "")),
            replace(last, **{name: getattr(last, name) - getattr(begun, name) for name in COUNTED}),
        )  # fmt: skip


def join_parts(
    scorer: WindowScorer, source: VideoSource, parts: Sequence[PartScores], again: Callable[[int], PartScores]
) -> FrameScores:
    """The scores of a video from those of all its parts, in order, kept as the scorer keeps the scores of any video.

    Args:
        again: scores a part, by its number, once more with a longer warm-up; it is called where the part does not fit
            to the one before. A part that is entered at the beginning of the video fits.
    """
    whole: list[PartScores] = []
    for number, found in enumerate(parts):
        while whole and found.before != whole[-1].after and found.part.enter > 0:
            found = again(number)
        whole.append(found)
    first = whole[0]
    with scorer.store.maps(scorer.runtime.signature.map_grid) as maps:
        collected = Collected(maps)
        for one in whole:
            collected.add(replace(one.piece, map=one.map))
        piece = collected.whole()
        components = dict(piece.components)
        faults = None
        if first.faults is not None:
            ended = [replace(fault, video=source.name) for one in whole for fault in one.faults or ()]
            faults = tuple(sorted(ended, key=lambda fault: (fault.start_s, fault.kind)))
        scores = FrameScores(
            source.name, piece.index, piece.time, components, scorer.rule(components, piece.time), _info(whole, source),
            bundle=scorer.store.identity, faults=faults,
        )  # fmt: skip
        return scorer.store.save(scores, maps)


def _info(parts: Sequence[PartScores], source: VideoSource) -> VideoInfo:
    """What is known of the video once all of it is read."""
    first, last = parts[0].info, parts[-1]
    counts = {name: sum(getattr(one.account, name) for one in parts) for name in COUNTED}
    head = parts[0].account
    account = replace(
        last.account, **counts, promised=None if head.promised is None else counts["seen"], promised_s=head.promised_s,
        beyond=0,
    )  # fmt: skip
    own = last.info.account.losses() if last.info.account is not None else ()
    damage = (*account.losses(), *(line for line in last.info.damage if line not in own))
    notes = tuple(dict.fromkeys(note for one in parts for note in one.info.notes))
    named = replace(first, name=source.name, path=source.where)
    return replace(named, frames=account.decoded, damage=damage, notes=notes, account=account)


def _within(piece: Piece, part: VideoPart) -> Piece:
    """The frames of a piece that belong to a part."""
    inside = piece.index >= part.first
    if part.stop is not None:
        inside &= piece.index < part.stop
    components = {name: values[inside] for name, values in piece.components.items()}
    return Piece(piece.index[inside], piece.time[inside], components, None if piece.map is None else piece.map[inside])


def _both(one: str, other: str) -> str:
    return digest([one, other])


@dataclass(frozen=True)
class _End:
    """The state of reading when the first frame of a part comes, and what was counted so far."""

    state: str
    account: Account


class _PartFrames:
    """The frames of a part under their numbers in the whole video, as the sentinel sees them, with the states at both
    ends of the part."""

    def __init__(self, scorer: WindowScorer, reader: VideoReader, info: VideoInfo, part: VideoPart) -> None:
        self._reader, self._part = reader, part
        self._sentinel = None if scorer.sentinel is None else Sentinel(scorer.sentinel, info, scorer.store.identity)
        self._found: list[CameraFault] = []
        self._pauses = PauseFinder()
        self.picker: PacedFrames | None = None
        signature = scorer.runtime.signature
        look_back = signature.window.look_back + signature.look_ahead + (signature.map_filter or (0,))[0]
        self._recent: deque[Frame] = deque(maxlen=look_back + 1)
        self.ends: dict[int | None, _End] = {}

    def __iter__(self) -> Iterator[Frame]:
        part = self._part
        for read in self._reader:
            frame = replace(read, index=read.index + part.enter)
            for end in (part.first, part.stop):
                if end is not None and frame.index == end:
                    self.ends[end] = _End(self._state(frame), self._reader.account())
            inside = frame.index >= part.first and (part.stop is None or frame.index < part.stop)
            self._pauses.push(frame.time)
            if self._sentinel is not None:
                self._take(self._sentinel.push(frame), inside)
            yield frame
        if self._sentinel is not None:
            self._take(self._sentinel.flush(), part.stop is None)

    def kept(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames that the detector looks at; the last of them are remembered."""
        for frame in frames:
            self._recent.append(frame)
            yield frame

    def faults(self) -> tuple[CameraFault, ...] | None:
        """Those that ended within the part."""
        return None if self._sentinel is None else tuple(self._found)

    def _take(self, changes: Sequence[Any], inside: bool) -> None:
        self._found += [change.fault for change in changes if inside and change.kind == "closed"]

    def _state(self, frame: Frame) -> str:
        sentinel = None if self._sentinel is None else self._sentinel.memory
        picker = None if self.picker is None else self.picker.memory
        return digest([frame, self._reader.clock, self._pauses, sentinel, picker, self._recent])


def _paced(
    frames: _PartFrames, info: VideoInfo, learned: float | None, earlier: NDArray[np.float64]
) -> Iterator[Frame]:
    """The frames that the detector looks at; see `oddframe.video.rate.paced`. Which they are depends on the times of
    all frames before them, but not on their pictures."""
    if learned is None or info.rate == "assumed":
        yield from frames
        return
    nothing = np.zeros((0, 0, 0), np.uint8)
    frames.picker = PacedFrames(info, learned)
    for number, time in enumerate(earlier.tolist()):
        frames.picker.push(Frame(number, time, nothing))
    for frame in frames:
        yield from (picked for picked in frames.picker.push(frame) if picked.index >= len(earlier))
    yield from (picked for picked in frames.picker.flush() if picked.index >= len(earlier))


class _Followed(Runtime):
    """A runtime that says what it remembered at both ends of a part: chunks are split there."""

    def __init__(self, runtime: Runtime, part: VideoPart) -> None:
        self._runtime, self.signature, self.batch = runtime, runtime.signature, runtime.batch
        self._ends = [end for end in (part.first, part.stop) if end is not None]
        self.states: dict[int | None, str] = {}

    def score(self, chunk: Chunk) -> ChunkErrors:
        return self._runtime.score(chunk)

    def follow(self, chunk: Chunk) -> ChunkErrors:
        if self._runtime.memory == ():
            return self._runtime.follow(chunk)
        found = [self._follow(piece) for piece in _split(chunk, self._ends)]
        components = {name: np.concatenate([one.components[name] for one in found]) for name in found[0].components}
        maps = [one.map for one in found if one.map is not None]
        return ChunkErrors(components, np.concatenate(maps) if maps else None)

    def _follow(self, chunk: Chunk) -> ChunkErrors:
        for end in self._ends:
            if chunk.index[0] >= end and end not in self.states:
                self.states[end] = digest(self._runtime.memory)
        return self._runtime.follow(chunk)


def _split(chunk: Chunk, ends: Sequence[int]) -> list[Chunk]:
    """A chunk in pieces that begin at these frames."""
    edges = [row for end in ends if 0 < (row := int(np.searchsorted(chunk.index, end))) < len(chunk.index)]
    bounds = [0, *sorted(set(edges)), len(chunk.index)]
    pieces = []
    for start, stop in pairwise(bounds):
        rows = slice(start, stop)
        arrays = {name: getattr(chunk, name)[rows] for name in ("inputs", "targets", "index", "time")}
        pieces.append(replace(chunk, **arrays, begins=chunk.begins and start == 0))
    return pieces
