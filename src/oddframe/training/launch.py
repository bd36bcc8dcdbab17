"""Start of the training loop in one or several processes, and return of its error or Ctrl-C.

SIGTERM is treated as Ctrl-C.
"""

from __future__ import annotations

import io
import logging
import mmap
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from oddframe import errors
from oddframe.errors import InputError, TrainingError
from oddframe.processes import Terminated, how_ended, watch_parent
from oddframe.training.world import world

# At import time, so that it also applies in spawned processes before Lightning announces that they connect.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def make_fabric(devices: int, accelerator: str, precision: str) -> Fabric:
    """A Fabric on `devices` devices of this machine, with one process for each device.

    The processes are spawned, not forked, because a fork of a process that has used torch can hang. Under `torchrun`
    they are there already, and there is one device for each of them.

    Raises:
        InputError: the machine does not have these devices.
    """
    around = world()
    if around.started:
        if devices not in (1, around.size):
            raise InputError(f"torchrun has started {around.size} processes; leave --devices out")
        return _fabric(
            accelerator, around.size // around.nodes, precision, num_nodes=around.nodes, strategy=DDPStrategy(),
            plugins=TorchElasticEnvironment(),
        )  # fmt: skip
    if devices > 1 and hasattr(sys, "ps1"):
        raise InputError(f"{devices} devices cannot be used from an interactive session; use one, or run a script")
    return _fabric(
        accelerator, devices, precision, strategy=DDPStrategy(start_method="spawn") if devices > 1 else "auto",
        plugins=LightningEnvironment(),  # only this machine, even if it is part of a cluster
    )  # fmt: skip


def _fabric(accelerator: str, devices: int, precision: str, **others: Any) -> Fabric:
    try:
        return Fabric(accelerator=accelerator, devices=devices, precision=PRECISIONS[precision], **others)  # type: ignore[arg-type]
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot train on {devices} x {accelerator!r}: {reason}") from error


def launch(fabric: Fabric, work: Callable[..., int], *arguments: Any) -> None:
    """Run work(fabric, *arguments) in every process of `fabric`. It returns the signal that stopped it, or 0.

    Several processes get copies of the arguments, and changes to the copies stay in their process. Memory-mapped arrays
    are not copied but opened again. An `OddframeError` in any process is raised here.

    Raises:
        KeyboardInterrupt: the work was stopped by Ctrl-C; `Terminated` for SIGTERM.
        TrainingError: one of the processes was killed.
    """
    if world().started:
        signum = fabric.launch(lambda fabric: _together(fabric, work, arguments))
    elif fabric.world_size == 1:
        signum = fabric.launch(lambda fabric: work(fabric, *arguments))
    else:
        # Not among what a process is given at its start: multiprocessing waits for ever for one that dies before it has
        # read more than a pipe holds.
        with TemporaryDirectory(prefix="oddframe-") as folder:
            packed = Path(folder) / "arguments"
            packed.write_bytes(_pack(arguments))
            signum = _launch_ranks(fabric, _Rank(work, packed))
    if signum:
        raise Terminated if signum == signal.SIGTERM else KeyboardInterrupt


def _launch_ranks(fabric: Fabric, rank: _Rank) -> int:
    """Run `rank` in a process for each device. None of them outlives this call: a second Ctrl-C kills them."""
    before = set(multiprocessing.active_children())
    with _interrupts_passed_on(before) as interrupts:
        try:
            noted = fabric.launch(rank)
            return interrupts.signum or noted
        except (ProcessRaisedException, ProcessExitedException) as error:
            if interrupts.signum:
                return interrupts.signum
            found = re.findall(r"^oddframe\.errors\.(\w+): (.*)", str(error), re.MULTILINE)
            if found:
                name, message = found[-1]
                raise getattr(errors, name)(message) from error
            if isinstance(error, ProcessExitedException):
                raise TrainingError(_LOST.format(f" ({how_ended(error.exit_code)})")) from error
            raise
        except KeyboardInterrupt:
            for child in set(multiprocessing.active_children()) - before:
                child.kill()
            raise


_LOST = (
    "a process of the training was killed{}; the last checkpoint is kept: the same command with --resume goes on from "
    "there, or from the start where there is none yet"
)


class Interrupts:
    """A signal handler that only records Ctrl-C, so that the step can finish. A second Ctrl-C stops at once.

    Attributes:
        signum: the signal, or 0.
    """

    def __init__(self) -> None:
        self.signum, self._since = 0, 0.0

    @property
    def asked(self) -> bool:
        """Whether Ctrl-C was pressed, so that training must stop after the step."""
        return bool(self.signum)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signum and now - self._since > 1:
            raise KeyboardInterrupt
        if not self.signum:
            self.signum, self._since = signum, now


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Inside this block, Ctrl-C is recorded instead of raised. Outside the main thread, the block changes nothing."""
    with _handled(Interrupts()) as interrupts:
        yield interrupts


@contextmanager
def _interrupts_passed_on(before: set[BaseProcess]) -> Iterator[Interrupts]:
    """Inside this block, the waiting process passes Ctrl-C on to the processes that are not in `before`.

    A terminal does so anyway.
    """

    class PassedOn(Interrupts):
        def __call__(self, signum: int, frame: FrameType | None) -> None:
            for child in set(multiprocessing.active_children()) - before:
                if child.pid is not None:
                    os.kill(child.pid, signum)
            super().__call__(signum, frame)

    with _handled(PassedOn()) as interrupts:
        yield interrupts


@contextmanager
def _handled(interrupts: Interrupts) -> Iterator[Interrupts]:
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    previous = {signum: signal.signal(signum, interrupts) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


class _Rank:
    """What a spawned process of the training does, on copies of the arguments, which lie in a file."""

    def __init__(self, work: Callable[..., int], packed: Path) -> None:
        self.work, self.packed = work, packed

    def __setstate__(self, state: dict[str, Any]) -> None:
        watch_parent()  # as early as can be: only a spawned process comes here
        self.__dict__.update(state)

    def __call__(self, fabric: Fabric) -> int:
        return _together(fabric, self.work, pickle.loads(self.packed.read_bytes()))


def _together(fabric: Fabric, work: Callable[..., int], arguments: tuple[Any, ...]) -> int:
    """Work in one of several processes; all of them end it together."""
    try:
        signum = work(fabric, *arguments)
        fabric.barrier()
    except RuntimeError as error:
        if "gloo" in str(error) or isinstance(error, torch.distributed.DistError):  # another process is gone
            raise TrainingError(_LOST.format("")) from error
        raise
    torch.distributed.destroy_process_group()  # a process that exits with an open group may abort
    return signum


def _pack(arguments: tuple[Any, ...]) -> bytes:
    """Pickle the arguments. They go through a file, because containers have little shared memory."""
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump(arguments)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"several devices need a detector and data that can be copied to other processes: {error}"
        ) from error
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    """Pickles memory-mapped arrays and contiguous parts of them as (file, offset), without their content."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, np.memmap) or value.filename is None or not value.flags.c_contiguous:
            return NotImplemented
        whole: Any = value
        while isinstance(whole.base, np.memmap):
            whole = whole.base
        if not isinstance(whole.base, mmap.mmap):
            return NotImplemented  # the result of arithmetic, which is not in the file
        offset = whole.offset + value.ctypes.data - whole.ctypes.data
        return np.memmap, (value.filename, value.dtype, "r", offset, value.shape)
