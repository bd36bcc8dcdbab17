"""What a server shows: an event store, the folder that its files lie in, and the bundle that can learn more."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from oddframe.account import count_of
from oddframe.errors import InputError, StoreMissing
from oddframe.places import CURRENT, default_cache_root
from oddframe.store.opening import open_store
from oddframe.store.place import FILE, StorePlace, store_place
from oddframe.store.store import Store

CACHE = ".review"  # beside the database; hidden, so that nobody takes its clips for videos to be scored
SEEN_S = 30.0  # after its last sign of life, a watch has ended


@dataclass(frozen=True)
class Library:
    """What a server shows.

    Attributes:
        store: the events.
        place: where they lie, with what it takes to open them in another process.
        folder: of the database, below which paths of clips lie; None for PostgreSQL.
        cache: for what is made of videos, and can be made again.
        given: the bundle that the user names; None: see `run`.
    """

    store: Store
    place: StorePlace
    folder: Path | None
    cache: Path
    given: Path | None = None

    @property
    def run(self) -> Path | None:
        """The bundle that can learn from marks, if it is there; links are followed.

        The one that the user names; or the one that `current` points to, beside the one that came into the store last;
        or this one.
        """
        if self.given is not None:
            return Path(os.path.realpath(self.given))
        known = [Path(os.path.realpath(one.path)) for one in self.store.bundles() if one.path]
        if not known:
            return None
        chosen = Path(os.path.realpath(known[-1].parent / CURRENT))
        return next((path for path in (chosen, known[-1]) if path in known and path.is_dir()), None)

    def path_of(self, file: str) -> Path | None:
        """Where a file lies that the store names; None where that is not below the folder of a relative path.

        What the store says need not be true: a path that leads out of the folder is refused.
        """
        if os.path.isabs(file):
            return Path(file)
        if self.folder is None:
            return None
        whole = os.path.realpath(os.path.join(self._home, file))
        return Path(whole) if whole.startswith(f"{self._home}{os.sep}") else None

    @cached_property
    def _home(self) -> str:
        """The folder without links."""
        return os.path.realpath(self.folder or "")

    def camera_folder(self, camera: str) -> Path | None:
        """The output folder of the watch that saw a camera last; None where that is not known."""
        try:
            folder = self.store.source("camera", camera).folder
        except StoreMissing:
            return None
        return Path(folder) if folder else self.folder


def open_library(place: str, run: Path | None = None) -> tuple[Library, list[str]]:
    """Open what a user names, and what there is to say of it, a line each.

    A folder of `score --out` or `watch --out` without a store gets one. Where its score files are newer than its store,
    what is new in them is written into it.

    Args:
        place: a folder, a file of SQLite, or the URL of a store.
        run: the bundle that made the scores.

    Raises:
        InputError: there is neither a store nor anything that one could be made of.
    """
    if "://" in place or not Path(place).is_dir():
        found = store_place(place)
        return _library(open_store(found, create=False), found, run), []
    from oddframe.workflow.recorded import OutputFolder, record_folder  # brings all that scores videos

    folder = OutputFolder(Path(place))
    there, found = (folder.path / FILE).is_file(), store_place(Path(place) / FILE)
    if not there and not folder.scored and not folder.watched:
        raise InputError(
            f"{place}: holds neither an event store (events.db) nor scores; give the folder of `oddframe score --out` "
            "or `oddframe watch --out`"
        )
    store, lines = open_store(found), list[str]()
    try:
        if (folder.scored and folder.changed > store.scored_utc()) or folder.alone:
            recorded = record_folder(store, folder, run)
            told = count_of(store.count(), "event") if recorded is None else recorded.sentence()
            lines.append(f"store   {store.shown}: {told}")
    except BaseException:
        store.close()
        if not there:
            remove_store(folder.path / FILE)
        raise
    return _library(store, found, run), lines


def remove_store(file: Path) -> None:
    """Remove a store that was made in vain."""
    for ending in ("", "-wal", "-shm"):
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)


def _library(store: Store, place: StorePlace, run: Path | None) -> Library:
    if place.file is not None:
        folder = place.file.absolute().parent
        return Library(store, place, folder, folder / CACHE, run)
    name = hashlib.sha256(place.shown.encode()).hexdigest()[:16]
    return Library(store, place, None, default_cache_root().parent / "review" / name, run)
