"""Ctrl-C and SIGTERM: a stopped command says what it kept and how to go on, and the same command does go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from oddframe.cli.interrupt import stoppable
from oddframe.processes import Terminated

Ask = Callable[..., Any]


def stops(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def terminated(*_: object, **__: object) -> None:
    raise Terminated


def frames(folder: Path, count: int) -> Path:
    """A folder of noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number:04}.png"), random.integers(0, 256, (32, 64, 3), dtype=np.uint8))
    return folder


def linked(folder: Path, longer: Path, count: int) -> Path:
    """A folder of as many frames as wanted, which are those of another one over and over."""
    kept = sorted(folder.iterdir())
    longer.mkdir(parents=True)
    for number in range(count):
        os.link(kept[number % len(kept)], longer / f"{number:05}.png")
    return longer


@pytest.mark.parametrize(
    ("left", "message"),
    [
        ((), "nothing was learned yet; the same command starts anew"),
        (("checkpoint.pt",), "keeps what was learned so far: the same command with --resume goes on from there"),
        (("checkpoint.pt", "bundle.json"), "holds the detector, but its threshold was not finished: the same command"),
    ],
)
def test_a_stopped_fit_says_what_is_kept(
    left: tuple[str, ...], message: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.workflow.fit.fit", stops)
    for name in left:
        (tmp_path / name).write_text("")
    answer = ask("fit", tmp_path, "--out", tmp_path)
    assert answer.status == 130 and answer.err.startswith("oddframe: interrupted; ") and message in answer.err
    assert answer.err.count("\n") == 1


def test_sigterm_has_a_status_of_its_own(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddframe.workflow.fit.fit", terminated)
    answer = ask("fit", tmp_path, "--out", tmp_path)
    assert answer.status == 143 and "interrupted; nothing was learned yet" in answer.err


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_a_stop_whatever_a_library_makes_of_it(
    signum: int, status: int, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def library(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signum)
        except KeyboardInterrupt as error:
            raise ImportError("half a module") from error

    monkeypatch.setattr("oddframe.workflow.fit.fit", library)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    answer = ask("fit", tmp_path, "--out", tmp_path)
    assert answer.status == status and answer.err.startswith("oddframe: interrupted; ") and answer.err.count("\n") == 1
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


class Finalised:
    """Python drops what is raised while it goes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_python_drops_comes_again(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def library(*_: object, **__: object) -> None:
        Finalised()
        time.sleep(60)

    monkeypatch.setattr("oddframe.workflow.fit.fit", library)
    began = time.monotonic()
    answer = ask("fit", tmp_path, "--out", tmp_path)
    assert answer.status == 143 and time.monotonic() - began < 40
    assert answer.err.startswith("oddframe: interrupted; ") and answer.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "stopped", "message"),
    [
        (("benchmark", "plan.yaml", "--out", "t"), "oddframe.workflow.benchmark.benchmark", "kept in t; the same"),
        (("features", "s3d", "frames", "--out", "st"), "oddframe.workflow.features.extract_features", "was extracted"),
        (("demo", "--out", "d"), "oddframe.workflow.demo.demo", "remove d, or choose another --out"),
        (("data", "world", "w"), "oddframe.street.render_world", "nothing was finished; the same command starts anew"),
    ],
)
def test_every_command_says_how_to_go_on(
    command: tuple[str, ...], stopped: str, message: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frames(tmp_path / "frames", 2)
    (tmp_path / "plan.yaml").write_text("data: {s: {street: {}}}\nsystems: {m: {recipe: mnad-small}}\n")
    monkeypatch.setattr(stopped, stops)
    answer = ask(*command)
    assert answer.status == 130 and message in answer.err and answer.err.count("\n") == 1


def start(*arguments: object, cache: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "ODDFRAME_CACHE": str(cache)}
    command = [sys.executable, "-m", "oddframe", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True)


def stop(process: subprocess.Popen[str], signum: int, ready: Callable[[], bool], group: bool = False) -> str:
    """Wait until it is at work, stop it, and return what it said on standard error."""
    try:
        until = time.monotonic() + 120
        while not ready() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        (os.killpg if group else os.kill)(process.pid, signum)  # a terminal sends Ctrl-C to the whole group
        return process.communicate(timeout=120)[1]
    finally:
        process.kill()


@pytest.mark.slow
def test_a_real_fit_is_stopped_by_ctrl_c(tmp_path: Path) -> None:
    videos, out = frames(tmp_path / "frames", 60), tmp_path / "run"
    tiny = ("--set", "options.size=[32, 64]", "--set", "options.width=2", "--set", "training.batch_size=4")
    command = ("fit", videos, "--recipe", "mnad-small", *tiny, "--quantile", 0.5, "--budget", "20s", "--out", out)
    log = out / "training.jsonl"
    process = start(*command, cache=tmp_path / "cache")
    said = stop(process, signal.SIGINT, lambda: log.is_file() and log.stat().st_size > 0, group=True)
    assert process.returncode == 130 and "Traceback" not in said
    assert f"interrupted; {out / 'checkpoint.pt'} keeps what was learned so far" in said
    assert (out / "checkpoint.pt").is_file() and not (out / "bundle.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_real_scoring_is_stopped_and_goes_on(workers: int, tmp_path: Path, ask: Ask) -> None:
    recipe = tmp_path / "plain.yaml"
    recipe.write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
    videos = tmp_path / "videos"
    for name in "abc":
        frames(videos / name, 150)
    run, out = tmp_path / "run", tmp_path / "out"
    assert ask("fit", videos / "a", "--recipe", recipe, "--out", run).status == 0
    long = linked(videos / "a", videos / "long", 20_000)  # scored after the others, or by another process
    command = ("score", run, videos, "--no-overlay", "--workers", workers, "--out", out)
    process = start(*command, cache=tmp_path)

    def some_are_scored() -> bool:
        return any(out.rglob("*.npz"))

    said = stop(process, signal.SIGTERM, some_are_scored)
    assert process.returncode == 143 and "Traceback" not in said
    assert f"scored and lie in {out / 'scores'}" in said or f"scored and lies in {out / 'scores'}" in said
    assert not list(out.rglob("*.part")), "no half of a file is left"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    for frame in sorted(long.iterdir())[150:]:
        frame.unlink()
    assert before and ask(*command).status == 0
    assert all(path.stat().st_mtime_ns == when for path, when in before.items()), "what was scored is taken up"


def test_a_background_job_that_a_shell_has_shielded_from_ctrl_c_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN != signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)


UNSTOPPABLE = """
import signal, threading, time
from oddframe.cli.interrupt import stoppable
threading.Thread(target=time.sleep, args=(60,)).start()
with stoppable():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("unwinding", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once(signum: int, status: int) -> None:
    command, pipe = [sys.executable, "-c", UNSTOPPABLE], subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
    try:
        assert process.stdout is not None
        for line in ("begun", "unwinding"):
            assert process.stdout.readline().strip() == line
            process.send_signal(signum)
            process.send_signal(signum)  # `timeout` sends it twice, which is one
            time.sleep(0.3)
        said = process.communicate(timeout=40)[1]
        assert process.returncode == status and said == "oddframe: interrupted again; ended at once\n"
    finally:
        process.kill()


@pytest.mark.slow
def test_ctrl_c_of_long_scoring_ends_soon(tmp_path: Path, ask: Ask) -> None:
    recipe = tmp_path / "plain.yaml"
    recipe.write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
    small = frames(tmp_path / "small", 150)
    assert ask("fit", small, "--recipe", recipe, "--out", tmp_path / "run").status == 0
    videos = tmp_path / "videos"
    for name in "ab":
        linked(small, videos / name, 20_000)
    out = tmp_path / "out"
    process = start("score", tmp_path / "run", videos, "--workers", 2, "--out", out, cache=tmp_path)
    try:
        for _ in range(1200):
            if (out / "scores").exists():
                break
            time.sleep(0.1)
        time.sleep(4)  # the workers are at it, or begin
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        assert time.monotonic() - began < 20 and process.returncode == 130
        assert "no video was scored to its end" in said and said.count("\n") == 1, said
    finally:
        process.kill()
