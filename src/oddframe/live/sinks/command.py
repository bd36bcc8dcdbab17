"""A command of the user's for every notice: JSON on its standard input, the most important of it in its environment."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from oddframe.errors import InputError
from oddframe.live.messages import Notice, iso
from oddframe.live.sinks.sink import Complaints, Say, Selection, SinkCounts

_SHOWN = 2000  # bytes of the output that go into the log, the last ones
_GRACE_S = 1.0  # from SIGTERM to SIGKILL


@dataclass(frozen=True)
class CommandOptions:
    """What to run.

    Attributes:
        command: a program with its arguments, in the quoting of a shell; no shell runs it.
        name: of metrics and messages.
        given: the option or key that gave the command, for messages.
        updates, gaps: whether it is run for these too.
        closed: whether it is run when an event is closed.
        timeout: seconds after which it is ended.
        together: how many run at once.
        most: notices that wait.
    """

    command: str
    name: str = "exec"
    given: str = "--exec"
    updates: bool = False
    gaps: bool = False
    closed: bool = True
    timeout: float = 30.0
    together: int = 2
    most: int = 1000


class Command:
    """Runs a command for notices. A `Sink`. Each run is a process group of its own, which ends with the watch.

    Raises:
        InputError: see `check_command`.
    """

    def __init__(self, options: CommandOptions, say: Say) -> None:
        """Begin; `say` is told in one line what a command prints, and how it fails."""
        self._argv = check_command(options)
        self.name = options.name
        self._options, self._say = options, say
        self._selection = Selection(options.updates, options.gaps)
        self._complaints = Complaints(say)
        self._queue: queue.Queue[Notice | None] = queue.Queue(options.most)
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._busy = self._sent = self._failed = self._dropped = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"{self.name} {number}", daemon=True)
            for number in range(options.together)
        ]
        for thread in self._threads:
            thread.start()

    def tell(self, notice: Notice) -> None:
        if not self._selection.wants(notice) or (notice.change == "closed" and not self._options.closed):
            return
        try:
            self._queue.put_nowait(notice)
            self._complaints.well("full")
        except queue.Full:
            self._dropped += 1
            self._complaints.ill(
                "full", f"{self.name}: {self._options.most} notices wait for the command; others are lost"
            )

    def counts(self) -> SinkCounts:
        with self._queue.mutex:
            waiting = sum(notice is not None for notice in self._queue.queue)
        with self._lock:
            return SinkCounts(waiting + self._busy, self._sent, self._failed, self._dropped)

    def close(self, timeout: float) -> None:
        """Let what waits and runs go on for at most `timeout` seconds, then end it."""
        until = time.monotonic() + max(0.0, timeout - 0.2)
        while self.counts().queued and time.monotonic() < until:
            time.sleep(0.02)
        self._stop.set()
        with self._lock:
            running = list(self._running)
        for process in running:
            _end(process, signal.SIGKILL)
        for _ in self._threads:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
        for thread in self._threads:
            thread.join(0.2)

    def _run(self) -> None:
        while not self._stop.is_set():
            notice = self._queue.get()
            if notice is None or self._stop.is_set():
                return
            with self._lock:
                self._busy += 1
            fault = "it could not be run"
            try:
                fault = self._once(notice)
            except OSError as error:
                fault = error.strerror or fault
            finally:
                with self._lock:
                    self._busy -= 1
                    self._failed += bool(fault)
                    self._sent += not fault
            if fault:
                self._say(f"{self.name}: {self._argv[0]} for event {notice.id} ({notice.change}): {fault}")

    def _once(self, notice: Notice) -> str:
        """Run the command; what went wrong, or nothing."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as given:
            given.write(json.dumps({"event_id": notice.id, **notice.as_json()}).encode() + b"\n")
            given.seek(0)
            with self._lock:
                if self._stop.is_set():
                    return "not run, because oddframe ends"
                process = subprocess.Popen(  # noqa: S603  # the user's own program, without a shell
                    self._argv, stdin=given, stdout=output, stderr=subprocess.STDOUT,
                    start_new_session=True, env={**os.environ, **variables(notice)},
                )  # fmt: skip
                self._running.add(process)
            try:
                status = process.wait(self._options.timeout)
                fault = "" if status == 0 else f"it ends with status {status}"
            except subprocess.TimeoutExpired:
                fault = f"it is ended after {self._options.timeout:g} s"
                _end(process, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE_S)
                _end(process, signal.SIGKILL)
                process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
            if text := _tail(output):
                self._say(f"{self.name}: {text}")
            return fault


def check_command(options: CommandOptions) -> list[str]:
    """The words of a command whose program can be run.

    Raises:
        InputError: its quotes do not match, there is no such program, or it may not be run.
    """
    try:
        words = shlex.split(options.command)
    except ValueError as error:
        raise InputError(f"{options.given}: {str(error).lower()}; quote it as for a shell") from None
    if not words:
        raise InputError(f"{options.given}: there is no program in {options.command!r}; give its name or its path")
    if shutil.which(words[0]) is not None:
        return words
    path = Path(words[0])
    if path.is_dir():
        raise InputError(f"{options.given}: {words[0]} is a folder; give the path of a program")
    if path.is_file() and os.sep in words[0]:
        raise InputError(f"{options.given}: {words[0]} may not be executed; allow it (chmod +x), or name what runs it")
    raise InputError(f"{options.given}: there is no program {words[0]!r}; give its path")


def variables(notice: Notice) -> dict[str, str]:
    """The environment of a command, besides that of oddframe itself."""
    return {
        "ODDFRAME_EVENT_ID": notice.id,
        "ODDFRAME_CHANGE": notice.change,
        "ODDFRAME_KIND": notice.kind,
        "ODDFRAME_CAMERA": notice.camera,
        "ODDFRAME_START": iso(notice.start_utc),
        "ODDFRAME_SCORE": "" if notice.score is None else f"{notice.score:.7g}",
        "ODDFRAME_TEXT": notice.text,
    }


def _tail(output: IO[bytes]) -> str:
    """The end of what was printed, in one line."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _SHOWN))
    return " | ".join(line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip())


def _end(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to all processes of a command."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
