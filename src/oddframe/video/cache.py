"""Cache of decoded frames on disk, for training.

A video is stored once per size, colour and interpolation, and its frames are memory-mapped. An entry is a folder named
after the content of the video and the way it is decoded. It holds `frames.u8` (raw frames), `time.npy` and `info.json`.
An entry is built under a hidden name, brought to the disk, and renamed when it is complete, so it is complete or
absent. Two processes may build the same entry: the first one to finish wins.

`info.json` keeps a CRC-32 of both other files and of itself. An entry that does not fit is built again: one that is cut
off or empty, of another length, with a bit that flipped, with a file in the place of a folder or the other way round.
`info.json`, `time.npy` and the length of `frames.u8` are checked whenever an entry is opened. The frames themselves are
read for their CRC only where the inode, the size or a time (mtime, ctime) of `frames.u8` is no longer what it was after
the last look, because the CRC of frames takes longer than reading them: 1.7 GB/s beside 6.9 GB/s from memory on a core
of a Xeon, so that the cache of ten hours of video would delay every start by minutes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from oddframe.atomic import sync, sync_folder, write_text
from oddframe.disk import FULL, require_room, room
from oddframe.errors import InputError, SpaceError, VideoError
from oddframe.locks import Lock, remove, remove_leftovers, taking_turns
from oddframe.processes import Count, Killed, run_tasks
from oddframe.types import VideoInfo, Window
from oddframe.video.decode import VideoReader, probe
from oddframe.video.identity import content_key
from oddframe.video.opening import count_packets
from oddframe.video.sources import VideoSource

_FORMAT = 3  # raised when the same video no longer decodes to the same frames; an entry without a CRC is built again
_SPARE = 64 << 20  # bytes that are left free on the disk
_BLOCK = 1 << 20
FRAMES, TIME, INFO = "frames.u8", "time.npy", "info.json"


@dataclass(frozen=True)
class CachedVideo:
    """A decoded video: `frames` (N, H, W, C) uint8 memory-mapped read-only, `time` (N,) float64 seconds."""

    source: VideoSource
    info: VideoInfo
    frames: np.memmap
    time: NDArray[np.float64]

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Pickle as the path of the entry. A pickled memory map would copy all its frames."""
        return _load, (Path(str(self.frames.filename)).parent, self.source)


@dataclass(frozen=True)
class _Job:
    """A video to decode into the folder `part`, which is renamed to `entry`.

    `key` names the content, and `frames` is the expected number.
    """

    source: VideoSource
    key: str
    window: Window
    part: Path
    entry: Path
    frames: int


def build_cache(
    sources: Sequence[VideoSource],
    window: Window,
    root: Path,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[CachedVideo], list[tuple[VideoSource, str]]]:
    """Decode the videos that are not cached yet, one process per video, and open all of them.

    Args:
        sources: the videos.
        window: its size, colour and interpolation decide how frames are decoded.
        root: the cache folder.
        workers: number of processes; with 1 this process does the work.
        progress: called with (frames decoded, frames expected) a few times a second while decoding.

    Returns:
        The usable videos in the order of `sources`, and the skipped ones with the reason.

    Raises:
        SpaceError: there is not enough disk space. Where the need can be estimated, nothing is written before.
        InputError: `root` cannot be written.
        OddframeError: no decoding process lives long enough to decode a video.
    """
    skipped: dict[VideoSource, str] = {}
    entries: dict[VideoSource, Path] = {}
    missing: dict[Path, tuple[VideoSource, str, int]] = {}
    remove_leftovers(root)
    for source in sources:
        try:
            key = content_key(source)
            entry = root / _entry_name(key, window)
            if entry not in missing and _load(entry, source) is None:
                missing[entry] = source, key, probe(source).frames or count_packets(source.where)
            entries[source] = entry
        except VideoError as error:
            skipped[source] = str(error)
    failed: dict[Path, str] = {}
    with ExitStack() as turn:
        try:
            if missing:
                turn.enter_context(taking_turns(root, sorted(entry.name for entry in missing)))
        except OSError as error:
            raise _unwritable(root, error) from error
        for entry, (source, _, _) in list(missing.items()):
            if _load(entry, source) is not None:  # another process has decoded it meanwhile
                del missing[entry]
        if missing:
            failed = _build_missing(missing, window, root, workers, progress)
    videos = []
    for source, entry in entries.items():
        video = _load(entry, source)
        if video is None:
            skipped[source] = failed.get(entry, f"{source.where}: its frames vanished from the cache {root}; run again")
        else:
            videos.append(video)
    return videos, [(source, skipped[source]) for source in sources if source in skipped]


