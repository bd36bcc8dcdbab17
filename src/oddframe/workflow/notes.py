"""What is said of videos that are known by their content: sentences for the console, the report and the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from oddframe.account import count_of
from oddframe.bundle import TrainedDetector, TrainingData
from oddframe.errors import InputError, VideoError
from oddframe.scoring.promise import hours_text
from oddframe.scoring.sentinel_reference import NAME as SENTINEL
from oddframe.types import BagSignature, FrameScores, Signature, VideoInfo
from oddframe.video.identity import content_of
from oddframe.video.sources import VideoSource, ordered_frames

UNCHECKED = (
    "whether the detector learned from this video cannot be checked, because its bundle does not say what was in the "
    "videos that it learned from"
)


def named(videos: Sequence[str], most: int = 3) -> str:
    """The first names of a list, and how many more there are."""
    more = len(videos) - most
    return ", ".join(videos[:most]) + (f" and {more} more" if more > 0 else "")


def used_text(seconds: Mapping[str, float]) -> str:
    """For how long each of several calibrations held."""
    return "calibrations: " + ", ".join(f"{name} held for {hours_text(s / 3600)}" for name, s in seconds.items())


def damage_notes(infos: Iterable[VideoInfo]) -> list[str]:
    """What was wrong in videos, a line each."""
    return [f"{info.name}: {line}" for info in infos for line in info.damage]


def incomplete_parts(infos: Iterable[VideoInfo]) -> dict[str, str]:
    """Names of the videos of which much is lost, and how much of them was learned."""
    return {
        info.name: f"{info.account.lost_share:.1%} of its frames are lost or not sound; the others are learned"
        for info in infos
        if info.account is not None and info.account.incomplete
    }


def unkeyed_note(videos: Sequence[str], what: str, done: str) -> str:
    """Why stored scores or features were not used that an oddframe without content keys left.

    Args:
        videos: their names, at least one.
        what: "scores" or "features".
        done: what became of the videos: "scored" or "extracted".
    """
    became = "it was" if len(videos) == 1 else "they were"
    return (
        f"the stored {what} of {named(videos)} carry no content key, because an older oddframe made them; "
        f"{became} {done} again"
    )


def learned_from(data: TrainingData, keys: Mapping[str, str]) -> dict[str, str]:
    """The videos, of these names and content keys, that a detector learned from, each with its name at that time."""
    known = data.names_by_content
    return {name: known[content_of(key)] for name, key in keys.items() if content_of(key) in known}


def refuse_learned(path: Path, data: TrainingData, keys: Mapping[str, str]) -> None:
    """See to it that no threshold is found on video that the detector in `path` learned from.

    Raises:
        InputError: it learned from one of these videos, whatever its name was then.
    """
    seen = learned_from(data, keys)
    if seen:
        video, then = next(iter(seen.items()))
        called = "" if then == video else f", where it was called {then}"
        more = f" (and from {len(seen) - 1} more of these videos)" if len(seen) > 1 else ""
        raise InputError(
            f"{video}: the detector in {path} learned from this video{called}{more}; on it a threshold would promise "
            "too much: give normal video that it has not learned from"
        )


def order_notes(sources: Sequence[VideoSource]) -> tuple[str, ...]:
    """What there is to know of the order and the numbers of the images in folders of frames."""
    notes: list[str] = []
    for own in sources:
        with suppress(VideoError):  # what was learned is worth more than a note on a folder that is gone
            notes += [f"{own.name}: {note}" for note in ordered_frames(own.path)[1]] if own.kind == "frames" else []
    return tuple(notes)


def short_notes(scored: Sequence[FrameScores], outline: Signature | BagSignature) -> tuple[str, ...]:
    """A note for each video with fewer frames to look at than the detector looks at together; each has two at least."""
    window = outline.window if isinstance(outline, Signature) else None
    if window is None or window.missing == "drop":  # where a window is not whole, there is no score at all
        return ()
    needed = max(2, window.look_back + 1 + window.look_ahead)
    return tuple(
        f"{own.video}: too short, {count_of(len(own.frame), 'frame')} to look at where the detector looks at "
        f"{needed} together; its scores say nothing"
        for own in scored
        if len(own.frame) < needed
    )


def learned_notes(data: TrainingData, keys: Mapping[str, str]) -> tuple[str, ...]:
    """A note where a detector scored videos that it learned from."""
    seen = list(learned_from(data, keys))
    if not seen:
        return ()
    which = "this video" if len(seen) == 1 else "these videos"
    return (f"the detector learned from {which}, and its scores say little about new video: {named(seen)}",)


def unwatched_notes(trained: TrainedDetector, scored: Sequence[FrameScores]) -> tuple[str, ...]:
    """A note where nobody has looked for the camera's own faults, and why."""
    if not isinstance(trained.outline, Signature):
        return ()  # a detector of labelled videos is not made for one camera
    unseen = [own.video for own in scored if own.faults is None]
    if not unseen:
        return ()
    if not (trained.path / SENTINEL).is_file():
        return (
            "the camera's own faults are not looked for, because this detector keeps no picture of its camera; fit it "
            "again to have one",
        )
    return (
        f"the stored scores of {named(unseen)} do not tell the camera's own faults, because an older oddframe made "
        "them; --force scores again",
    )


def repeated(keys: Mapping[str, str]) -> dict[str, str]:
    """Videos whose content an earlier one has already, each with the name of that one."""
    first: dict[str, str] = {}
    again = {}
    for name, key in keys.items():
        if first.setdefault(content_of(key), name) != name:
            again[name] = first[content_of(key)]
    return again


def repeated_notes(keys: Mapping[str, str]) -> tuple[str, ...]:
    """A note where videos that are learned from are equal: one may be learned from and its copy held out."""
    again = repeated(keys)
    if not again:
        return ()
    copy, original = next(iter(again.items()))
    more = f", and {len(again) - 1} more videos are copies" if len(again) > 1 else ""
    return (
        f"{copy} has the same content as {original}{more}: where one copy is held out and another is learned from, the "
        "threshold promises too much",
    )
