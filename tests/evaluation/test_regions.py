"""Region- and track-based detection against the definition written out threshold by threshold, and by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddframe.datasets.readers import open_labelled
from oddframe.errors import InputError
from oddframe.evaluation.regions import (
    FoundRegions,
    RegionResult,
    TrueRegions,
    box_detection,
    map_detection,
    regions_of_map,
    regions_of_masks,
)

Videos = list[tuple[TrueRegions, FoundRegions]]
Box = tuple[float, float, float, float]


def true(frames: int, *regions: tuple[int, Box, int]) -> TrueRegions:
    """Regions of (frame, box, track)."""
    frame, box, track = zip(*regions, strict=True) if regions else ((), (), ())
    return TrueRegions(frames, np.array(frame, int), np.array(box, float).reshape(-1, 4), np.array(track, int))


def found(*regions: tuple[int, Box, float]) -> FoundRegions:
    """Detections of (frame, box, score)."""
    frame, box, score = zip(*regions, strict=True) if regions else ((), (), ())
    return FoundRegions(np.array(frame, int), np.array(box, float).reshape(-1, 4), np.array(score, float))


def iou(a: Box, b: Box) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def loop(videos: Videos) -> tuple[float, float]:
    """The definition: at every threshold, every region of every frame against every other."""
    frames = sum(t.frames for t, _ in videos)
    curves: list[list[tuple[float, float]]] = [[(0.0, 0.0)], [(0.0, 0.0)]]
    for threshold in sorted({s for _, f in videos for s in f.score.tolist()}, reverse=True):
        false = hit = regions = hit_tracks = tracks = 0
        for t, f in videos:
            raised = [(k, tuple(b)) for k, b, s in zip(f.frame, f.box, f.score, strict=True) if s >= threshold]
            wanted = [(k, tuple(b)) for k, b in zip(t.frame, t.box, strict=True)]
            hits = [any(k == m and iou(b, c) >= 0.1 for m, c in raised) for k, b in wanted]
            false += sum(not any(k == m and iou(b, c) >= 0.1 for m, c in wanted) for k, b in raised)
            hit, regions = hit + sum(hits), regions + len(hits)
            for track in set(t.track.tolist()):
                own = [h for h, number in zip(hits, t.track, strict=True) if number == track]
                tracks += 1
                hit_tracks += 10 * sum(own) >= len(own)
        for curve, share in zip(curves, (hit / regions, hit_tracks / tracks), strict=True):
            curve.append((false / frames, share))
    return area(curves[0]), area(curves[1])


def area(curve: list[tuple[float, float]]) -> float:
    total = 0.0
    for (x0, y0), (x1, y1) in zip(curve, [*curve[1:], (max(1.0, curve[-1][0]), curve[-1][1])], strict=True):
        if x0 < 1 and x1 > x0:
            stop = min(x1, 1)
            at_stop = y0 + (y1 - y0) * (stop - x0) / (x1 - x0)
            total += (stop - x0) * (y0 + at_stop) / 2
    return total


@st.composite
def scenes(draw: st.DrawFn) -> Videos:
    """Two videos of five frames, small whole boxes that often touch the threshold, scores that often tie."""
    corner, side = st.integers(0, 6), st.integers(1, 10)
    box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
    frame = st.integers(0, 4)
    score = draw(st.sampled_from([st.sampled_from([0.0, 1.0, 2.0]), st.floats(-1e6, 1e6)]))
    regions = st.lists(st.tuples(frame, box, st.integers(0, 2)), min_size=1, max_size=15)
    detections = st.lists(st.tuples(frame, box, score), max_size=12)
    return [(true(5, *draw(regions)), found(*draw(detections))) for _ in range(2)]


@given(scenes())
@settings(max_examples=50, deadline=None)
def test_agreement_with_the_definition(videos: Videos) -> None:
    result = box_detection(videos)
    assert (result.rbdc, result.tbdc) == pytest.approx(loop(videos), abs=1e-12)
    assert 0 <= result.rbdc <= 1 and 0 <= result.tbdc <= 1


@given(scenes(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_neither_order_nor_scale_matters(videos: Videos, random: object) -> None:
    plain = box_detection(videos)
    moved: Videos = []
    for t, f in videos[::-1]:
        p, q = (np.random.default_rng(random.getrandbits(32)).permutation(n) for n in (len(t.frame), len(f.frame)))  # type: ignore[attr-defined]
        # Doubling is exact, so no two scores fall together; the track numbers only have to differ.
        moved.append(
            (
                TrueRegions(5, t.frame[p], 3 * t.box[p], 7 - t.track[p]),
                FoundRegions(f.frame[q], 3 * f.box[q], 2 * f.score[q]),
            )
        )
    other = box_detection(moved)
    assert (other.rbdc, other.tbdc) == pytest.approx((plain.rbdc, plain.tbdc), abs=1e-12)
    np.testing.assert_allclose(other.threshold, 2 * plain.threshold)


A, B, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (50, 50, 60, 60)


def detect(t: TrueRegions, *detections: tuple[int, Box, float]) -> RegionResult:
    return box_detection([(t, found(*detections))])


def test_the_overlap_counts_from_a_tenth_on() -> None:
    # Intersections of 2 and of 1 pixel with unions of 20: exactly a tenth, and less.
    assert iou((0, 0, 11, 1), (9, 0, 20, 1)) == 0.1
    assert detect(true(1, (0, (0, 0, 11, 1), 0)), (0, (9, 0, 20, 1), 1)).rbdc == 1
    assert detect(true(1, (0, (0, 0, 11, 1), 0)), (0, (10, 0, 20, 1), 1)).rbdc == 0
    # 7 of 70 is a tenth too, though 0.1 * 70 is more than 7 in floating point.
    assert detect(true(1, (0, (0, 0, 38, 1), 0)), (0, (31, 0, 70, 1), 1)).rbdc == 1
    assert detect(true(2, (0, A, 0)), (1, A, 1)).rbdc == 0  # the right place in another frame


def test_many_to_one_and_one_to_many() -> None:
    twice = detect(true(1, (0, A, 0), (0, B, 1)), (0, A, 1), (0, A, 1))
    assert (twice.rbdc, twice.tbdc, twice.false_positives.tolist()) == (0.5, 0.5, [0])
    both = detect(true(1, (0, A, 0), (0, B, 1)), (0, (0, 0, 30, 10), 1))
    assert (both.rbdc, both.tbdc, both.false_positives.tolist()) == (1, 1, [0])


def test_the_curve_by_hand() -> None:
    t = true(4, (0, A, 0), (1, A, 0), (0, B, 1), (1, B, 1))
    result = detect(t, (0, A, 9), (2, FAR, 8), (3, FAR, 8), (1, A, 8), (2, FAR, 7), (3, FAR, 7), (3, FAR, 6), (0, B, 5))
    assert result.threshold.tolist() == [9, 8, 7, 6, 5]
    assert result.false_positives.tolist() == [0, 0.5, 1, 1.25, 1.25]
    assert result.region_share.tolist() == [0.25, 0.5, 0.5, 0.5, 0.75]
    assert result.track_share.tolist() == [0.5, 0.5, 0.5, 0.5, 1]
    assert (result.rbdc, result.tbdc) == (0.5 * 0.375 + 0.5 * 0.5, 0.5)
    assert (result.regions, result.tracks, result.frames) == (4, 2, 4)


def test_the_curve_is_cut_at_one_and_stays_level_up_to_it() -> None:
    t = true(1, (0, A, 0))
    assert detect(t, (0, A, 1)).rbdc == 1
    assert detect(t, (0, A, 1), (0, FAR, 1)).rbdc == 0.5  # one step, from nothing to everything
    assert detect(t, (0, A, 1), *[(0, FAR, 1)] * 4).rbdc == 0.125  # at one false positive a quarter of the step
    assert detect(t, (0, FAR, 2), (0, FAR, 2), (0, A, 1)).rbdc == 0


@pytest.mark.parametrize(("regions", "needed"), [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_a_track_needs_a_tenth_of_its_regions(regions: int, needed: int) -> None:
    t = true(regions, *[(n, A, 5) for n in range(regions)])
    for count in range(1, needed + 1):
        assert detect(t, *[(n, A, 1.0) for n in range(count)]).tbdc == (count == needed)


def test_tracks_of_different_videos_are_different() -> None:
    result = box_detection([(true(1, (0, A, 0)), found((0, A, 1))), (true(1, (0, A, 0)), found())])
    assert (result.tracks, result.tbdc, result.rbdc) == (2, 0.5, 0.5)


def test_what_is_missing() -> None:
    nothing_true = detect(true(3), (0, A, 1))
    assert math.isnan(nothing_true.rbdc) and math.isnan(nothing_true.tbdc)
    assert (nothing_true.regions, nothing_true.false_positives.tolist()) == (0, [1 / 3])
    assert np.isnan(nothing_true.region_share).all() and np.isnan(nothing_true.track_share).all()
    assert (detect(true(3, (0, A, 0))).rbdc, detect(true(3, (0, A, 0))).tbdc) == (0, 0)
    assert math.isnan(detect(true(3)).rbdc)


def test_infinite_scores_have_a_rank() -> None:
    assert detect(true(1, (0, A, 0)), (0, A, np.inf), (0, FAR, -np.inf)).rbdc == 1


@pytest.mark.parametrize(
    ("frame", "box", "score", "message"),
    [
        (0, A, np.nan, "1 of 1 scores are not numbers"),
        (4, A, 1, "video 0: a region in frame 4, but it has 4 frames"),
        (-1, A, 1, "video 0: a region in frame -1"),
        (0, (5, 0, 5, 9), 1, r"the box \[5.0, 0.0, 5.0, 9.0\] has no area"),
        (0, (0, 9, 5, 0), 1, "has no area"),
        (0, (0, 0, np.nan, 9), 1, "has no area"),
        (0, (0, 0, np.inf, 9), 1, "has no area"),
    ],
)
def test_bad_detections_are_refused(frame: int, box: Box, score: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        detect(true(4, (0, A, 0)), (frame, box, score))


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="no videos"):
        box_detection([])
    with pytest.raises(InputError, match="not one of each per region"):
        box_detection([(true(1, (0, A, 0)), replace(found((0, A, 1)), score=np.zeros(2)))])
    with pytest.raises(InputError, match="video 0: a region in frame 7"):
        box_detection([(true(1, (7, A, 0)), found())])
    maps = np.zeros((2, 3, 3))
    with pytest.raises(InputError, match=r"maps \(2, 3, 3\) are not one \(h, w\) for each of 3 frames"):
        map_detection([(true(3), maps, (30, 30))])
    with pytest.raises(InputError, match="1 values of its maps are not numbers"):
        maps[0, 0, 0] = np.nan
        map_detection([(true(2), maps, (30, 30))])
    for thresholds in (0, [], [np.nan]):
        with pytest.raises(InputError, match="at least one threshold"):
            map_detection([(true(2), np.zeros((2, 3, 3)), (30, 30))], thresholds)
    with pytest.raises(InputError, match=r"masks of shape \(3, 3\)"):
        regions_of_masks(np.zeros((3, 3)))


def test_regions_of_a_map() -> None:
    maps = np.zeros((2, 3, 4))
    maps[0, 0, 0] = maps[0, 1, 1] = maps[0, 0, 3] = maps[1, 0, 0] = 2
    maps[0, 2, 2] = 1
    frame, box = regions_of_map(maps, 2, (30, 80))
    assert frame.tolist() == [0, 0, 1]  # touching by a corner is one region, the next frame another
    assert box.tolist() == [[0, 0, 40, 20], [60, 0, 80, 10], [0, 0, 20, 10]]
    assert regions_of_map(maps, 1, (30, 80))[1].tolist()[0] == [0, 0, 60, 30]
    assert len(regions_of_map(maps, 3, (30, 80))[0]) == 0
    # Compared in double precision, whatever that of the map: 0.1 in half precision lies just below 0.1.
    assert len(regions_of_map(np.full((1, 1, 1), 0.1, np.float16), 0.1, (1, 1))[0]) == 0


def test_maps_of_lone_cells_are_scored_boxes() -> None:
    """Cells that do not touch keep their regions at every threshold, so both ways must agree, all scores given."""
    rng = np.random.default_rng(3)
    videos: Videos = []
    maps = []
    for _ in range(3):
        grid = np.zeros((6, 7, 9))
        grid[:, ::2, ::2] = rng.integers(0, 6, (6, 4, 5)) * (rng.random((6, 4, 5)) < 0.3)
        k, y, x = np.nonzero(grid)
        detections = [
            (k, (10 * x, 10 * y, 10 * x + 10, 10 * y + 10), grid[k, y, x]) for k, y, x in zip(k, y, x, strict=True)
        ]
        regions = [
            (k, (20 * x, 20 * y, 20 * x + 12, 20 * y + 9), x) for k in range(6) for x, y in rng.integers(0, 4, (2, 2))
        ]
        t = true(6, *regions)
        videos.append((t, found(*detections)))
        maps.append((t, grid, (70, 90)))
    one, other = box_detection(videos), map_detection(maps, [1, 2, 3, 4, 5])
    assert 0 < one.rbdc < 1 and one.rbdc < one.tbdc
    assert (other.rbdc, other.tbdc) == pytest.approx((one.rbdc, one.tbdc), abs=1e-12)
    np.testing.assert_allclose(other.false_positives, one.false_positives)
    np.testing.assert_allclose(other.track_share, one.track_share)


def test_where_the_curve_of_maps_turns_back_the_best_so_far_counts() -> None:
    # At 3 the region alone; at 2 it has grown over the whole picture, a false positive of another shape.
    maps = np.full((1, 10, 10), 2.0)
    maps[0, 0, :2] = 3
    result = map_detection([(true(1, (0, (0, 0, 20, 10), 0)), maps, (100, 100))], [3, 2])
    assert result.region_share.tolist() == [1, 0]
    assert result.false_positives.tolist() == [0, 1]
    assert result.rbdc == 1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_only_the_order_of_map_values_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 50, (5, 6, 6)).astype(float)
    t = regions_of_masks(rng.random((5, 12, 12)) < 0.05)
    one, other = (map_detection([(t, m, (12, 12))], 20) for m in (maps, np.exp(maps / 10)))
    np.testing.assert_array_equal(one.false_positives, other.false_positives)
    assert (one.rbdc, one.tbdc) == pytest.approx((other.rbdc, other.tbdc), abs=0, nan_ok=True)


def test_thresholds_run_from_the_highest_cell_to_the_middle_one() -> None:
    maps = np.arange(1000.0).reshape(10, 10, 10)
    result = map_detection([(true(10, (0, A, 0)), maps, (10, 10))])
    assert (result.threshold[0], result.threshold[-1]) == (999, 500)
    assert len(result.threshold) <= 100 and (np.diff(result.threshold) < 0).all()
    assert map_detection([(true(10), maps, (10, 10))], 1).threshold.tolist() == [999]
    assert map_detection([(true(10), np.ones((10, 3, 3)), (10, 10))]).threshold.tolist() == [1]


def test_regions_and_tracks_of_masks() -> None:
    masks = np.zeros((4, 6, 8), np.uint8)
    masks[0, 0:2, 0:2] = 255  # walks to the right, a pixel per frame
    masks[1, 0:2, 1:3] = 255
    masks[1, 2, 3] = 255  # touches by a corner: the same region
    masks[0, 5, 7] = 1  # another, which ends
    masks[3, 0:2, 1:3] = 1  # the first returns after an empty frame: a new track
    t = regions_of_masks(masks)
    assert (t.frames, t.frame.tolist()) == (4, [0, 0, 1, 3])
    assert t.box.tolist() == [[0, 0, 2, 2], [7, 5, 8, 6], [1, 0, 4, 3], [1, 0, 3, 2]]
    assert t.track[0] == t.track[2] and len(set(t.track.tolist())) == 3
    empty = regions_of_masks(np.zeros((3, 4, 4)))
    assert (empty.frames, empty.frame.shape, empty.box.shape, empty.track.shape) == (3, (0,), (0, 4), (0,))


@pytest.mark.slow
@pytest.mark.realdata
def test_regions_of_ped2_find_themselves(shared_data: Path) -> None:
    with np.load(shared_data / "ucsd_ped2" / "testing" / "pixel_masks" / "01.npz") as stored:
        masks = stored["masks"]
    t = regions_of_masks(masks)
    video = open_labelled(f"folder:{shared_data / 'ucsd_ped2' / 'testing'}").videos[0]
    np.testing.assert_array_equal(np.unique(t.frame), np.flatnonzero(video.labels))
    assert (t.frames, box_detection([(t, FoundRegions(t.frame, t.box, np.ones(len(t.frame))))]).tbdc) == (180, 1)
    # Masks averaged over cells of 8 x 8 pixels are maps that know where, if roughly.
    coarse = masks.reshape(180, 30, 8, 45, 8).mean(axis=(2, 4))
    assert map_detection([(t, coarse, (240, 360))]).rbdc > 0.95
