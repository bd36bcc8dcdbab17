"""The command line as a whole: what wrong input and missing libraries get, and what every command says of itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from oddframe import cli
from oddframe.errors import InputError

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "nowhere", "--out", "r"), "nowhere: no such file or folder"),
        (("fit", ".", "--out", "r", "--recipe", "sdmae-huge"), "there are: "),
        (("fit", ".", "--out", "r", "--budget", "soon"), "write a time"),
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


def leave_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("cam.mp4: no such file"), 2, "oddframe: cam.mp4: no such file\n"),
        (KeyboardInterrupt(), 130, "oddframe: interrupted\n"),
        (
            ModuleNotFoundError("no", name="torch"),
            2,
            'oddframe: this needs torch: pip install "oddframe[torch]"\n',
        ),
    ],
)
def test_what_escapes_a_command_becomes_a_status_and_a_line(
    error: BaseException, status: int, line: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_with(error, monkeypatch)
    answer = ask("models")
    assert (answer.status, answer.err, answer.out) == (status, line, "")


@pytest.mark.parametrize("error", [ZeroDivisionError("1 / 0"), ModuleNotFoundError("no", name="oddframe.elsewhere")])
def test_a_fault_of_oddframe_is_not_hidden(error: Exception, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_with(error, monkeypatch)
    with pytest.raises(type(error)):
        ask("models")


def commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(group, click.Group) and not hasattr(group, "commands"):
        return [path]
    return [path, *(found for name, one in group.commands.items() for found in commands(one, (*path, name)))]


@pytest.mark.parametrize("path", commands(typer.main.get_command(cli.app)), ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], ask: Ask) -> None:
    answer = ask(*path, "--help")
    assert answer.status == 0 and "Usage:" in answer.out and answer.err == ""
