"""Start of the training loop in one or several processes, and return of its result, its error or Ctrl-C."""

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
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from oddframe import errors
from oddframe.errors import InputError

# At import time, so that it also applies in spawned processes before Lightning announces that they connect.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def make_fabric(devices: int, accelerator: str, precision: str) -> Fabric:
    """A Fabric on `devices` devices of this machine, with one process for each device.

    The processes are spawned, not forked, because a fork of a process that has used torch can hang.

    Raises:
        InputError: the machine does not have these devices.
    """
    if devices > 1 and hasattr(sys, "ps1"):
        raise InputError(f"{devices} devices cannot be used from an interactive session; use one, or run a script")
    try:
        return Fabric(
            accelerator=accelerator,
            devices=devices,
            precision=PRECISIONS[precision],  # type: ignore[arg-type]
            strategy=DDPStrategy(start_method="spawn") if devices > 1 else "auto",
            plugins=LightningEnvironment(),  # only this machine, even if it is part of a cluster
        )
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot train on {devices} x {accelerator!r}: {reason}") from error


def launch(fabric: Fabric, work: Callable[..., bool], *arguments: Any) -> bool:
    """Run work(fabric, *arguments) in every process of `fabric`, and return the result of the first process.

    Several processes get copies of the arguments, and changes to the copies stay in their process. Memory-mapped arrays
    are not copied but opened again. An `OddframeError` in any process is raised here.
    """
    if fabric.world_size == 1:
        return bool(fabric.launch(lambda fabric: work(fabric, *arguments)))
    with _interrupts_passed_on() as interrupts:
        try:
            return bool(fabric.launch(partial(_work_on_copies, work, _pack(arguments))))
        except (ProcessRaisedException, ProcessExitedException) as error:
            if interrupts.asked:
                return False
            found = re.findall(r"^oddframe\.errors\.(\w+): (.*)", str(error), re.MULTILINE)
            if not found:
                raise
            name, message = found[-1]
            raise getattr(errors, name)(message) from error


class Interrupts:
    """A signal handler that only records Ctrl-C, so that the step can finish. A second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def asked(self) -> bool:
        """Whether Ctrl-C was pressed, so that training must stop after the step."""
        return self._since is not None

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since is not None and now - self._since > 1:
            raise KeyboardInterrupt
        self._since = self._since or now


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Inside this block, Ctrl-C is recorded instead of raised. Outside the main thread, the block changes nothing."""
    with _handled(Interrupts()) as interrupts:
        yield interrupts


@contextmanager
def _interrupts_passed_on() -> Iterator[Interrupts]:
    """Inside this block, the waiting process passes Ctrl-C on to the worker processes (a terminal does so anyway)."""

    class PassedOn(Interrupts):
        def __call__(self, signum: int, frame: FrameType | None) -> None:
            for child in set(multiprocessing.active_children()) - before:
                if child.pid is not None:
                    os.kill(child.pid, signal.SIGINT)
            super().__call__(signum, frame)

    before = set(multiprocessing.active_children())
    with _handled(PassedOn()) as interrupts:
        yield interrupts


@contextmanager
def _handled(interrupts: Interrupts) -> Iterator[Interrupts]:
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    previous = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, previous)


def _work_on_copies(work: Callable[..., bool], packed: bytes, fabric: Fabric) -> bool:
    result = work(fabric, *pickle.loads(packed))
    fabric.barrier()
    torch.distributed.destroy_process_group()  # a process that exits with an open group may abort
    return result


def _pack(arguments: tuple[Any, ...]) -> bytes:
    """Pickle the arguments. They go through a pipe, because containers have little shared memory."""
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
