"""The runner of a Ray cluster: a plain task of Ray for each task.

Tasks and not actors: a task whose worker or node dies is done again elsewhere by Ray itself. An actor that dies with
its node takes with it what it was doing. Processes of Ray stay for later tasks, so what `begin` opens is opened once in
each of them.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from oddframe.errors import InputError, OddframeError
from oddframe.extras import imported
from oddframe.processes import Count, Killed

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 3
WINDOW = 2  # tasks that are handed over for each slot, so that no slot waits for the next one


@dataclass(frozen=True)
class RayRunner:
    """The slots of a Ray cluster. A `Runner`.

    All machines see the same files under the same paths, and have the same oddframe.

    Attributes:
        address: of the cluster, HOST:PORT; "auto" is that of this machine.
        cpus: cores of a slot.
        gpus: of a slot, a share of one, or none.
        retries: how often a task is done again whose process died.
    """

    address: str = "auto"
    cpus: float = 1.0
    gpus: float = 0.0
    retries: int = RETRIES
    shared = False
    workers = 2  # never this process

    def own(self, tasks: Sequence[T]) -> list[T]:
        return list(tasks)

    def run(
        self,
        begin: Callable[[], Callable[[T, Count], R]],
        tasks: Sequence[T],
        tell: Callable[[float], None] | None = None,
    ) -> Generator[tuple[T, R | Killed]]:
        """See `Runner.run`. Tasks that are done on other machines tell nothing while they run."""
        # Ray prints on standard output that a worker has died, in the midst of what a program reads there.
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
        ray = imported("ray", "ray")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            ray.init(self.address, log_to_driver=False, logging_level="error", configure_logging=False)
        except Exception as error:  # whatever it finds there
            raise InputError(f"no Ray cluster answers at {self.address}: {str(error).splitlines()[0]}") from error
        waiting: dict[Any, T] = {}
        try:
            remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=self.retries)(_work)
            opening, left = (uuid.uuid4().hex, ray.put(begin)), iter(tasks)
            self._hand_over(ray, remote, opening, left, waiting)
            while waiting:
                done, _ = ray.wait(list(waiting), num_returns=1, timeout=1.0)
                answers = [(waiting.pop(one), self._answer(ray, one)) for one in done]
                self._hand_over(ray, remote, opening, left, waiting)  # before the caller looks at what is done
                yield from answers
        finally:
            for one in waiting:
                with suppress(Exception):
                    ray.cancel(one, force=True)
            ray.shutdown()

    def _hand_over(
        self, ray: Any, remote: Any, opening: tuple[str, Any], left: Iterator[T], waiting: dict[Any, T]
    ) -> None:
        """Keep twice as many tasks with the cluster as it has slots now; machines come and go."""
        there = ray.cluster_resources()
        slots = there.get("CPU", 0.0) / self.cpus
        if self.gpus:
            slots = min(slots, there.get("GPU", 0.0) / self.gpus)
        room = max(1, int(WINDOW * slots)) - len(waiting)
        for task in islice(left, max(room, 0)):
            waiting[remote.remote(*opening, task)] = task

    def _answer(self, ray: Any, one: Any) -> Any:
        try:
            return ray.get(one)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, OddframeError):
                raise cause from None
            raise
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
        ) as how:
            return Killed(type(how).__name__, 1 + self.retries)


_begun: dict[str, Callable[..., Any]] = {}


def _work(command: str, begin: Callable[[], Callable[[T, Count], R]], task: T) -> R:
    """In a process of Ray: what `begin` makes is made once in it for each command."""
    if command not in _begun:
        _begun.clear()  # of an earlier one
        _begun[command] = begin()
    work: Callable[[T, Count], R] = _begun[command]
    return work(task, lambda _: None)
