"""What the commands share of talking to people: progress, tables, JSON, skipped files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from oddframe.account import Account
from oddframe.cli.console import SKIPPED_STATUS, exit_with, print_json, print_losses, print_table
from oddframe.types import VideoInfo
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource


@pytest.fixture
def sources(tmp_path: Path) -> list[VideoSource]:
    for name in ("gate.mp4", "yard.mp4"):
        (tmp_path / name).write_bytes(b"")
    return find_videos(tmp_path)


def test_json_is_one_document_and_nothing_that_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1, None], "b": "ü"})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None], "b": "ü"}
    with pytest.raises(ValueError, match="JSON"):
        print_json({"a": float("nan")})


def test_a_table_names_its_columns_and_aligns_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["video", "frames"], [["gate [1]", "7"], ["yard", "1200"]], ["frames"])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["video", "frames"]
    assert first.startswith("gate [1] "), "brackets in a name are not markup"
    assert first.index("7") == second.index("1200") + 3 == head.index("frames") + 5


def test_skipped_videos_are_named_on_standard_error_with_status_3(
    sources: list[VideoSource], capsys: pytest.CaptureFixture[str]
) -> None:
    exit_with([])
    with pytest.raises(typer.Exit) as left:
        exit_with([(sources[0], "empty"), (sources[1], "no video in it")])
    assert left.value.exit_code == SKIPPED_STATUS == 3
    text = capsys.readouterr()
    assert text.err.splitlines() == ["skipped gate: empty", "skipped yard: no video in it"] and text.out == ""


def test_videos_of_which_too_much_is_lost_are_named_with_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    whole, lossy = Account(seen=500, decoded=500, corrupt=2), Account(seen=99, decoded=98, corrupt=1, missing=1)
    infos = [VideoInfo(name, name, 8, 8, 25.0, 9, "h264", account=one) for name, one in (("a", whole), ("b", lossy))]
    exit_with([], infos[:1])
    with pytest.raises(typer.Exit) as left:
        exit_with([], infos)
    assert left.value.exit_code == SKIPPED_STATUS
    assert capsys.readouterr().err == "incomplete b: 2.0% of its frames are lost or not sound\n"


def test_losses_and_remarks_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    account = Account(seen=9, decoded=8, corrupt=1, pauses=2, paused_s=70.0, others=("video stream 1, 8x8 mjpeg",))
    lossy = VideoInfo("a", "a", 8, 8, 25.0, 8, "h264", account.losses(), account=account)
    print_losses([lossy, VideoInfo("b", "b", 8, 8, 25.0)])
    assert capsys.readouterr().out.splitlines() == [
        "damaged a: 1 damaged packet gave no frame",
        "damaged a: 11.1% of its frames are lost or not sound",
        "note a: not read: video stream 1, 8x8 mjpeg",
        "note a: 2 pauses of 70.0 s in all, which are not watched",
    ]
