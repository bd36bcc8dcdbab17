"""Workers end with their parent, a task that kills its worker is named, and nothing waits for a task for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from oddframe.errors import InputError, OddframeError
from oddframe.processes import MOST_DEATHS, Count, Killed, main_hidden, run_tasks

Work = Callable[[str, Count], str]
PARENT = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from functools import partial
import test_processes
from oddframe.processes import run_tasks
list(run_tasks(partial(test_processes.begin, Path(sys.argv[1])), ["sleep a", "sleep b"], 2))
"""


def begin(folder: Path, at_start: str = "") -> Work:
    """In a worker: the function that does the tasks below, and leaves a note in `folder`."""
    do(at_start, folder)

    def work(task: str, count: Count) -> str:
        try:
            (folder / f"{task} {os.getpid()}").write_text("begun")
            count(1)
            do(task, folder)
        finally:
            (folder / f"{task} {os.getpid()}").write_text("unwound")
        return task.upper()

    return work


def do(task: str, folder: Path) -> None:
    if task.startswith("sleep"):
        time.sleep(60)
    elif task.startswith("stubborn"):
        while True:
            with suppress(SystemExit):
                time.sleep(60)
    elif task.startswith("die") and task != "die once":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif task == "die once" and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    elif task == "wrong":
        raise InputError("a wrong thing")
    elif task == "odd":

        class Local(Exception):
            pass

        raise Local("cannot be pickled")


def seen(folder: Path, words: str) -> list[Path]:
    """The notes of tasks that begin with these words."""
    return sorted(folder.glob(f"{words}*"))


def until(holds: Callable[[], object], seconds: float = 60) -> bool:
    late = time.monotonic() + seconds
    while not holds() and time.monotonic() < late:
        time.sleep(0.02)
    return bool(holds())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_is_answered_and_counted(workers: int, tmp_path: Path) -> None:
    told: list[float] = []
    answers = dict(run_tasks(partial(begin, tmp_path), list("abcdefgh"), workers, told.append))
    assert answers == {letter: letter.upper() for letter in "abcdefgh"}
    assert told == sorted(told) and told[-1] == 8


def test_no_task_starts_no_process() -> None:
    assert list(run_tasks(partial(begin, Path("nowhere")), [], 4)) == []


def test_a_task_that_kills_its_worker_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    told: list[float] = []
    answers = dict(run_tasks(partial(begin, tmp_path), ["die", "a", "b", "c"], 2, told.append))
    killed = answers.pop("die")
    assert str(killed) == "the process that worked on it was killed 2 times (SIGSEGV)"
    assert answers == {"a": "A", "b": "B", "c": "C"} and told[-1] == 3
    assert len(seen(tmp_path, "die")) == 2, "it was tried twice, in two processes"


def test_a_task_whose_worker_is_killed_by_others_is_done_after_all(tmp_path: Path) -> None:
    answers = dict(run_tasks(partial(begin, tmp_path), ["a", "die once", "b"], 2))
    assert answers == {"a": "A", "b": "B", "die once": "DIE ONCE"} and (tmp_path / "died").exists()


def test_workers_that_die_at_the_start_give_one_line(tmp_path: Path) -> None:
    with pytest.raises(OddframeError, match=r"^every worker process was killed before it could begin \(SIGSEGV\)"):
        list(run_tasks(partial(begin, tmp_path, "die"), list("abc"), 2))


@pytest.mark.slow
def test_retries_are_bounded(tmp_path: Path) -> None:
    tasks = [f"die {number}" for number in range(50)]
    with pytest.raises(OddframeError, match="10 worker processes were killed, and none did a task"):
        list(run_tasks(partial(begin, tmp_path), tasks, 2))
    assert len(seen(tmp_path, "die")) <= MOST_DEATHS + 2


@pytest.mark.slow
def test_an_error_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        list(run_tasks(partial(begin, tmp_path), ["wrong", "sleep"], 2))
    assert str(raised.value) == "a wrong thing" and "in do" in raised.value.__notes__[0], (
        "the traceback of the worker is kept"
    )
    with pytest.raises(InputError, match="a wrong thing"):
        list(run_tasks(partial(begin, tmp_path, "wrong"), ["a", "b"], 2))
    with pytest.raises(RuntimeError, match="Local: cannot be pickled"):
        list(run_tasks(partial(begin, tmp_path), ["odd"], 2))


@pytest.mark.slow
@pytest.mark.parametrize(("task", "note"), [("sleep", "unwound"), ("stubborn", "begun")])
def test_tasks_that_are_given_up_end_soon(task: str, note: str, tmp_path: Path) -> None:
    began: list[float] = []

    def interrupt(_: float) -> None:
        if seen(tmp_path, task):
            time.sleep(0.5)  # it is well into it
            began.append(time.monotonic())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_tasks(partial(begin, tmp_path), ["a", task, "later"], 2, interrupt))
    assert time.monotonic() - began[0] < 30, "within GRACE, and some time for a busy machine"
    [left] = seen(tmp_path, task)
    assert not alive(int(left.name.split()[-1]))
    assert left.read_text() == note, "a task unwinds where it can"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_parent(signum: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), str(Path(__file__).parent), *sys.path]
    parent = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        assert until(lambda: len(seen(tmp_path, "sleep")) == 2)
        workers = [int(path.name.split()[-1]) for path in seen(tmp_path, "sleep")]
        assert all(map(alive, workers))
        parent.send_signal(signum)
        parent.communicate(timeout=40)
        assert until(lambda: not any(map(alive, workers)), 30)
    finally:
        parent.kill()


def test_a_worker_hears_no_ctrl_c_before_it_begins() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with main_hidden():
        assert {signal.SIGINT, signal.SIGTERM} <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_what_was_killed_is_said_in_words() -> None:
    assert "SIGKILL; out of memory?" in str(Killed("SIGKILL; out of memory?"))
