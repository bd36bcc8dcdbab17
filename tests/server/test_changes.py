"""Who listens is told of what changes, once, also where transactions end out of order."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from found import notice
from sqlalchemy import text
from told import PATIENCE_S, Looks, next_told

from oddframe.server import changes as module
from oddframe.server.changes import Changes
from oddframe.server.library import Library
from oddframe.store.place import store_place
from oddframe.store.sources import CameraState
from oddframe.store.store import Store


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    monkeypatch.setattr(module, "STATES_S", 0.0)


def library(store: Store, url: str, tmp_path: Any) -> Library:
    return Library(store, store_place(url), None, tmp_path)


@pytest.mark.slow
def test_changes_are_told_once(store: Store, url: str, tmp_path: Any) -> None:
    store.tell([notice(0, "closed")])

    async def listen() -> list[tuple[str, Any]]:
        changes = Changes(library(store, url, tmp_path))
        looks, stream = Looks(store), changes.listen()
        assert (await anext(stream)).startswith("retry: ")
        await asyncio.to_thread(looks.wait)  # what was there before is no change
        await asyncio.to_thread(store.tell, [notice(1), notice(2)])
        told = [await next_told(stream, "change")]
        await asyncio.to_thread(store.mark, f"{0:016x}", "normal", "ann")
        told.append(await next_told(stream, "change"))
        # A transaction that began earlier ends now: its moment lies before those that were seen.
        with store._database.engine.begin() as connection:
            late = {"moment": time.time() - 5, "id": f"{2:016x}"}
            connection.execute(text("update events set changed_utc = :moment where id = :id"), late)
        told.append(await next_told(stream, "change"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(next_told(stream, "change"), 0.3)
        await stream.aclose()
        return told

    told = asyncio.run(listen())
    assert [sorted(data["ids"]) for _, data in told] == [[f"{1:016x}", f"{2:016x}"], [f"{0:016x}"], [f"{2:016x}"]]


def test_states_and_last_events_of_cameras_are_told(store: Store, url: str, tmp_path: Any) -> None:
    store.tell([notice(0, "closed")])
    now = time.time()
    store.tell_states([CameraState("front", None, "running", "", now, now)])

    async def listen() -> list[Any]:
        changes = Changes(library(store, url, tmp_path))
        looks, stream = Looks(store), changes.listen()
        await anext(stream)
        await asyncio.to_thread(looks.wait)
        await asyncio.to_thread(store.tell_states, [CameraState("front", None, "waiting", "lost", now, now)])
        told = [await next_told(stream, "state")]
        await asyncio.to_thread(store.tell, [notice(5)])
        told += sorted([await next_told(stream, "state", "change"), await next_told(stream, "state", "change")])
        await stream.aclose()
        return told

    told = asyncio.run(listen())
    assert told[0] == ("state", {"source": "camera:front", "state": "waiting", "words": "lost", "last_event": "0" * 16})
    assert told[1] == ("change", {"ids": [f"{5:016x}"]}) and told[2][1]["last_event"] == f"{5:016x}"


def test_nobody_looks_at_the_store_while_nobody_listens(store: Store, url: str, tmp_path: Any) -> None:
    async def listen() -> None:
        changes = Changes(library(store, url, tmp_path))
        stream = changes.listen()
        await anext(stream)
        task = changes._task
        assert task is not None and not task.done()
        await stream.aclose()
        await asyncio.wait_for(task, PATIENCE_S)
        assert changes.listeners == 0

    asyncio.run(listen())


def test_a_listener_that_reads_nothing_is_let_go(
    store: Store, url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)

    async def listen() -> int:
        changes = Changes(library(store, url, tmp_path))
        stream = changes.listen()
        await anext(stream)
        for number in range(10):
            changes.tell("learn", number)
        assert changes.listeners == 0
        return len([message async for message in stream])

    assert asyncio.run(listen()) == 3
