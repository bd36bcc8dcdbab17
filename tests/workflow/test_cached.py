"""The cache is counted and emptied, and nothing else that lies in its folder is touched."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oddframe.errors import InputError
from oddframe.places import cached_file
from oddframe.types import Window
from oddframe.video.cache import build_cache
from oddframe.video.search import find_videos
from oddframe.workflow.cached import cache_entries, clean_cache

Ask = Callable[..., Any]


@pytest.fixture
def cache(tmp_path: Path, street: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the frames of a video and a graph, in a folder that holds other things as well."""
    root = tmp_path / "cache"
    monkeypatch.setenv("ODDFRAME_CACHE", str(root))
    videos = find_videos(street / "training" / "videos")[:1]
    build_cache(videos, Window(offsets=(0,), size=(16, 32)), root, workers=1)
    cached_file("graphs", "abc-0.1.0", ".onnx", lambda: b"graph")
    (root / "holiday").mkdir()
    (root / "holiday" / "beach.jpg").write_bytes(b"mine")
    (root / "notes.txt").write_text("mine")
    return root


def mine(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file() and path.name in ("beach.jpg", "notes.txt"))


def test_what_oddframe_made_is_counted(cache: Path, ask: Ask) -> None:
    found = {entry.kind: entry for entry in cache_entries()}
    assert set(found) == {"frames", "graphs"} and found["graphs"].bytes == 5
    assert found["frames"].bytes > 16 * 32 * 3 * 60
    told = json.loads(ask("cache", "info", "--json").out)
    assert told["folder"] == str(cache) and told["bytes"] == sum(entry.bytes for entry in found.values())
    table = ask("cache", "info").out
    assert "decoded frames of training videos" in table and str(cache) in table


def test_it_is_emptied_and_nothing_else(cache: Path, ask: Ask) -> None:
    would = ask("cache", "clean", "--dry-run")
    assert "2 entries" in would.out and "would be removed" in would.out and len(cache_entries()) == 2
    done = ask("cache", "clean")
    assert done.status == 0 and done.out.startswith("2 entries of ") and done.out.endswith(" removed\n")
    assert cache_entries() == [] and mine(cache) == ["beach.jpg", "notes.txt"]
    assert ask("cache", "clean").out == "0 entries of 0 bytes removed\n"


def test_a_kind_and_what_was_used_lately_can_stay(cache: Path, ask: Ask) -> None:
    assert [entry.kind for entry in clean_cache(["graphs"])] == ["graphs"]
    assert clean_cache(unused_days=1) == [] and len(cache_entries()) == 1
    (entry,) = cache_entries()
    for file in entry.path.rglob("*"):
        os.utime(file, (time.time() - 2 * 86_400,) * 2)
    assert ask("cache", "clean", "--unused-days", "1").out.startswith("1 entry of ")
    assert cache_entries() == []


def test_a_folder_that_is_being_written_stays(cache: Path) -> None:
    from oddframe.locks import Lock

    left, written = (cache / f".building-{digit * 32}" for digit in "ab")
    left.mkdir()
    lock = Lock(written, folder=True)
    clean_cache()
    lock.release()
    assert written.is_dir() and not left.exists()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean frames"):
        cache_entries(["frame"])
