"""Frame rates of the videos that a detector learns from and scores: what is asked for, and what is said."""

from __future__ import annotations

from collections.abc import Sequence

from oddframe.bundle import TrainedDetector
from oddframe.errors import InputError
from oddframe.types import Signature, VideoInfo
from oddframe.video.rate import assumption, same_rate
from oddframe.video.sources import VideoSource


def refuse_guesses(guessed: Sequence[VideoSource]) -> None:
    """See to it that no rate of alarms rests on a frame rate that was assumed for these videos.

    Raises:
        InputError: there is one.
    """
    if guessed:
        raise InputError(
            f"{guessed[0].path}: alarms per hour need its frame rate, and its frames have no time stamps; give the "
            "rate with --fps, or choose the threshold by --quantile"
        )


def most_common_rate(rates: Sequence[tuple[float, int]]) -> float | None:
    """The rate at which most frames were taken, from (frames/s, frames) of every video; rates that agree are one."""
    if not rates:
        return None
    return max(rates, key=lambda one: sum(frames for rate, frames in rates if same_rate(rate, one[0])))[0]


def rate_notes(videos: Sequence[VideoInfo], trained: TrainedDetector, any_rate: bool) -> tuple[str, ...]:
    """What the user should know of the frame rates of scored videos, each a sentence."""
    notes = [assumption(videos)]
    outline, learned = trained.outline, trained.data.frame_rate
    known = [video for video in videos if video.rate != "assumed" and video.fps is not None]
    if not isinstance(outline, Signature) or not known:
        return tuple(note for note in notes if note)
    if learned is None:
        origin = "learned from frames whose rate was assumed" if trained.data.assumed_rate else "does not say its rate"
        notes.append(f"this bundle {origin}, so nothing tells whether videos of {known[0].fps:.4g} frames/s suit it")
    elif outline.paced:
        other = [video for video in known if not same_rate(video.fps or learned, learned)]
        if other:
            more = f" and {len(other) - 1} more" if len(other) > 1 else ""
            how = f"all its frames were scored as if it had {learned:.4g}, as --any-rate asks"
            if not any_rate:
                how = f"scored at {learned:.4g}, the rate that the detector learned at; frames between have no score"
            notes.append(f"{other[0].name}{more}: {other[0].fps:.4g} frames/s, {how}")
    return tuple(note for note in notes if note)
