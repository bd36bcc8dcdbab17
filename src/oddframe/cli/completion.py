"""The command `oddframe completion`, and the answers that a shell asks for."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from oddframe.cli.console import say
from oddframe.errors import InputError
from oddframe.suggest import one_of

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
ASKED = "_ODDFRAME_COMPLETE"
"""The variable with which a shell asks for completions."""


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh, fish, powershell or pwsh.")],
    install: Annotated[
        bool, typer.Option("--install", help="Write it to where the shell finds it, instead of printing it.")
    ] = False,
) -> None:
    """Print the script with which a shell completes commands, options, and names of models and recipes."""
    from typer import completion as of_typer

    if shell not in SHELLS:
        raise InputError(f"there is no completion for {shell!r}{one_of(shell, SHELLS)}")
    made: Any = of_typer  # whose names are not exported for type checkers
    made.completion_init()
    if install:
        _, path = made.install(shell=shell, prog_name="oddframe", complete_var=ASKED)
        say(f"wrote      {path}")
        say("next       open a new terminal")
        return
    print(made.get_completion_script(prog_name="oddframe", complete_var=ASKED, shell=shell))


def answer_shell(command: Any) -> None:
    """Where a shell asks for completions, print them and end the process."""
    if os.environ.get(ASKED):
        from typer import completion as of_typer

        made: Any = of_typer
        made.completion_init()
        command._main_shell_completion({}, "oddframe", ASKED)
