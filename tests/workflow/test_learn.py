"""From marks to a better bundle: what each step changes, and what may not happen."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found import NOON, notice
from taught import FPS, fitted, mark, record, write_street

import oddframe
from oddframe.errors import InputError
from oddframe.live.scores import stamp
from oddframe.models.camera import CameraDetector
from oddframe.scoring.files import save_scores
from oddframe.scoring.heldout_store import load_heldout
from oddframe.store.store import Store
from oddframe.store.zones import StoredZone
from oddframe.types import FrameScores, VideoInfo
from oddframe.workflow import learn as learning
from oddframe.workflow.learn import LearnOptions, learn
from oddframe.workflow.lesson_scores import EDGE
from oddframe.workflow.lesson_steps import LessonSteps
from oddframe.workflow.lessons import gather_lessons
from oddframe.workflow.run import Run

Ask = Callable[..., Any]
RARE = {f"{n:02d}": ((4.0, 7.0), (15.0, 18.0)) for n in range(1, 5)}
ODD = {f"{n:02d}": ((10.0, 12.0),) for n in range(1, 5)}
SPANS = {name: (*RARE[name], *ODD[name]) for name in RARE}
QUIET = LearnOptions(progress=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted camera, videos to review with the scores of them, and a video that nobody has marked."""
    folder = tmp_path_factory.mktemp("learn")
    run = fitted(folder)
    for name in RARE:
        write_street(folder / "videos" / f"{name}.mp4", 22, RARE[name], ODD[name], seed=int(name) + 1)
    write_street(folder / "new" / "new.mp4", 22, RARE["01"], ODD["01"], seed=9)
    record(run, folder / "videos", folder / "scores", SPANS).close()
    return folder


@pytest.fixture
def run(place: Path) -> Run:
    return oddframe.load_run(place / "run")


@pytest.fixture
def store(place: Path, tmp_path: Path) -> Iterator[Store]:
    """What was found, without a mark."""
    shutil.copytree(place / "scores", tmp_path / "scores")
    with oddframe.open_store(tmp_path / "scores") as opened:
        yield opened


def told(run: Run, video: Path, spans: tuple[tuple[float, float], ...]) -> int:
    """In how many of these spans the score reaches the threshold."""
    (scores,) = run.score(video, progress=False)
    high = scores.score >= run.calibration().threshold
    return sum(bool(high[(scores.time >= start) & (scores.time <= stop)].any()) for start, stop in spans)


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_marked_normal_raises_no_alarm_any_more_and_the_abnormal_still_does(
    place: Path, run: Run, store: Store, tmp_path: Path
) -> None:
    new = place / "new"
    assert told(run, new, RARE["01"]) == 2 and told(run, new, ODD["01"]) == 1, "the rare and the odd raise alarms"
    before = contents(place / "run")
    mark(store, RARE, "normal")
    mark(store, ODD, "abnormal")
    result = learn(run, store, tmp_path / "taught", QUIET)
    assert told(result.run, new, RARE["01"]) == 0
    assert told(result.run, new, ODD["01"]) == 1
    assert contents(place / "run") == before, "the old bundle stays as it is, byte for byte"
    bundle = result.run.bundle
    assert bundle.id != run.bundle.id and bundle.data.parent == run.bundle.id
    assert [step.name for step in result.steps] == list(learning.STEPS)
    assert next(one for one in store.bundles() if one.id == bundle.id).parent == run.bundle.id
    card = (tmp_path / "taught" / "CARD.md").read_text(encoding="utf-8")
    assert "## Learned from marks" in card and run.bundle.id in card


