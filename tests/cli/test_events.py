"""`oddframe events` and `oddframe score --store`."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from found import notice, scores, trained

import oddframe
from oddframe.spelling import visible

Ask = Callable[..., Any]
LIVELY = [0, 5, 0, 0, 0, 9, 9, 0, 0, 0, 7, 0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a store: three events of a file, an open one of a camera, and a gap."""
    with oddframe.open_store(tmp_path) as store:
        store.record_scores(trained(), scores({"a/very/long/path/of/a/video/street": LIVELY}))
        store.tell([notice(1, why={}, note=""), notice(2, "closed", kind="gap", score=None, threshold=None, box=None)])
    return tmp_path


def rows(answer: Any) -> list[dict[str, Any]]:
    assert answer.status == 0, answer.err
    return json.loads(answer.out)["events"]


def test_the_list_fits_80_columns_and_shows_the_farthest_first(place: Path, ask: Ask) -> None:
    answer = ask("events", "list", "--store", place)
    lines = answer.out.splitlines()
    assert answer.status == 0 and max(map(len, lines)) <= 80 and lines[-1] == "5 of 5 events"
    ends = [re.split(r"(?:\d s|\dZ) +", line)[1].split() for line in lines[1:6]]
    assert ends == [
        ["anomaly", "2.25"], ["anomaly", "1.75"], ["anomaly", "1.50", "open"], ["anomaly", "1.25"], ["gap"],
    ], "in units of the threshold"  # fmt: skip
    assert lines[-2].startswith("times: the score in units of the threshold")
    assert "/a/video/street" in answer.out and "2026-12-01 12:01Z" in answer.out


def test_the_list_says_what_is_held_and_what_is_gone_within_80_columns(place: Path, ask: Ask) -> None:
    with oddframe.open_store(place) as store:
        store.tell([
            notice(3, "closed", "gate at the far end of the yard", held="moved", threshold=7.99999),
            notice(4, "closed", "gate", kind="blurred", score=None, threshold=None, box=None),
        ])  # fmt: skip
        store.mark([event.id for event in store.every() if event.video], "abnormal")
        store.record_scores(trained(), scores({"a/very/long/path/of/a/video/street": LIVELY}, threshold=6))
    lines = ask("events", "list", "--store", place).out.splitlines()
    assert max(map(len, lines)) <= 80
    ends = [re.split(r"(?:\d s|\dZ) +", line)[1].split() for line in lines[1:8]]
    assert ["anomaly", "held", "+1e-05"] in ends and ["blurred"] in ends, "of a threshold whose units are not known"
    assert ["anomaly", "gone", "1.25", "abnormal"] in ends and ["anomaly", "1.12", "abnormal"] in ends
    (held,) = [line for line in lines if " held " in line]
    assert "...the yard " in held, "the end of a long name tells cameras apart"


def test_the_list_goes_on_where_it_ended(place: Path, ask: Ask) -> None:
    first = ask("events", "list", "--store", place / "events.db", "--limit", "2")
    assert first.out.splitlines()[-2] == "2 of 5 events"
    last = first.out.splitlines()[-1].split("--after ")[1]
    seen = [row["id"] for row in rows(ask("events", "list", "--store", place, "--limit", "2", "--json"))]
    assert last == seen[-1]
    seen += [row["id"] for row in rows(ask("events", "list", "--store", place, "--after", last, "--json"))]
    assert len(set(seen)) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--camera", "front"], 2), (["--kind", "gap"], 1), (["--video", "a/very/long/path/of/a/video/street"], 3),
        (["--mark", "none"], 5), (["--mark", "any"], 0), (["--since", "2026-12-01T12:01:30Z"], 1),
        (["--until", "2026-12-01T12:01:30Z", "--kind", "anomaly"], 1), (["--bundle", "other"], 0),
    ],
)  # fmt: skip
def test_filters(place: Path, ask: Ask, filters: list[str], count: int) -> None:
    assert len(rows(ask("events", "list", "--store", place, *filters, "--json"))) == count
    exported = ask("events", "export", "--store", place, *filters)
    assert len(exported.out.splitlines()) == count


