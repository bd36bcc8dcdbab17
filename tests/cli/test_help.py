"""The help of every command fits the terminal, names every option in words, and breaks no word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oddframe import cli

Ask = Callable[..., Any]
WIDTHS = [60, 80, 120]


def commands_below(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, group
    for name, one in getattr(group, "commands", {}).items():
        yield from commands_below(one, (*path, name))


COMMANDS = dict(commands_below(cli.commands()))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fits_and_breaks_no_word(
    path: tuple[str, ...], width: int, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    answer = ask(*path, "--help")
    assert answer.status == 0 and not answer.err
    assert max(map(len, answer.out.splitlines())) <= width
    words = answer.out.split()
    command = COMMANDS[path]
    for word in [word for one in command.params if not one.hidden for word in (one.help or "").split()]:
        assert word in words, f"{word!r} is broken or missing"
    for below in getattr(command, "commands", {}):
        assert below in words


def test_options_are_grouped_and_say_kind_range_and_default(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    told = ask("score", "--help").out
    groups = re.findall(r"^(\w[^:\n]*):$", told, re.MULTILINE)
    assert groups == ["Arguments", "Options", "Device and speed", "How video is read", "Threshold"] or set(groups) == {
        "Arguments", "Options", "Device and speed", "How video is read", "Threshold",
    }  # fmt: skip
    flat = " ".join(told.split())
    assert "--device DEVICE auto, cpu, cuda, or cuda:1 for the second GPU. [default: auto]" in flat
    assert "--workers N Processes that score videos in parallel. [1 or more; default: 1]" in flat
    assert "--alarms-per-hour NUMBER" in flat and "[default: the calibrated threshold]" in flat
    assert "--overlay / --no-overlay Write overlay videos. [default: on]" in flat
    assert "Usage: oddframe score [OPTIONS] RUN VIDEOS..." in flat
    assert "--quiet, --verbose, --debug" in flat


def test_one_word_for_one_thing() -> None:
    options = {name for command in COMMANDS.values() for one in command.params for name in one.opts}
    assert not options & {"--accelerator", "--gpu", "--output", "--output-dir", "--threads", "--n-workers"}
    takes = {path for path, command in COMMANDS.items() if any("--device" in one.opts for one in command.params)}
    assert {
        ("fit",),
        ("score",),
        ("watch",),
        ("evaluate",),
        ("bench",),
        ("calibrate",),
        ("features",),
        ("adapt",),
    } <= takes


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_in_whole_sentences(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    for one in command.params:
        text = (one.help or "").strip()
        if not one.hidden:
            assert text.endswith(".") and "..." not in text and "…" not in text, f"{one.opts}: {text!r}"
