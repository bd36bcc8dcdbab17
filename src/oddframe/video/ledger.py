"""Fills the account of a video file while it is read."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from oddframe.account import Account
from oddframe.video.clock import Clock
from oddframe.video.h264 import FrameNumbers
from oddframe.video.parts import PlayList

# Of these, sound files have packets without a frame of their own: references that are not shown, repeated frames.
_SILENT = frozenset(
    {"mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h263", "flv1", "vp6", "vp6f", "vp8", "theora", "wmv1", "wmv2"}
)
# Containers whose header states a length. Of the others FFmpeg guesses it.
_STATED = ("mov,mp4", "matroska", "flv", "asf")
_LEADING = 32  # packets after the first key frame that may be shown before it
_MARKED = 2  # frames after a marked packet at which the loss is
_REGULAR = 0.25  # an interval is regular if it is a multiple of the usual one to this share of it
_IRREGULAR_SHARE = 0.05  # a stream with more odd intervals has a variable rate, and a gap in it says nothing
_LEAST = 20  # intervals that make a rate
_LEAST_BYTES = 8  # of a file for each of its frames: an index and the headers of packets alone take more
_LOOSE_S = 2.0  # other streams of a file may be longer than the video by so much, or by `_LOOSE_SHARE`
_LOOSE_SHARE = 0.05
_LISTED_SHARE = 0.005  # of the length that a play list states may be wrong
_NEAR = 16  # frames between a gap and stamps too close together that make it good


class Ledger:
    """Counts packets and frames of one stream.

    A loss makes all frames until the next key frame unsound. What shows a loss: a packet that cannot be decoded, or is
    marked as corrupt and is not about the last one before a key frame; a frame with errors; a gap in the frame numbers
    of H.264; or, in a stream of another codec and of a constant rate, a gap in the time stamps.

    Attributes:
        visible: frames that players show, by the header, or None.
    """

    def __init__(self, stream: VideoStream, form: str, stride: int, listed: PlayList) -> None:
        """`form`: FFmpeg's name of the container. `stride`: slots of an AVI from one frame to the next."""
        self._listed = listed
        self._stream, self._avi, self._stride = stream, form == "avi", stride
        self._h264 = stream.codec.canonical_name == "h264"
        self._base = float(stream.time_base or Fraction(1, 90_000))
        self._promised = self._stated() // stride or None
        self._promised_s, self._exact = self._length(form)
        self.visible = self._promised
        rate = stream.average_rate
        if self._promised and form.startswith("mov") and stream.duration and rate:
            shown = round(stream.duration * self._base * rate)
            if abs(shown - self._promised) > 1:  # an edit list hides the others, and FFmpeg skips some of them
                self.visible, self._promised = shown, None
        self.restart()
        self._sought = False

    def restart(self) -> None:
        """Begin again in the middle of the video: what lies before is nobody's loss, nor what the header promises."""
        self._sought = True
        self._numbers = FrameNumbers(self._stream.codec_context.extradata) if self._h264 else None
        self._seen = self._hidden = self._pictures = self._failed = self._slots = 0
        self._before = self._leading = self._by_number = 0
        self._first: tuple[int, int | None] | None = None  # number of the packet of the first frame, and its stamp
        self._doubtful: set[int | None] = set()
        self._corrupt: set[int | None] = set()
        self._erroneous: set[int | None] = set()
        self._flawed = self._unsound = self._unsound_by_gap = 0
        self._keyed = self._shaken = self._gap = self._doubt = self._interlaced = False
        self._marked = 0
        self._last: float | None = None
        self._intervals = self._odd = self._gaps = self._by_gap = 0
        self._end: int | None = None
        self._dts: int | None = None
        self._astray = False  # FFmpeg hides packets of a joined file that no edit list means
        self._mark: tuple[int, int | None] | None = None  # number of the last marked packet, and its stamp
        self._short = self._short_at = self._spare_at = self._unsound_before = 0
        self._spare = 0.0

    def packet(self, packet: av.Packet[VideoStream]) -> None:
        """Take a packet before it is decoded."""
        self._seen += 1
        back = packet.dts is not None and self._dts is not None and packet.dts < self._dts
        self._astray = packet.is_discard and (self._astray or back)
        self._dts = packet.dts
        self._hidden += packet.is_discard and not self._astray
        if packet.is_keyframe:
            self._keyed, self._doubt = True, False
            if self._mark is not None and self._seen - self._mark[0] <= _MARKED:  # a joint before a key frame
                self._corrupt.discard(self._mark[1])
                self._marked = 0
        self._slots = packet.dts + self._stride if self._avi and packet.dts is not None else self._seen
        if packet.is_corrupt:
            self._corrupt.add(packet.pts)
            self._mark = self._seen, packet.pts
        if self._numbers is not None:
            missing = self._numbers.push(bytes(packet))
            if missing and self._keyed:
                self._by_number += missing
                self._doubt = True
        if self._doubt:
            self._doubtful.add(packet.pts)
        if packet.pts is not None and not packet.is_discard:
            end = packet.pts + (packet.duration or 0)
            self._end = end if self._end is None else max(self._end, end)
            if self._first is not None and self._seen - self._first[0] <= _LEADING:
                first = self._first[1]
                self._leading += first is not None and packet.pts < first

    def flaw(self, packet: av.Packet[VideoStream]) -> None:
        """Take a packet whose picture has errors that the decoder does not mark."""
        self._erroneous.add(packet.pts)

    def failed(self, packet: av.Packet[VideoStream]) -> None:
        """Take a packet that could not be decoded."""
        if not packet.is_discard:
            self._failed += 1
            self._doubt = self._keyed

    def picture(self, picture: av.VideoFrame, time: float, usual: float, number: int | None) -> None:
        """Take a frame, the usual interval in seconds, and the number of its packet where that is known."""
        if self._first is None:
            before = self._failed if number is None else max(0, number - self._hidden)
            self._first = (number or 0, picture.pts)
            self._before, self._failed = before, 0
            if self._sought:
                self._hidden, self._before = self._hidden + before, 0
        self._pictures += 1
        self._interlaced |= picture.interlaced_frame
        self._interval(time, usual)
        key = picture.key_frame
        if key:
            self._shaken = self._gap = False
            self._marked = 0
            self._doubtful.discard(None)
        self._lost_bytes(picture)
        doubtful = picture.pts in self._doubtful
        if picture.pts is not None:
            self._doubtful.discard(picture.pts)
        if picture.is_corrupt or picture.pts in self._erroneous:
            self._erroneous.discard(picture.pts)
            self._flawed += 1
            self._shaken = self._doubt = True
        elif self._shaken or doubtful:
            self._unsound += 1
        elif self._gap:
            self._unsound_by_gap += 1

    def account(self, clock: Clock, stopped: str, others: tuple[str, ...]) -> Account:
        """The account so far."""
        absent = max(0, self._seen - self._hidden - self._pictures)
        before = min(absent, self._before + self._leading)
        corrupt = absent - before
        if self._interlaced or self._stream.codec.canonical_name in _SILENT:
            corrupt = min(corrupt, self._failed)
        constant = self._intervals >= _LEAST and self._gaps + self._odd <= _IRREGULAR_SHARE * self._intervals
        by_gap = max(0, self._by_gap - corrupt) if constant and not self._avi else 0
        unsound = self._unsound + (self._unsound_by_gap if constant and not self._avi else 0)
        end_s = 0.0 if self._last is None else self._last + clock.usual
        beyond = 0 if self._sought else self._beyond(clock, end_s)
        missing = by_gap or (self._by_number if not constant or not self._by_gap else 0)
        missing = max(missing, self._absent(clock.usual, constant))
        return Account(
            promised=None if self._sought or not self._promised else self._seen + beyond,
            promised_s=None if self._sought else self._promised_s,
            seen=self._seen,
            hidden=self._hidden,
            decoded=self._pictures,
            flawed=self._flawed,
            unsound=unsound,
            before_key=before,
            corrupt=corrupt,
            missing=missing,
            beyond=beyond,
            decoded_s=end_s,
            replaced=clock.replaced,
            resets=clock.resets,
            pauses=len(clock.paused_s),
            paused_s=sum(clock.paused_s),
            stopped=stopped,
            others=others,
        )

    def _lost_bytes(self, picture: av.VideoFrame) -> None:
        """Where a demuxer marks a packet, bytes are missing thereabouts: a loss, unless a key frame follows."""
        if self._marked:
            self._marked -= 1
            if not self._marked:
                self._flawed += not picture.is_corrupt
                self._shaken = True
        if picture.pts in self._corrupt:
            self._corrupt.discard(picture.pts)
            self._marked = _MARKED

    def _interval(self, time: float, usual: float) -> None:
        if self._last is not None:
            steps = (time - self._last) / usual
            whole = round(steps)
            self._intervals += 1
            if abs(steps - whole) > _REGULAR or whole < 1:
                self._odd += 1
                if steps < 1:
                    self._spare = 1 - steps + (self._spare if self._pictures - self._spare_at <= _NEAR else 0)
                    self._spare_at = self._pictures
                    self._make_good()
            elif whole > 1 and time - self._last <= 1.0:
                self._gaps += 1
                self._by_gap += whole - 1
                self._short = whole - 1 + (self._short if self._pictures - self._short_at <= _NEAR else 0)
                self._short_at = self._pictures
                if not self._gap:
                    self._unsound_before = self._unsound_by_gap
                self._gap |= not self._h264
                self._make_good()
        self._last = time

    def _make_good(self) -> None:
        """Where frames lie too close together beside a gap, as replaced stamps do, so many are not missing in it."""
        if abs(self._short_at - self._spare_at) > _NEAR:
            return
        good = min(self._short, round(self._spare))
        if good:
            self._by_gap -= good
            self._short -= good
            self._spare -= good
            if not self._short:
                self._gap, self._unsound_by_gap = False, self._unsound_before

    def _absent(self, usual: float, constant: bool) -> int:
        """Frames that a play list promises and of which no packet is there."""
        listed = self._listed
        if self._sought or not listed.seconds:
            return 0
        short = listed.seconds - (self._seen - self._hidden) * usual
        room = 1.5 * usual + listed.slack_s + _LISTED_SHARE * listed.seconds
        by_length = round(short / usual) if constant and short > room else 0
        return max(by_length, round(listed.absent_s / usual))

    def _beyond(self, clock: Clock, end_s: float) -> int:
        """Frames that the header promises after the last packet."""
        if self._promised is not None:
            return max(0, self._promised - self._slots // self._stride)
        if self._promised_s is None or self._end is None:
            return 0
        end = end_s
        if not clock.resets:  # packets that were not decoded are not beyond the end
            start = clock.start or 0
            end = max(end, (self._end - start) * self._base, self._end * self._base if start > 0 else 0.0)
        short = self._promised_s - end
        room = 1.5 * clock.usual if self._exact else max(_LOOSE_S, _LOOSE_SHARE * self._promised_s)
        return round(short / clock.usual) if short > room else 0

    def _stated(self) -> int:
        """Frames that the header states; 0 where it states none, or more than the file can hold."""
        container = self._stream.container
        assert isinstance(container, InputContainer)
        return self._stream.frames if self._stream.frames * _LEAST_BYTES <= container.size else 0

    def _length(self, form: str) -> tuple[float | None, bool]:
        """Seconds that the header promises, and whether they are those of the video and not of another stream."""
        container = self._stream.container
        assert isinstance(container, InputContainer)
        if not form.startswith(_STATED):
            return None, False
        if form.startswith("mov") and self._stream.duration:
            return self._stream.duration * self._base, True
        stated = self._stream.metadata.get("DURATION")  # of Matroska
        if stated:
            try:
                hours, minutes, seconds = stated.split(":")
                return int(hours) * 3600 + int(minutes) * 60 + float(seconds), True
            except ValueError:
                pass
        if container.duration is None or container.duration <= 0:
            return None, False
        return container.duration / av.time_base, len(container.streams) == 1