def test_marks_from_the_command_line(place: Path, ask: Ask) -> None:
    name = rows(ask("events", "list", "--store", place, "--json"))[0]["id"]
    assert ask("events", "mark", "normal", name, "--store", place, "--who", "ann", "--note", "a cat").out == (
        "1 event marked normal\n"
    )
    told = ask("events", "show", name, "--store", place)
    assert "mark         normal" in told.out and "normal    ann: a cat" in told.out
    assert ask("events", "mark", "undo", name, "--store", place, "--who", "bob").out == "1 mark undone\n"
    shown = json.loads(ask("events", "show", name, "--store", place, "--json").out)
    assert shown["mark"] is None and [mark["who"] for mark in shown["marks"]] == ["ann", "bob"]
    assert json.loads(ask("events", "mark", "undo", name, "--store", place, "--json").out) == {"marked": 0}


def test_json_lines_and_csv_hold_every_event(place: Path, ask: Ask) -> None:
    lines = [json.loads(line) for line in ask("events", "export", "--store", place).out.splitlines()]
    out = place / "events.csv"
    assert ask("events", "export", "--store", place, "--format", "csv", "--out", out).status == 0
    with out.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == [row["id"] for row in lines] and len(lines) == 5
    for line, row in zip(lines, table, strict=True):
        assert row["score"] == ("" if line["score"] is None else str(line["score"]))
        assert row["camera"] == (line["camera"] or "") and row["start_s"] == str(line["start_s"])
    assert [table[0][side] for side in ("left", "top", "right", "bottom")] == ["1", "2", "30", "40"]


def test_no_cell_is_a_formula(tmp_path: Path, ask: Ask) -> None:
    hostile = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\uff1d1",
        "|calc",
        "  =1",
        " -1",
        "\t=1",
        "\r=1",
        "\n=1",
        "a\x00b",
        "\udcff",
    ]
    with oddframe.open_store(tmp_path) as store:
        store.tell([notice(number, camera=name, text=name) for number, name in enumerate(hostile)])
        store.mark(f"{0:016x}", "normal", "=who()", "-note")
    answer = ask("events", "export", "--store", tmp_path, "--format", "csv", "--out", tmp_path / "o.csv")
    assert answer.status == 0, answer.err
    with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for row, name in zip(table, hostile, strict=True):
        for cell in (row["camera"], row["text"], row["note"], row["marked_by"]):
            assert not cell.startswith(("=", "+", "-", "@")) and cell.isprintable()
        assert row["camera"] in (f"'{name}", visible(name))
        assert row["above"].startswith(("1", "2", "3", "4", "5", "6", "7", "8", "9")), "numbers stay numbers"
    lines = [json.loads(line) for line in ask("events", "export", "--store", tmp_path).out.splitlines()]
    assert [line["camera"] for line in lines] == hostile, "JSON has them as they are"


