"""Cache of decoded frames on disk, for training.

A video is stored once per size, colour and interpolation, and its frames are memory-mapped. An entry is a folder named
after the content of the video and the way it is decoded. It holds `frames.u8` (raw frames), `time.npy` and `info.json`.
An entry is built under a hidden name and renamed when it is complete, so it is complete or absent. Two processes may
build the same entry: the first one to finish wins.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from oddframe.errors import InputError, OddframeError, SpaceError, VideoError
from oddframe.processes import main_hidden, process_pool
from oddframe.types import VideoInfo, Window
from oddframe.video.decode import VideoReader, probe
from oddframe.video.pictures import count_packets
from oddframe.video.sources import VideoSource, frame_files

_FORMAT = 1  # raised when the same video no longer decodes to the same frames, or when the files of an entry change
_SAMPLE = 1 << 16  # bytes read at each of three places of a file to identify its content
_SPARE = 64 << 20  # bytes that are left free on the disk
_STALE_S = 24 * 3600.0  # a build that is unchanged for this long was killed


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
    """A video to decode into the folder `part`, which is renamed to `entry`; `frames` is the expected number."""

    source: VideoSource
    window: Window
    part: Path
    entry: Path
    frames: int


def default_cache_root() -> Path:
    """The cache folder: ODDFRAME_CACHE where it is set, otherwise oddframe/frames in the user's cache folder."""
    folder = os.environ.get("ODDFRAME_CACHE")
    if folder:
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oddframe" / "frames"


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
        OddframeError: a decoding process was killed.
    """
    skipped: dict[VideoSource, str] = {}
    entries: dict[VideoSource, Path] = {}
    missing: dict[Path, tuple[VideoSource, int]] = {}
    for source in sources:
        try:
            entry = root / cache_key(source, window)
            if entry not in missing and _load(entry, source) is None:
                missing[entry] = source, probe(source).frames or count_packets(source.path)
            entries[source] = entry
        except VideoError as error:
            skipped[source] = str(error)
    failed: dict[Path, str] = {}
    if missing:
        _require_space(root, len(missing), sum(frames for _, frames in missing.values()) * _frame_bytes(window))
        failed = _build_all(missing, window, root, workers, progress)
    videos = []
    for source, entry in entries.items():
        video = _load(entry, source)
        if video is None:
            skipped[source] = failed.get(entry, f"{source.path}: its frames vanished from the cache {root}; run again")
        else:
            videos.append(video)
    return videos, [(source, skipped[source]) for source in sources if source in skipped]


def _build_all(
    missing: dict[Path, tuple[VideoSource, int]],
    window: Window,
    root: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[Path, str]:
    """Build entries in parallel; returns why some could not be built."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_stale(root)
        jobs = []
        for entry, (source, frames) in missing.items():
            shutil.rmtree(entry, ignore_errors=True)  # an entry that exists but cannot be loaded is damaged
            jobs.append(_Job(source, window, root / f".building-{uuid.uuid4().hex}", entry, frames))
            jobs[-1].part.mkdir()
    except OSError as error:
        raise InputError(
            f"{root}: the frame cache cannot be written ({error.strerror}); set ODDFRAME_CACHE to another folder"
        ) from error
    failed: dict[Path, str] = {}
    pool = _pool(min(workers, len(jobs)))
    try:
        running = _submit(pool, jobs)
        waiting: set[Future[str | None]] = set(running)
        while waiting:
            done, waiting = wait(waiting, timeout=0.25, return_when=FIRST_COMPLETED)
            for future in done:
                reason = future.result()
                if reason is not None:
                    failed[running[future].entry] = reason
            if progress is not None:
                ready = sum(job.frames if future.done() else _frames_written(job) for future, job in running.items())
                progress(ready, sum(job.frames for job in jobs))
    except BrokenProcessPool as error:
        names = ", ".join(job.source.name for job in jobs if job.part.exists())
        raise OddframeError(
            f"a decoding process was killed (out of memory?) while one of these was decoded: {names}; use fewer workers"
        ) from error
    finally:
        for job in jobs:  # a worker stops when its folder is gone
            shutil.rmtree(job.part, ignore_errors=True)
        pool.shutdown(cancel_futures=True)
    return failed


def _pool(workers: int) -> Executor:
    if workers <= 1:
        return ThreadPoolExecutor(1, thread_name_prefix="oddframe-cache")
    return process_pool(workers)


