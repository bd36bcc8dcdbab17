"""Continuous recording: the packets of cameras in segments, without encoding.

    recordings/CAMERA/20260131T120000.000Z.mp4         UTC at which the segment begins
    recordings/CAMERA/20260131T120500.000Z.part.mp4    is being written, and can be played up to its last key frame

A killed process leaves at most the last segment unfinished. The next start keeps what is complete in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from oddframe.atomic import make_folder, naming, sync, sync_folder
from oddframe.disk import in_words
from oddframe.errors import InputError
from oddframe.live.limits import KeepLimits, prune, segment_name
from oddframe.live.names import safe_name
from oddframe.live.packets import Encoded, PacketFile
from oddframe.live.ring import PacketRing, Reel

_LOOK_S = 0.5  # between two looks at what has arrived
_TIDY_S = 60.0  # between two looks at the limits
_WAIT_S = 10.0  # after a fault of the disk
T = TypeVar("T")
_PART = re.compile(r"(\d{8}T\d{6}\.\d{3}Z)\.part\.(mp4|mkv)")


@dataclass(frozen=True)
class RecordOptions:
    """How a camera is recorded.

    Attributes:
        segment_s: seconds of a segment; it ends at the next key frame.
        limits: how much is kept.
    """

    segment_s: float = 300.0
    limits: KeepLimits = field(default_factory=KeepLimits)


class _Recording:
    """The recording of one camera, used by the recorder's thread alone."""

    def __init__(self, folder: Path, ring: PacketRing, segment_s: float) -> None:
        self.folder, self._ring, self._segment_s = folder, ring, segment_s
        self._reel: Reel | None = None
        self._file: PacketFile | None = None
        self._path: Path | None = None  # of the file that is being written
        self._first: Encoded | None = None
        self._written = 0  # number of the last packet
        self.slow = False

    def pump(self) -> int:
        """Write what has arrived; how many segments were completed."""
        if self._reel is None:
            self._reel = self._ring.follow_after(self._written)
        if self._reel is None:
            return 0
        ended, done = self._reel.ended, 0
        for packet in self._reel.take():
            if packet.number <= self._written:
                continue  # from before a reel that was too slow
            first = self._first
            if packet.key and first is not None and packet.time - first.time >= self._segment_s - 1e-3:
                done += self.finish()
            if self._file is None:
                if not packet.key:
                    continue
                self._begin(packet, self._reel)
            assert self._file is not None
            self._file.write(packet)
            self._written = packet.number
        if ended:
            self.slow = ended == "slow"
            done += self.finish()
            self._reel = None
        return done

    def finish(self) -> int:
        """Complete the segment that is being written; how many that are, 0 or 1."""
        file, self._file, self._first = self._file, None, None
        if file is None:
            return 0
        try:
            file.close()
        except BaseException:
            file.discard()
            raise
        path, self._path = self._path, None
        assert path is not None
        _keep(path)
        return 1

    def give_up(self) -> None:
        """After a fault of the disk: what can be played of the segment is kept, now or at the next start."""
        if self._file is not None:
            self._file.discard()
        if self._reel is not None:
            self._reel.let_go()
        path, self._path = self._path, None
        self._file = self._first = self._reel = None
        if path is not None:
            with contextlib.suppress(OSError, InputError):
                _mend(path)

    def _begin(self, packet: Encoded, reel: Reel) -> None:
        utc = packet.utc
        with naming(self.folder):
            make_folder(self.folder)
        while True:
            name = segment_name(utc)
            path, target = (self.folder / f"{name}{part}{reel.parameters.suffix}" for part in (".part", ""))
            if not path.exists() and not target.exists():
                break
            utc += 0.001
        self._path = path
        self._file = PacketFile(path, reel.parameters, fragmented=True, shown=str(target))
        self._first = packet


