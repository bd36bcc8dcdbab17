"""The camera's own faults from end to end: learned by fit, told by score, kept with the scores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import oddframe
from oddframe.scoring.files import load_scores, save_scores
from oddframe.scoring.findings import read_findings
from oddframe.scoring.sentinel_reference import NAME, load_reference
from oddframe.street import World
from oddframe.types import CameraFault, Event
from oddframe.video.encode import VideoWriter
from oddframe.workflow.run import copy_finished

Ask = Callable[..., Any]
Picture = NDArray[np.uint8]
SIZE, FPS, SECONDS = (72, 128), 4.0, 14
RECIPE = "summary: x\nmodel: frame_difference\noptions: {size: [72, 128]}\n"


def moved(picture: Picture) -> Picture:
    matrix = np.array([[1, 0, 14], [0, 1, -9]], np.float32)
    return np.asarray(cv2.warpAffine(picture, matrix, SIZE[::-1], borderMode=cv2.BORDER_REFLECT), np.uint8)


def soft(picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.5), np.uint8)


def dark(picture: Picture) -> Picture:
    return (picture // 12).astype(np.uint8)


def write(path: Path, pictures: Sequence[Picture]) -> None:
    with VideoWriter(path, SIZE, FPS, threads=1) as writer:
        for picture in pictures:
            writer.write(picture)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four normal videos to learn from, another one, and one in which the camera is moved after 12 seconds."""
    folder = tmp_path_factory.mktemp("camera faults")
    world = World(seed=3, size=SIZE, fps=FPS)
    for number in range(4):
        write(folder / "normal" / f"{number}.mp4", [frame.image for frame in world.video(number, SECONDS)])
    other = [frame.image for frame in world.video(9, 40)]
    write(folder / "good.mp4", other[:100])
    write(
        folder / "bad.mp4", [moved(picture) if number >= 12 * FPS else picture for number, picture in enumerate(other)]
    )
    (folder / "plain.yaml").write_text(RECIPE)
    fit(folder / "normal", folder / "run")
    return folder


def fit(videos: Path, out: Path) -> oddframe.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(out.with_name(f"{out.name} cache")))
        training = oddframe.TrainingOptions(workers=1, progress=False)
        return oddframe.fit(videos, recipe=str(out.parent / "plain.yaml"), out=out, training=training)


