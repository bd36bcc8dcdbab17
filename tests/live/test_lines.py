"""JSON lines: whole after a kill, bounded on request, and none of the others' business when the disk is full."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from media import notice

from oddframe.live.messages import Notice
from oddframe.live.sinks.lines import EventLines, LineFile, LogLines
from oddframe.live.sinks.sink import Desk, SinkCounts


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_notice_is_a_line_and_held_ones_are_too(tmp_path: Path) -> None:
    desk = Desk([EventLines(tmp_path)], print)
    told = [notice(1, 2), replace(notice(1, 3), change="updated"), replace(notice(1, 2), held="the camera was moved")]
    for each in told:
        desk.tell(each)
    desk.close()
    assert rows(tmp_path / "events.jsonl") == json.loads(json.dumps([each.as_json() for each in told]))


@pytest.mark.parametrize(
    ("torn", "kept"), [(b'{"a": 1}\n{"b": ', 1), (b'{"a": 1}\n{"b": 2}', 2), (b'{"a', 0), (b"", 0)]
)
def test_a_torn_last_line_is_taken_away(tmp_path: Path, torn: bytes, kept: int) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(torn)
    lines = LineFile(path)
    lines.write({"c": 3})
    lines.close()
    assert len(rows(path)) == kept + 1


def test_a_file_that_grows_too_large_is_put_aside(tmp_path: Path) -> None:
    lines = LineFile(tmp_path / "events.jsonl", most_bytes=200)
    for number in range(50):
        lines.write({"number": number})
    lines.close()
    files = sorted(tmp_path.glob("events*.jsonl"))
    assert len(files) > 3 and all(path.stat().st_size <= 200 for path in files)
    assert sorted(row["number"] for path in files for row in rows(path)) == list(range(50))


def test_a_line_that_a_full_disk_cuts_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = LineFile(tmp_path / "lines.jsonl")
    lines.write({"a": 1})
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:4]))
    with pytest.raises(OSError, match="No space left"):
        lines.write({"b": 2})
    monkeypatch.undo()
    lines.write({"c": 3})
    lines.close()
    assert rows(tmp_path / "lines.jsonl") == [{"a": 1}, {"c": 3}]


def test_a_sink_that_fails_silences_no_other_one_and_is_told_once(tmp_path: Path) -> None:
    class Broken:
        name = "broken"

        def tell(self, notice: Notice) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", "/somewhere")

        def counts(self) -> SinkCounts:
            return SinkCounts()

        def close(self, timeout: float) -> None:
            pass

    lines: list[str] = []
    desk = Desk([Broken(), EventLines(tmp_path)], lines.append)
    for number in range(5):
        desk.tell(notice(number, number + 1))
    desk.close()
    assert len(rows(tmp_path / "events.jsonl")) == 5
    assert lines == ["broken: /somewhere: No space left on device"]


def test_the_log_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogLines(tmp_path)
    log.write("state", 1_764_560_000.0, camera="gate", state="running")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.write("gap", camera="gate")
    monkeypatch.undo()
    log.close()
    assert log.lost == 1
    assert rows(tmp_path / "log.jsonl") == [
        {"utc": "2025-12-01T03:33:20.000Z", "what": "state", "camera": "gate", "state": "running"}
    ]
