"""Ctrl-C and SIGTERM: a stopped command says what it kept and how to go on, and exits with status 130 or 143."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from typer.core import TyperGroup

from oddframe import processes
from oddframe.errors import InputError
from oddframe.processes import Terminated

ONE_PRESS = 0.1  # seconds; `timeout` and some terminals send one signal twice
STOPPED_STATUS = 128  # and the number of the signal
AGAIN = "nothing was finished; the same command starts anew"


class Stopped(Exception):
    """A command was stopped. The message says what was kept and how to go on."""


class Commands(TyperGroup):
    """The commands; typer itself would end a stopped one without a word, and take empty text for the current folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for number, word in enumerate(args):
            if not word.strip() or re.fullmatch(r"--[a-z-]+=\s*", word):
                before = word.split("=")[0].strip() or (args[number - 1] if number else "")
                which = f"of {before} " if before.startswith("-") else ""
                raise InputError(f"the value {which}is empty; write what is meant, such as a path")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with interruptible(lambda: AGAIN):
            return super().invoke(ctx)


@contextmanager
def interruptible(kept: Callable[[], str]) -> Iterator[None]:
    """Inside this block Ctrl-C becomes `Stopped`; `kept` is asked then for what was kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Stopped(f"interrupted; {kept()}") from error


def keeping_files(folder: Path, what: str) -> AbstractContextManager[None]:
    """`interruptible` around work that leaves an .npz a video in `folder`, and that takes up what is there already.

    Args:
        folder: searched with its folders; it need not exist yet.
        what: is done to a video, such as "scored".
    """
    began = time.time()

    def kept() -> str:
        found = [path for path in folder.rglob("*.npz") if not path.name.startswith(".")]
        new = sum(path.stat().st_mtime >= began for path in found)
        if new:
            count = f"1 video was {what} and lies" if new == 1 else f"{new} videos were {what} and lie"
            return f"{count} in {folder}: the same command goes on with the rest"
        before = f"; what lay in {folder} before is kept" if found else ""
        return f"no video was {what} to its end{before}: the same command goes on"

    return interruptible(kept)


def exit_status(stopped: BaseException) -> int:
    """128 and the number of the signal, as shells have it: 143 for SIGTERM, otherwise 130."""
    terminated = isinstance(stopped, Terminated) or isinstance(stopped.__cause__, Terminated)
    return STOPPED_STATUS + (signal.SIGTERM if terminated else signal.SIGINT)


def leave_at_once(status: int) -> NoReturn:
    """End a process that has nothing left to do: taking torch and its libraries apart takes a second of a core."""
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside this block Ctrl-C raises KeyboardInterrupt, SIGTERM `Terminated`, and the second one ends the process.

    A library in whose midst the first one arrives may make another error of it, which counts as the stop that it is.
    Where Python drops it, as in a finaliser, it comes again. Outside the main thread, the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: list[tuple[int, float]] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        if not first:
            first.append((signum, time.monotonic()))
            processes.stop_signal = signum
            raise Terminated if signum == signal.SIGTERM else KeyboardInterrupt
        if time.monotonic() - first[0][1] > ONE_PRESS:
            os.write(2, b"oddframe: interrupted again; ended at once\n")
            os._exit(128 + first[0][0])  # the workers notice that they have no parent

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if not (first and isinstance(what.exc_value, KeyboardInterrupt)):
            hook(what)
            return
        later = threading.Timer(ONE_PRESS, os.kill, (os.getpid(), first.pop()[0]))  # not from within a finaliser
        later.daemon = True
        later.start()

    hook, sys.unraisablehook = sys.unraisablehook, dropped
    heard = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) != signal.SIG_IGN]  # as for a job of `&`
    previous = {signum: signal.signal(signum, stop) for signum in heard}
    try:
        yield
    except (Stopped, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if first:
            raise Stopped("interrupted; the same command goes on, or starts anew") from (
                Terminated() if first[0][0] == signal.SIGTERM else error
            )
        raise
    finally:
        processes.stop_signal = 0
        sys.unraisablehook = hook
        for signum, handler in previous.items():
            signal.signal(signum, handler)
