"""How a command ends that meets an exception of any kind: one line on standard error, and an exit status.

Errors of oddframe, of usage and of the machine (no file, no permission, no memory) say what to do. Everything else is
a fault of oddframe: the line names it, and a file in the folder for temporary files holds what a report needs.
"""

from __future__ import annotations

import os
import re
import select
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import oddframe
from oddframe.cli.versions import version_lines
from oddframe.disk import in_words
from oddframe.errors import InputError, OddframeError
from oddframe.extras import EXTRA_OF, missing
from oddframe.spelling import visible

FAULT_STATUS = 1
CLOSED_STATUS = 141  # what a shell reports of a program whose reader is gone: 128 + SIGPIPE

# How libraries that do not raise MemoryError say the same: torch, ONNX Runtime, OpenCV, C++.
NO_MEMORY = re.compile(
    r"out of memory|can'?t allocate memory|failed to allocate|insufficient memory|bad_alloc|failed to map segment", re.I
)


def without_credentials(text: str) -> str:
    """A text in which user names, passwords and the parameters of addresses are replaced by ***."""
    text = re.sub(r"(\w://)[^/\s@]+@", r"\1***@", text)
    text = re.sub(r"([?&][^=&\s]+)=[^&\s'\"]+", r"\1=***", text)
    return re.sub(
        r"(?i)((?:password|passwd|token|secret|api[-_]?key)[\w-]*['\"]?[=:,]?\s*['\"]?)[^\s'\",]+", r"\1***", text
    )


def ending(error: BaseException, command: Sequence[str]) -> tuple[int, str]:
    """The exit status that an exception stands for, and the line that says what happened; empty where none is due.

    Args:
        error: what ended the command.
        command: its arguments, for the report of a fault.
    """
    if isinstance(error, OddframeError):
        return error.exit_status, str(error)
    if hasattr(error, "format_message"):  # of typer, whatever copy of click it brings
        return InputError.exit_status, _usage(error)
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRA_OF:
        return InputError.exit_status, f"this {missing(error.name, EXTRA_OF[error.name])}"
    if isinstance(error, MemoryError) or (isinstance(error, Exception) and NO_MEMORY.search(str(error))):
        told = f" ({_short(error)})" if str(error) else ""
        return InputError.exit_status, f"memory is full{told}: use a smaller --batch or fewer --workers, or free some"
    if isinstance(error, OSError):
        return _of_system(error, command)
    return FAULT_STATUS, _fault(error, command)


def _usage(error: BaseException) -> str:
    """A wrong option or argument."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "oddframe"
    text = error.format_message().rstrip(".")  # type: ignore[attr-defined]  # asked for by the caller
    if not text or type(error).__name__ == "NoArgsIsHelpError":
        return ""  # the help was printed instead
    text, listed = f"{text[0].lower()}{text[1:]}", f"`{path} --help` lists what there is"
    extra = re.search(r"unexpected extra argument\(s\) \((\S+)\)$", text)
    params = context.command.params if context else ()
    if extra and any("--store" in each.opts for each in params) and all(each.opts[0][:1] == "-" for each in params):
        return f"{text}; name the store with --store {extra[1]}"  # a command of a store alone
    meant = re.search(r"(\. Did you mean (?P<commands>[^?]+)\?| \(Possible options: (?P<options>.+)\))$", text)
    if meant is None:
        return f"{text}; {listed}"
    names = (meant["commands"] or meant["options"]).replace("'", "").split(", ")
    return f"{text[: meant.start()]}; did you mean {' or '.join(names[:2])}? ({listed})"


def _of_system(error: OSError, command: Sequence[str]) -> tuple[int, str]:
    """An error of the operating system, of a file or of something without a name, such as standard output."""
    if isinstance(error, BrokenPipeError) and _reader_gone():
        return CLOSED_STATUS, ""
    told = in_words(error)
    if told is not None:
        return told.exit_status, str(told)
    return FAULT_STATUS, _fault(error, command)


def _reader_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more, as behind `| head`."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):  # not a file, or a system without `poll`
        return False


def _fault(error: BaseException, command: Sequence[str]) -> str:
    """The line on a fault of oddframe, after a report was written."""
    report = write_report(error, command)
    told = f"; a report for a bug was written to {report}" if report else ""
    where = _place(error)
    return without_credentials(f"internal error: {_short(error)}{where}; run with --debug for the traceback") + told


def _place(error: BaseException) -> str:
    """The last line of oddframe that was reached, in brackets; empty where there is none."""
    home = str(Path(oddframe.__file__).parent)
    own = [step for step in traceback.extract_tb(error.__traceback__) if step.filename.startswith(home)]
    return f" ({Path(own[-1].filename).relative_to(home).as_posix()}, line {own[-1].lineno})" if own else ""


def _short(error: BaseException) -> str:
    """Class and message of an exception, a few words long."""
    text = visible(" ".join(str(error).split()))
    text = text if len(text) <= 300 else f"{text[:300]} and more"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def write_report(error: BaseException, command: Sequence[str]) -> Path | None:
    """Write what a report of a bug needs into the folder for temporary files, readable for its owner alone.

    It holds versions, the command and the traceback without credentials, and of files their kinds and sizes. A path,
    or None where nothing can be written.
    """
    try:
        text = without_credentials(report_text(error, command))
        descriptor, name = tempfile.mkstemp(".txt", "oddframe-fault-", text=True)
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return Path(name)
    except Exception:  # the line about the fault itself matters more
        return None


def report_text(error: BaseException, command: Sequence[str]) -> str:
    """The report of a fault; see `write_report`."""
    lines = [f"command: oddframe {' '.join(map(repr, command))}", *version_lines()]
    lines += [f"input: {word!r} is {_kind(Path(word))}" for word in command if _exists(word)]
    return "\n".join([*lines, "", *traceback.format_exception(error)])


def _exists(word: str) -> bool:
    try:
        return os.path.lexists(word)
    except ValueError:
        return False


def _kind(path: Path) -> str:
    """Kind and size of an input, never what is in it."""
    if path.is_dir():
        return f"a folder of {sum(1 for _ in path.iterdir())} entries"
    return f"a file of {path.stat().st_size} bytes" if path.is_file() else "neither a file nor a folder"