@pytest.mark.slow
def test_score_tells_that_the_camera_was_moved_and_holds_the_events(place: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("score", place / "run", place / "bad.mp4", place / "good.mp4", "--out", tmp_path / "s", "--no-overlay")
    assert answer.status == 0, answer.err
    (line,) = [line for line in answer.out.splitlines() if line.startswith("camera  bad, ")]
    assert "moved, the camera was moved: the picture lies 14 pixels to the right and 9 pixels higher" in line
    (fault,) = read_findings(tmp_path / "s" / "findings.jsonl")
    assert (fault.video, fault.kind) == ("bad", "moved") and 10 <= fault.start_s <= 13 and fault.end_s > 38
    assert fault.bundle and fault.key
    events = [json.loads(row) for row in (tmp_path / "s" / "events.jsonl").read_text().splitlines()]
    shaken = [row for row in events if row["video"] == "bad" and row["start_s"] <= 12.5 <= row["end_s"] + 0.5]
    assert shaken and all(row["held"] == "moved" for row in shaken)
    assert all(row["held"] == "" for row in events if row["video"] == "good")
    page = (tmp_path / "s" / "report.html").read_text()
    assert page.count("Camera at fault, moved") == 1 and "on hold: the camera is at fault (moved)" in page
    assert "camera  " in answer.out and "on hold" in answer.out


def test_a_second_run_says_the_same_without_decoding(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = oddframe.load_run(place / "run"), tmp_path / "s"
    pages = oddframe.OutputOptions(overlay=False)
    first = run.score(place / "bad.mp4", out, outputs=pages, progress=False)
    told = (out / "findings.jsonl").read_bytes()
    monkeypatch.setattr("oddframe.scoring.scorer.VideoReader", None)
    shutil.copy(place / "bad.mp4", tmp_path / "again.mp4")
    again = run.score(place / "bad.mp4", out, outputs=pages, progress=False)
    assert again.findings() == first.findings() and (out / "findings.jsonl").read_bytes() == told
    assert again.events() == first.events() and any(event.held for event in again.events())
    renamed = run.score(tmp_path / "again.mp4", out, outputs=pages, progress=False)
    assert [(fault.video, fault.id) for fault in renamed.findings()] == [("again", first.findings()[0].id)]


@pytest.mark.slow
def test_in_memory_as_in_files(place: Path, tmp_path: Path) -> None:
    run = oddframe.load_run(place / "run")
    (kept,) = run.score(place / "bad.mp4", tmp_path / "s", outputs=oddframe.OutputOptions(pages=False), progress=False)
    (held,) = run.score(place / "bad.mp4", progress=False)
    assert held.faults is not None and kept.faults is not None
    assert [fault.id for fault in held.faults] == [fault.id for fault in kept.faults]


def test_normal_video_has_no_findings(place: Path) -> None:
    scores = oddframe.load_run(place / "run").score(place / "good.mp4", progress=False)
    assert scores.findings() == [] and scores["good"].faults == ()
    assert not any("camera" in note for note in scores.notes)


def test_the_findings_are_part_of_the_json(place: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("score", place / "run", place / "bad.mp4", "--out", tmp_path / "s", "--no-overlay", "--json")
    (found,) = json.loads(answer.out)["findings"]
    assert found["kind"] == "moved" and found["words"]


def test_a_bundle_without_a_reference_says_so_once_and_works(place: Path, tmp_path: Path, ask: Ask) -> None:
    old = tmp_path / "old"
    old.mkdir()
    copy_finished(place / "run", old)
    (old / NAME).unlink()
    answer = ask("score", old, place / "bad.mp4", place / "good.mp4", "--out", tmp_path / "s", "--no-overlay")
    assert answer.status == 0
    assert answer.out.count("the camera's own faults are not looked for") == 1
    assert (tmp_path / "s" / "findings.jsonl").read_text() == ""
    assert load_scores(tmp_path / "s" / "scores" / "bad.npz").faults is None


@pytest.mark.slow
def test_scores_of_an_older_oddframe_do_not_tell_and_are_said_not_to(place: Path, tmp_path: Path) -> None:
    run, pages = oddframe.load_run(place / "run"), oddframe.OutputOptions(pages=False)
    run.score(place / "bad.mp4", tmp_path / "s", outputs=pages, progress=False)
    stored = load_scores(tmp_path / "s" / "scores" / "bad.npz", with_map=False)
    save_scores(replace(stored, faults=None), tmp_path / "s" / "scores")
    again = run.score(place / "bad.mp4", tmp_path / "s", outputs=pages, progress=False)
    assert again.findings() == [] and any("--force scores again" in note for note in again.notes)
    forced = run.score(
        place / "bad.mp4", tmp_path / "s", outputs=oddframe.OutputOptions(pages=False, force=True), progress=False
    )
    assert [fault.kind for fault in forced.findings()] == ["moved"]


def test_a_damaged_reference_is_one_line(place: Path, tmp_path: Path, ask: Ask) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    copy_finished(place / "run", bad)
    (bad / NAME).write_bytes((bad / NAME).read_bytes()[:900])
    answer = ask("score", bad, place / "good.mp4", "--out", tmp_path / "s")
    assert answer.status == 2 and NAME in answer.err and "Traceback" not in answer.err


def test_a_fit_repeats_to_the_bit(place: Path) -> None:
    fit(place / "normal", place / "run2")
    assert (place / "run2" / NAME).read_bytes() == (place / "run" / NAME).read_bytes()


def test_equal_training_videos_are_not_named(place: Path) -> None:
    assert not [note for note in oddframe.load_run(place / "run").bundle.data.notes if "stands out" in note]
    reference = load_reference(place / "run")
    assert reference is not None and len(reference.views) == 1 and reference.colour == "bgr"
    assert reference.seconds == pytest.approx(4 * SECONDS, abs=4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "change"), [("moved", moved), ("not sharp", soft), ("dark", dark)])
def test_a_training_video_that_stands_out_is_named(
    name: str, change: Callable[[Picture], Picture], place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place / "normal", tmp_path / "normal")
    world = World(seed=3, size=SIZE, fps=FPS)
    write(tmp_path / "normal" / "odd.mp4", [change(frame.image) for frame in world.video(7, SECONDS)])
    shutil.copy(place / "plain.yaml", tmp_path)
    run = fit(tmp_path / "normal", tmp_path / "run")
    (note,) = [note for note in run.bundle.data.notes if "stands out" in note]
    assert note.startswith("odd stands out from the other training videos: ") and name in note
    assert note in (tmp_path / "run" / "CARD.md").read_text()


@pytest.mark.slow
def test_a_camera_that_swings_in_normal_video_is_told_in_one_note(place: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(RECIPE)
    matrix = np.array([[1, 0, 2.5], [0, 1, 0]], np.float32)
    shown = [frame.image for frame in World(seed=3, size=SIZE, fps=FPS).video(0, 60)]
    swung = [
        cv2.warpAffine(p, matrix, SIZE[::-1], borderMode=cv2.BORDER_REFLECT) if k // 80 % 2 else p
        for k, p in enumerate(shown)
    ]
    write(tmp_path / "normal" / "0.mp4", swung)
    run = fit(tmp_path / "normal", tmp_path / "run")
    (note,) = [note for note in run.bundle.data.notes if "does not stand still" in note]
    assert "it swings by 2 pixels" in note or "it swings by 3 pixels" in note
    reference = load_reference(tmp_path / "run")
    assert reference is not None and reference.limits.sway > 0
    assert not any("does not stand still" in note for note in oddframe.load_run(place / "run").bundle.data.notes)


@pytest.mark.slow
def test_two_training_videos_that_differ_are_named_without_a_verdict(place: Path, tmp_path: Path) -> None:
    world = World(seed=3, size=SIZE, fps=FPS)
    write(tmp_path / "normal" / "a.mp4", [frame.image for frame in world.video(0, 25)])
    write(tmp_path / "normal" / "b.mp4", [moved(frame.image) for frame in world.video(1, 25)])
    shutil.copy(place / "plain.yaml", tmp_path)
    notes = fit(tmp_path / "normal", tmp_path / "run").bundle.data.notes
    (note,) = [note for note in notes if "do not show the same picture" in note]
    assert "a" in note and "b" in note and not any("stands out" in note for note in notes)


def test_lines_of_events_from_before_they_were_held_are_read(tmp_path: Path) -> None:
    event = Event("v", 0, 1, 2, 0.0, 0.5, 1.0, 3.0)
    from oddframe.scoring.events import read_events, write_events

    write_events(tmp_path / "e.jsonl", [replace(event, held="moved"), event])
    assert [one.held for one in read_events(tmp_path / "e.jsonl")] == ["moved", ""]
    rows = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    (tmp_path / "e.jsonl").write_text(json.dumps({k: v for k, v in rows[0].items() if k != "held"}) + "\n")
    assert read_events(tmp_path / "e.jsonl") == [event]


def test_a_line_that_is_no_finding_is_named(tmp_path: Path) -> None:
    from oddframe.scoring.findings import write_findings

    fault = CameraFault("v", "dark", 0, 9, 0.0, 3.0, 1.5, "words", "b")
    write_findings(tmp_path / "f.jsonl", [fault])
    assert read_findings(tmp_path / "f.jsonl") == [fault]
    (tmp_path / "f.jsonl").write_text((tmp_path / "f.jsonl").read_text() + '{"kind": "moved"}\n')
    with pytest.raises(oddframe.errors.InputError, match="line 2: not a finding"):
        read_findings(tmp_path / "f.jsonl")
