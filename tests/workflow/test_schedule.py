"""Day and night as two calibrations of one bundle: calibrated, scored, evaluated and watched alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import oddframe
from oddframe.archive.merging import MergeOptions, merge_plan
from oddframe.archive.place import Place
from oddframe.archive.plan import job_of, load_plan
from oddframe.archive.planning import PlanOptions
from oddframe.archive.planning import make_plan as make_plan_of_archive
from oddframe.archive.running import run_plan
from oddframe.bundle import META, TrainingData, load_bundle, save_bundle
from oddframe.datasets.windows import Chunk
from oddframe.errors import BundleError, CalibrationError, InputError
from oddframe.live.messages import Arrived, Begun, Ended
from oddframe.live.pipeline import CameraPipeline, Step
from oddframe.models.frame_difference import FrameDifference
from oddframe.recipes import parse_recipe
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.events import read_events
from oddframe.scoring.files import load_scores, save_scores
from oddframe.scoring.open_scorer import open_runtime, open_scorer, score_identity
from oddframe.scoring.origin import load_origin, stored_scores
from oddframe.scoring.part import why_not_cut
from oddframe.scoring.schedule import CHOSEN, BrightnessSchedule, ClockSchedule, Schedule
from oddframe.settings import ThresholdOptions
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame, VideoReader
from oddframe.video.sources import VideoSource, begun_at
from oddframe.workflow.began import given_start
from oddframe.workflow.evaluate import EvaluateOptions
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.recorded import OutputFolder, record_folder
from oddframe.workflow.run import Run, load_run
from oddframe.workflow.watch_plan import WatchOptions, make_plan

Ask = Callable[..., Any]
RECIPE = {
    "name": "plain", "summary": "x", "model": "frame_difference", "options": {"size": [16, 32]},
    "scoring": {"smoothing": {"kind": "causal", "taps": 5, "sigma": 2.0, "rate": 5.0}, "merge_s": 1.0},
}  # fmt: skip
LIGHT = BrightnessSchedule({"day": 60.0, "night": 0.0}, seconds=2.0, hysteresis=5.0)
CLOCK = ClockSchedule("Europe/Berlin", {"day": ("06:00-20:00",), "night": ("20:00-06:00",)})
DUSK = 1769886000.0  # 31 January 2026, 20:00 in Berlin
RATE = 5
ENOUGH = ThresholdOptions(alarms_per_hour=40.0)  # which needs a minute of each


def pictures(day_s: float, night_s: float, seed: int = 0, loud: float | None = None) -> NDArray[np.uint8]:
    """Noise, strong by day and faint at night. For a second after `loud` it is half as strong as by day; without it, a
    third stronger than usual once by day and once at night, which is normal.

    Dusk ends two seconds before the night, which is when the smoothed luma falls below 55, and the noise a second
    before it.
    """
    random = np.random.default_rng(seed)
    time = np.arange(round((day_s + night_s) * RATE)) / RATE
    strength = np.where(time < day_s - 3, 20.0, 2.0)
    if loud is not None:
        strength[(time >= loud) & (time < loud + 1)] = 10.0
    for start in (5.0, day_s + 5) if loud is None else ():
        strength[(time >= start) & (time < start + 1)] *= 4 / 3
    noise = random.uniform(-1, 1, (len(time), 16, 32)) * strength[:, None, None]
    luma = np.interp(time, [day_s - 17, day_s - 2], [140.0, 50.0])
    return np.asarray(luma[:, None, None] + noise).clip(0, 255).astype(np.uint8)


def normal(day_s: float = 75, night_s: float = 75, began: float | None = None) -> VideoSource:
    return begun_at(oddframe.ArrayVideo(pictures(day_s, night_s), RATE, "normal"), began)


def film(path: Path, frames: NDArray[np.uint8], began: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        if began:
            container.metadata["creation_time"] = began
        stream: Any = container.add_stream("libx264", rate=Fraction(RATE), options={"preset": "ultrafast", "crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "gray")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "schedule-cache"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A bundle without a calibration, which looks at all frames."""
    folder = tmp_path_factory.mktemp("schedule") / "plain"
    history: dict[str, Any] = {"seconds": {}}
    made = save_bundle(
        folder, FrameDifference((16, 32)), parse_recipe(RECIPE, "x"), history, TrainingData(frame_rate=5)
    )
    return Run(made)


