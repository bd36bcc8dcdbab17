"""A database is made, migrated after a copy, or refused in one line; it is never harmed."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from found import notice, scores, trained
from sqlalchemy import text

import oddframe
from oddframe.errors import StoreError
from oddframe.store import schema, tables
from oddframe.store.engine import open_engine
from oddframe.store.place import store_place
from oddframe.store.store import Store

NEXT = f"{int(tables.SCHEMA) + 1:04d}"
STEP = f'''
"""A step that this test alone knows: a column, filled from what is there."""
import sqlalchemy as sa
from alembic import op
revision = "{NEXT}"
down_revision = "{tables.SCHEMA}"
def upgrade():
    op.add_column("events", sa.Column("loudness", sa.Double()))
    op.execute("update events set loudness = score * 2")
'''
BROKEN = STEP + '    op.execute("insert into nowhere values (1)")\n'


def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str = STEP) -> None:
    """From here on, oddframe is a newer one, whose tables have one more column."""
    folder = shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "next.py").write_text(step)
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(tables, "SCHEMA", NEXT)


def run(url: str, statement: str) -> None:
    """Change a database behind the back of oddframe."""
    with oddframe.open_store(url) as store, store._database.engine.begin() as connection:
        connection.execute(text(statement))


def version(url: str) -> str:
    with oddframe.open_store(url) as store, store._database.engine.connect() as connection:
        return connection.execute(text("select version_num from oddframe_version")).scalar_one()


def test_the_newest_version_is_that_of_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == tables.SCHEMA


def test_migrations_make_the_tables_that_the_program_reads(store: Store) -> None:
    with store._database.engine.connect() as connection:
        assert schema.differences(connection) == []


def test_the_comparison_of_tables_sees_a_difference(store: Store) -> None:
    with store._database.engine.begin() as connection:
        connection.execute(text("alter table zones add column colour text"))
        connection.execute(text("drop index ix_events_rank"))
        assert len(schema.differences(connection)) == 2


def test_an_older_database_is_migrated_with_its_data_after_a_copy(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with oddframe.open_store(url) as store:
        store.tell([notice(number) for number in range(3)])
        store.mark(f"{1:016x}", "normal", "ann", "a cat")
    next_version(tmp_path, monkeypatch)
    file = not url.startswith("postgresql")
    if not file:
        with pytest.raises(StoreError, match=r"made by an older oddframe; copy it \(pg_dump\).*events migrate"):
            oddframe.open_store(url)
    with oddframe.open_store(url, migrate=None if file else True) as store:
        with store._database.engine.connect() as connection:
            loud = connection.execute(text("select loudness from events order by id")).scalars().all()
        assert loud == [10.0, 12.0, 14.0]
        assert store.count() == 3 and [mark.note for mark in store.marks(f"{1:016x}")] == ["a cat"]
        store.mark(f"{1:016x}", "undo", "ann")
    assert version(url) == NEXT
    if file:
        monkeypatch.undo()
        (copy,) = tmp_path.glob(f"events.db.{tables.SCHEMA}-*")
        with oddframe.open_store(copy) as store:
            assert store.event(f"{1:016x}").note == "a cat", "the copy is the database as it was"
        with pytest.raises(StoreError, match="made by a newer oddframe than this one; install a newer oddframe"):
            oddframe.open_store(url)


FIRST = """
insert into cameras (name) values ('front');
insert into bundles values ('b0', 'b0', '', 'toy', 'toy', 'run', 1.0);
insert into model_versions (bundle_id, threshold, low, promise, since_utc) values ('b0', 4.0, 2.0, 'a promise', 1.0);
insert into videos (key, name, path, width, height, fps, frames, first_s, last_s, scored_utc)
    values ('key', 'door', '/v/door.mp4', 96, 64, 25.0, 200, 0.0, 7.96, 1.0);
insert into events (id, kind, is_open, found, camera_id, bundle_id, version_id, start_s, peak_s, end_s, start_utc,
    peak_utc, end_utc, score, threshold, why, reasons, text, held, writer, video_no, begin, rank, reviewed, marks, mark,
    marked_by, marked_utc, note, changed_utc)
    values ('e1', 'anomaly', false, true, 1, 'b0', 1, 1, 2, 3, 101, 102, 103, 5.0, 4.0, '{"a": 3.0}', '[]', '', '', 'w',
    0, 101, -1.0, 1, 1, 'normal', 'ann', 104, 'a cat', 104);
insert into events (id, kind, is_open, found, video_id, bundle_id, version_id, start_frame, peak_frame, end_frame,
    start_s, peak_s, end_s, score, threshold, box, why, reasons, text, held, writer, video_no, begin, rank, reviewed,
    marks, changed_utc)
    values ('e2', 'anomaly', false, true, 1, 'b0', 1, 45, 50, 55, 1.8, 2, 2.2, 6.0, 4.0, '[1, 2, 3, 4]', '{}', '[]',
    '', '', '', 1, 1.8, -2.0, 0, 0, 105);
