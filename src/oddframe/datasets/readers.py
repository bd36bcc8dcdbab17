"""The readers of labelled test sets by name. A new reader needs one line in `READERS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oddframe.datasets.avenue import read_avenue, refuse_avenue
from oddframe.datasets.folder import read_folder
from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.shanghaitech import read_shanghaitech
from oddframe.datasets.ubnormal import read_ubnormal
from oddframe.datasets.ucsd import read_ucsd
from oddframe.datasets.weak import READERS as WEAK_READERS
from oddframe.datasets.weak import WeakSet, open_weak
from oddframe.errors import InputError
from oddframe.suggest import near

READERS: dict[str, Callable[[str], LabelledSet]] = {
    "folder": read_folder,
    "ucsd-ped1": lambda path: read_ucsd(path, "Ped1"),
    "ucsd-ped2": lambda path: read_ucsd(path, "Ped2"),
    "avenue-3867": lambda path: read_avenue(path, "3867"),
    "avenue-3712": lambda path: read_avenue(path, "3712"),
    "avenue-masks": lambda path: read_avenue(path, "masks"),
    "avenue": refuse_avenue,
    "shanghaitech": read_shanghaitech,
    "ubnormal": read_ubnormal,
}


def open_labelled(spec: str) -> LabelledSet:
    """Open the test set "NAME:PATH", as in `--data folder:videos/test`. A path without NAME is read as a folder.

    Raises:
        InputError: there is no such NAME, or PATH does not have the layout that the reader expects.
    """
    name, colon, path = spec.partition(":")
    if colon and name in READERS:
        return READERS[name](path)
    if Path(spec).exists():
        return read_folder(spec)
    names = [reader for reader in READERS if reader != "avenue"]  # "avenue" is not a test set
    close = near(name, names) if colon else []
    hint = f"; did you mean {' or '.join(close)}?" if close else ";"
    raise InputError(f"{spec}: not a test set{hint} give NAME:PATH, where NAME is one of {', '.join(names)}")


def refuse_misspelled(spec: str) -> None:
    """See to it that a path is not a data set NAME:PATH with a misspelled name.

    Raises:
        InputError: nothing lies there, and NAME looks like the name of a reader.
    """
    name, colon, _ = spec.partition(":")
    known = [*READERS, *WEAK_READERS]
    close = near(name, known) if colon and name not in known and not Path(spec).exists() else []
    if close:
        raise InputError(f"{spec}: there is no data set {name!r}; did you mean {' or '.join(close)}?")


def is_named(spec: str) -> bool:
    """Whether `spec` has the form "NAME:PATH" with the name of a reader, of labelled or of weakly labelled sets."""
    name, colon, _ = spec.partition(":")
    return bool(colon) and (name in READERS or name in WEAK_READERS)


def open_any(spec: str) -> LabelledSet | WeakSet:
    """Open the set "NAME:PATH", labelled by frame or by video. A path without NAME is read as a folder.

    Raises:
        InputError: there is no such NAME, or PATH does not have the layout that the reader expects.
    """
    name = spec.partition(":")[0]
    weak = name in WEAK_READERS or (name not in READERS and Path(spec).suffix.lower() == ".csv")
    return open_weak(spec) if weak else open_labelled(spec)
