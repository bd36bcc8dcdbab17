from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import oddframe.locks as locks
from oddframe.errors import InputError
from oddframe.locks import Lock, holding, remove_leftovers

PART = f".{0:016x}.{0:08x}.part"
HOLDER = """
import sys
from pathlib import Path
from oddframe.atomic import Replacement
from oddframe.locks import holding
with holding(sys.argv[1]):
    Replacement(Path(sys.argv[1], "a.txt")).path.write_text("half")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_run_is_told_and_a_killed_one_keeps_nobody_out(tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = str(Path(locks.__file__).parents[1])
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    (half,) = out.iterdir()
    with pytest.raises(InputError, match=r"out: another run of oddframe is writing into this folder") as told:
        with holding(out):
            pytest.fail("it is held")
    assert "\n" not in str(told.value)
    remove_leftovers(out)
    assert half.exists(), "its writer is alive"
    holder.kill()
    holder.communicate()
    with holding(out):
        assert list(out.iterdir()) == []
    assert out.exists(), "it was there before"


def test_a_folder_that_was_made_for_nothing_is_taken_away_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), holding(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    with holding(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "c").write_text("1")
    assert (tmp_path / "a" / "b" / "c").exists()


def test_leftovers_are_removed_wherever_they_lie_and_nothing_else(tmp_path: Path) -> None:
    left = [PART, f"deep/er/{PART}", f".{0:016x}.123.part.mp4", f".{0:016x}.new/inner/a.json"]
    kept = ["a.part", "deep/video.part", ".hidden", f".{0:016x}.json", f".{0:016x}.part.d/a.txt"]
    for name in [*left, *kept]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    with holding(tmp_path):
        pass
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(kept) - {f".{0:016x}.part.d/a.txt"}


def test_without_locks_only_what_is_old_counts_as_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    for name in (PART, f".{1:016x}.{1:08x}.part"):
        (tmp_path / name).write_text("1")
    os.utime(tmp_path / PART, (time.time() - 2 * locks.STALE_S,) * 2)
    with holding(tmp_path), holding(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [f".{1:016x}.{1:08x}.part"]


def test_a_lock_is_on_what_has_the_name_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, path = fcntl.flock, tmp_path / "a"
    path.write_text("old")

    def late(*arguments: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()  # its last owner removes it between the two calls
        flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", late)
    lock = Lock(path)
    assert lock.sure and path.read_text() == ""
    with pytest.raises(BlockingIOError):
        Lock(path)
    lock.release()
    Lock(path).release()
