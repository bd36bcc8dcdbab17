"""Where a plan and its outputs lie: a folder of this machine, or one behind a URL of fsspec, such as s3://BUCKET/FOLDER.

A file appears whole or not at all: in a folder by renaming, in a store of objects because these do no other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oddframe.atomic import replacing
from oddframe.errors import InputError
from oddframe.video.urls import file_system, is_url


class Place:
    """A folder, local or behind a URL. Names of files are relative to it, with slashes.

    Args:
        where: path or URL.

    Attributes:
        local: the folder, where it is one of this machine.

    Raises:
        InputError: nothing is known of such URLs, or a library is missing.
    """

    def __init__(self, where: str | Path) -> None:
        self.where = str(where).rstrip("/") if is_url(where) else str(where)
        self.local = None if is_url(where) else Path(where)
        self._files: Any = None
        self._root = self.where
        if self.local is None:
            self._files, self._root = file_system(self.where)

    def __str__(self) -> str:
        return self.where

    def __reduce__(self) -> tuple[type[Place], tuple[str]]:
        return Place, (self.where,)  # a connection stays in its process

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        if self.local is not None:
            return (self.local / name).is_file()
        return bool(self._files.exists(f"{self._root}/{name}"))

    def names(self, folder: str, suffix: str) -> set[str]:
        """The files of a folder and of those in it, relative to it, without the suffix that all of them have."""
        if self.local is not None:
            root = self.local / folder
            paths = (path.relative_to(root).as_posix() for path in root.rglob(f"*{suffix}") if path.name[0] != ".")
            return {name.removesuffix(suffix) for name in paths}
        above = f"{self._root}/{folder}/"
        self._files.invalidate_cache()
        try:
            names = (str(path).removeprefix(above) for path in self._files.find(above))
            return {name.removesuffix(suffix) for name in names if name.endswith(suffix)}
        except FileNotFoundError:
            return set()

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            InputError: it is not there.
        """
        try:
            if self.local is not None:
                return (self.local / name).read_bytes()
            return bytes(self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            raise InputError(f"{self}: there is no {name}; make a plan with `oddframe archive plan`") from None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of an older one."""
        if self.local is not None:
            with replacing(self.local / name) as temporary:
                temporary.write_bytes(content)
            return
        self._files.pipe_file(f"{self._root}/{name}", content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self.local is not None:
            (self.local / name).unlink(missing_ok=True)
        elif self.exists(name):
            self._files.rm_file(f"{self._root}/{name}")

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder to write into: the place itself, or one that is thrown away. What belongs to a place behind a URL
        is handed over with `keep`."""
        if self.local is not None:
            yield self.local
            return
        with tempfile.TemporaryDirectory(prefix="oddframe-") as scratch:
            yield Path(scratch)

    def keep(self, folder: Path, name: str) -> None:
        """Hand over a file that was written into `folder`."""
        if self.local is None:
            self._files.put_file(str(folder / name), f"{self._root}/{name}")

    def fetch(self, folder: Path, name: str) -> Path:
        """A file as one of this machine; `folder` takes it where the place is behind a URL.

        Raises:
            InputError: it is not there.
        """
        if self.local is not None:
            return self.local / name
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read(name))
        return path
