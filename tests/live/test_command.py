"""Commands: what they are given, how many run, and how they end."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from media import closed, notice
from patience import until

from oddframe.errors import InputError
from oddframe.live.sinks.command import Command, CommandOptions, check_command


def python(code: str, *arguments: object) -> str:
    return shlex.join([sys.executable, "-c", code, *map(str, arguments)])


def test_a_command_has_the_notice_on_its_input_and_in_its_environment(tmp_path: Path) -> None:
    code = (
        "import json, os, sys; row = json.load(sys.stdin); "
        "row |= {k: v for k, v in os.environ.items() if k.startswith('ODDFRAME_')}; "
        "open(f'{sys.argv[1]}/{row[\"change\"]}', 'w').write(json.dumps(row)); print('done', sys.argv[2])"
    )
    lines: list[str] = []
    sink = Command(CommandOptions(python(code, tmp_path, "$(touch x); y")), lines.append)
    event = notice(1, 2)
    sink.tell(event)
    sink.tell(closed(event))
    sink.tell(replace(event, id="f" * 16, held="camera moved"))
    sink.close(20)
    rows = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert set(rows) == {"opened", "closed"}
    assert rows["opened"]["event_id"] == rows["opened"]["ODDFRAME_EVENT_ID"] == event.id
    assert rows["closed"]["ODDFRAME_CHANGE"] == "closed" and rows["opened"]["ODDFRAME_CAMERA"] == "gate"
    assert rows["opened"]["ODDFRAME_START"] == event.as_json()["start_utc"]
    assert lines == ["exec: done $(touch x); y"] * 2 and sink.counts().sent == 2


def test_a_command_that_fails_or_lasts_too_long_is_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    failing = Command(CommandOptions(python("import sys; print('no'); sys.exit(3)")), lines.append)
    failing.tell(notice(1, 2))
    failing.close(20)
    assert lines[0] == "exec: no" and lines[1].endswith("it ends with status 3") and failing.counts().failed == 1
    slow = Command(CommandOptions(python("import time; time.sleep(60)"), timeout=0.3), lines.append)
    slow.tell(notice(1, 2))
    until(lambda: slow.counts().failed == 1)
    slow.close(2)
    assert lines[-1].endswith("it is ended after 0.3 s")


def test_at_most_so_many_run_at_once_and_telling_never_waits(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys, time\nrunning = pathlib.Path(sys.argv[1], str(os.getpid())); running.touch()\n"
        "n = len(os.listdir(sys.argv[1]))\nwhile not os.path.exists(sys.argv[2]): time.sleep(0.01)\n"
        "time.sleep(0.1); running.unlink(); sys.exit(n > 2)"
    )
    running, go = tmp_path / "running", tmp_path / "go"
    running.mkdir()
    sink = Command(CommandOptions(python(code, running, go), most=5), print)
    for number in range(10):  # before the first of them can end
        sink.tell(notice(1, 2, name=f"{number:016x}"))
    go.touch()
    until(lambda: sink.counts().queued == 0)
    sink.close(5)
    counts = sink.counts()
    assert counts.failed == 0 and counts.sent + counts.dropped == 10 and counts.dropped >= 3


def test_the_end_of_the_watch_ends_a_command_with_its_children(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; "
        "time.sleep(60)']); open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}'); time.sleep(60)"
    )
    path = tmp_path / "pids"
    sink = Command(CommandOptions(python(code, path)), print)
    sink.tell(notice(1, 2))
    until(lambda: path.exists() and len(path.read_text().split()) == 2)
    begun = time.monotonic()
    sink.close(0.5)
    assert time.monotonic() - begun < 20, "the command lasts a minute"
    pids = [int(word) for word in path.read_text().split()]
    until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program-here", "no program 'no-such-program-here'; give its path"), ("'", "quot"), ("", "no program"),
        ("{folder}/nothing", "no program .*nothing'"), ("{folder}/plain x", "plain may not be executed; allow it"),
        ("{folder}", "is a folder; give the path of a program"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_run_is_refused(tmp_path: Path, command: str, said: str) -> None:
    (tmp_path / "plain").write_text("no program")
    options = CommandOptions(command.format(folder=tmp_path), given="on_event.command")
    with pytest.raises(InputError, match=f"on_event.command: .*{said}"):
        check_command(options)
    with pytest.raises(InputError, match=said):
        Command(options, print)


def test_what_runs_has_the_environment_of_oddframe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "yes")
    lines: list[str] = []
    sink = Command(CommandOptions(python("import os; print(os.environ['MINE'])")), lines.append)
    sink.tell(notice(1, 2))
    sink.close(20)
    assert lines == ["exec: yes"] and "ODDFRAME_EVENT_ID" not in os.environ


def test_nothing_waits_after_the_end_and_no_line_holds_the_command() -> None:
    sink = Command(CommandOptions(python("pass")), print)
    sink.close(1)
    sink.close(1)
    assert sink.counts().queued == 0
    with pytest.raises(InputError) as error:
        Command(CommandOptions("curl -u me:hunter2 'there"), print)
    assert "hunter2" not in str(error.value)
