"""Clips of events beside a report: the seconds around each of them as a file that a browser plays.

The packets of H.264 files are copied, from the last key frame before on, so that nothing is lost and it takes no time.
Any other video is cut out and encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from oddframe.atomic import replacing
from oddframe.errors import InputError, VideoError
from oddframe.live.packets import Encoded, PacketFile, StreamParameters
from oddframe.reading.guard import reading
from oddframe.types import Event, FrameScores
from oddframe.video.cutting import PLAYED, encode_span
from oddframe.video.opening import open_video, packets
from oddframe.video.sources import VideoSource

BEFORE_S = AFTER_S = 3.0
LONGEST_S = 60.0  # of a clip; a longer event has a clip of its beginning
MOST_LEAD_S = 10.0  # before the span that a copied clip begins, where key frames are far apart
MOST_SIDE = 960  # pixels of a clip that is encoded


def write_clips(
    folder: Path, source: VideoSource, scores: FrameScores, events: Sequence[Event], force: bool = False
) -> dict[str, Path]:
    """Write a clip for each event of a video, and return event id -> file.

    A clip that is there already is kept, unless `force`: its name holds the id of the event, which goes by the content
    of the video, and where the event ends.

    Raises:
        VideoError: the video can no longer be read.
    """
    found = {}
    for event in events:
        file = folder / f"{event.id}-{event.end_frame}.mp4"
        span = max(0.0, event.start_s - BEFORE_S), event.end_s + AFTER_S
        span = span[0], min(span[1], span[0] + LONGEST_S)
        there = not force and file.is_file() and file.stat().st_size > 0  # a disk that lost power leaves empty files
        if not there and not (can_be_copied(source, scores) and copy_span(source.where, span, file)):
            encode_span(source, span, file, MOST_SIDE)
        found[event.id] = file
    return found


def can_be_copied(source: VideoSource, scores: FrameScores) -> bool:
    """Whether the packets of a video have the times of its frames: a file whose clock needed no mending."""
    account = scores.info.account
    mended = account is not None and (account.resets or account.replaced or account.hidden)
    return source.kind == "file" and not source.timeless and not mended


def copy_span(where: str, span: tuple[float, float], file: Path) -> bool:
    """Copy the packets of a span of a video, in seconds from its first frame; whether that was possible.

    It is not where a browser does not play them, or the last key frame before the span is far away.

    Raises:
        VideoError: the file cannot be opened.
    """
    container, stream, _ = open_video(where, threads=1)
    with container, reading(where, "cannot be read", "get the file again", VideoError):
        context = stream.codec_context
        if stream.codec.canonical_name != "h264" or context.pix_fmt not in PLAYED or stream.start_time is None:
            return False
        try:
            parameters = StreamParameters(stream)
        except InputError:
            return False
        base, begin = parameters.time_base, stream.start_time
        # Some containers cannot be entered at a key frame: the last one before the span is looked for on the way there.
        early = max(0.0, span[0] - MOST_LEAD_S)
        container.seek(begin + int(Fraction(early) / base), stream=stream, backward=True)
        copied: list[Encoded] = []
        for packet in packets(container, stream):
            if packet.pts is None or packet.is_discard:
                return False
            time = float((packet.pts - begin) * base)
            if packet.is_keyframe and time <= span[0] + 1e-6:
                copied = []
            elif not copied and time > span[0]:
                return False
            elif not copied:
                continue
            # In the order of decoding, so that whatever a copied frame refers to is copied as well.
            if float(((packet.pts if packet.dts is None else packet.dts) - begin) * base) > span[1]:
                break
            stamps = packet.pts, packet.dts, packet.duration or 0
            copied.append(Encoded(bytes(packet), *stamps, packet.is_keyframe, 0.0, time))
    if not copied or copied[0].time < early:
        return False
    with replacing(file) as temporary:
        written = PacketFile(temporary, parameters, shown=str(file))
        for one in copied:
            written.write(one)
        written.close()
    return True
