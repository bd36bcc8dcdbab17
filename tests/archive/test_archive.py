"""Plan, run, status and merge: what an archive gives on any number of machines is what scoring it here gives."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

import oddframe
from oddframe.archive.journal import read_history
from oddframe.archive.merging import MergeOptions, merge_plan
from oddframe.archive.place import Place
from oddframe.archive.plan import load_plan
from oddframe.archive.planning import PlanOptions, make_plan
from oddframe.archive.running import run_plan
from oddframe.archive.status import read_status
from oddframe.bundle import TrainingData, save_bundle
from oddframe.errors import BundleError, InputError
from oddframe.models.registry import create
from oddframe.processes import Killed
from oddframe.recipes import parse_recipe
from oddframe.runners.local import LocalRunner
from oddframe.runners.shard import Shard, ShardRunner
from oddframe.scoring.events import read_events
from oddframe.scoring.files import load_scores
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run

Ask = Callable[..., Any]
OPTIONS = PlanOptions(part_s=10.0, warm_s=1.0, measure=False)


@pytest.fixture(scope="module")
def whole(bundle: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `score` makes of the same videos."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "archive-cache"))
        oddframe.load_run(bundle).score(archive, out, outputs=OutputOptions(overlay=False), progress=False)
    return out


@pytest.fixture
def planned(bundle: Path, archive: Path, tmp_path: Path) -> Path:
    make_plan(oddframe.load_run(bundle), archive, tmp_path / "plan", OPTIONS, progress=False)
    return tmp_path / "plan"


def assert_scored(plan: Path, whole: Path, videos: Sequence[str] = ("01", "02", "night/long")) -> None:
    for video in videos:
        got, wanted = (load_scores(folder / "scores" / f"{video}.npz") for folder in (plan, whole))
        assert np.array_equal(got.score, wanted.score) and np.array_equal(got.time, wanted.time), video
        assert np.array_equal(got.frame, wanted.frame) and got.info.key == wanted.info.key
        for name, values in wanted.components.items():
            assert np.array_equal(got.components[name], values), (video, name)


@pytest.mark.slow
def test_a_plan_counts_hours_and_finds_copies_and_broken_files(
    bundle: Path, archive: Path, tmp_path: Path, ask: Ask
) -> None:
    answer = ask("archive", "plan", bundle, archive, "--out", tmp_path / "plan", "--part", 10 / 60, "--json")
    assert answer.status == 3 and "broken" in answer.err
    told = json.loads(answer.out)
    assert told["videos"] == 3 and told["jobs"] == 6 and told["copies"] == {"night/same": "01"}
    assert told["hours"] == pytest.approx((5 + 5 + 40) / 3600, rel=0.02) and list(told["skipped"]) == ["broken"]
    assert told["estimate"]["rate"] > 0 and told["estimate"]["sample_s"] > 10
    real = run_plan(tmp_path / "plan", progress=False)
    assert real.done == 6
    files = sum(path.stat().st_size for path in (tmp_path / "plan" / "scores").rglob("*.*") if path.suffix != ".json")
    assert told["hours"] * 3600 * told["estimate"]["bytes_per_second"] == pytest.approx(files, rel=0.3)


@pytest.mark.slow
def test_plan_run_and_merge_give_what_score_gives(planned: Path, whole: Path, ask: Ask) -> None:
    before = ask("archive", "status", planned, "--json")
    assert json.loads(before.out)["left_s"] == pytest.approx(50, rel=0.02)
    assert ask("archive", "merge", planned).status == 2
    answer = ask("archive", "run", planned, "--json")
    assert answer.status == 3 and "skipped broken: " in answer.err, "the plan has left it out"
    assert json.loads(answer.out)["done"] == 6
    assert_scored(planned, whole)
    assert not list((planned / "parts").iterdir()), "parts are gone once they are joined"
    left = planned / ".0123456789abcdef.01234567.part"
    left.touch()
    merged = ask("archive", "merge", planned, "--store", "auto", "--json")
    assert not left.exists(), "what a killed merge left is taken away"
    assert merged.status == 3 and "broken" in merged.err, "one video was left out"
    told = json.loads(merged.out)
    wanted = [event for event in read_events(whole / "events.jsonl") if event.video != "night/same"]
    assert read_events(planned / "events.jsonl") == wanted and told["events"] == len(wanted) > 0
    assert told["store"]["events"] == len(wanted) and (planned / "events.db").is_file()
    manifest = json.loads((planned / "manifest.json").read_text())
    assert manifest["finished"] and manifest["copies"] == {"night/same": "01"} and not manifest["failed"]
    page = (planned / "index.html").read_text()
    for event in wanted:
        assert f'href="videos/{event.video}/report.html"' in page
        assert (planned / "videos" / event.video / "report.html").is_file()
    status = ask("archive", "status", planned)
    assert "6 of 6 done" in status.out and "0 s left" in status.out


@pytest.mark.slow
def test_what_is_done_is_not_done_again(planned: Path, whole: Path) -> None:
    run_plan(planned, progress=False)
    kept = (planned / "scores" / "01.npz").stat()
    (planned / "scores" / "night" / "long.npz").unlink()
    again = run_plan(planned, progress=False)
    assert again.before == 2 and again.done == 4
    assert (planned / "scores" / "01.npz").stat().st_mtime_ns == kept.st_mtime_ns
    assert_scored(planned, whole)


def test_shards_do_every_job_once_and_the_last_one_joins(planned: Path, whole: Path) -> None:
    shares = [run_plan(planned, ShardRunner(Shard(number, 3)), progress=False) for number in (1, 2, 3)]
    assert sum(share.done for share in shares) == 6 and all(share.own == 2 for share in shares)
    assert_scored(planned, whole)
    assert not read_status(planned).retried


@pytest.mark.slow
def test_workers_give_the_same(planned: Path, whole: Path) -> None:
    assert run_plan(planned, LocalRunner(2), progress=False).done == 6
    assert_scored(planned, whole)


def test_a_long_video_that_is_not_cut_says_why(bundle: Path, archive: Path, tmp_path: Path, ask: Ask) -> None:
    videos = tmp_path / "videos"
    pictures = videos / "pictures"
    pictures.mkdir(parents=True)
    for number in range(450):
        cv2.imwrite(str(pictures / f"{number:04}.jpg"), np.full((32, 32), number % 256, np.uint8))
    with av.open(str(videos / "camera.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(200):
            image = np.full((32, 32, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    shutil.copy(archive / "01.mp4", videos / "short.mp4")
    answer = ask("archive", "plan", bundle, videos, "--out", tmp_path / "plan", "--part", 10 / 60, "--no-measure")
    assert "whole   camera: not cut, because AVI keeps no time stamps" in answer.out
    assert "whole   pictures: not cut, because it is a folder of images" in answer.out
    plan = load_plan(Place(tmp_path / "plan"))
    assert list(plan.whole) == ["camera", "pictures"] and len(plan.jobs) == 3 and plan.seconds > 40
    again = ask(
        "archive", "plan", bundle, videos, "--out", tmp_path / "plan", "--part", 10 / 60, "--no-measure", "--json"
    )
    assert json.loads(again.out)["whole"] == plan.whole


@pytest.mark.parametrize(("mode", "reason"), [("per_video", "learns while it scores"), ("carried", "")])
def test_a_detector_that_learns_while_it_scores_gets_whole_videos_or_no_plan(
    mode: str, reason: str, archive: Path, tmp_path: Path
) -> None:
    options = {"size": [16, 32], "width": 2, "test_update": mode}
    recipe = parse_recipe({"name": "tiny", "summary": "", "model": "mnad", "options": options}, "here")
    (tmp_path / "run").mkdir()
    bundle = save_bundle(
        tmp_path / "run", create("mnad", **recipe.options), recipe, {}, TrainingData(checkpoint="none")
    )
    if not reason:
        with pytest.raises(InputError, match="jobs of a plan have no order"):
            make_plan(Run(bundle), archive, tmp_path / "plan", OPTIONS, progress=False)
        return
    plan = make_plan(Run(bundle), archive, tmp_path / "plan", OPTIONS, progress=False)
    assert len(plan.jobs) == 3 and list(plan.whole) == ["night/long"] and reason in plan.whole["night/long"]


class Broken:
    """A runner whose processes die of one video."""

    shared, workers = False, 1

    def __init__(self, poison: str) -> None:
        self.poison = poison

    def own(self, tasks: Sequence[Any]) -> list[Any]:
        return list(tasks)

    def run(self, begin: Any, tasks: Sequence[Any], tell: Any = None) -> Generator[tuple[Any, Any]]:
        work = begin()
        for task in tasks:
            yield task, Killed("SIGSEGV") if task.video == self.poison else work(task, lambda _: None)


def test_a_video_that_kills_its_processes_is_named_and_tried_again_later(planned: Path, whole: Path) -> None:
    done = run_plan(planned, Broken("02"), progress=False)
    assert [job.video for job, _ in done.failed] == ["02"] and done.done == 5
    status = read_status(planned)
    assert not status.finished and list(status.failed) == ["02"] and "SIGSEGV" in status.failed["02"]
    with pytest.raises(InputError, match="1 of 6 jobs"):
        merge_plan(planned, progress=False)
    merged = merge_plan(planned, options=MergeOptions(pages=False, partial=True), progress=False)
    assert merged.videos == 2 and "1 of 6 jobs" in (planned / "index.html").read_text()
    assert run_plan(planned, progress=False).done == 1
    status = read_status(planned)
    assert status.finished and not status.failed
    assert_scored(planned, whole)


def test_a_video_that_was_changed_since_the_plan_is_not_scored(bundle: Path, archive: Path, tmp_path: Path) -> None:
    videos = Path(shutil.copytree(archive, tmp_path / "videos"))
    make_plan(oddframe.load_run(bundle), videos, tmp_path / "plan", OPTIONS, progress=False)
    shutil.copy(videos / "02.mp4", videos / "01.mp4")
    done = run_plan(tmp_path / "plan", progress=False)
    assert [job.video for job, _ in done.failed] == ["01"] and "has changed" in done.failed[0][1]


def test_a_plan_is_made_again_with_what_is_new_repaired_changed_or_gone(
    bundle: Path, archive: Path, street: Path, tmp_path: Path, ask: Ask
) -> None:
    videos, plan = tmp_path / "videos", tmp_path / "plan"
    videos.mkdir()
    for name in ("01", "02", "broken"):
        shutil.copy(archive / f"{name}.mp4", videos)
    words = ("archive", "plan", bundle, videos, "--out", plan, "--no-measure")
    assert ask(*words).status == 3
    ran = ask("archive", "run", plan)
    assert ran.status == 3 and ran.out.endswith(f"next    oddframe archive merge {plan}\n")
    assert ran.err.count("skipped broken: ") == 1
    kept = {name: (plan / "scores" / f"{name}.npz").read_bytes() for name in ("01", "02")}

    shutil.move(videos / "02.mp4", tmp_path / "away.mp4")
    shutil.copy(street / "training" / "videos" / "01.mp4", videos / "broken.mp4")  # repaired
    again = ask(*words)
    assert again.status == 0, again.err
    assert "done    1 of 2 " in again.out and "dropped 02: it is not among the videos any more\n" in again.out
    assert not (plan / "scores" / "02.npz").exists() and not (plan / "scores" / "02.csv").exists()
    assert "1 job done" in ask("archive", "run", plan).out, "the repaired one"

    shutil.move(tmp_path / "away.mp4", videos / "02.mp4")
    shutil.copy(street / "training" / "videos" / "02.mp4", videos / "01.mp4")
    last = ask(*words)
    assert "done    2 of 3 " in last.out and "dropped 01: it has other content now, and is scored again\n" in last.out
    assert (plan / "scores" / "02.npz").read_bytes() == kept["02"], "what came back was not scored again"
    assert run_plan(plan, progress=False).done == 1
    assert load_scores(plan / "scores" / "01.npz").info.key == load_plan(Place(plan)).videos["01"][0].key
    (old,) = (plan / "dropped").rglob("01.npz")
    assert old.read_bytes() == kept["01"], "nothing that was computed is lost"


def test_another_detector_and_another_plan_are_refused(bundle: Path, archive: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(bundle, tmp_path / "run"))
    run = oddframe.load_run(moved)
    make_plan(run, archive / "01.mp4", tmp_path / "plan", OPTIONS, progress=False)
    make_plan(run, archive / "01.mp4", tmp_path / "plan", OPTIONS, progress=False)
    with pytest.raises(InputError, match="another plan, and has none of its videos in common"):
        make_plan(run, archive / "02.mp4", tmp_path / "plan", OPTIONS, progress=False)
    file = tmp_path / "plan" / "plan.json"
    file.write_text(file.read_text().replace(run.bundle.id, "0" * 12))
    with pytest.raises(InputError, match=r"another plan, which is for detector 0{12}"):
        make_plan(run, archive / "01.mp4", tmp_path / "plan", OPTIONS, progress=False)
    shutil.rmtree(moved)
    with pytest.raises(BundleError):
        run_plan(tmp_path / "plan", progress=False)


def test_scores_that_are_there_already_do_not_count_as_done(
    bundle: Path, archive: Path, tmp_path: Path, ask: Ask
) -> None:
    run = oddframe.load_run(bundle)
    run.score(archive / "01.mp4", tmp_path / "out", outputs=OutputOptions(pages=False), progress=False)
    answer = ask("archive", "plan", bundle, archive / "01.mp4", "--out", tmp_path / "out", "--no-measure")
    assert answer.status == 2 and "holds scores, and no plan says of what they are" in answer.err
    make_plan(run, archive / "01.mp4", tmp_path / "plan", OPTIONS, progress=False)
    run_plan(tmp_path / "plan", progress=False)
    (tmp_path / "in").mkdir()
    shutil.copy(archive / "02.mp4", tmp_path / "in" / "01.mp4")
    run.score(tmp_path / "in" / "01.mp4", tmp_path / "plan", outputs=OutputOptions(pages=False), progress=False)
    answer = ask("archive", "merge", tmp_path / "plan")
    assert answer.status == 2 and "of another video than in the plan; remove scores/01.npz" in answer.err
    assert not (tmp_path / "plan" / "events.jsonl").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "", lambda text: text.replace('"version": 1', '"version": 7'), lambda text: text[:-40],
        lambda text: text.replace('"part_s": 10.0', '"part_s": "ten"'),
    ],
)  # fmt: skip
def test_a_damaged_plan_is_refused(planned: Path, spoil: Callable[[str], str], ask: Ask) -> None:
    (planned / "plan.json").write_text(spoil((planned / "plan.json").read_text()))
    answer = ask("archive", "run", planned)
    assert answer.status == 2 and answer.err.count("\n") == 1 and "plan" in answer.err


def test_a_plan_beside_a_damaged_one_is_refused(bundle: Path, archive: Path, tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "plan.json").write_text("{")
    answer = ask("archive", "plan", bundle, archive / "01.mp4", "--out", tmp_path, "--no-measure")
    assert answer.status == 2 and "plan.json: damaged" in answer.err and "choose another --out" in answer.err


def test_jobs_of_another_plan_are_refused(planned: Path) -> None:
    lines = (planned / "jobs.jsonl").read_text().splitlines(keepends=True)
    (planned / "jobs.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(InputError, match="jobs are those of another plan"):
        load_plan(Place(planned))


def test_parts_that_nobody_joined_are_not_left_out_and_damaged_ones_are_scored_again(
    planned: Path, whole: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.archive.work.JobWork.join", lambda *_: False)  # it dies before it joins
    run_plan(planned, progress=False)
    merged = ask("archive", "merge", planned)
    assert merged.status == 2 and "the parts of 1 of 3 videos are not joined; run the plan" in merged.err
    partial = ask("archive", "merge", planned, "--partial", "--no-pages")
    assert partial.status == 3 and "The parts of 1 of 3 videos are not joined." in (planned / "index.html").read_text()
    monkeypatch.undo()
    sorted((planned / "parts").glob("*.npz"))[0].write_bytes(b"no archive")
    assert run_plan(planned, progress=False).failed == () and read_status(planned).finished
    assert_scored(planned, whole)


def test_what_a_plan_keeps_beside_its_jobs_may_be_damaged(planned: Path, ask: Ask) -> None:
    (planned / "log").mkdir()
    rows = ('{"machine": 5, "at": 1}', '{"machine": "m", "at": "x"}', '{"machine": "m", "at": 3, "done": "q"}', "[1]")
    (planned / "log" / "m.jsonl").write_text("\n".join(rows))
    assert ask("archive", "status", planned).status == 0
    for timeline in (planned / "timelines").iterdir():
        timeline.write_bytes(b"no archive")
    answer = ask("archive", "run", planned)
    assert answer.status == 2 and "timelines" in answer.err and "damaged" in answer.err
    (planned / "scores" / "01.npz").parent.mkdir(exist_ok=True)
    (planned / "scores" / "01.npz").write_bytes(b"no archive")
    answer = ask("archive", "merge", planned, "--partial")
    assert answer.status == 2 and "remove scores/01.npz, and run the plan once more" in answer.err


def test_a_bundle_takes_no_plan_and_parts_have_a_second(bundle: Path, archive: Path, planned: Path) -> None:
    with pytest.raises(InputError, match="holds a trained detector; choose a folder of its own"):
        make_plan(oddframe.load_run(bundle), archive, bundle, OPTIONS, progress=False)
    with pytest.raises(InputError, match="holds a trained detector; choose a folder of its own"):
        merge_plan(planned, bundle, progress=False)
    with pytest.raises(InputError, match="give at least a second"):
        PlanOptions(part_s=1e-9)


@pytest.mark.parametrize(
    "words", [("run", "nowhere"), ("status", "nowhere"), ("merge", "nowhere"), ("run", "{plan}", "--shard", "3/2")]
)
def test_bad_input_gets_one_line(words: tuple[str, ...], planned: Path, ask: Ask) -> None:
    answer = ask("archive", *(word.format(plan=planned) for word in words))
    assert answer.status == 2 and answer.err.count("\n") == 1


RUN = "import sys; from oddframe.archive.running import run_plan; run_plan(sys.argv[1], progress=False)"


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_goes_on(planned: Path, whole: Path) -> None:
    chance = random.Random(4)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", RUN, str(planned)], env=os.environ | {"OMP_NUM_THREADS": "1"})
        deadline = time.monotonic() + 120
        wanted = chance.randint(1, 3)
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(planned.glob("log/*"))) and sum(1 for _ in planned.rglob("*.npz")) > wanted:
                break
            time.sleep(0.005)
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run_plan(planned, progress=False).failed == ()
    assert_scored(planned, whole)
    assert read_status(planned).finished
    leftovers = [path for path in planned.rglob(".*") if path.is_file()]
    assert not leftovers, "what killed runs left is taken away"


def test_a_journal_with_half_a_line_is_read(planned: Path) -> None:
    run_plan(planned, progress=False)
    log = next((planned / "log").iterdir())
    log.write_text(log.read_text() + '{"begun": "half')
    history = read_history(Place(planned))
    assert sum(machine.jobs for machine in history.machines.values()) == 6


@pytest.mark.slow
def test_plan_and_videos_may_lie_behind_urls(bundle: Path, archive: Path, whole: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name in ("01.mp4", "night/long.mp4"):
        memory.pipe_file(f"/videos/{name}", (archive / name).read_bytes())
    plan = make_plan(oddframe.load_run(bundle), "memory://videos", "memory://plan", OPTIONS, progress=False)
    assert list(plan.videos) == ["01", "night/long"] and len(plan.jobs) == 5
    assert run_plan("memory://plan", progress=False).done == 5
    assert read_status("memory://plan").finished
    merged = merge_plan("memory://plan", tmp_path / "out", progress=False)
    wanted = [event for event in read_events(whole / "events.jsonl") if event.video in plan.videos]
    assert read_events(merged.out / "events.jsonl") == wanted
    for video in plan.videos:
        (tmp_path / "scores" / video).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scores" / f"{video}.npz").write_bytes(memory.cat_file(f"/plan/scores/{video}.npz"))
    assert_scored(tmp_path, whole, list(plan.videos))
