"""The help of a command as plain text that fits the terminal, 40 columns or more, without boxes and broken words.

Options stand in the groups that `rich_help_panel` names, with the kind of their value, their range and their default.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from oddframe.cli.layout import MOST_WIDTH, definitions, paragraph, terminal_width

COMMON = "Every command also takes --quiet, --verbose, --debug and --help."
WORDS = {bool: "", int: "N", float: "NUMBER", str: "TEXT", Path: "PATH"}
"""What a value is called whose option names none, by its type."""


def write_plain_help(command: Any) -> None:
    """Let a command, and the commands below it, write their help as this module does."""
    command.format_help = partial(_write, command)
    for below in getattr(command, "commands", {}).values():
        write_plain_help(below)


def _write(command: Any, context: Any, formatter: Any) -> None:
    formatter.write("\n".join(help_lines(command, context, min(terminal_width(), MOST_WIDTH))) + "\n")


def help_lines(command: Any, context: Any, width: int) -> list[str]:
    """The help of a command as lines of at most `width` columns."""
    shown = [one for one in command.get_params(context) if not getattr(one, "hidden", False)]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name != "argument"]
    usage = " ".join(["[OPTIONS]", *map(_argument, arguments), *(["COMMAND"] if _commands(command) else [])])
    lines = paragraph(f"Usage: {context.command_path} {usage}", width, "", " " * 7)
    for part in inspect.cleandoc(command.help or "").split("\n\n"):
        lines += ["", *paragraph(part, width)]
    if arguments:
        lines += ["", "Arguments:", *definitions([(_argument(one), _meaning(one)) for one in arguments], width)]
    for name, group in _grouped(options, "Options").items():
        lines += ["", f"{name}:", *definitions([(_option(one), _meaning(one)) for one in group], width)]
    for name, below in _grouped(_commands(command), "Commands").items():
        lines += ["", f"{name}:", *definitions([(one.name, _short(one)) for one in below], width)]
    if command.epilog:
        lines += ["", *paragraph(command.epilog, width)]
    return lines if context.parent is None else [*lines, "", *paragraph(COMMON, width)]


def _commands(command: Any) -> list[Any]:
    return [one for one in getattr(command, "commands", {}).values() if not one.hidden]


def _grouped(things: Iterable[Any], otherwise: str) -> dict[str, list[Any]]:
    """Options or commands by their group. Those without one come first, and `--help` comes last."""
    groups: dict[str, list[Any]] = {otherwise: []}
    for one in sorted(things, key=lambda one: getattr(one, "name", "") == "help"):
        panel = getattr(one, "rich_help_panel", None)
        groups.setdefault(panel if isinstance(panel, str) else otherwise, []).append(one)
    return {name: group for name, group in groups.items() if group}


def _short(command: Any) -> str:
    """The first sentence of a command's help."""
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".") + "."


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name = name if argument.nargs == 1 or name.endswith("]") else f"{name}..."
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(sorted(option.opts, key=lambda name: name.startswith("--")))
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}"
    return names if option.is_flag else f"{names} {option.metavar or kind_of(option)}"


def kind_of(option: Any) -> str:
    """What a value is, in one word: its choices, or a word for its type."""
    described = getattr(option, "type_descriptor", None)
    kind: Any = getattr(described, "annotation", None)
    inner = [one for one in get_args(kind) if one is not type(None)]
    while get_origin(kind) in (list, tuple, Union, UnionType) and inner:
        kind = inner[0]
        inner = [one for one in get_args(kind) if one is not type(None)]
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return WORDS.get(kind, "TEXT")


def _meaning(parameter: Any) -> str:
    """The help of an option or argument, with its range and its default in brackets."""
    notes = [_range(parameter), _default(parameter), "required" if _must(parameter) else ""]
    told = "; ".join(note for note in notes if note)
    return f"{' '.join((parameter.help or '').split())} {f'[{told}]' if told else ''}".strip()


def _must(parameter: Any) -> bool:
    """Whether an option must be given. That an argument must be is told by the line of usage."""
    return bool(parameter.required) and parameter.param_type_name != "argument"


def _range(parameter: Any) -> str:
    kind = getattr(parameter, "type", None)
    least, most = (getattr(parameter, end, getattr(kind, end, None)) for end in ("min", "max"))
    if least is not None and most is not None:
        return f"{least:,} to {most:,}"
    return f"{least:,} or more" if least is not None else f"at most {most:,}" if most is not None else ""


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return f"default: {parameter.show_default}"
    value = parameter.default
    if not parameter.show_default or value in (None, "", (), []) or callable(value):
        return ""
    if isinstance(value, bool):
        return f"default: {'on' if value else 'off'}" if parameter.secondary_opts else ""
    return f"default: {value:,}" if isinstance(value, int) and value >= 10_000 else f"default: {value}"