@pytest.mark.slow
def test_each_step_counts_on_later_marks_that_it_has_not_learned(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(store, RARE, "normal")
    monkeypatch.setattr(learning, "FEWEST_REPORTED", 1)
    lessons = gather_lessons(run.bundle.original(), store)
    learned, reported = ({one.id for one in part} for part in (lessons.learned, lessons.reported))
    assert learned and reported and not learned & reported
    result = learn(run, store, tmp_path / "taught", QUIET)
    first, last = result.steps[0], result.steps[-1]
    assert first.marks_learned == len(learned) and first.marks_held_out == len(reported)
    assert first.before["normal_marks"] == first.before["alarms_on_them"] == len(reported)
    assert last.after["alarms_on_them"] == 0
    assert last.after["abnormal_marks"] is None and "0 abnormal" in result.too_few


@pytest.mark.slow
def test_no_later_mark_leaks_into_what_figures_come_from(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thresholds behind the figures are those that the earlier marks make where nobody has made later ones."""
    earlier = mark(store, {"01": RARE["01"], "02": RARE["02"]}, "normal")
    only = LearnOptions(("recalibrate",), progress=False)
    alone = learn(run, store, tmp_path / "alone", only).run.calibration().threshold
    mark(store, {"03": RARE["03"]}, "normal")
    monkeypatch.setattr(learning, "FEWEST_REPORTED", 1)
    found: list[tuple[list[str], float]] = []
    take = LessonSteps.take

    def noting(steps: LessonSteps, *words: Any) -> list[Any]:
        states = take(steps, *words)
        found.append(([one.id for one in steps.lessons], states[-1].calibration.threshold))
        return states

    monkeypatch.setattr(LessonSteps, "take", noting)
    learn(run, store, tmp_path / "taught", only)
    assert found[1] == ([event.id for event in earlier], alone)


def test_a_video_with_later_marks_is_shut_from_the_first_of_them_on(run: Run, store: Store) -> None:
    mark(store, {"01": RARE["01"], "02": ODD["02"]}, "normal")
    lessons = gather_lessons(run.bundle.original(), store)
    assert [len(part) for part in (lessons.learned, lessons.between, lessons.reported)] == [2, 0, 1]
    mark(store, {"02": RARE["02"][:1]}, "normal")
    lessons = gather_lessons(run.bundle.original(), store)
    assert [one.footage.source.name for one in lessons.learned] == ["01", "01", "02"]
    assert not lessons.reported, "4 s lie between the two of 02, which may be one thing"
    assert lessons.earlier[-1].footage.shut[-1][0] == pytest.approx(ODD["02"][0][0], abs=0.5)
    assert lessons.earlier[0].footage == lessons.learned[0].footage


@pytest.mark.slow
def test_live_marks_teach_by_clips_and_their_hours_count(run: Run, tmp_path: Path) -> None:
    write_street(tmp_path / "clips" / "front" / "a.mp4", 8, ((2.0, 5.0),), (), seed=3)
    with oddframe.open_store(tmp_path / "events.db") as store:
        store.record_detector(run.bundle, run.bundle.id, run.calibration())
        about = {"bundle": run.bundle.id, "camera": "front"}
        store.tell([
            notice(1, "closed", **about, files={"clip": "clips/front/a.mp4"}),
            notice(3, "closed", **about),
            notice(5, "closed", **about, files={"clip": "clips/front/gone.mp4"}),
        ])  # fmt: skip
        store.mark([f"{1:016x}", f"{5:016x}"], "normal")
        begin, time = NOON, np.arange(0, 600, 1 / FPS)
        score = np.full(len(time), run.calibration().low - 1)
        info = VideoInfo("front", "", 64, 48, FPS, len(time), key="k")
        values = {name: score for name in run.detector.components}
        name = f"front/{stamp(begin)}"
        kept = FrameScores(name, np.arange(len(time)), time, values, score, info, run.bundle.id)
        save_scores(kept, tmp_path / "scores")
        first = learn(run, store, tmp_path / "one", LearnOptions(("recalibrate",), progress=False))
        second = learn(run, store, tmp_path / "two", LearnOptions(("memory",), progress=False))
    assert len(first.gone) == 1 and "gone.mp4 is gone" in first.gone[0]
    old = sum(len(time) for time, _ in load_heldout(run.path)) / FPS
    hours = [sum(len(time) for time, _ in load_heldout(one.run.path)) / FPS - old for one in (first, second)]
    event = 2.0 + 2 * EDGE  # a notice lasts for two seconds
    assert hours[0] == pytest.approx(600 - event, abs=1.0), "the unmarked event is no normal video"
    assert hours[1] == pytest.approx(600 - 3 * event, abs=2.0), "events that were taken in do not count any more"
    assert second.steps[0].did.endswith("of 1 normal mark went into the memory of monitors, scene")


def test_recalibrating_adds_the_marked_video_but_for_what_nobody_called_normal(
    run: Run, store: Store, tmp_path: Path
) -> None:
    marked = mark(store, {"01": RARE["01"]}, "normal")
    result = learn(run, store, tmp_path / "taught", LearnOptions(("recalibrate",), progress=False))
    old, new = load_heldout(run.path), load_heldout(tmp_path / "taught")
    for (time, values), (other, same) in zip(old, new, strict=False):
        np.testing.assert_array_equal(time, other)
        np.testing.assert_array_equal(values["speed"], same["speed"])
    added = np.concatenate([time for time, _ in new[len(old) :]])
    for event in marked:
        assert (
            np.count_nonzero((added >= event.start_s) & (added <= event.end_s)) >= (event.end_s - event.start_s) * FPS
        )
    start, stop = ODD["01"][0]
    assert not np.any((added > start) & (added < stop)), "nobody called the odd thing normal"
    assert len(added) > 10 * FPS, "the time between events is normal video"
    assert result.run.calibration().threshold > run.calibration().threshold
    state, same_state = run.detector.state(), result.run.detector.state()  # type: ignore[union-attr]
    assert all(np.array_equal(state[name], same_state[name]) for name in state), "it has taken nothing in"


@pytest.mark.slow
def test_a_zone_says_nothing_and_draws_no_box(place: Path, run: Run, store: Store, tmp_path: Path) -> None:
    mark(store, {"01": RARE["01"]}, "normal")
    upper = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.68), (0.0, 0.68))
    store.add_zone(StoredZone(upper, "Mara", bundle=run.bundle.id))
    result = learn(run, store, tmp_path / "taught", LearnOptions(("zones",), progress=False))
    detector = result.run.detector
    assert isinstance(detector, CameraDetector) and detector.places[0].corners == upper
    assert told(run, place / "new", RARE["01"]) == 2
    assert told(result.run, place / "new", RARE["01"]) == 0
    (old,), (new,) = (one.score(place / "new", progress=False) for one in (run, result.run))
    assert all(np.all(new.components[name] <= old.components[name] + 1e-9) for name in old.components)
    assert told(result.run, place / "new", ODD["01"]) == 1, "below the zone it still looks"


def test_undone_and_unsure_marks_teach_nothing(run: Run, store: Store, tmp_path: Path) -> None:
    events = mark(store, RARE, "normal")
    store.mark([event.id for event in events], "undo")
    mark(store, ODD, "unsure")
    with pytest.raises(InputError, match=r"no event of bundle .* is marked as normal or abnormal"):
        learn(run, store, tmp_path / "taught", QUIET)
    assert not (tmp_path / "taught").exists()


@pytest.mark.slow
def test_a_video_that_is_gone_or_another_one_costs_a_line(place: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(place / "videos", videos)
    run = oddframe.load_run(place / "run")
    with record(run, videos, tmp_path / "scores", SPANS) as store:
        mark(store, RARE, "normal")
        (videos / "01.mp4").unlink()
        shutil.copyfile(place / "videos" / "03.mp4", videos / "02.mp4")
        result = learn(run, store, tmp_path / "taught", LearnOptions(("recalibrate",), progress=False))
        assert any("01.mp4 is gone" in line for line in result.gone)
        assert any("02.mp4 holds another video" in line for line in result.gone)
        learned = {one.name for one in result.run.bundle.data.taught.videos}  # type: ignore[union-attr]
        assert learned == {"03", "04"}
        for name in ("02", "03", "04"):
            (videos / f"{name}.mp4").unlink()
        with pytest.raises(InputError, match="nothing that was marked can be learned from"):
            learn(run, store, tmp_path / "nothing", QUIET)


@pytest.mark.slow
def test_the_same_marks_make_the_same_bundle_to_the_bit(run: Run, store: Store, tmp_path: Path) -> None:
    mark(store, {"01": RARE["01"], "02": RARE["02"]}, "normal")
    made = [learn(run, store, tmp_path / name, QUIET).run.path for name in ("one", "two")]
    assert contents(made[0]) == contents(made[1])


@pytest.mark.slow
def test_learning_again_counts_no_video_twice(run: Run, store: Store, tmp_path: Path) -> None:
    mark(store, {"01": RARE["01"]}, "normal")
    options = LearnOptions(("recalibrate",), progress=False)
    first = learn(run, store, tmp_path / "one", options).run
    mark(store, {"02": RARE["02"]}, "normal")
    second = learn(first, store, tmp_path / "two", options).run
    assert second.bundle.data.parent == first.bundle.id
    whole = learn(run, store, tmp_path / "three", options).run
    lengths = [sum(len(time) for time, _ in load_heldout(one.path)) for one in (second, whole)]
    assert lengths[0] == lengths[1]


def test_what_was_learned_from_is_known_by_its_content(place: Path, run: Run, store: Store, tmp_path: Path) -> None:
    mark(store, {"01": RARE["01"]}, "normal")
    taught = learn(run, store, tmp_path / "taught", LearnOptions(("recalibrate",), progress=False)).run
    with pytest.raises(InputError, match="learned from this video"):
        taught.calibrate_on(place / "videos" / "01.mp4", tmp_path / "again", progress=False)


def test_a_kill_leaves_nothing_half_written(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(store, {"01": RARE["01"]}, "normal")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("oddframe.workflow.learn.keep_calibration", killed)
    with pytest.raises(KeyboardInterrupt):
        learn(run, store, tmp_path / "taught", LearnOptions(("recalibrate",), progress=False))
    assert not (tmp_path / "taught").exists()


@pytest.mark.slow
def test_the_command_prints_what_changed_and_writes_weak_labels(
    place: Path, run: Run, store: Store, tmp_path: Path, ask: Ask
) -> None:
    mark(store, {"01": RARE["01"], "02": RARE["02"]}, "normal")
    mark(store, {"02": ODD["02"], "03": ODD["03"]}, "abnormal")
    labels, out, steps = tmp_path / "labels.csv", tmp_path / "taught", ("--steps", "recalibrate,classifier")
    answer = ask("learn", run.path, "--store", store.file, "--out", out, *steps, "--weak-labels", labels, "--json")
    assert answer.status == 0, answer.err
    told = json.loads(answer.out)
    assert [step["name"] for step in told["steps"]] == ["recalibrate", "classifier"]
    assert (told["normal"], told["abnormal"], told["parent"]) == (4, 2, run.bundle.id)
    assert told["steps"][0]["before"] == dict.fromkeys(told["steps"][0]["before"]) and "too few" in told["too_few"]
    assert told["promise"] == oddframe.load_run(out).calibration().sentence()
    videos = place / "videos"
    # Of 01 nobody has said what the odd thing is, so it has no label.
    assert labels.read_text() == f"video,label\n{videos / '02.mp4'},1\n{videos / '03.mp4'},1\n"


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(InputError, match="there is no step 'memorise'"):
        LearnOptions(("memorise",))
