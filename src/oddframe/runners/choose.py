"""From the options of a command, or a number of processes, to a runner."""

from __future__ import annotations

from oddframe.errors import InputError
from oddframe.runners.local import LocalRunner
from oddframe.runners.ray import RayRunner
from oddframe.runners.runner import Runner
from oddframe.runners.shard import ShardRunner, parse_shard


def as_runner(workers: int | Runner) -> Runner:
    """A runner as it is; a number of processes as those of this machine.

    Raises:
        InputError: the number is below 1.
    """
    return LocalRunner(workers) if isinstance(workers, int) else workers


def choose_runner(workers: int = 1, shard: str | None = None, ray: str | None = None, gpus: float = 0.0) -> Runner:
    """The runner that the options name.

    Args:
        workers: processes of this machine.
        shard: a share of the work for this machine; see `oddframe.runners.shard.parse_shard`.
        ray: address of a Ray cluster.
        gpus: of a task of Ray; a share of one may be given.

    Raises:
        InputError: the options do not go together, or one of them is wrong.
    """
    if ray is not None and (shard is not None or workers > 1):
        other = "--shard" if shard is not None else "--workers"
        raise InputError(f"--ray and {other} both say who does the work; give one of them")
    if gpus and ray is None:
        raise InputError("--gpus-per-job is for --ray, which divides the GPUs of a cluster")
    if ray is not None:
        return RayRunner(ray, gpus=gpus)
    local = LocalRunner(workers)
    return local if shard is None else ShardRunner(parse_shard(shard), local)
