"""The processes of a training that `torchrun` started, on one machine or on several: which of them this one is.

`torchrun` starts the same command in each of them. All read the same videos and choose the same held-out part. The
first one alone writes into the folder of the run, which all of them see.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from oddframe.errors import InputError


@dataclass(frozen=True)
class TorchrunWorld:
    """Where this process stands.

    Attributes:
        rank, size: of all processes.
        nodes: machines; each has the same number of processes.
    """

    rank: int = 0
    size: int = 1
    nodes: int = 1

    @property
    def started(self) -> bool:
        """Whether `torchrun` has started several processes."""
        return self.size > 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0


def world(environment: Mapping[str, str] = os.environ) -> TorchrunWorld:
    """Where this process stands; alone, unless `torchrun` says otherwise.

    Raises:
        InputError: machines have different numbers of processes.
    """
    if "TORCHELASTIC_RUN_ID" not in environment:
        return TorchrunWorld()
    size, local = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
    if size % local:
        raise InputError(f"torchrun: {size} processes, and {local} of them here; start the same number on each machine")
    return TorchrunWorld(int(environment["RANK"]), size, size // local)
