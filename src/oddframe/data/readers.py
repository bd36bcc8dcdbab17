"""Readers of labelled test sets by name; a new one needs a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oddframe.data.folder import read_folder
from oddframe.data.labelled import LabelledSet
from oddframe.data.ucsd import read_ucsd
from oddframe.errors import InputError

READERS: dict[str, Callable[[str], LabelledSet]] = {
    "folder": read_folder,
    "ucsd-ped1": lambda path: read_ucsd(path, "Ped1"),
    "ucsd-ped2": lambda path: read_ucsd(path, "Ped2"),
}


def open_labelled(spec: str) -> LabelledSet:
    """The test set that "NAME:PATH" means, as in `--data folder:videos/test`; a path alone is read as a folder.

    Raises:
        InputError: there is no such NAME, or what lies at PATH is not what its reader expects.
    """
    name, colon, path = spec.partition(":")
    if colon and name in READERS:
        return READERS[name](path)
    if Path(spec).exists():
        return read_folder(spec)
    raise InputError(f"{spec}: not a test set; give NAME:PATH, where NAME is one of {', '.join(READERS)}")
