"""Places to ignore, from the file of a user to scores, boxes, events and figures, for a camera and for a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from taught import SIZE, TINY, fitted, write_street

import oddframe
from oddframe.archive.merging import merge_plan
from oddframe.archive.place import Place
from oddframe.archive.plan import load_plan
from oddframe.archive.planning import PlanOptions
from oddframe.archive.planning import make_plan as plan_archive
from oddframe.archive.running import run_plan
from oddframe.errors import InputError
from oddframe.models.ignored import IgnoredPlace, ignored_cells
from oddframe.recipes import load_recipe
from oddframe.scoring.events import event_line, read_events
from oddframe.scoring.files import load_scores, save_scores
from oddframe.video.decode import probe
from oddframe.video.search import find_videos
from oddframe.workflow.begin import check_recipe, note_recipe
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.passes import Pass, new_detector
from oddframe.workflow.watch_plan import WatchOptions, make_plan

Ask = Callable[..., Any]
RARE, ODD = ((4.0, 7.0), (15.0, 18.0)), ((10.0, 12.0),)
UPPER = IgnoredPlace("sky", ((0.0, 0.0), (1.0, 0.0), (1.0, 0.68), (0.0, 0.68)))  # what is rare drives up there
LINE = "sky: [0, 0, 1, 0.68]\n"
RECIPE = "summary: x\nmodel: frame_difference\noptions: {size: [24, 32]}\nscoring: {smoothing: {kind: none}}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "ignore-cache"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted camera, a fitted network, and a new video."""
    folder = tmp_path_factory.mktemp("ignore")
    fitted(folder)
    write_street(folder / "new" / "new.mp4", 22, RARE, ODD, seed=9)
    (folder / "zones.yaml").write_text(LINE)
    (folder / "plain.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "ignore-cache"))
        for name, ignore in (("whole", ()), ("masked", (UPPER,))):
            oddframe.fit(
                folder / "normal", recipe=str(folder / "plain.yaml"), out=folder / name,
                training=oddframe.TrainingOptions(workers=1, progress=False, ignore=ignore),
            )  # fmt: skip
    return folder


def alarms(scores: oddframe.Scores, spans: tuple[tuple[float, float], ...]) -> int:
    """In how many spans the score reaches the threshold."""
    (one,) = scores
    high = one.score >= scores.threshold().threshold
    return sum(bool(high[(one.time >= start) & (one.time <= stop)].any()) for start, stop in spans)


@pytest.mark.slow
def test_a_camera_says_nothing_of_a_place_and_draws_no_box_there(place: Path) -> None:
    run = oddframe.load_run(place / "run")
    kept = {name: value.copy() for name, value in run.detector.state().items()}
    masked = run.ignoring([UPPER])
    before, after = run.score(place / "new", progress=False), masked.score(place / "new", progress=False)
    assert (alarms(before, RARE), alarms(after, RARE)) == (2, 0)
    assert alarms(after, ODD) == 1, "below the place it still looks"
    names = before[0].components
    assert all(np.all(after[0].components[name] <= before[0].components[name] + 1e-9) for name in names)
    assert masked.masks and not after.zones
    middles = [event.box[1] + event.box[3] for event in after.events() if event.box]
    assert middles and min(middles) / 2 / SIZE[0] > 0.6
    assert all(np.array_equal(kept[name], value) for name, value in run.detector.state().items()), "a copy is masked"


@pytest.mark.slow
def test_scores_of_another_mask_are_not_taken_for_these(place: Path, tmp_path: Path) -> None:
    run, quiet = oddframe.load_run(place / "run"), OutputOptions(pages=False)
    first = run.score(place / "new", tmp_path, outputs=quiet, progress=False)
    second = run.ignoring([UPPER]).score(place / "new", tmp_path, outputs=quiet, progress=False)
    again = run.score(place / "new", tmp_path, outputs=quiet, progress=False)
    assert first[0].bundle != second[0].bundle and not np.array_equal(first[0].score, second[0].score)
    assert np.array_equal(first[0].score, again[0].score)


@pytest.mark.slow
def test_workers_leave_the_same_places_out(place: Path, tmp_path: Path) -> None:
    run, quiet = oddframe.load_run(place / "run").ignoring([UPPER]), OutputOptions(pages=False)
    alone = run.score(place / "new", progress=False)
    side_by_side = run.score(place / "new", tmp_path, outputs=quiet, workers=2, progress=False)
    assert np.array_equal(alone[0].score, side_by_side[0].score) and alone[0].bundle == side_by_side[0].bundle


def test_a_camera_is_fitted_without_the_place(place: Path) -> None:
    (source,) = find_videos(place / "normal")
    detector = new_detector(Pass(load_recipe("camera", TINY), probe(source), (), ignored=(UPPER,)))
    for part in detector.parts.values():
        assert part.ignored is not None and part.map_grid is not None
        assert np.array_equal(part.ignored, ignored_cells([UPPER], part.map_grid)) and part.ignored.any()


def test_a_network_that_was_fitted_without_a_place_cannot_see_it(place: Path, tmp_path: Path) -> None:
    """Two videos that differ in that place alone have the same scores, to the bit, and so do stored and live ones."""
    for name, rare in (("calm", ()), ("rare", RARE)):
        write_street(tmp_path / name / "v.mp4", 10, rare, (), seed=3)
    masked, whole = oddframe.load_run(place / "masked"), oddframe.load_run(place / "whole")
    assert masked.bundle.data.ignored == (UPPER,) and masked.bundle.id != whole.bundle.id
    assert masked.signature.window.ignored == (UPPER,)
    one, other = (masked.score(tmp_path / name, progress=False)[0] for name in ("calm", "rare"))
    # Encoding smears a little over the edge of the place; what drives there differs by far more.
    apart = np.abs(one.score - other.score).max()
    full = [whole.score(tmp_path / name, progress=False)[0].score for name in ("calm", "rare")]
    assert apart < 0.05 * np.abs(full[0] - full[1]).max()
    again = masked.ignoring([UPPER])
    assert again.masks and np.array_equal(again.score(tmp_path / "rare", progress=False)[0].score, other.score)


def test_events_of_a_network_are_on_hold_where_its_scores_cannot_leave_a_place_out(place: Path, ask: Ask) -> None:
    run = oddframe.load_run(place / "whole").ignoring([UPPER])
    calibration = run.calibration(quantile=0.9)
    scores = run.score(place / "new", calibration=calibration, progress=False)
    plain = oddframe.load_run(place / "whole").score(place / "new", calibration=calibration, progress=False)
    assert np.array_equal(scores[0].score, plain[0].score)
    assert not run.masks and scores.zones == (UPPER,)
    assert any("learned from the whole picture" in note for note in scores.notes)
    maps = np.zeros((len(scores[0].frame), 6, 8), np.float16)
    maps[:, 1, 3] = 1.0
    mapped = replace(scores, videos=(replace(scores[0], map=maps),))
    assert {event.held for event in mapped.events()} == {"zone sky"}
    below = replace(scores, videos=(replace(scores[0], map=maps[:, ::-1]),))
    assert {event.held for event in below.events()} == {""}


def test_a_network_is_not_evaluated_without_a_place_that_it_learned_from(place: Path) -> None:
    with pytest.raises(InputError, match="fit it with --ignore"):
        oddframe.evaluate(oddframe.load_run(place / "whole").ignoring([UPPER]), "folder:/nowhere")


def test_watching_leaves_out_what_scoring_leaves_out(place: Path) -> None:
    options = WatchOptions(ignore=(UPPER,))
    plan = make_plan(place / "run", [place / "new" / "new.mp4"], None, None, options)
    (camera,) = plan.cameras
    assert camera.run.masks and camera.rules.zones == () and "-without-" in camera.rules.bundle
    (network,) = make_plan(place / "whole", [place / "new" / "new.mp4"], None, None, options).cameras
    assert network.rules.zones == (UPPER,)
    assert len({camera.group, network.group}) == 2


def test_the_commands_take_the_file(place: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("score", place / "run", place / "new", "--out", tmp_path, "--no-overlay", "--ignore",
                 place / "zones.yaml", "--json")  # fmt: skip
    assert answer.status == 0, answer.err
    starts = [event["start_s"] for event in json.loads(answer.out)["events"]]
    assert starts and all(9 < start < 13 for start in starts)
    (tmp_path / "bad.yaml").write_text("sky: [0, 0, 9, 1]\n")
    for command in (
        ("score", place / "run", place / "new", "--out", tmp_path),
        ("fit", place / "normal", "--out", tmp_path / "f"),
    ):
        refused = ask(*command, "--ignore", tmp_path / "bad.yaml")
        assert refused.status == 2 and refused.err.count("\n") == 1 and "sky: 9 is no share" in refused.err
        absent = ask(*command, "--ignore", tmp_path / "absent.yaml")
        assert absent.status == 2 and absent.err.count("\n") == 1 and "absent.yaml" in absent.err


@pytest.mark.slow
def test_an_archive_leaves_out_what_scoring_leaves_out(place: Path, tmp_path: Path, ask: Ask) -> None:
    plan, zones = tmp_path / "plan", ("--ignore", place / "zones.yaml")
    answer = ask("archive", "plan", place / "run", place / "new", "--out", plan, "--no-measure", *zones)
    assert answer.status == 0 and "ignore  sky" in answer.out
    assert ask("archive", "run", plan).status == 0
    assert ask("archive", "merge", plan, "--no-pages").status == 0
    wanted = oddframe.load_run(place / "run").ignoring([UPPER]).score(place / "new", progress=False)
    got = load_scores(plan / "scores" / "new.npz")
    assert np.array_equal(got.score, wanted[0].score) and got.bundle == wanted[0].bundle
    lines = (plan / "events.jsonl").read_text().splitlines(keepends=True)
    assert lines == [event_line(replace(event, reasons=())) for event in wanted.events()] != []
    assert "<dt>Left out</dt><dd>sky</dd>" in (plan / "index.html").read_text()
    other = ask("archive", "plan", place / "run", place / "new", "--out", plan, "--no-measure")
    assert other.status == 2 and "another plan" in other.err


def test_an_archive_puts_events_of_a_network_on_hold(place: Path, tmp_path: Path) -> None:
    run, options = oddframe.load_run(place / "whole"), PlanOptions(measure=False)
    plan_archive(run.ignoring([UPPER]), place / "new", tmp_path, options, progress=False)
    run_plan(tmp_path, progress=False)
    scores = load_scores(tmp_path / "scores" / "new.npz")
    maps = np.zeros((len(scores.frame), 6, 8), np.float16)
    maps[:, 1, 3] = 1.0
    save_scores(replace(scores, map=maps), tmp_path / "scores")
    merge_plan(tmp_path, progress=False)
    events = read_events(tmp_path / "events.jsonl")
    assert events and {event.held for event in events} == {"zone sky"}
    assert "learned from the whole picture" in (tmp_path / "videos" / "new" / "report.html").read_text()
    renamed = replace(UPPER, name="roof")
    with pytest.raises(InputError, match="another plan"):
        plan_archive(run.ignoring([renamed]), place / "new", tmp_path, options, progress=False)
    assert load_plan(Place(tmp_path)).ignored == (UPPER,)


def test_a_run_is_resumed_with_the_same_places_or_not_at_all(place: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(place / "plain.yaml"))
    note_recipe(recipe, tmp_path, (UPPER,))
    check_recipe(recipe, tmp_path, True, (UPPER,))
    with pytest.raises(InputError, match="begun with another places to ignore"):
        check_recipe(recipe, tmp_path, True)


@pytest.mark.slow
def test_evaluation_says_that_labels_know_nothing_of_places(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "new", tmp_path / "videos")
    (name,) = (file.stem for file in (tmp_path / "videos").iterdir())
    (tmp_path / "intervals.csv").write_text(f"video,start_frame,end_frame\n{name},0,9\n", encoding="utf-8")
    run, plain = oddframe.load_run(place / "run"), oddframe.EvaluateOptions(baselines=False)
    told, silent = (
        oddframe.evaluate(one, f"folder:{tmp_path}", plain, progress=False).notes
        for one in (run.ignoring([UPPER]), run)
    )
    assert any("counts as missed" in note for note in told) and not any("missed" in note for note in silent)