def calibrated(run: Run, folder: Path, schedule: Schedule | None, source: VideoSource | None = None) -> Run:
    made, _ = run.calibrate_on(
        [source or normal(began=DUSK - 75)], folder, threshold=ENOUGH, schedule=schedule, progress=False
    )
    return made


@pytest.fixture(scope="module")
def light(plain: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return calibrated(plain, tmp_path_factory.mktemp("schedule") / "light", LIGHT)


@pytest.fixture(scope="module")
def clock(plain: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return calibrated(plain, tmp_path_factory.mktemp("schedule") / "clock", CLOCK)


@pytest.mark.slow
def test_each_part_of_the_day_has_its_own_threshold_and_finds_what_is_unusual_then(plain: Run, light: Run) -> None:
    c = light.calibration()
    day, night = c.parts.values()
    assert (
        list(c.parts) == ["day", "night"] and day.threshold > 3 * night.threshold and (c.threshold, c.low) == (1, 0.5)
    )
    assert [part.seconds for part in c.parts.values()] == pytest.approx([75, 75], abs=3)
    new = oddframe.ArrayVideo(pictures(20, 40, 9, loud=30.0), RATE, "new")
    scores = light.score(new, progress=False)
    (event,) = scores.events()
    assert event.peak_s == pytest.approx(30.6, abs=0.7) and event.score > 2
    assert event.why["difference"] > 10 and CHOSEN not in event.why
    assert scores.seconds_chosen() == pytest.approx({"day": 20, "night": 40}, abs=1.5)
    assert any("night held for 40 s" in note for note in scores.notes)
    single = calibrated(plain, light.path.parent / "single", None)
    assert single.score(new, progress=False).events() == [], "one calibration sees nothing at night"


def test_the_clock_chooses_by_the_start_of_a_video(clock: Run) -> None:
    new = oddframe.ArrayVideo(pictures(20, 40, 9, loud=30.0), RATE, "new")
    with pytest.raises(InputError, match=r"^new: when this video was taken.*Europe/Berlin.*--start.*by brightness$"):
        clock.score(new, progress=False)
    at_dusk = clock.score(begun_at(new, DUSK - 20), progress=False)
    assert len(at_dusk.events()) == 1 and at_dusk.seconds_chosen() == pytest.approx({"day": 20, "night": 40})
    assert [e.start_s for e in at_dusk.events()] == pytest.approx([30.0], abs=0.5)
    at_noon = clock.score(given_start([new], "2026-01-31T12:00:00+01:00"), progress=False)
    assert at_noon.events() == [] and at_noon.seconds_chosen() == {"day": 60.0, "night": 0.0}


def test_stored_scores_follow_the_start_and_the_wish_and_their_identity_the_schedule(
    light: Run, clock: Run, tmp_path: Path
) -> None:
    new, files = oddframe.ArrayVideo(pictures(20, 40, 9, loud=30.0), RATE, "new"), OutputOptions(pages=False)
    late = clock.score([begun_at(new, DUSK - 20)], tmp_path, outputs=files, progress=False)[0]
    early = clock.score([begun_at(new, DUSK - 1000)], tmp_path, outputs=files, progress=False)[0]
    assert late.components[CHOSEN].sum() == 200 and early.components[CHOSEN].sum() == 0
    assert np.array_equal(early.score, clock.score([begun_at(new, DUSK - 1000)], progress=False)[0].score)
    spoilt = load_scores(tmp_path / "scores" / "new.npz")
    assert spoilt.components[CHOSEN].sum() == 0
    save_scores(replace(spoilt, components={"other": spoilt.score}), tmp_path / "scores")
    again = clock.score([begun_at(new, DUSK - 1000)], tmp_path, outputs=files, progress=False)[0]
    assert np.array_equal(again.score, early.score), "what the rule cannot use is scored again"
    rarer = clock.calibration(alarms_per_hour=35.0)
    other = clock.score([begun_at(new, DUSK - 20)], tmp_path, calibration=rarer, outputs=files, progress=False)[0]
    assert other.bundle == late.bundle and rarer.schedule == CLOCK
    names = {score_identity(run.bundle, RuntimeOptions(), run.rule) for run in (light, clock)}
    changed = replace(light.rule, schedule=replace(LIGHT, hysteresis=6.0))
    names.add(score_identity(light.bundle, RuntimeOptions(), changed))
    turned = replace(LIGHT, calibrations=dict(reversed(LIGHT.calibrations.items())))
    names.add(score_identity(light.bundle, RuntimeOptions(), replace(light.rule, schedule=turned)))
    assert len(names) == 4 and light.bundle.id == clock.bundle.id, "score files number the names in their order"


@pytest.mark.slow
def test_scores_of_an_earlier_call_are_read_in_the_units_of_the_last_one(light: Run, tmp_path: Path) -> None:
    one, two = (oddframe.ArrayVideo(pictures(20, 40, seed, loud=30.0), RATE, str(seed)) for seed in (9, 10))
    files, now = OutputOptions(pages=False), light.calibration(quantile=0.995)
    light.score(one, tmp_path, outputs=files, progress=False)
    light.score(two, tmp_path, calibration=now, outputs=files, progress=False)
    wanted = light.score([one, two], calibration=now, progress=False)
    _, stored = stored_scores(tmp_path / "scores")
    assert all(np.array_equal(own.score, wanted[own.video].score) for own in stored)
    with oddframe.open_store(tmp_path / "events.db") as store:
        record_folder(store, OutputFolder(tmp_path))
        assert {event.id: event.score for event in store.events()} == {e.id: e.score for e in wanted.events()}
    assert np.array_equal(load_scores(tmp_path / "scores" / "9.npz").score, wanted["9"].score), "which the page shows"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clock", "brightness"])
def test_watching_gives_the_bits_of_scoring_the_file(kind: str, light: Run, clock: Run, tmp_path: Path) -> None:
    run = {"clock": clock, "brightness": light}[kind]
    path = film(tmp_path / "new.mp4", pictures(20, 40, 9, loud=30.0))
    source = VideoSource("new", path, "file", began=DUSK - 20)
    scored = run.score([source], progress=False)
    (own,) = scored
    (camera,) = make_plan(run, ["test:"], None, None, WatchOptions()).cameras
    pipeline, runtime = CameraPipeline(camera.rules), open_runtime(run.bundle, RuntimeOptions())
    window = runtime.signature.window
    done = Step()

    def network(taken: tuple[list[Chunk], Step]) -> None:
        nonlocal done
        chunks, said = taken
        done += said
        for chunk in chunks:
            done += pipeline.scored(chunk, runtime.follow(chunk))

    with VideoReader(source, window.size, window.colour, window.resize) as reader:
        network(pipeline.take(Begun(replace(reader.info, key="live"), DUSK - 20)))
        for frame in reader:
            network(pipeline.take(Arrived(frame, DUSK - 20 + frame.time, 0.0)))
    network(pipeline.take(Ended("lost", "gone", DUSK + 40)))
    done += pipeline.finish()
    assert np.array_equal(np.concatenate([piece.score for piece in done.scores]), own.score)
    assert np.array_equal(np.concatenate([piece.components[CHOSEN] for piece in done.scores]), own.components[CHOSEN])
    assert set(own.components[CHOSEN]) == {0.0, 1.0}
    closed = [note for note in done.notices if note.change == "closed" and note.kind == "anomaly"]
    events = scored.events()
    assert len(closed) >= 1 and all(note.threshold == 1.0 for note in closed)
    assert [(n.start_s, n.peak_s, n.end_s, n.score, dict(n.why)) for n in closed] == [
        (e.start_s, e.peak_s, e.end_s, e.score, dict(e.why)) for e in events
    ]


@pytest.mark.slow
def test_too_little_of_one_part_is_refused_with_what_there_is_and_what_it_takes(plain: Run, tmp_path: Path) -> None:
    def refused(source: VideoSource, schedule: Schedule) -> str:
        with pytest.raises(CalibrationError) as told:
            calibrated(plain, tmp_path / "new", schedule, source)
        assert not (tmp_path / "new").exists()
        return str(told.value)

    needs = "40 alarms per hour needs 60 s of normal video for each calibration, and night has "
    assert refused(normal(75, 15), LIGHT) == f"{needs}15 s: give more of it, or pass --alarms-per-hour 160"
    assert refused(normal(75, 10, DUSK - 30_000), CLOCK) == f"{needs}none: give more of it"
    still = np.concatenate([pictures(75, 0), np.zeros((375, 16, 32), np.uint8)])
    still_night = begun_at(oddframe.ArrayVideo(still, RATE, "still"), DUSK - 76)
    assert "night: the scores of its normal video are all alike" in refused(still_night, CLOCK)


@pytest.mark.slow
def test_a_bundle_keeps_its_schedule_until_it_is_told_otherwise(light: Run, tmp_path: Path) -> None:
    run = load_run(shutil.copytree(light.path, tmp_path / "run"))
    source = [begun_at(normal(), None)]
    again, _ = run.calibrate_on(source, in_place=True, threshold=ENOUGH, progress=False)
    assert again.calibration() == light.calibration()
    assert json.loads((run.path / META).read_text())["format"] == 3
    single, _ = run.calibrate_on(source, in_place=True, threshold=ENOUGH, schedule="none", progress=False)
    assert single.calibration().schedule is None and single.rule.parts == {}
    assert json.loads((run.path / META).read_text())["format"] == 2


def test_older_readers_refuse_a_bundle_with_a_schedule(light: Run, plain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads((plain.path / META).read_text())["format"] == 2
    assert load_bundle(light.path).id == plain.bundle.id
    monkeypatch.setattr("oddframe.bundle.SCHEDULED_FORMAT", 2)  # as a version that knows no schedules reads it
    with pytest.raises(BundleError, match="newer than this one; upgrade oddframe"):
        load_bundle(light.path)


def test_other_thresholds_of_a_bundle_are_chosen_for_each_calibration(light: Run) -> None:
    c, high = light.calibration(), light.calibration(quantile=0.995)
    assert [part.quantile for part in high.parts.values()] == [0.995] * 2 and high.threshold == 1
    assert all(high.parts[name].threshold != part.threshold for name, part in c.parts.items())
    new = oddframe.ArrayVideo(pictures(20, 40, 9, loud=30.0), RATE, "new")
    units = [light.score(new, calibration=one, progress=False)[0].score for one in (c, high)]
    ratio = [(high.parts[n].threshold - p.scores["0.5"]) / (p.threshold - p.scores["0.5"]) for n, p in c.parts.items()]
    assert units[0][10] / units[1][10] == pytest.approx(ratio[0]) and units[0][-1] / units[1][-1] == pytest.approx(
        ratio[1]
    )
    by_hand = light.calibration(threshold=1.5)
    assert by_hand.threshold == 1.5 and len(light.score(new, calibration=by_hand, progress=False).events()) == 1
    with pytest.raises(CalibrationError, match=r"day: the quantile 0\.1 lies at or below the median"):
        light.calibration(quantile=0.1)


def test_the_report_says_which_calibrations_there_are_and_for_how_long_they_held(light: Run, tmp_path: Path) -> None:
    film(tmp_path / "in" / "new.mp4", pictures(20, 40, 9, loud=30.0))
    light.score(tmp_path / "in", tmp_path / "out", outputs=OutputOptions(overlay=False), progress=False)
    page = " ".join((tmp_path / "out" / "report.html").read_text().split())
    assert "Calibrations are chosen by the brightness of the picture (day from luma 60, night from luma 0)" in page
    assert "day 0:20, night 0:40" in page and '<th scope="row">night</th><td class="number">0:40</td>' in page
    assert "threshold of each calibration" in page and "oddframe learn" not in page
    assert page.count("<title>night from here, 0:20</title>") == 1 and "another calibration holds" in page
    row = (tmp_path / "out" / "scores" / "new.csv").read_text().splitlines()
    assert row[0].endswith(",calibration") and (row[1][-1], row[-1][-1]) == ("0", "1")
    origin, _ = stored_scores(tmp_path / "out" / "scores")
    assert origin.rule == light.rule and origin.calibration == light.calibration()


@pytest.mark.slow
def test_an_evaluation_goes_by_the_calibrations(light: Run, plain: Run, tmp_path: Path) -> None:
    film(tmp_path / "set" / "videos" / "new.mp4", pictures(20, 40, 9, loud=30.0))
    (tmp_path / "set" / "intervals.csv").write_text("video,start_frame,end_frame\nnew,150,154\n")
    data = f"folder:{tmp_path / 'set'}"
    how, single = EvaluateOptions(baselines=False), calibrated(plain, tmp_path / "single", None)
    found, other = (oddframe.evaluate(run, data, how, progress=False) for run in (light, single))
    assert found.rows[0].result.micro_auc > 0.95 > 0.8 > other.rows[0].result.micro_auc
    assert any("night held for" in note for note in found.notes)


@pytest.mark.slow
def test_commands_from_the_schedule_to_the_list_of_bundles(plain: Run, tmp_path: Path, ask: Ask) -> None:
    video = film(tmp_path / "normal.mp4", pictures(75, 75))
    (tmp_path / "schedule.yaml").write_text(
        "by: clock\nzone: Europe/Berlin\ncalibrations: {day: '06:00-20:00', night: '20:00-06:00'}\n"
    )
    made = ("calibrate", plain.path, video, "--schedule", tmp_path / "schedule.yaml", "--alarms-per-hour", 40)
    answer = ask(*made, "--out", tmp_path / "run")
    assert (
        answer.status == 2 and len(answer.err.splitlines()) == 1 and "--start 2026-01-31T18:00:00+01:00" in answer.err
    )
    assert not (tmp_path / "run").exists()
    answer = ask(*made, "--out", tmp_path / "run", "--start", "2026-01-31T19:58:45+01:00")
    assert (
        answer.status == 0
        and "\nnight      " in answer.out
        and "chosen     by the clock of Europe/Berlin" in answer.out
    )
    new = film(tmp_path / "new.mp4", pictures(20, 40, 9, loud=30.0), "2026-01-31T18:59:40Z")
    scored = ask("score", tmp_path / "run", new, "--out", tmp_path / "out", "--no-overlay", "--json")
    told = json.loads(scored.out)
    assert told["calibrations"] == {"day": 20.0, "night": 40.0} and len(told["events"]) == 1
    wrong = ask("score", tmp_path / "run", new, "--out", tmp_path / "out", "--start", "18:00")
    assert wrong.status == 2 and "write a time with its zone" in wrong.err
    runs = ask("runs", tmp_path, "--json")
    assert json.loads(runs.out)["runs"][0]["calibrations"] == ["day", "night"]
    assert "(day, night)" in " ".join(ask("runs", tmp_path).out.split())
    watched = ask("watch", tmp_path / "run", film(tmp_path / "bare.mp4", pictures(5, 5)), "--out", tmp_path / "seen")
    assert watched.status == 2 and "give the file a name such as" in watched.err and "--start" not in watched.err
    seen = ask("watch", tmp_path / "run", new, "--out", tmp_path / "seen", "--json")
    held = json.loads(seen.out)["cameras"]["camera"]["calibrations"]
    assert held == pytest.approx({"day": 20, "night": 40}, abs=0.5)


def test_an_archive_keeps_the_start_of_its_videos_whole_and_merges_under_other_thresholds(
    clock: Run, tmp_path: Path
) -> None:
    film(tmp_path / "in" / "20260131T185940.000Z.mp4", pictures(20, 20, 9, loud=30.0))
    for name in ("later/20260131T185940.000Z.mp4", "20260131T110000.000Z.mp4"):
        (tmp_path / "copies" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "in" / "20260131T185940.000Z.mp4", tmp_path / "copies" / name)
    both = make_plan_of_archive(
        clock, tmp_path / "copies", tmp_path / "both", PlanOptions(measure=False), progress=False
    )
    assert len(both.jobs) == 2 and not both.copies, "it is a copy only of what was taken at the same time"
    assert "calibrations" in why_not_cut(open_scorer(clock.bundle, RuntimeOptions(), clock.rule))
    make_plan_of_archive(clock, tmp_path / "in", tmp_path / "plan", PlanOptions(measure=False), progress=False)
    (job,) = load_plan(Place(tmp_path / "plan")).jobs
    assert job.video_source().began == DUSK - 20
    other = job_of(begun_at(job.video_source(), DUSK), job.key, "x", 40.0)
    assert other.id != job_of(job.video_source(), job.key, "x", 40.0).id
    run_plan(tmp_path / "plan", progress=False)
    rare = clock.calibration(quantile=0.99)
    for wish in (None, rare):
        options = MergeOptions(wish, pages=False)
        merge_plan(tmp_path / "plan", tmp_path / "merged", options, progress=False)
        events = clock.score(tmp_path / "in", calibration=wish, progress=False).events()
        found = read_events(tmp_path / "merged" / "events.jsonl")
        assert len(events) == 1 and [one.score for one in found] == [float(f"{one.score:.7g}") for one in events]
        run_plan(tmp_path / "plan", progress=False)
        assert load_origin(tmp_path / "plan" / "scores").calibration == (wish or clock.calibration())


def test_a_file_that_is_watched_goes_by_its_own_clock_also_after_a_drop(clock: Run) -> None:
    (camera,) = make_plan(clock, ["test:"], None, None, WatchOptions()).cameras
    pipeline, runtime = (
        CameraPipeline(replace(camera.rules, began=DUSK - 1)),
        open_runtime(clock.bundle, RuntimeOptions()),
    )
    info, image = VideoInfo("gate", "gate", 32, 16, 5.0), np.zeros((16, 32, 3), np.uint8)
    for late, choice in ((0.0, [0.0] * 5 + [1.0] * 5), (60.0, [1.0] * 10)):
        pipeline.take(Begun(replace(info, key=f"live-{late}"), 5000 + late))
        chunks = [pipeline.take(Arrived(Frame(n, n / 5, image), 5000 + late + n / 5, 0.0))[0] for n in range(10)]
        chunks.append(pipeline.take(Ended("dropped", "too slow", 5100 + late))[0])
        done = Step()
        for chunk in (one for some in chunks for one in some):
            done += pipeline.scored(chunk, runtime.follow(chunk))
        done += pipeline.finish()
        assert np.concatenate([piece.components[CHOSEN] for piece in done.scores]).tolist() == choice


def test_a_clock_that_is_set_while_a_camera_is_watched_is_gone_by(clock: Run) -> None:
    (camera,) = make_plan(clock, ["test:"], None, None, WatchOptions()).cameras
    pipeline, runtime = CameraPipeline(camera.rules), open_runtime(clock.bundle, RuntimeOptions())
    info, image = VideoInfo("gate", "gate", 32, 16, 5.0, key="live"), np.zeros((16, 32, 3), np.uint8)
    pipeline.take(Begun(info, 43_200.0))  # noon of a machine that does not know the time yet
    taken = [pipeline.take(Arrived(Frame(n, n / 5, image), 43_200.0 + n / 5, 0.0)) for n in range(50)]
    taken += [pipeline.take(Arrived(Frame(n, n / 5, image), DUSK + n / 5, 0.0)) for n in range(50, 60)]
    chunks = [*(chunk for some, _ in taken for chunk in some), *pipeline.take(Ended("lost", "gone", DUSK + 13))[0]]
    done = Step()
    for chunk in chunks:
        done += pipeline.scored(chunk, runtime.follow(chunk))
    done += pipeline.finish()
    assert np.concatenate([piece.components[CHOSEN] for piece in done.scores]).tolist() == [0.0] * 50 + [1.0] * 10
    notes = [note for _, step in taken for note in step.notes]
    assert len(notes) == 1 and "the clock of this machine is +1769842800 s from" in notes[0]


def test_learning_from_marks_is_refused_before_any_work(light: Run, tmp_path: Path) -> None:
    from oddframe.workflow.learn import learn

    oddframe.open_store(tmp_path / "events.db").close()
    with pytest.raises(InputError, match="has several calibrations, and learning makes one"):
        learn(light, tmp_path / "events.db", tmp_path / "new")
