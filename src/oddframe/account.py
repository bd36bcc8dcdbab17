"""The account of a video: what became of every packet, and what the clock had to judge."""

from __future__ import annotations

from dataclasses import dataclass

LOST_SHARE = 0.01
"""A video of which a larger share is lost or not sound was not scored completely: commands exit with status 3."""


def count_of(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun in the singular or plural, such as "1 frame" and "2 frames"."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


@dataclass(frozen=True)
class Account:
    """What was read of a video, and what was lost.

    Every packet of the chosen stream is hidden, before the first key frame, corrupt, silent, or gave a decoded frame:
    `seen` is the sum of these. Of a frame folder, packets are images.

    Attributes:
        seen: packets that were read.
        hidden: packets that an edit list hides. Players do not show them, so they are not lost.
        decoded: frames.
        flawed: decoded frames in which the decoder found errors.
        unsound: decoded frames after a loss and before the next key frame. They may show what never was.
        before_key: packets before the first frame that can be decoded.
        corrupt: later packets that gave no frame.
        missing: frames of which no packet is there, by the gaps in numbers or time stamps.
        beyond: frames that the header promises after the end.
        promised: packets by the header, or None where it counts none: those seen and those beyond.
        promised_s: length by the header, in seconds, or None where it promises none.
        decoded_s: time of the last frame and one interval, in seconds.
        replaced: time stamps that were no use and were replaced.
        resets: jumps back of the clock that were bridged.
        pauses: pauses in the time stamps, and `paused_s` their seconds.
        stopped: why reading ended early, or empty.
        others: other video streams of the file, each in words.
    """

    seen: int = 0
    hidden: int = 0
    decoded: int = 0
    flawed: int = 0
    unsound: int = 0
    before_key: int = 0
    corrupt: int = 0
    missing: int = 0
    beyond: int = 0
    promised: int | None = None
    promised_s: float | None = None
    decoded_s: float = 0.0
    replaced: int = 0
    resets: int = 0
    pauses: int = 0
    paused_s: float = 0.0
    stopped: str = ""
    others: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        """Frames that should be there and are not."""
        return self.before_key + self.corrupt + self.missing + self.beyond

    @property
    def silent(self) -> int:
        """Packets that hold no frame of their own, as second fields do."""
        return self.seen - self.hidden - self.decoded - self.before_key - self.corrupt

    @property
    def lost_share(self) -> float:
        """Share (0..1) of all frames that are lost, have errors, or are not sound."""
        whole = self.decoded + self.lost
        return (self.lost + self.flawed + self.unsound) / whole if whole else 0.0

    @property
    def incomplete(self) -> bool:
        """Whether more than `LOST_SHARE` is lost."""
        return self.lost_share > LOST_SHARE

    def losses(self) -> tuple[str, ...]:
        """What is wrong with the video, one line each."""
        lines = []
        if self.before_key:
            lines.append(f"{count_of(self.before_key, 'packet')} before the first key frame gave no frame")
        if self.corrupt:
            lines.append(f"{count_of(self.corrupt, 'damaged packet')} gave no frame")
        if self.missing:
            lines.append(f"{count_of(self.missing, 'frame')} missing inside the video")
        if self.flawed:
            lines.append(f"{count_of(self.flawed, 'frame')} decoded with errors")
        if self.unsound:
            lines.append(f"{count_of(self.unsound, 'frame')} after a loss and before the next key frame not sound")
        if self.stopped:
            lines.append(f"reading stopped after {count_of(self.decoded, 'frame')}: {self.stopped}")
        if self.beyond and self.promised:
            visible = count_of(self.promised - self.hidden, "frame")
            lines.append(f"header promises {visible}, {self.decoded} decoded")
        elif self.beyond:
            lines.append(f"header promises {self.promised_s or 0:.2f} s, {self.decoded_s:.2f} s decoded")
        if self.replaced:
            lines.append(f"{count_of(self.replaced, 'impossible time stamp')} replaced")
        if self.resets:
            lines.append(f"the clock jumps back {count_of(self.resets, 'time')}; each jump is bridged")
        if self.lost + self.flawed + self.unsound:
            lines.append(f"{self.lost_share:.1%} of its frames are lost or not sound")
        return tuple(lines)

    def remarks(self) -> tuple[str, ...]:
        """What is worth knowing and not wrong, one line each."""
        lines = [f"not read: {other}" for other in self.others]
        if self.pauses:
            lines.append(f"{count_of(self.pauses, 'pause')} of {self.paused_s:.1f} s in all, which are not watched")
        return tuple(lines)
