"""Runners: who does which task, and what the environment of a scheduler says."""

from __future__ import annotations

import os

import pytest

from oddframe.errors import InputError
from oddframe.processes import Count
from oddframe.runners.choose import as_runner, choose_runner
from oddframe.runners.local import LocalRunner
from oddframe.runners.ray import RayRunner
from oddframe.runners.shard import Shard, ShardRunner, parse_shard

SLURM = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "5"}


@pytest.mark.parametrize(
    ("text", "environment", "wanted"),
    [
        ("2/8", {}, Shard(2, 8)),
        ("1/1", SLURM, Shard(1, 1)),
        ("auto", SLURM, Shard(3, 4)),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_ID": "11", "SLURM_ARRAY_TASK_STEP": "2"}, Shard(4, 4)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "2"}, Shard(1, 2)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "0"}, Shard(1, 8)),
        ("auto", {"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "4"}, Shard(4, 4)),
    ],
)
def test_a_share_comes_from_its_words_or_from_the_scheduler(
    text: str, environment: dict[str, str], wanted: Shard
) -> None:
    assert parse_shard(text, environment) == wanted


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("0/2", {}), ("3/2", {}), ("2", {}), ("a/b", {}), ("", {}), ("-1/2", {}), ("auto", {}), ("1/0", {}),
        ("auto", {"JOB_COMPLETION_INDEX": "0"}), ("auto", {**SLURM, "SLURM_ARRAY_TASK_ID": "x"}),
        ("auto/2", {"JOB_COMPLETION_INDEX": "2"}),
    ],
)  # fmt: skip
def test_a_share_that_is_none_is_refused(text: str, environment: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"shard|SLURM"):
        parse_shard(text, environment)


@pytest.mark.parametrize("of", [1, 2, 3, 7, 20])
def test_shares_are_disjoint_and_together_all(of: int) -> None:
    tasks = list(range(13))
    shares = [ShardRunner(Shard(number, of)).own(tasks) for number in range(1, of + 1)]
    assert sorted(task for share in shares for task in share) == tasks
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_options_choose_a_runner() -> None:
    assert choose_runner() == LocalRunner(1) == as_runner(1)
    assert choose_runner(3) == LocalRunner(3)
    assert choose_runner(3, "2/4") == ShardRunner(Shard(2, 4), LocalRunner(3))
    assert choose_runner(1, None, "auto", 0.5) == RayRunner("auto", gpus=0.5)
    runner = ShardRunner(Shard(1, 2))
    assert as_runner(runner) is runner and runner.shared and not LocalRunner().shared


@pytest.mark.parametrize("wrong", [(0, None, None), (2, None, "auto"), (1, "1/2", "auto")])
def test_options_that_do_not_go_together_are_refused(wrong: tuple[int, str | None, str | None]) -> None:
    with pytest.raises(InputError):
        choose_runner(*wrong)
    with pytest.raises(InputError, match="--ray"):
        choose_runner(gpus=0.5)


def begin() -> object:
    return work


def work(task: int, count: Count) -> tuple[int, str, int]:
    count(1)
    return task * task, os.environ.get("OMP_NUM_THREADS", ""), os.getpid()


def test_processes_of_this_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    told: list[float] = []
    found = dict(LocalRunner(2).run(begin, [1, 2, 3], told.append))  # type: ignore[arg-type]
    assert {task: answer[0] for task, answer in found.items()} == {1: 1, 2: 4, 3: 9}
    assert {answer[1] for answer in found.values()} == {"2"}
    assert os.getpid() not in {answer[2] for answer in found.values()} and os.environ["OMP_NUM_THREADS"] == "4"
    here = dict(LocalRunner().run(begin, [5]))  # type: ignore[arg-type]
    assert here[5] == (25, "4", os.getpid())


def test_the_library_of_ray_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"the library ray: pip install \"\.\[ray\]\""):
        list(RayRunner("auto").run(begin, [1]))  # type: ignore[arg-type]
