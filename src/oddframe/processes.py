"""Worker processes for work on many files: tasks in, results out, and no process that outlives its parent.

They are spawned, not forked, because a fork of a process that runs threads can hang. Each worker holds one task at a
time, over a pipe of its own. So the death of a worker is the death of its task, and costs nothing else.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from time import monotonic, sleep
from types import FrameType, ModuleType
from typing import Any, TypeVar

from oddframe.errors import OddframeError

T = TypeVar("T")
R = TypeVar("R")
Count = Callable[[float], None]
"""Called by a task with an amount of work that is newly done."""

TRIES = 2  # a worker can also die of its neighbour's hunger for memory: a second chance, after the others
MOST_DEATHS = 10  # before the first result; then the fault is not in the tasks
GRACE = 1.0  # seconds in which a worker that is ended may tidy up
POLL = 0.25  # seconds
_PR_SET_PDEATHSIG = 1
_SPAWN = get_context("spawn")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which stops a command as Ctrl-C does."""


stop_signal = 0
"""The signal that has asked this process to stop, or 0; set by the command line."""


def raise_if_stopped() -> None:
    """Stop where a library has swallowed the exception of Ctrl-C or SIGTERM, as PyAV does, and given another error."""
    if stop_signal:
        raise Terminated if stop_signal == signal.SIGTERM else KeyboardInterrupt


@dataclass(frozen=True)
class Killed:
    """In the place of a result: every process that worked on this task died.

    Attributes:
        how: the signal, the status, or what else is known.
        times: how many processes died.
    """

    how: str
    times: int = TRIES

    def __str__(self) -> str:
        return f"the process that worked on it was killed {self.times} times ({self.how})"


def cores() -> int:
    """Number of cores for the arithmetic of this process.

    It is OMP_NUM_THREADS where that is set, as for torch; otherwise the number of cores that the process may run on.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads) > 0:
        return int(threads)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def how_ended(status: int | None) -> str:
    """The exit status of a process in words; negative numbers are signals."""
    if status is None or status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"{name}; out of memory?" if name == "SIGKILL" else name


def watch_parent() -> None:
    """End this process, which multiprocessing spawned, as soon as its parent is gone, whatever this one is doing.

    On Linux the kernel does it, even while a library holds Python's lock. Everywhere, a thread does. It may be called
    while a spawned process unpickles its work, which is before multiprocessing itself knows the parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))

    def follow() -> None:
        while (parent := parent_process()) is None:
            sleep(POLL)
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, name="oddframe-parent", daemon=True).start()


def run_tasks(
    begin: Callable[[], Callable[[T, Count], R]],
    tasks: Sequence[T],
    workers: int,
    tell: Callable[[float], None] | None = None,
) -> Generator[tuple[T, R | Killed]]:
    """Do tasks in worker processes. Close this iterator, or exhaust it: that ends the workers within two seconds.

    A task whose worker dies is tried once more in a new process, after the others.

    Args:
        begin: called once in every worker; returns the function that does a task. Both have to be picklable.
        tasks: they are begun in this order.
        workers: number of processes; with 1 this process does the work.
        tell: called a few times a second with the sum of what the tasks have counted.

    Yields:
        Every task with its result as soon as it is done, or with `Killed`.

    Raises:
        OddframeError: no worker lives long enough to do a task.
        Exception: what `begin` or a task raised.
    """
    if workers > 1 and tasks:
        yield from _Crew(begin, tasks, workers, tell).run()
        return
    work, total = begin(), 0.0

    def count(amount: float) -> None:
        nonlocal total
        total += amount
        if tell is not None:
            tell(total)

    for task in tasks:
        yield task, work(task, count)


class _Worker:
    """A process, this end of its pipe, the number of its task, and what that has counted."""

    def __init__(self, begin: Callable[..., object]) -> None:
        self.connection, other = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(other,), daemon=True)
        self.ready, self.counted = False, 0.0
        self.task: int | None = None
        try:
            with main_hidden():
                self.process.start()
        except OSError as error:
            raise OddframeError(f"a worker process cannot be started ({error.strerror}); use fewer workers") from error
        finally:
            other.close()
        self.send(begin)

    def send(self, message: object) -> None:
        """Hand something over; that the worker is dead shows when it is asked for the answer."""
        data = pickle.dumps(message)
        with suppress(OSError):
            self.connection.send_bytes(data)


