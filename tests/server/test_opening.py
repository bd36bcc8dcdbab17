"""From a folder to a store: what is opened, what is made, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from found import notice
from shown import write_scored, write_video

from oddframe.errors import InputError
from oddframe.scoring.origin import load_origin
from oddframe.server.library import open_library
from oddframe.store.reading import EventQuery


def test_scores_become_a_store_without_their_bundle(scored: Path) -> None:
    library, lines = open_library(str(scored))
    assert lines == [f"store   {scored / 'events.db'}: 2 events, 2 new"]
    high, low = library.store.events()
    assert (high.score, low.score, high.threshold, high.model) == (7.0, 6.0, 4.0, "toy")
    assert high.promise and high.box == (56, 24, 64, 32) and library.run is None
    assert library.store.explanation(high.id).levels == {"look": (0.5, 0.25)}
    assert library.store.explanation(high.id).score_file == "scores/door.npz"
    library.store.mark(high.id, "normal", "ann")
    library.store.close()
    again, lines = open_library(str(scored))
    assert lines == [] and again.store.event(high.id).mark == "normal"
    again.store.close()


@pytest.mark.slow
def test_what_was_scored_since_is_taken_in(scored: Path, tmp_path: Path) -> None:
    library, _ = open_library(str(scored))
    marked = library.store.events()[0].id
    library.store.mark(marked, "abnormal", "ann")
    library.store.close()
    time.sleep(0.02)
    write_scored(scored, {"gate": write_video(tmp_path / "videos" / "gate.mp4", 180)}, threshold=6.5, peaks=(60, 120))
    library, lines = open_library(str(scored))
    assert "2 events, 1 new, 1 removed" in lines[0], "door too has other events under the new threshold"
    assert {(event.video, event.score) for event in library.store.events()} == {("door", 7.0), ("gate", 7.0)}
    assert library.store.event(marked).mark == "abnormal"
    library.store.close()


def test_a_folder_moves_with_its_scores(scored: Path, tmp_path: Path) -> None:
    open_library(str(scored))[0].store.close()
    moved = shutil.move(scored, tmp_path / "moved")
    library, lines = open_library(str(moved))
    assert lines == [] and library.store.explanation(library.store.events()[0].id).score_file == "scores/door.npz"
    library.store.close()


def test_older_scores_need_a_threshold(scored: Path) -> None:
    origin = load_origin(scored / "scores")
    replace(origin, calibration=None).save(scored / "scores")
    library, _ = open_library(str(scored))
    assert [event.threshold for event in library.store.events()] == [None, None], "events.jsonl has none"
    assert [event.score for event in library.store.events()] == [7.0, 6.0], "the highest score comes first"
    library.store.close()
    (scored / "events.db").unlink()
    (scored / "events.jsonl").unlink()
    with pytest.raises(InputError, match="nothing says where the threshold lies; name the bundle with --run"):
        open_library(str(scored))
    assert not (scored / "events.db").exists(), "a store that was made in vain is taken away"


def test_reasons_are_those_that_scoring_told(scored: Path) -> None:
    rows = [json.loads(line) for line in (scored / "events.jsonl").read_text().splitlines()]
    rows[0]["reasons"] = ["a square goes left"]
    (scored / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    library, _ = open_library(str(scored))
    assert library.store.event(rows[0]["id"]).reasons == ("a square goes left",)
    library.store.close()


def test_notices_of_a_watch_become_a_store(tmp_path: Path) -> None:
    rows = [notice(number, change) for number in range(3) for change in ("opened", "closed")]
    (tmp_path / "events-20260101T000000Z.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[2:]) + '{"change": "op')
    library, lines = open_library(str(tmp_path))
    assert lines == [f"store   {tmp_path / 'events.db'}: 3 events"] and library.store.count() == 3
    assert [event.open for event in library.store.every(EventQuery(order="time"))] == [False] * 3
    library.store.close()


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(json.dumps(notice(1)) + "\nrubbish\n" + json.dumps(notice(2)) + "\n")
    with pytest.raises(InputError, match=r"events.jsonl, line 2: not a notice of a watch"):
        open_library(str(tmp_path))
    assert not (tmp_path / "events.db").exists()


def test_the_wrong_bundle_is_refused(scored: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError):
        open_library(str(scored), tmp_path / "other")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "holds neither an event store (events.db) nor scores"),
        (lambda folder: (folder / "events.db").write_text("no database at all"), "not a database of SQLite"),
    ],
)
def test_a_folder_with_nothing_to_show_is_one_line(
    tmp_path: Path, ask: Callable[..., Any], make: object, message: str
) -> None:
    make(tmp_path)
    done = ask("review", tmp_path, "--port", 0)
    assert done.status == 2 and done.err.count("\n") == 1 and message in done.err, done.err


def test_wrong_options_are_one_line(scored: Path, tmp_path: Path, ask: Callable[..., Any]) -> None:
    for words, message in (
        ((tmp_path / "nothing",), "no such file or folder"),
        (("mysql://host/db",), "mysql:// is no event store"),
        ((scored, "--host", "0.0.0.0"), "needs a token"),
        ((scored, "--name", "cams.example"), "needs a token"),
        ((scored, "--host", "0.0.0.0", "--token-file", tmp_path / "no"), "the token cannot be read"),
        ((scored, "--run", tmp_path / "no"), "there is no such bundle"),
        ((scored, "--host", "nowhere.invalid", "--token-file", scored / "events.jsonl"), "token"),
    ):
        done = ask("review", *words)
        assert done.status == 2 and done.err.count("\n") == 1 and message in done.err, done.err