insert into marks (event_id, what, who, note, at_utc) values ('e1', 'normal', 'ann', 'a cat', 104);
insert into zones (camera_id, corners, who, note, since_utc) values (1, '[[0, 0], [1, 0], [1, 1]]', 'ann', '', 100)
"""


def of_the_first_schema(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store as the first oddframe with stores made it, with a row in each of its tables."""
    folder = shutil.copytree(schema.MIGRATIONS, tmp_path / "first", ignore=shutil.ignore_patterns("__pycache__"))
    for step in (folder / "versions").glob("[!_]*.py"):
        if step.name != "first.py":
            step.unlink()
    place = store_place(url)
    engine = open_engine(place)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", folder)
        patch.setattr(tables, "SCHEMA", "0001")
        schema.prepare(engine, place)
    with engine.begin() as connection:
        for statement in FIRST.split(";\n"):
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_store_of_the_first_schema_becomes_one_of_the_last(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_first_schema(url, tmp_path, monkeypatch)
    if url.startswith("postgresql"):
        with pytest.raises(StoreError, match="made by an older oddframe"):
            oddframe.open_store(url)
    with oddframe.open_store(url, migrate=True) as store:
        with store._database.engine.connect() as connection:
            assert schema.differences(connection) == []
        live, filed = store.event("e1"), store.event("e2")
        assert (live.camera, live.mark, live.note, live.why, live.promise) == (
            "front", "normal", "a cat", {"a": 3.0}, "a promise",
        )  # fmt: skip
        assert (filed.video, filed.box, filed.peak_frame, filed.model) == ("door", (1, 2, 3, 4), 50, "toy")
        assert (live.width, live.height, filed.width, filed.height) == (None, None, 96, 64)
        assert [mark.what for mark in store.marks("e1")] == ["normal"] and list(store.zones(camera="front")) == [1]
        assert [(one.name, one.events, one.unreviewed, one.state) for one in store.sources()] == [
            ("front", 1, 0, None), ("door", 1, 1, None),
        ]  # fmt: skip
        assert store.explanation("e2").score_file is None and store.changed_since(104.5) == [("e2", 105.0)]
        store.mark("e1", "undo", "ann")  # what is written later goes on with the numbers that there are
        store.tell([notice(1)])
        store.record_scores(trained(), scores({"01": [0, 5, 0]}))
        assert store.count() == 4
        new = store.event(f"{1:016x}")
        assert (new.width, new.height) == (640, 360)
    assert version(url) == tables.SCHEMA
    if not url.startswith("postgresql"):
        assert len(list(tmp_path.glob("events.db.0001-*"))) == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with oddframe.open_store(url) as store:
        store.tell([notice(1)])
    with monkeypatch.context() as patch:
        next_version(tmp_path, patch, BROKEN)
        with pytest.raises(StoreError, match="nowhere"):
            oddframe.open_store(url, migrate=True)
    with oddframe.open_store(url) as store:
        assert store.count() == 1
        with store._database.engine.connect() as connection:
            assert schema.differences(connection) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "update oddframe_version set version_num = '9999'",
            "made by a newer oddframe than this one; install a newer oddframe",
        ),
        ("update oddframe_version set version_num = 'xyz'", "does not say which oddframe made it"),
        ("insert into oddframe_version values ('0000')", "does not say which oddframe made it"),
        ("delete from oddframe_version", "does not say which oddframe made it"),
        ("drop table zones", "its table 'zones' is missing"),
        ("drop table oddframe_version", "a database of another program"),
    ],
)
def test_a_database_that_is_not_as_it_should_be_is_refused(url: str, statement: str, message: str) -> None:
    run(url, statement)
    for create in (True, False):
        with pytest.raises(StoreError, match=message) as error:
            oddframe.open_store(url, create=create)
        assert "\n" not in str(error.value)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table recipes (id integer)")
    with pytest.raises(StoreError, match=r"other.db: this is a database of another program \(.* 'recipes'\)"):
        oddframe.open_store(file)
    assert sqlite3.connect(file).execute("select name from sqlite_master").fetchall() == [("recipes",)]


def test_what_is_only_read_is_not_made(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no event store.*`oddframe score --store` makes one"):
        oddframe.open_store(url, create=False)
    assert not list(tmp_path.iterdir())


def test_an_empty_file_and_a_missing_folder_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for place in (tmp_path / "empty.db", tmp_path / "a" / "b.db", f"sqlite:///{tmp_path / 'c.db'}", tmp_path):
        with oddframe.open_store(place) as store:
            assert store.count() == 0
    assert {path.name for path in tmp_path.rglob("*.db")} == {"empty.db", "b.db", "c.db", "events.db"}


@pytest.mark.slow
def test_several_processes_make_one_store(url: str) -> None:
    program = "import sys, oddframe; print(oddframe.open_store(sys.argv[1]).count())"
    several = [
        subprocess.Popen(
            [sys.executable, "-c", program, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for one in several:
        out, err = one.communicate(timeout=120)
        assert out == "0\n", err
    assert version(url) == tables.SCHEMA


def test_sqlite_brings_each_commit_to_the_disk(tmp_path: Path) -> None:
    with oddframe.open_store(tmp_path) as store, store._database.engine.connect() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
        settings = {name: connection.exec_driver_sql(f"pragma {name}").scalar_one() for name in names}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