class Recorder:
    """Records cameras, and keeps recordings and clips within their limits, on a thread of its own.

    A fault is told once until things go well again, and watching goes on, whatever the disk does.
    """

    def __init__(
        self,
        folder: Path,
        rings: Mapping[str, PacketRing],
        options: Mapping[str, RecordOptions],
        say: Callable[[str], None] | None = None,
        limits: Mapping[str, KeepLimits] | None = None,
    ) -> None:
        """Begin.

        Args:
            folder: the output folder; recordings lie in `recordings` below it.
            rings: name of a camera -> its packets.
            options: name of a camera that is recorded -> how.
            say: is told in one line what goes wrong.
            limits: of cameras that are not recorded, for their clips.
        """
        self._folder, self._say = folder, say or (lambda line: None)
        self._limits = {**(limits or {}), **{name: how.limits for name, how in options.items()}}
        self._recordings = {
            name: _Recording(folder / "recordings" / safe_name(name), rings[name], how.segment_s)
            for name, how in options.items()
        }
        self._faults: dict[str, float] = {}
        self.written = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 2.0) -> bool:
        """Complete the last segments; whether that was done in time."""
        self._stop.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for name, recording in self._recordings.items():
            self._try(name, partial(repair, recording.folder))
        tidied = float("-inf")
        while True:
            stopped = self._stop.wait(_LOOK_S)
            done = 0
            for name, recording in self._recordings.items():
                if time.monotonic() >= self._faults.get(name, 0.0) or stopped:
                    done += self._try(name, recording.pump, recording) or 0
                if recording.slow:
                    recording.slow = False
                    self._say(f"{name}: the recording has a gap, because the disk is too slow for it")
                if stopped:
                    done += self._try(name, recording.finish, recording) or 0
            self.written += done
            if done or time.monotonic() - tidied > _TIDY_S:
                tidied = time.monotonic()
                for name, limits in self._limits.items():
                    self._try(name, partial(prune, self._folder, name, limits))
            if stopped:
                return

    def _try(self, name: str, do: Callable[[], T], recording: _Recording | None = None) -> T | None:
        try:
            done = do()
        except Exception as error:  # one camera's disk must not end the recording of the others
            if recording is not None:
                recording.give_up()
            told = (in_words(error) or error) if isinstance(error, OSError) else error
            if name not in self._faults:
                self._say(f"{name}: not recorded: {told}")
            self._faults[name] = time.monotonic() + _WAIT_S
            return None
        if done:
            self._faults.pop(name, None)
        return done


def repair(folder: Path) -> list[Path]:
    """Complete the segments that a killed process left in the folder of a camera; their paths.

    What comes after the last complete group of pictures is cut off, and a segment without any is removed.
    """
    kept = []
    for path in sorted(folder.glob("*.part.*")) if folder.is_dir() and not folder.is_symlink() else ():
        if not _PART.fullmatch(path.name) or path.is_symlink() or not path.is_file():
            continue
        if (whole := _mend(path)) is not None:
            kept.append(whole)
    return kept


def _mend(path: Path) -> Path | None:
    """Cut a segment that was not finished to what can be played; None where that is nothing, and it is removed."""
    size = complete_bytes(path) if path.suffix == ".mp4" else path.stat().st_size
    if not size:
        path.unlink()
        return None
    os.truncate(path, size)
    return _keep(path)


def complete_bytes(path: Path) -> int:
    """Bytes of a fragmented MP4 up to the end of its last complete fragment; 0 where it has none."""
    end = place = 0
    length = path.stat().st_size
    with path.open("rb") as file:
        while place + 8 <= length:
            file.seek(place)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size < 8 or place + size > length:
                break
            place += size
            if kind in (b"mdat", b"mfra"):
                end = place
    return end


def _keep(part: Path) -> Path:
    """Give a segment that is complete its name."""
    target = part.with_name(part.name.replace(".part.", "."))
    with naming(target, part):
        sync(part)
        os.replace(part, target)
        sync_folder(part.parent)
    return target
