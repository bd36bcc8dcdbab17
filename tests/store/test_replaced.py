"""A file of SQLite that is deleted, moved, replaced or written over while a store has it open."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from found import notice

import oddframe
from oddframe.errors import StoreError
from oddframe.store import marking
from oddframe.store.store import Store

ONE, TWO = f"{1:016x}", f"{2:016x}"
GONE = "events.db: the file was deleted or moved away while it was in use; put it back"


def filled(file: Path, *numbers: int) -> Path:
    """A store with these events, closed."""
    with oddframe.open_store(file) as store:
        store.tell([notice(number, "closed") for number in numbers])
    return file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return oddframe.open_store(filled(tmp_path / "events.db", 1))


@pytest.mark.parametrize("how", ["deleted", "with its log", "moved", "folder moved"])
def test_nothing_is_read_from_a_file_that_is_gone_and_no_mark_is_taken(store: Store, tmp_path: Path, how: str) -> None:
    file = store.file
    assert file is not None and store.count() == 1
    if how == "folder moved":
        store.close()
        (tmp_path / "before").mkdir()
        for path in tmp_path.glob("events.db*"):
            path.rename(tmp_path / "before" / path.name)
    elif how == "moved":
        file.rename(tmp_path / "elsewhere.db")
    else:
        file.unlink()
        for ending in ("-wal", "-shm") if how == "with its log" else ():
            (tmp_path / f"events.db{ending}").unlink()
    for use in (store.count, store.events, lambda: store.event(ONE), lambda: store.mark(ONE, "normal", "ann"),
                lambda: list(store.every())):  # fmt: skip
        with pytest.raises(StoreError, match=GONE) as error:
            use()
        assert "\n" not in str(error.value)
    assert not file.exists(), "nobody makes an empty store in its place"
    if how == "moved":
        (tmp_path / "elsewhere.db").rename(file)
        store.mark(ONE, "normal", "ann")
        assert store.event(ONE).mark == "normal" and store.replaced == 0
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("logs", [True, False])
def test_another_store_in_its_place_is_opened(store: Store, tmp_path: Path, logs: bool) -> None:
    store.mark(ONE, "abnormal", "ann")
    filled(tmp_path / "other.db", 2)
    if not logs:
        for ending in ("-wal", "-shm"):
            (tmp_path / f"events.db{ending}").unlink()
    os.replace(tmp_path / "other.db", tmp_path / "events.db")
    assert [event.id for event in store.events()] == [TWO], "the log of the old file is not read into the new one"
    store.mark(TWO, "normal", "ann")
    with pytest.raises(StoreError, match="there is no event"):
        store.mark(ONE, "normal", "ann")
    assert store.replaced == 1
    store.close()
    with oddframe.open_store(tmp_path / "events.db") as again:
        assert [(event.id, event.mark) for event in again.every()] == [(TWO, "normal")]
    assert len(list(tmp_path.glob("events.db-wal.*"))) == int(logs), "and it is not thrown away either"


def test_an_older_copy_in_its_place_is_what_counts(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    store.close()
    shutil.copyfile(file, tmp_path / "copy.db")
    store.mark(ONE, "normal", "ann")
    os.replace(tmp_path / "copy.db", file)
    assert store.event(ONE).mark is None and store.marks(ONE) == []
    store.mark(ONE, "unsure", "bert")
    assert [mark.who for mark in store.marks(ONE)] == ["bert"]
    store.close()


def test_what_is_no_store_is_told_until_one_lies_there(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    for content, line in ((b"a letter", "not a database of SQLite"), (b"", "there is no event store in it")):
        (tmp_path / "new").write_bytes(content)
        os.replace(tmp_path / "new", file)
        for _ in range(2):
            with pytest.raises(StoreError, match=line):
                store.mark(ONE, "normal", "ann")
    os.replace(filled(tmp_path / "other.db", 2), file)
    assert [event.id for event in store.events()] == [TWO]
    store.close()


def test_a_file_that_goes_while_a_mark_is_written_has_not_taken_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, file = marking.add_marks, tmp_path / "events.db"

    def then(act: Callable[[], object]) -> None:
        def adding(*words: object) -> int:
            marked = add(*words)  # type: ignore[arg-type]
            act()
            return marked

        monkeypatch.setattr(marking, "add_marks", adding)

    then(file.unlink)
    with pytest.raises(StoreError, match=GONE):
        store.mark(ONE, "normal", "ann")
    os.replace(filled(tmp_path / "other.db", 1), file)
    then(lambda: os.replace(filled(tmp_path / "third.db", 1), file))
    with pytest.raises(StoreError, match="the file was replaced while this was written; do it again"):
        store.mark(ONE, "normal", "ann")
    monkeypatch.undo()
    assert store.event(ONE).mark is None
    store.mark(ONE, "normal", "ann")
    store.close()


def test_a_log_that_is_deleted_is_told_and_what_it_held_is_kept_at_the_end(store: Store, tmp_path: Path) -> None:
    store.mark(ONE, "normal", "ann")
    (tmp_path / "events.db-wal").unlink()
    with pytest.raises(StoreError, match=r"its log \(-wal\) was deleted while it was in use; end all programs"):
        store.mark(ONE, "abnormal", "bert")
    with pytest.raises(StoreError, match="its log"):
        store.events()
    store.close()
    with oddframe.open_store(tmp_path / "events.db") as again:
        assert [mark.who for mark in again.marks(ONE)] == ["ann"]


def test_a_copy_that_is_written_over_the_open_file_is_told(store: Store, tmp_path: Path) -> None:
    store.close()
    shutil.copyfile(tmp_path / "events.db", tmp_path / "copy.db")
    store.tell([notice(number, "closed", text="x" * 4000) for number in range(2, 400)])
    store.close()
    assert store.count() == 399
    shutil.copyfile(tmp_path / "copy.db", tmp_path / "events.db")
    for _ in range(2):
        with pytest.raises(StoreError, match="the file was written over while it was in use; end all programs"):
            store.mark(ONE, "normal", "ann")
    store.close()


@pytest.mark.slow
def test_threads_open_the_new_file_once_and_none_reads_the_old_one_after_it(store: Store, tmp_path: Path) -> None:
    filled(tmp_path / "other.db", 2)
    done, answers, errors = threading.Event(), list[tuple[float, str]](), list[Exception]()

    def look() -> None:
        while not done.is_set():
            try:
                began = time.perf_counter()
                answers.append((began, store.events()[0].id))
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 60
    while len(answers) < 20 and time.monotonic() < until:
        time.sleep(0.01)
    os.replace(tmp_path / "other.db", tmp_path / "events.db")
    moment = time.perf_counter()
    while sum(began > moment for began, _ in answers) < 40 and not errors and time.monotonic() < until:
        time.sleep(0.01)
    done.set()
    for thread in threads:
        thread.join()
    assert not errors and store.replaced == 1
    later = [name for began, name in answers if began > moment]
    assert len(later) >= 40 and set(later) == {TWO} and ONE in {name for _, name in answers}
    store.close()


@pytest.mark.slow
def test_a_second_store_of_a_process_leaves_the_log_to_the_first(store: Store, tmp_path: Path) -> None:
    """A process that closes a file loses its locks on it, and then others remove the log."""
    program = "import oddframe, sys\nwith oddframe.open_store(sys.argv[1]) as store: store.count()"
    with oddframe.open_store(tmp_path / "events.db") as second:
        second.mark(ONE, "normal", "ann")
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "events.db")], check=True)
        assert store.event(ONE).mark == second.event(ONE).mark == "normal"
        second.mark(ONE, "abnormal", "bert")
    assert store.event(ONE).mark == "abnormal"
    store.close()