def _submit(pool: Executor, jobs: Iterable[_Job]) -> dict[Future[str | None], _Job]:
    """Submit the jobs, the longest video first."""
    with main_hidden():
        return {pool.submit(_build, job): job for job in sorted(jobs, key=lambda job: -job.frames)}


def _build(job: _Job) -> str | None:
    """Decode one video into its entry. Returns the reason if it cannot be decoded, otherwise None."""
    window = job.window
    times = []
    try:
        with (
            VideoReader(job.source, window.size, window.colour, window.resize) as reader,
            (job.part / "frames.u8").open("wb") as file,
        ):
            for frame in reader:
                file.write(frame.image.data)
                times.append(frame.time)
                if frame.index % 64 == 0 and not job.part.exists():
                    return None
        np.save(job.part / "time.npy", np.asarray(times, np.float64))
        shape = [len(times), *window.size, window.channels]
        (job.part / "info.json").write_text(json.dumps({"shape": shape, "info": asdict(reader.info)}), "utf-8")
        try:
            job.part.rename(job.entry)
        except OSError:  # another process was faster, and its frames are the same
            if not job.entry.exists():
                raise
    except VideoError as error:
        return str(error)
    except FileNotFoundError:
        if job.part.exists():
            raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SpaceError(f"{job.entry.parent}: the disk filled up while {job.source.path} was decoded") from error
    finally:
        shutil.rmtree(job.part, ignore_errors=True)
    return None


def _load(entry: Path, source: VideoSource) -> CachedVideo | None:
    """Open an entry for `source`; None if it is absent or damaged."""
    try:
        stored = json.loads((entry / "info.json").read_text("utf-8"))
        frames = np.memmap(entry / "frames.u8", np.uint8, "r", shape=tuple(stored["shape"]))
        times = np.load(entry / "time.npy")
    except (OSError, ValueError, KeyError):
        return None
    info = {**stored["info"], "name": source.name, "path": str(source.path), "damage": tuple(stored["info"]["damage"])}
    return CachedVideo(source, VideoInfo(**info), frames, times)


def cache_key(source: VideoSource, window: Window) -> str:
    """Name of an entry: a hash of the video's content, the way it is decoded, and the version of FFmpeg.

    Raises:
        VideoError: a file cannot be read.
    """
    digest = hashlib.sha256()
    decoding = (_FORMAT, av.ffmpeg_version_info, window.size, window.colour, window.resize)
    digest.update(repr(decoding).encode())
    try:
        if source.kind == "file":
            _add_samples(digest, source.path)
        else:
            files = frame_files(source.path)
            for path in files:
                digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            for path in files[:: max(1, len(files) // 4)]:
                _add_samples(digest, path)
    except OSError as error:
        raise VideoError(f"{source.path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()[:32]


def _add_samples(digest: hashlib._Hash, path: Path) -> None:
    """Add the size, the beginning, the middle and the end of a file to the hash."""
    size = path.stat().st_size
    digest.update(f"{size}\n".encode())
    with path.open("rb") as file:
        for start in (0, size // 2, max(0, size - _SAMPLE)):
            file.seek(start)
            digest.update(file.read(_SAMPLE))


def _frames_written(job: _Job) -> int:
    try:
        return (job.part / "frames.u8").stat().st_size // _frame_bytes(job.window)
    except OSError:
        return 0


def _frame_bytes(window: Window) -> int:
    return window.size[0] * window.size[1] * window.channels


def _require_space(root: Path, videos: int, need: int) -> None:
    place = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if need + _SPARE > free:
        raise SpaceError(
            f"{root}: the decoded frames of {videos} video{'s' * (videos > 1)} need {need / 1e9:.2f} GB, but only "
            f"{max(0, free - _SPARE) / 1e9:.2f} GB are free; free some space, set ODDFRAME_CACHE to a folder on "
            "another disk, or use fewer videos or a smaller size"
        )


def _remove_stale(root: Path) -> None:
    """Remove the folders of builds that were killed."""
    for part in root.glob(".building-*"):
        try:
            touched = max(path.stat().st_mtime for path in (part, *part.iterdir()))
        except OSError:  # the build finished at this moment
            continue
        if time.time() - touched > _STALE_S:
            shutil.rmtree(part, ignore_errors=True)
