"""The command line as a whole: what wrong input and missing libraries get, and what every command says of itself."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from oddframe import cli
from oddframe.cli.faults import ending
from oddframe.errors import InputError
from oddframe.processes import Terminated

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "nowhere", "--out", "r"), "nowhere: no such file or folder"),
        (("fit", ".", "--out", "r", "--recipe", "sdmae-huge"), "there are: "),
        (("fit", ".", "--out", "r", "--budget", "soon"), "write a time"),
        (("fit", ".", "--out", "r", "--resident", "now"), "resident is 'now'; choose auto, always or never"),
        (("fit", ".", "--out", "r", "--model", "mnad", "--graphs", "--devices", "2"), "leave --graphs out"),
        (("score", "nowhere", "v.mp4", "--out", "o"), "there is no such bundle"),
        (("evaluate", "nowhere", "--data", "folder:."), "there is no such bundle"),
        (("import-checkpoint", "sdmae", "none.pth", "--out", "r"), "there is no such checkpoint"),
        (("data", "info", "nowhere"), "nowhere: no such file or folder"),
    ],
)
def test_wrong_input_gets_one_line_and_status_2(
    arguments: tuple[str, ...], message: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = ask(*arguments)
    assert answer.status == 2 and message in answer.err and answer.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        ("fit", "."), ("score", "r", "."), ("evaluate", "r", "--data", "folder:."), ("calibrate", "r", "."),
        ("export", "r", "--to", "onnx"), ("features", "clip", "."), ("adapt", "r", "."), ("demo",), ("benchmark", "p"),
        ("import-checkpoint", "sdmae", "none.pth"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("out", ["file", "file/x/y", "loop/x", "z" * 300])
def test_a_place_that_cannot_be_a_folder_is_refused_before_any_work(
    command: tuple[str, ...], out: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")
    answer = ask(*command, "--out", out)
    assert answer.status == 2 and answer.err.startswith(f"oddframe: {out}: ") and answer.err.count("\n") == 1


def leave_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(words: object) -> None:
        raise error

    monkeypatch.setattr(cli, "run", fails)


def no_file() -> OSError:
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES), "out/scores.csv")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("cam.mp4: no such file"), 2, "oddframe: cam.mp4: no such file\n"),
        (InputError("a\nb\x1b[2J: no \udcff"), 2, "oddframe: a b\\x1b[2J: no \\xff\n"),
        (KeyboardInterrupt(), 130, "oddframe: interrupted\n"),
        (
            ModuleNotFoundError("no", name="torch"),
            2,
            'oddframe: this needs the library torch: pip install ".[torch]" in a checkout of oddframe, or pip install '
            '"FILE.whl[torch]" with its wheel\n',
        ),
        (no_file(), 2, "oddframe: out/scores.csv: Permission denied; change its permissions, or choose another "
         "place\n"),
        (OSError(errno.ENOSPC, "No space"), 2, "oddframe: No space; make room, or choose a place on another disk\n"),
        (OSError(errno.EMFILE, "Too many"), 2, "oddframe: Too many; raise the limit of open files (ulimit -n), or use "
         "fewer --workers\n"),
        (MemoryError(), 2, "oddframe: memory is full: use a smaller --batch or fewer --workers, or free some\n"),
        (RuntimeError("CUDA out of memory."), 2, "oddframe: memory is full (RuntimeError: CUDA out of memory.): use a "
         "smaller --batch or fewer --workers, or free some\n"),
    ],
)  # fmt: skip
def test_what_escapes_a_command_becomes_a_status_and_a_line(
    error: BaseException, status: int, line: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_with(error, monkeypatch)
    answer = ask("models")
    assert (answer.status, answer.err, answer.out) == (status, line, "")


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (None, 0), (ZeroDivisionError(), 1), (InputError("x"), 2), (typer.Exit(3), 3), (KeyboardInterrupt(), 130),
        (Terminated(), 143),
    ],
    ids=repr,
)  # fmt: skip
def test_every_documented_status(
    ends: BaseException | None, status: int, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def command(*_: object, **__: object) -> tuple[list[object], dict[str, object]]:
        if ends is not None:
            raise ends
        return [], {}

    monkeypatch.setattr("oddframe.models.facts.model_facts", command)
    assert ask("models").status == status
    documented = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
    assert f"| {status} |" in documented.read_text()


class Panic(BaseException):
    """As libraries written in Rust raise it."""


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("1 / 0"), ModuleNotFoundError("no", name="oddframe.x"), EOFError(), RecursionError("deep"),
        Panic("index out of bounds"), KeyError("x"), BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError("odd"),
        RuntimeError("[ONNXRuntimeError] : 1 : FAIL\nat node"), typer.Abort(), AssertionError(), ValueError(),
    ],
    ids=repr,
)  # fmt: skip
def test_a_fault_of_oddframe_becomes_one_line_and_a_report(
    error: BaseException, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    leave_with(error, monkeypatch)
    answer = ask("models")
    assert answer.status == 1 and answer.err.count("\n") == 1
    assert answer.err.startswith(f"oddframe: internal error: {type(error).__name__}") and "--debug" in answer.err
    assert " (cli/__init__.py, line " in answer.err
    (report,) = tmp_path.iterdir()
    assert f"a report for a bug was written to {report}\n" in answer.err and report.stat().st_mode & 0o077 == 0
    told = report.read_text()
    assert "Traceback" in told and type(error).__name__ in told


@pytest.mark.parametrize("how", ["option before", "option after", "environment"])
def test_debug_shows_the_traceback(how: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    leave_with(ZeroDivisionError(), monkeypatch)
    words = {"option before": ("--debug", "models"), "option after": ("models", "--debug")}.get(how, ("models",))
    monkeypatch.setenv("ODDFRAME_DEBUG", "1" if how == "environment" else "0")
    answer = ask(*words)
    assert answer.status == 1 and answer.err.startswith("Traceback") and answer.err.count("internal error") == 1
    assert "Traceback" not in ask("--", "--debug").err or how == "environment", "what follows -- is no option"


def test_a_report_holds_what_helps_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    video = tmp_path / "cam.mp4"
    video.write_bytes(b"precious")
    command = ["score", str(video), "rtsp://me:hush@cam/1?key=hush", "--password", "hush", "--api-key=hush", "a\0b"]
    try:
        raise RuntimeError("no answer of http://me:hush@cam/x?token=hush&q=hush, 'password': 'hush'")
    except RuntimeError as error:
        status, line = ending(error, command)
    assert status == 1 and "hush" not in line
    report = next(tmp_path.glob("*.txt")).read_text()
    for part in ("oddframe 0", "Python 3", "numpy ", "av ", "torch ", "'score'", "a file of 8 bytes", "RuntimeError"):
        assert part in report
    assert "hush" not in report and "precious" not in report


def test_a_report_that_cannot_be_written_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert ending(ZeroDivisionError(), []) == (
        1,
        "internal error: ZeroDivisionError; run with --debug for the traceback",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit",), "oddframe: missing argument 'videos'"),
        (("fit", "x", "--foo"), "oddframe: no such option: --foo"),
        (("nope",), "oddframe: no such command 'nope'"),
        (("score", "r", "v", "--out", "o", "--workers", "0"), "oddframe: invalid value for '--workers'"),
        (("fit", "x", "--out", "o", "--devices", "many"), "oddframe: invalid value for '--devices'"),
    ],
)
def test_wrong_usage_gets_one_line(arguments: tuple[str, ...], message: str, ask: Ask) -> None:
    answer = ask(*arguments)
    assert answer.status == 2 and answer.err.startswith(message) and answer.err.count("\n") == 1 and not answer.out
    assert "--help` lists" in answer.err


def test_versions_and_statuses_are_told(ask: Ask) -> None:
    versions = ask("--version")
    assert versions.status == 0
    for name in ("oddframe ", "Python ", "numpy ", "torch ", "av ", "openvino ", "onnxruntime "):
        assert name in versions.out
    told = " ".join(ask("--help").out.split())
    for status in ("0 done", "1 a fault", "2 wrong", "3 done, but", "130 stopped by Ctrl-C", "143 stopped by SIGTERM"):
        assert status in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        ("| true", 141, ""),
        (">/dev/full", 2, "No space left on device"),
        (">&-", 0, ""),
        ("2>&- >/dev/full", 2, ""),
    ],
)
@pytest.mark.parametrize("words", [["recipes"], ["--version"]], ids=" ".join)
def test_a_standard_output_that_takes_nothing(redirected: str, status: int, said: str, words: list[str]) -> None:
    # The sleep lets the reader of the pipe end first.
    program = f"import time, sys; time.sleep(0.3); sys.argv[1:] = {words}; from oddframe.cli import main; main()"
    shell = f'set -o pipefail; "{sys.executable}" -c "{program}" {redirected}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.returncode == status and said in done.stderr and done.stderr.count("\n") == bool(said)


def commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(group, click.Group) and not hasattr(group, "commands"):
        return [path]
    return [path, *(found for name, one in group.commands.items() for found in commands(one, (*path, name)))]


@pytest.mark.parametrize("path", commands(typer.main.get_command(cli.app)), ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], ask: Ask) -> None:
    answer = ask(*path, "--help")
    assert answer.status == 0 and "Usage:" in answer.out and answer.err == ""
