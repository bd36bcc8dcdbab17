"""What the disk refuses, as the user of a command sees it."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oddframe.disk as disk
from oddframe.disk import in_words, require_room
from oddframe.errors import InputError, SpaceError

Ask = Callable[..., Any]
Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (errno.ENOSPC, SpaceError, "make room"),
        (errno.EDQUOT, SpaceError, "your quota"),
        (errno.EFBIG, SpaceError, "ulimit -f"),
        (errno.EROFS, InputError, "another place"),
        (errno.EACCES, InputError, "permissions"),
        (errno.EPERM, InputError, "permissions"),
        (errno.ENOTDIR, InputError, "is a file"),
        (errno.EISDIR, InputError, "a folder lies where a file belongs"),
        (errno.ENAMETOOLONG, InputError, "a shorter name"),
        (errno.EIO, InputError, "the disk or the drive gives errors"),
        (errno.EMFILE, InputError, "ulimit -n"),
    ],
)
def test_an_error_of_the_system_is_one_line_with_path_and_remedy(code: int, kind: type, remedy: str) -> None:
    told = in_words(OSError(code, os.strerror(code), "/out/a.npz"))
    assert type(told) is kind and told.exit_status == 2
    assert str(told).startswith(f"/out/a.npz: {os.strerror(code)}; ") and remedy in str(told)
    assert "\n" not in str(told)


def test_what_no_disk_causes_stays_what_it_is() -> None:
    assert in_words(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
    assert in_words(shutil.SameFileError("a and b are the same file")) is None


@pytest.mark.slow
def test_a_file_that_ends_too_early_is_not_taken_for_ctrl_c(tmp_path: Path, ask: Ask, monkeypatch: Any) -> None:
    """The command line's library says "Aborted." of every `EOFError`; `numpy.load` raises one at an empty file."""

    def ends(*_: object, **__: object) -> None:
        raise EOFError("No data left in file")

    monkeypatch.setattr("oddframe.street.render_world", ends)
    answer = ask("data", "world", tmp_path / "street")
    assert answer.status == 1 and "Aborted" not in answer.err and "No data left in file" in answer.err


def test_a_copied_folder_names_what_could_not_be_copied(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").symlink_to("nowhere")
    with pytest.raises(shutil.Error) as caught:
        shutil.copytree(tmp_path / "from", tmp_path / "to")
    told = str(in_words(caught.value))
    assert "to/a: cannot be written " in told and "see that there is space" in told


def test_room_is_looked_for_where_the_folder_is_to_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> Usage:
        asked.append(Path(path))
        return Usage(0, 0, 5_000_000)

    monkeypatch.setattr(disk.shutil, "disk_usage", usage)
    require_room(tmp_path / "a" / "b", 5_000_000, "the scores", "or not")
    with pytest.raises(SpaceError, match=r"a/b: the scores need 5\.00 MB, but only 5\.00 MB are free.*, or not"):
        require_room(tmp_path / "a" / "b", 5_000_001, "the scores", "or not")
    assert asked == [tmp_path, tmp_path]


WRITING = {
    "fit": ("VIDEOS", "--out"),
    "score": ("RUN", "VIDEOS", "--out"),
    "evaluate": ("RUN", "--data", "folder:.", "--out"),
    "calibrate": ("RUN", "VIDEOS", "--out"),
    "adapt": ("RUN", "VIDEO", "--out"),
    "export": ("RUN", "--to", "onnx", "--out"),
    "benchmark": ("PLAN", "--out"),
    "features": ("clip", "VIDEOS", "--out"),
    "demo": ("--out",),
    "data world": (),
    "import-checkpoint": ("mnad", "FILE", "--recipe", "mnad-small", "--out"),
}


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize("place", ["a file", "below a file", "not to be written"])
def test_every_command_that_writes_says_in_one_line_that_it_cannot(
    command: str, place: str, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("1")
    (tmp_path / "strict").mkdir()
    out = {"a file": "file", "below a file": "file/out", "not to be written": "strict/out"}[place]
    writable = os.access
    monkeypatch.setattr(  # root may write everywhere
        os, "access", lambda path, mode: Path(path).name != "strict" and writable(path, mode)
    )
    words = [word.replace("DATA", str(tmp_path)) for word in WRITING[command]]
    answer = ask(*command.split(), *words, tmp_path / out)
    assert answer.status == 2
    (line,) = answer.err.splitlines()
    assert line.startswith(f"oddframe: {tmp_path / out}: ") and "another place" in line
    assert sorted(os.listdir(tmp_path)) == ["file", "strict"]
