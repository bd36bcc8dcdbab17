"""The page of commands, made from the program itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from oddframe.cli import commands
from oddframe.cli.help import kind_of


def commands_page() -> str:
    """Markdown: usage, words and options of every command."""
    top = commands()
    parts = []
    for words, command in every(top, ("oddframe",)):
        parts += [
            f"## {' '.join(words)}",
            command.help or "",
            f"```text\n{usage(words, command)}\n```",
            *tables(command),
        ]
    return "\n\n".join(part for part in parts if part)


def every(group: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands of a group and of the groups below it, with the words that call them, in their order."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from every(command, (*words, name))
        else:
            yield (*words, name), command


def usage(words: tuple[str, ...], command: Any) -> str:
    """The command with its arguments."""
    arguments = [word for parameter in command.params if is_argument(parameter) for word in [shown_argument(parameter)]]
    return " ".join([*words, *arguments, "[OPTIONS]"])


def tables(command: Any) -> list[str]:
    """A table of arguments and options for every panel of the help."""
    panels: dict[str, list[str]] = defaultdict(list)
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        name = escaped(shown_argument(parameter)) if is_argument(parameter) else "`, `".join(names(parameter))
        panels[getattr(parameter, "rich_help_panel", None) or ""].append(
            f"| `{escaped(name)}` | {escaped(getattr(parameter, 'help', '') or '')} | {default(parameter)} |"
        )
    found = []
    for panel, rows in panels.items():
        found.append("\n".join([*([f"**{panel}**", ""] if panel else []), "| | | default |", "|---|---|---|", *rows]))
    return found


def is_argument(parameter: Any) -> bool:
    return str(parameter.param_type_name) == "argument"


def shown_argument(parameter: Any) -> str:
    """As in the help: brackets around what may be left out, and dots behind what may come several times."""
    name = (getattr(parameter, "metavar", None) or parameter.name).upper().strip("[]")
    name += "..." if parameter.nargs == -1 else ""
    return name if parameter.required else f"[{name}]"


def names(parameter: Any) -> list[str]:
    """`--out PATH`, or `--overlay` and `--no-overlay`."""
    kind = "" if parameter.is_flag else f" {parameter.metavar or kind_of(parameter)}"
    return [name + kind for name in (*parameter.opts, *parameter.secondary_opts)]


def default(parameter: Any) -> str:
    """The default in words; empty where there is none."""
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return escaped(shown)
    value = parameter.default
    if parameter.required:
        return "required"
    if value in (None, "", (), []) or callable(value) or type(value).__name__ == "Sentinel":
        return ""
    return {"True": "yes", "False": "no"}.get(str(value), f"`{value}`")


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
