"""A store that goes away, is replaced, or comes back while the page is open: one clear line, and no mark is lost."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from found import notice
from postgres_server import emptied
from shown import OpenPage, write_scored, write_video
from told import Looks, next_told

import oddframe
from oddframe.server import changes as module
from oddframe.server.changes import Changes
from oddframe.server.library import Library
from oddframe.store import marking
from oddframe.store.place import store_place
from oddframe.store.reading import EventQuery

ONE, TWO = f"{1:016x}", f"{2:016x}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.02)


def filled(file: Path, *numbers: int) -> Path:
    with oddframe.open_store(file) as store:
        store.tell([notice(number, "closed") for number in numbers])
    return file


def test_a_file_that_was_deleted_is_one_line_with_503(tmp_path: Path, open_page: OpenPage) -> None:
    file = filled(tmp_path / "events.db", 1)
    page = open_page(file)
    assert page.get("events")["count"] == 1
    file.unlink()
    for path in ("events", f"events/{ONE}", "session", "sources", "bundles", f"events/{ONE}/thumb"):
        error = page.get(path, status=503)["error"]
        assert "events.db: the file was deleted or moved away" in error and "\n" not in error, path
    assert "deleted" in page.post("marks", {"ids": [ONE], "what": "normal"}, status=503)["error"]
    os.replace(filled(tmp_path / "other.db", 2, 3), file)
    assert page.get("events")["count"] == 2, "counts of a second are not those of another file"
    assert page.post("marks", {"ids": [TWO], "what": "normal"})["marked"] == 1
    assert "no event" in page.post("marks", {"ids": [ONE], "what": "normal"}, status=404)["error"]


def test_a_mark_that_is_written_while_the_file_goes_is_not_accepted(
    tmp_path: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, add = filled(tmp_path / "events.db", 1), marking.add_marks
    page = open_page(file)

    def adding(*words: Any) -> int:
        marked = add(*words)
        file.unlink()
        return marked

    monkeypatch.setattr(marking, "add_marks", adding)
    assert "deleted" in page.post("marks", {"ids": [ONE], "what": "normal"}, status=503)["error"]


def test_listeners_are_told_that_the_store_is_away_and_that_another_one_is_there(tmp_path: Path) -> None:
    file = filled(tmp_path / "events.db", 1)
    library = Library(oddframe.open_store(file), store_place(file), tmp_path, tmp_path / ".review")

    async def listen() -> list[Any]:
        changes, looks = Changes(library), Looks(library.store)
        stream = changes.listen()
        await anext(stream)
        await asyncio.to_thread(looks.wait)
        file.unlink()
        told = [await next_told(stream, "store")]
        late = changes.listen()
        await anext(late)
        told.append(await next_told(late, "store"))
        os.replace(filled(tmp_path / "other.db", 2), file)
        told.append(await next_told(stream, "store"))
        await asyncio.to_thread(library.store.mark, TWO, "normal", "ann")
        told.append(await next_told(stream, "store", "change"))
        await stream.aclose()
        await late.aclose()
        return told

    first, second, third, fourth = asyncio.run(listen())
    library.store.close()
    assert first == second, "who comes later is told as well"
    assert "deleted or moved away" in first[1]["error"] and first[1]["replaced"] is False
    assert third == ("store", {"error": None, "replaced": True})
    assert fourth == ("change", {"ids": [TWO]})


def test_a_server_of_postgres_that_goes_away_and_comes_back(server: str, open_page: OpenPage, tmp_path: Path) -> None:
    url = emptied(server)
    with oddframe.open_store(url) as store:
        store.tell([notice(1, "closed")])
    page = open_page(url)

    async def listen() -> list[Any]:
        changes, looks = Changes(page.library), Looks(page.library.store)
        stream = changes.listen()
        await anext(stream)
        await asyncio.to_thread(looks.wait)
        told: list[Any] = []
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("alter database d allow_connections false")
            try:
                connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'd'")
                told.append(await next_told(stream, "store"))
                body = {"ids": [ONE], "what": "normal"}
                told.append(await asyncio.to_thread(page.post, "marks", body, 503))
            finally:
                connection.execute("alter database d allow_connections true")
        told.append(await next_told(stream, "store"))
        await stream.aclose()
        return told

    away, refused, back = asyncio.run(listen())
    assert "no connection" in away[1]["error"] and "no connection" in refused["error"]
    assert back == ("store", {"error": None, "replaced": False})
    assert page.get("events")["events"][0]["mark"] is None
    assert page.post("marks", {"ids": [ONE], "what": "normal"})["marked"] == 1


def test_a_clock_that_is_set_back_hides_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(tmp_path / "events.db", 1)
    library = Library(oddframe.open_store(file), store_place(file), tmp_path, tmp_path / ".review")
    real, back = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() - back[0])

    async def listen() -> Any:
        changes, looks = Changes(library), Looks(library.store)
        stream = changes.listen()
        await anext(stream)
        await asyncio.to_thread(looks.wait)
        back[0] = 3600.0
        await asyncio.to_thread(library.store.mark, ONE, "normal", "ann")
        found = await next_told(stream, "change")
        await stream.aclose()
        return found

    assert asyncio.run(listen()) == ("change", {"ids": [ONE]})
    library.store.mark(ONE, "undo", "ann")
    assert library.store.event(ONE).mark is None, "the order of marks is that in which they were made"
    library.store.close()


def test_scores_that_are_written_anew_meanwhile(tmp_path: Path, open_page: OpenPage) -> None:
    """The page goes on with the events of the store; it shows the scores that lie there now, or none."""
    folder, video = tmp_path / "scores", write_video(tmp_path / "videos" / "door.mp4")
    write_scored(folder, {"door": video})
    page = open_page(folder)
    (high, _) = page.get("events")["events"]
    before = page.get(f"events/{high['id']}/frames")
    assert max(value for value in before["scores"] if value is not None) == 7.0 and before["map_size"] == [8, 12]
    (folder / "scores" / "door.npz").write_bytes(b"half a file")
    broken = page.get(f"events/{high['id']}/frames")
    assert set(broken["scores"]) == {None} and broken["map_size"] is None and broken["times"] == before["times"]
    assert page.get(f"events/{high['id']}")["heat"] is False
    write_scored(folder, {"door": video}, peaks=(50, 150, 180))
    again = page.get(f"events/{high['id']}/frames")
    assert max(value for value in again["scores"] if value is not None) == 8.0
    assert len(page.get("events")["events"]) == 2, "what is new is taken in when the page is opened again"
    (folder / "scores" / "door.npz").unlink()
    assert set(page.get(f"events/{high['id']}/frames")["scores"]) == {None}


def test_a_video_that_is_deleted_while_the_page_is_open(tmp_path: Path, open_page: OpenPage) -> None:
    folder, video = tmp_path / "scores", write_video(tmp_path / "videos" / "door.mp4")
    write_scored(folder, {"door": video})
    page = open_page(folder)
    name = page.get("events")["events"][0]["id"]
    assert page.client.get(f"/api/events/{name}/clip").status_code == 200
    video.unlink()
    assert "the video is gone" in page.get(f"events/{name}/clip", status=404)["error"]
    assert "the video is gone" in page.get(f"events/{name}/frames", status=404)["error"]
    told = page.get(f"events/{name}")
    assert told["clip"] is None and "the video is gone" in told["no_clip"]
    assert page.get("events")["events"][0]["media"] is False
    assert page.post("marks", {"ids": [name], "what": "normal"})["marked"] == 1


def test_a_store_of_no_events(tmp_path: Path, open_page: OpenPage) -> None:
    page = open_page(filled(tmp_path / "events.db"))
    assert page.get("events") == {"events": [], "count": 0, "unreviewed": 0, "next": None}
    assert page.get("sources") == [] and page.get("bundles") == [] and page.get("session")["can_learn"] is False
    assert page.library.store.count(EventQuery()) == 0
    assert "no event" in page.get("events/nothing", status=404)["error"]
    page.get("timeline", status=404, source="camera:front")