def test_boxes_as_coco_has_them(place: Path, ask: Ask) -> None:
    answer = ask("events", "export", "--store", place, "--format", "coco")
    assert answer.status == 0 and answer.err == "left out, without a box: 4 events\n"
    document = json.loads(answer.out)
    (box,), (image,) = document["annotations"], document["images"]
    assert box["bbox"] == [1, 2, 29, 38] and box["area"] == 29 * 38 and box["image_id"] == image["id"]
    assert document["categories"] == [{"id": box["category_id"], "name": "anomaly"}] and box["event"] == f"{1:016x}"
    assert (image["width"], image["height"], image["camera"]) == (640, 360, "front"), "a live event has a size, too"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("list", "--store", "nowhere.db"), "nowhere.db: there is no event store; `oddframe score --store` makes one"),
        (("list", "--store", "mysql://u:hunter2@h/d"), "mysql:// is no event store"),
        (("list", "--store", "{place}", "--mark", "bad"), "there is no mark 'bad'"),
        (("list", "--store", "{place}", "--order", "size"), "sorted by 'size'"),
        (("list", "--store", "{place}", "--since", "soon"), "'soon' is no moment; write 2026-01-31"),
        (("show", "nothing", "--store", "{place}"), "there is no event 'nothing'"),
        (("mark", "bad", "x", "--store", "{place}"), "there is no mark 'bad'; there are: normal"),
        (("mark", "normal", "x", "--store", "{place}"), "there is no event 'x'; nothing was marked"),
        (("export", "--store", "{place}", "--format", "xml"), "exported as 'xml'; there are: jsonl, csv, coco"),
        (("migrate", "--store", "nowhere.db"), "there is no event store"),
        (("export", "--store", "{place}", "--out", "{place}/events.db"), "what is there is no text, and would be lost"),
    ],
)
def test_wrong_input_is_one_line(
    place: Path, ask: Ask, words: tuple[str, ...], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    answer = ask("events", *(word.format(place=place) for word in words))
    assert answer.status == 2 and line in answer.err and answer.err.count("\n") == 1 and "hunter2" not in answer.err
    assert not (place / "nowhere.db").exists()


def test_a_store_that_is_up_to_date_is_said_to_be(place: Path, ask: Ask) -> None:
    assert ask("events", "migrate", "--store", place).out == f"{place / 'events.db'} is up to date\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, street: Path) -> Path:
    """A system that learns nothing, and so is made at once."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        (folder / "plain.yaml").write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
        oddframe.fit(
            street / "training" / "videos",
            recipe=str(folder / "plain.yaml"),
            out=folder / "run",
            threshold=oddframe.ThresholdOptions(quantile=0.9),
            training=oddframe.TrainingOptions(workers=1),
        )
    return folder / "run"


@pytest.mark.slow
def test_score_fills_the_store_and_again_under_another_threshold(
    run: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    words = ("score", run, street / "testing" / "videos", "--out", tmp_path / "out", "--no-overlay", "--store", "auto")
    answer = ask(*words)
    assert answer.status == 0, answer.err
    file = tmp_path / "out" / "events.db"
    written = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    assert f"store   {file}: {len(written)} events, {len(written)} new" in answer.out and written
    listed = rows(ask("events", "list", "--store", tmp_path / "out", "--order", "time", "--json"))
    for name in ("id", "video", "start_frame", "end_frame", "start_s", "score", "why", "box", "bundle", "key"):
        assert [row[name] for row in listed] == [row[name] for row in written], name
    assert {row["model"] for row in listed} == {"frame_difference"} and all(row["promise"] for row in listed)
    assert Path(listed[0]["path"]).is_file() and "a threshold" not in answer.err
    ask("events", "mark", "normal", listed[0]["id"], "--store", file)
    told = json.loads(ask(*words, "--threshold", "1000", "--json").out)
    assert told["store"] == {
        "place": str(file),
        "events": 0,
        "faults": 0,
        "new": 0,
        "kept": 1,
        "removed": len(written) - 1,
    }
    assert [row["found"] for row in rows(ask("events", "list", "--store", file, "--json"))] == [False]


def test_nothing_computed_is_lost_when_the_store_fails(
    run: Path, street: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oddframe.store import engine

    monkeypatch.setattr(engine, "WAIT_S", 0.2)
    out, file = tmp_path / "out", tmp_path / "store.db"
    oddframe.open_store(file).close()
    words = ("score", run, street / "testing" / "videos", "--out", out, "--no-overlay", "--store", file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("begin immediate")
    answer = ask(*words)
    assert answer.status == 2 and answer.err.count("\n") == 1
    assert f"{file}: another process has been writing" in answer.err and "fills the store without scoring" in answer.err
    assert (out / "report.html").is_file() and (out / "events.jsonl").is_file() and "report  " in answer.out
    told = ask(*words, "--json")
    assert told.status == 2 and "another process" in json.loads(told.out)["store"]["fault"]
    other.execute("rollback")
    again = ask(*words)
    assert again.status == 0 and f"store   {file}: " in again.out


@pytest.mark.parametrize(
    ("store", "line"),
    [
        ("mysql://u:hunter2@h/d", "mysql:// is no event store"),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "postgresql://127.0.0.1:1/d: no connection"),
        ("{street}/testing/videos/01.mp4", "this is not a database of SQLite"),
    ],
)
def test_a_wrong_store_is_refused_before_anything_is_scored(
    run: Path, street: Path, tmp_path: Path, ask: Ask, store: str, line: str
) -> None:
    words = ("score", run, street / "testing" / "videos", "--out", tmp_path / "out", "--no-overlay")
    answer = ask(*words, "--store", store.format(street=street))
    assert answer.status == 2 and line in answer.err and answer.err.count("\n") == 1 and "hunter2" not in answer.err
    assert not (tmp_path / "out").exists()


def test_a_store_without_its_option_is_named_with_it(place: Path, ask: Ask) -> None:
    answer = ask("events", "list", place / "events.db")
    assert answer.status == 2 and answer.err.rstrip().endswith(f"; name the store with --store {place / 'events.db'}")