class _Crew:
    """The workers of one `run_tasks`."""

    def __init__(
        self,
        begin: Callable[..., object],
        tasks: Sequence[Any],
        workers: int,
        tell: Callable[[float], None] | None,
    ) -> None:
        self.begin, self.tasks, self.size, self.tell = begin, tasks, min(workers, len(tasks)), tell
        self.queue = deque(range(len(tasks)))
        self.deaths: Counter[int] = Counter()
        self.workers: list[_Worker] = []
        self.counted, self.results = 0.0, 0

    def run(self) -> Iterator[tuple[Any, Any]]:
        """See `run_tasks`."""
        left = len(self.tasks)
        try:
            while left:
                self._hand_out()
                heard = wait([worker.connection for worker in self.workers], POLL)
                answers = [a for one in list(self.workers) if one.connection in heard for a in self._hear(one)]
                self._hand_out()  # before the caller looks at what is done
                if self.tell is not None:
                    self.tell(self.counted + sum(worker.counted for worker in self.workers))
                left -= len(answers)
                yield from answers
        finally:
            _end(self.workers)

    def _hand_out(self) -> None:
        """Give every idle worker a task, and start workers while more tasks wait than workers are about to be ready."""
        for worker in self.workers:
            if worker.ready and worker.task is None and self.queue:
                worker.task = self.queue.popleft()
                worker.send(self.tasks[worker.task])
        starting = sum(not worker.ready for worker in self.workers)
        for _ in range(min(self.size - len(self.workers), len(self.queue) - starting)):
            self.workers.append(_Worker(self.begin))

    def _hear(self, worker: _Worker) -> list[tuple[Any, Any]]:
        """Take one message of a worker, or its death; what is answered by it."""
        try:
            data = worker.connection.recv_bytes()
        except (EOFError, OSError):
            self.workers.remove(worker)
            return self._bury(worker)
        kind, value = pickle.loads(data)  # noqa: S301  # our own worker's
        if kind == "error":
            raise value
        if kind == "count":
            worker.counted += value
            return []
        worker.ready, task, worker.task = True, worker.task, None
        if task is None:
            return []
        self.results += 1
        self.counted, worker.counted = self.counted + worker.counted, 0.0
        return [(self.tasks[task], value)]

    def _bury(self, worker: _Worker) -> list[tuple[Any, Any]]:
        """See what a dead worker means for its task, and for the crew."""
        worker.process.join(GRACE)
        _end([worker])
        how = how_ended(worker.process.exitcode)
        if not worker.ready:
            self.size -= 1  # so a machine with memory for fewer workers goes on with fewer, and this ends
            if not self.size:
                raise OddframeError(f"every worker process was killed before it could begin ({how}); use fewer workers")
        if worker.task is None:
            return []
        self.deaths[worker.task] += 1
        if self.deaths[worker.task] == TRIES:
            return [(self.tasks[worker.task], Killed(how))]
        if not self.results and self.deaths.total() >= MOST_DEATHS:
            raise OddframeError(f"{MOST_DEATHS} worker processes were killed, and none did a task ({how})")
        self.queue.append(worker.task)
        return []


def _end(workers: Sequence[_Worker]) -> None:
    """End workers: each may unwind for a moment, so that half a file is removed; then it is killed."""
    try:
        for worker in workers:
            worker.process.terminate()
        late = monotonic() + GRACE
        for worker in workers:
            worker.process.join(max(0.0, late - monotonic()))
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.connection.close()


@contextmanager
def main_hidden() -> Iterator[None]:
    """Hide the main script, and the signals that stop a command, from processes that start inside this block.

    A spawned process imports the main script, which would run again if it has no `__main__` guard. Workers do not need
    the script. A terminal sends Ctrl-C to all of them, and one that has not begun would answer with a traceback.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    blocks = hasattr(signal, "pthread_sigmask")  # a process inherits what is blocked; here the signal only comes later
    if blocks:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if blocks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection[Any, Any]) -> None:
    """The life of a worker. Only its parent handles Ctrl-C; SIGTERM, which the parent sends, unwinds the task."""
    watch_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    told, waiting = monotonic(), 0.0

    def count(amount: float) -> None:
        nonlocal told, waiting
        waiting += amount
        if monotonic() - told >= POLL:
            connection.send(("count", waiting))
            told, waiting = monotonic(), 0.0

    try:
        work = pickle.loads(connection.recv_bytes())()  # noqa: S301  # the parent's
        answer: object = None
        while True:
            if waiting:
                connection.send(("count", waiting))
                waiting = 0.0
            connection.send(("result", answer))
            try:
                data = connection.recv_bytes()
            except EOFError:
                return
            answer = work(pickle.loads(data), count)  # noqa: S301  # the parent's
    except Exception as error:
        connection.send(("error", _portable(error)))
    finally:  # what the task had begun is unwound; to take the interpreter down as well can take a second
        sys.stdout.flush()
        os._exit(0)


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note, or where it cannot be pickled its words."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # made on this line
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
