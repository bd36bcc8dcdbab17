"""`--quiet` and `--verbose`, wherever they stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from oddframe import progress
from oddframe.cli.console import print_notes
from oddframe.cli.versions import PACKAGES, versions
from oddframe.progress import progress_bars, silent

Ask = Callable[..., Any]


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`oddframe recipes` shows progress and a note before its list."""

    def names() -> list[str]:
        with progress_bars() as bars:
            bars("looking", 1, 2)
        print_notes(["a note"])
        progress.say("a line", True)
        return []

    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1)
    monkeypatch.setattr("oddframe.recipes.recipe_names", names)


@pytest.mark.parametrize("words", [("--quiet", "recipes", "--json"), ("recipes", "--json", "--quiet")])
def test_quiet_leaves_the_result_alone(words: tuple[str, ...], shows: None, ask: Ask) -> None:
    assert ask("recipes", "--json").err == "looking: 1 of 2\na note\na line\n"
    answer = ask(*words)
    assert (answer.status, answer.err, json.loads(answer.out)) == (0, "", [])
    assert not silent()


def test_quiet_does_not_silence_an_error(ask: Ask) -> None:
    answer = ask("--quiet", "runs", "nowhere")
    assert answer.status == 2 and answer.err == "oddframe: nowhere: there is no such folder\n"


def test_verbose_tells_versions_folders_time_and_memory_on_standard_error(ask: Ask) -> None:
    answer = ask("recipes", "--json", "--verbose")
    assert answer.status == 0 and json.loads(answer.out)
    for part in (
        "oddframe 0",
        "Python 3",
        "torch ",
        "folder ",
        "cache ",
        "command recipes --json",
        "time ",
        "processor",
        "MiB",
    ):
        assert f"verbose: {part}" in answer.err or part in answer.err
    assert all(line.startswith("verbose: ") for line in answer.err.splitlines())
    failed = ask("--verbose", "score", "rtsp://me:hush@cam/1", "v")
    assert failed.status == 2 and "hush" not in failed.err.split("oddframe: ")[0] and "verbose: time" in failed.err


def test_both_exclude_each_other(ask: Ask) -> None:
    answer = ask("--quiet", "--verbose", "recipes")
    assert answer.status == 2 and "exclude each other" in answer.err and not answer.out


def test_after_two_dashes_they_are_names(ask: Ask) -> None:
    assert "--quiet" in ask("runs", "--", "--quiet").err


def test_versions_as_json(ask: Ask) -> None:
    told = json.loads(ask("--version", "--json").out)
    assert told == versions() and set(told["packages"]) == set(PACKAGES)
    assert {"torch", "av", "openvino", "onnxruntime"} <= told["packages"].keys()
    assert {"oddframe", "python", "platform"} <= told.keys()


def test_no_command_and_unknown_ones_are_refused(ask: Ask) -> None:
    assert ask("--json").status == 2 and "no command is given" in ask("--json").err
    assert ask().status == 0 and "Usage:" in ask().out
