"""What a command sees of its arguments before it loads a heavy library: whether paths exist and numbers are in range.

A wrong path then costs a fraction of a second. What is in a file is looked at later, by its reader.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from oddframe.errors import BundleError, InputError
from oddframe.places import check_bundle_folder
from oddframe.suggest import near
from oddframe.video.urls import is_url

if TYPE_CHECKING:
    from oddframe.types import IgnoredPlace

Number = TypeVar("Number", int, float)
command_words: ContextVar[Sequence[str]] = ContextVar("the words of the command line", default=())
DEVICE_KINDS = ("cpu", "cuda", "mps", "xpu", "hpu", "xla", "mtia")
OTHER_WORDS = {"gpu": "cuda", "nvidia": "cuda", "metal": "mps", "apple": "mps", "intel": "xpu"}
"""What people call a kind of device -> what torch calls it."""


def bundle_to_read(path: Path) -> Path:
    """A folder that may hold a bundle.

    Raises:
        BundleError: there is none; the message says so where RUN and a video are swapped.
    """
    refuse_address(path, "a bundle is a folder of this machine")
    if not path.is_dir():
        _refuse_swapped(path)
    check_bundle_folder(path)
    return path


def bundle_if_given(path: Path | None) -> Path | None:
    """`bundle_to_read` of a path, or none."""
    return None if path is None else bundle_to_read(path)


def file_to_read(path: Path | None) -> Path | None:
    """A path that exists, or none.

    Raises:
        InputError: there is nothing.
    """
    if path is not None:
        _refuse_absent(str(path))
    return path


IgnoreOption = Annotated[
    Path | None,
    typer.Option(
        "--ignore",
        metavar="FILE",
        callback=file_to_read,
        help="Places of the picture to leave out: a YAML file of names and corners, or an image with white places.",
        show_default="none",
    ),
]


def places_of(file: Path | None) -> tuple[IgnoredPlace, ...]:
    """The places to leave out that a file names; none without a file.

    Raises:
        InputError: it is no such file.
    """
    if file is None:
        return ()
    from oddframe.models.ignored import load_places

    return load_places(file)


def plan_to_read(path: Path) -> Path:
    """The file of a benchmark's plan, or the name of a built-in one.

    Raises:
        InputError: there is none.
    """
    from oddframe.benchmark.plan import find_plan

    find_plan(path)
    return path


def checkpoint_to_read(path: Path) -> Path:
    """The file of a checkpoint.

    Raises:
        BundleError: there is none.
    """
    if not path.is_file():
        raise BundleError(f"{path}: there is no such checkpoint")
    return path


def videos_to_read(videos: list[str]) -> list[str]:
    """Paths of videos that exist, patterns, URLs, and what is of the form NAME:PATH where PATH exists.

    "-" stands for a list on standard input: a path in each line, or paths that end with a zero byte.

    Raises:
        InputError: there is nothing. The message names the first.
    """
    found = [path for video in videos for path in (_listed() if video == "-" else [video])]
    for video in found:
        set_to_read(video)
    return found


def video_if_given(video: str | None) -> str | None:
    """A path of video that exists or a pattern, or none.

    Raises:
        InputError: there is nothing.
    """
    return set_to_read(video)


def _listed() -> list[str]:
    try:
        text = sys.stdin.read() if sys.stdin is not None else ""
    except (OSError, ValueError) as error:  # closed, or no text
        raise InputError(f"-: standard input cannot be read ({error}); give a path in each line") from error
    found = [line for line in text.split("\0" if "\0" in text else "\n") if line.strip()]
    if not found:
        raise InputError("-: standard input lists no video; give a path in each line")
    return found


def _refuse_swapped(path: Path) -> None:
    """Name the right order where a later word of the command line is the bundle.

    Raises:
        BundleError: it is.
    """
    for word in command_words.get():
        if not word.startswith("-") and word != str(path) and (Path(word) / "bundle.json").is_file():
            raise BundleError(f"{path} and {word} are swapped: the bundle comes first; write {word} {path}")


def is_address(text: str) -> bool:
    """Whether this is an address such as rtsp://HOST or https://HOST/FILE, and no path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def refuse_address(path: Path, where: str) -> None:
    """See to it that a path was not given as an address. A path keeps one of the two slashes of an address.

    Raises:
        InputError: it was; `where` says what is meant instead.
    """
    address = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/(.*)", str(path))
    if address and not path.exists():
        raise InputError(f"{address[1]}://{address[2]}: this is an address, and {where}")


def set_to_read(data: str | None) -> str | None:
    """A data set NAME:PATH whose path exists, or a path.

    Raises:
        InputError: there is nothing.
    """
    if data is None or is_url(data):
        return data
    if is_address(data):
        raise InputError(
            f"{data}: this is an address; download the file first, or follow a stream with `oddframe watch`"
        )
    if not Path(data).exists() and not has_magic(data):
        name, _, path = data.rpartition(":")
        if not name or re.fullmatch(r"[\w-]+", name):
            _refuse_absent(path)
    return data


def above_zero(parameter: typer.CallbackParam, value: Number | None) -> Number | None:
    """A finite number above 0, or none.

    Raises:
        InputError: another one.
    """
    if value is not None and not 0 < value < math.inf:
        raise InputError(f"{parameter.opts[0]} is {value:g}; it must be a finite number above 0")
    return value


def share(parameter: typer.CallbackParam, value: float | None) -> float | None:
    """A number between 0 and 1, or none.

    Raises:
        InputError: another one.
    """
    if value is not None and not 0 < value < 1:
        raise InputError(f"{parameter.opts[0]} is {value:g}; it must lie between 0 and 1")
    return value


def finite(parameter: typer.CallbackParam, value: float | None) -> float | None:
    """A finite number, or none.

    Raises:
        InputError: NaN or infinity.
    """
    if value is not None and not math.isfinite(value):
        raise InputError(f"{parameter.opts[0]} is {value:g}; it must be a finite number")
    return value


def device_name(parameter: typer.CallbackParam, value: str) -> str:
    """The name of a device as torch writes them. Whether this machine has it is seen when it is used.

    Raises:
        InputError: it cannot be one.
    """
    if not re.fullmatch(rf"auto|({'|'.join(DEVICE_KINDS)})(:\d+)?", value):
        meant = OTHER_WORDS.get(value.lower(), "") or " or ".join(
            near(value.partition(":")[0], ("auto", *DEVICE_KINDS))
        )
        hint = f"did you mean {meant}? (write auto, " if meant else "write auto, "
        end = ")" if meant else ""
        raise InputError(f"{parameter.opts[0]} is {value!r}; {hint}cpu, cuda, or cuda:1 for the second GPU{end}")
    return value


def _refuse_absent(path: str) -> None:
    if not Path(path).exists() and not Path(path).is_symlink():
        raise InputError(f"{path}: no such file or folder")


VideosArgument = Annotated[
    list[str],
    typer.Argument(
        callback=videos_to_read,
        help="Videos, folders of videos or frames, patterns, a CSV, URLs, or - for a list on standard input.",
    ),
]