def _build_missing(
    missing: dict[Path, tuple[VideoSource, str, int]],
    window: Window,
    root: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[Path, str]:
    """Build entries if there is room for them; returns why some could not be built."""
    need = sum(frames for _, _, frames in missing.values()) * _frame_bytes(window)
    if need > room(root):  # a header may promise anything: what is there is counted
        for entry, (source, key, frames) in missing.items():
            missing[entry] = source, key, count_packets(source.where) if source.kind == "file" else frames
        need = sum(frames for _, _, frames in missing.values()) * _frame_bytes(window)
    what = f"the decoded frames of {len(missing)} video{'s' * (len(missing) > 1)}"
    remedy = "set ODDFRAME_CACHE to a folder on another disk, or use fewer videos or a smaller size"
    require_room(root, need, what, remedy, _SPARE)
    return _build_all(missing, window, root, workers, progress)


def _build_all(
    missing: dict[Path, tuple[VideoSource, str, int]],
    window: Window,
    root: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[Path, str]:
    """Build entries in parallel; returns why some could not be built."""
    jobs = [
        _Job(source, key, window, root / f".building-{uuid.uuid4().hex}", entry, frames)
        for entry, (source, key, frames) in missing.items()
    ]
    try:
        root.mkdir(parents=True, exist_ok=True)
        locks = [Lock(job.part, folder=True) for job in jobs]
    except OSError as error:
        for job in jobs:
            remove(job.part)
        raise _unwritable(root, error) from error
    failed: dict[Path, str] = {}
    jobs.sort(key=lambda job: -job.frames)
    expected = sum(job.frames for job in jobs)

    def tell(frames: float) -> None:
        if progress is not None:
            progress(min(round(frames), expected), expected)

    try:
        with closing(run_tasks(_begin, jobs, workers, tell)) as answers:
            for job, reason in answers:
                if reason is not None:
                    failed[job.entry] = f"{job.source.path}: {reason}" if isinstance(reason, Killed) else reason
    finally:
        for job in jobs:  # what killed workers leave
            remove(job.part)
        for lock in locks:
            lock.release()
    return failed


def _begin() -> Callable[[_Job, Count], str | None]:
    return _build


def _build(job: _Job, count: Count) -> str | None:
    """Decode one video into its entry. Returns the reason if it cannot be decoded, otherwise None."""
    window = job.window
    times = []
    crc = 0
    try:
        job.part.mkdir(exist_ok=True)
        with (
            VideoReader(job.source, window.size, window.colour, window.resize) as reader,
            (job.part / FRAMES).open("wb") as file,
        ):
            for frame in reader:
                file.write(frame.image.data)
                crc = zlib.crc32(frame.image.data, crc)
                times.append(frame.time)
                count(1)
        stored = io.BytesIO()
        np.save(stored, np.asarray(times, np.float64))
        (job.part / TIME).write_bytes(stored.getbuffer())
        about = {
            "shape": [len(times), *window.size, window.channels],
            "info": asdict(replace(reader.info, key=job.key)),
            "crc": {FRAMES: crc, TIME: zlib.crc32(stored.getbuffer())},
        }
        for name in (FRAMES, TIME):
            sync(job.part / name)
        (job.part / INFO).write_text(_signed(about, job.part), "utf-8")
        sync(job.part / INFO)
        sync_folder(job.part)
        _put(job.part, job.entry)
    except VideoError as error:
        return str(error)
    except OSError as error:
        if error.errno in FULL:
            raise SpaceError(
                f"{job.entry.parent}: the disk filled up while {job.source.path} was decoded; free some space, or set "
                "ODDFRAME_CACHE to a folder on another disk"
            ) from error
        if error.errno is None:
            raise
        raise _unwritable(job.entry.parent, error) from error
    finally:
        remove(job.part)
    return None


def _unwritable(root: Path, error: OSError) -> InputError:
    return InputError(
        f"{root}: the frame cache cannot be written ({error.strerror}); set ODDFRAME_CACHE to another folder"
    )


def _put(part: Path, entry: Path) -> None:
    """Give a finished build its name. A sound entry, of a process that was faster, stays: its frames are the same."""
    try:
        part.rename(entry)
    except OSError:
        if not os.path.lexists(entry):
            raise
        if _stored(entry) is not None:
            return
        remove(entry)
        part.rename(entry)
    sync_folder(entry.parent)


def _load(entry: Path, source: VideoSource) -> CachedVideo | None:
    """Open an entry for `source`; None if it is absent or damaged."""
    about = _stored(entry)
    if about is None:
        return None
    try:
        frames = np.memmap(entry / FRAMES, np.uint8, "r", shape=tuple(about["shape"]))
        times = np.load(entry / TIME)
        info = VideoInfo.parse({**about["info"], "name": source.name, "path": source.where})
    except Exception:  # removed at this moment, or of another version
        return None
    return CachedVideo(source, info, frames, times)


def _stored(entry: Path) -> dict[str, Any] | None:
    """The content of `info.json` of an entry that is sound; None for any other."""
    try:
        about: dict[str, Any] = json.loads((entry / INFO).read_text("utf-8"))
        if _crc_of(about) != about["own"] or zlib.crc32((entry / TIME).read_bytes()) != about["crc"][TIME]:
            return None
        if (entry / FRAMES).stat().st_size != np.prod(about["shape"], dtype=np.int64):
            return None
        seen = _seen(entry)
        if seen is None or seen != about["seen"]:
            if _crc_of_file(entry / FRAMES) != about["crc"][FRAMES]:
                return None
            if seen is not None:
                _note_seen(entry, about)
        return about
    except Exception:  # what is damaged can raise almost anything
        return None


def _signed(about: dict[str, Any], folder: Path) -> str:
    """The text of `info.json`: what is known of an entry, how its frames look from outside, and the CRC of all that."""
    about = {**about, "seen": _seen(folder)}
    return json.dumps({**about, "own": _crc_of(about)})


def _note_seen(entry: Path, about: dict[str, Any]) -> None:
    """Keep how the frames look now that they were read, as after a copy of the cache, so that once is enough."""
    with suppress(OSError):
        write_text(entry / INFO, _signed({name: about[name] for name in ("shape", "info", "crc")}, entry))


def _seen(folder: Path) -> list[int] | None:
    """What changes with every change of the frames and is quick to look at; None where there is no such thing."""
    if os.name != "posix":
        return None
    stat = (folder / FRAMES).stat()
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _crc_of(about: dict[str, Any]) -> int:
    rest = {name: value for name, value in about.items() if name != "own"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def _crc_of_file(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def cache_key(source: VideoSource, window: Window) -> str:
    """Name of an entry: a hash of the video's content key, the way it is decoded, and the version of FFmpeg.

    Raises:
        VideoError: a file cannot be read.
    """
    return _entry_name(content_key(source), window)


def _entry_name(key: str, window: Window) -> str:
    decoding = (_FORMAT, av.ffmpeg_version_info, window.size, window.colour, window.resize, key)
    return hashlib.sha256(repr(decoding).encode()).hexdigest()[:32]


def _frame_bytes(window: Window) -> int:
    return window.size[0] * window.size[1] * window.channels
