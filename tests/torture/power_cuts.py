"""A power cut at every step of what is written: what the disk may hold then, and nothing that was never brought to it.

`PowerCuts` watches a folder while a block writes below it. Between any two calls that change names or sync, the power
may fail. Then a file has the content of its last fsync, and is empty without one; a folder has the names of its last
fsync, or those of this moment, for a system may write names early and need not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Names = dict[int, dict[str, int]]  # inode of a folder -> name -> inode
CHANGING = ("open", "mkdir", "replace", "rename", "unlink", "rmdir", "link")


@dataclass
class Moment:
    """What is on the disk: names as the system sees them, names that are certain, and certain contents."""

    seen: Names
    certain: Names
    content: dict[int, bytes]


@dataclass
class PowerCuts:
    """Records, while a block of `watching` writes below `root`, what every power cut would leave."""

    root: Path
    moments: list[Moment] = field(default_factory=list)
    _names: Names = field(default_factory=dict)
    _content: dict[int, bytes] = field(default_factory=dict)
    _kept: dict[int, int] = field(default_factory=dict)  # open files: their inodes are not given to others

    @contextmanager
    def watching(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self._names = self._look()
        self._content = {inode: self._read(inode) for inode in self._kept if inode not in self._names}
        with monkeypatch.context() as patch:
            for name in CHANGING:
                patch.setattr(os, name, self._cut_around(getattr(os, name)))
            patch.setattr(os, "fsync", self._syncing(os.fsync))
            yield
        self._cut()
        for descriptor in self._kept.values():
            os.close(descriptor)

    def leave(self, moment: Moment, names_written: bool, place: Path) -> Path:
        """Make `place` what the disk holds after a cut at this moment."""
        names = moment.seen if names_written else moment.certain

        def build(inode: int, path: Path) -> None:
            path.mkdir()
            for name, child in names.get(inode, {}).items():
                if child in moment.seen or child in moment.certain:
                    build(child, path / name)
                else:
                    (path / name).write_bytes(moment.content.get(child, b""))

        build(self.root.stat().st_ino, place)
        return place

    def all_left(self, place: Path) -> Iterator[Path]:
        """What every cut leaves, one after the other, each in a folder of its own below `place`."""
        place.mkdir()
        for number, moment in enumerate(self.moments):
            for written in (False, True):
                yield self.leave(moment, written, place / f"{number}-{'names' if written else 'synced'}")

    def _look(self) -> Names:
        names: Names = {}
        for folder, folders, files in os.walk(self.root):
            own = names.setdefault(os.stat(folder).st_ino, {})
            for name in [*folders, *files]:
                inode = os.lstat(os.path.join(folder, name)).st_ino
                own[name] = inode
                if name in files and inode not in self._kept:
                    self._kept[inode] = _open(os.path.join(folder, name), os.O_RDONLY)
        return names

    def _read(self, inode: int) -> bytes:
        size = os.fstat(self._kept[inode]).st_size
        return os.pread(self._kept[inode], size, 0)

    def _cut(self) -> None:
        certain = {inode: dict(names) for inode, names in self._names.items()}
        self.moments.append(Moment(self._look(), certain, dict(self._content)))

    def _cut_around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def cutting(*arguments: Any, **options: Any) -> Any:
            self._cut()
            done = call(*arguments, **options)
            self._cut()
            return done

        return cutting

    def _syncing(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def syncing(descriptor: int) -> None:
            self._cut()
            call(descriptor)
            found = os.fstat(descriptor)
            seen = self._look()
            if stat.S_ISDIR(found.st_mode):
                self._names[found.st_ino] = dict(seen[found.st_ino])
            elif found.st_ino in self._kept:
                self._content[found.st_ino] = self._read(found.st_ino)
            self._cut()

        return syncing


_open = os.open
