"""Objects cut out of the training video itself: what is cut, how much faster it moves, and from which frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.datasets.clips import ClipSet
from oddframe.datasets.own_objects import SPEED, sequences_from_training
from oddframe.errors import InputError, RecipeError
from oddframe.settings import PseudoAnomalies
from oddframe.types import VideoInfo
from oddframe.video.cache import CachedVideo
from oddframe.video.decode import Frame
from oddframe.video.encode import VideoWriter
from oddframe.video.sources import VideoSource
from oddframe.workflow.fit import LONGEST_PART, make_paster, parts_of

SIZE = (48, 96)
BOX, GROUND = (230, 200, 40), (90, 110, 100)


def street(frames: int, channels: int = 3, first: int = 0) -> list[Frame]:
    """A bright box of 10 x 5 pixels that passes at one pixel per frame, from frame `first` on."""
    made = []
    for n in range(frames):
        image = np.empty((*SIZE, 3), np.uint8)
        image[:] = GROUND
        if n >= first:
            image[20:30, n - first + 4 : n - first + 9] = BOX
        made.append(Frame(n, n / 10, np.ascontiguousarray(image[..., :channels])))
    return made


def test_what_moves_is_cut_out_and_moves_faster() -> None:
    sequences = sequences_from_training([street(80)], seed=0, count=20)
    assert len(sequences) == 20
    speeds = []
    for one in sequences:
        assert one.canvas == SIZE
        crop = one.crops[len(one) // 2]
        assert crop.shape == (10, 5, 4) and (crop == (*BOX, 255)).all(), "the box, and nothing of the ground"
        assert (one.corners[:, 0] == 20).all(), "it stays in its row"
        speeds.append((one.corners[-1, 1] - one.corners[0, 1]) / (len(one) - 1))
    assert SPEED[0] <= min(speeds) < 2 and 3.5 < max(speeds) <= SPEED[1]
    # Either frames are left out, or the way of each frame is longer.
    assert {len(one) > 60 for one in sequences} == {True, False}


def test_a_neighbour_in_the_box_of_an_object_is_not_cut_out_with_it() -> None:
    frames = street(60)
    for frame in frames:
        n = frame.index
        frame.image[18:19, n + 11 : n + 12] = 255  # a speck two pixels away moves along
        frame.image[31, n + 6] = GROUND
    (one,) = sequences_from_training([frames], seed=1, count=1)
    assert all(crop.shape[:2] == (10, 5) for crop in one.crops)


def test_a_soft_edge_stays_soft() -> None:
    frames = street(60)
    for frame in frames:
        n = frame.index
        frame.image[20:30, n + 9] = np.array(GROUND) + 20  # between object and ground
    (one,) = sequences_from_training([frames], seed=1, count=1)
    edge = one.crops[0][:, 5, 3]
    assert (edge > 0).all() and (edge < 255).all()


def test_grey_video_gives_grey_objects() -> None:
    (one,) = sequences_from_training([street(60, channels=1)], seed=0, count=1)
    assert one.crops[0].shape == (10, 5, 4)
    assert (one.crops[0][..., :3] == BOX[0]).all()


def test_without_anything_that_moves_one_line_says_so() -> None:
    with pytest.raises(InputError, match=r"pseudo\.source: nothing moves.*choose pseudo\.source=world"):
        sequences_from_training([street(40, first=40)], seed=0)


def cached(frames: list[Frame], folder: Path) -> CachedVideo:
    path = folder / "frames.u8"
    pixels: NDArray[np.uint8] = np.stack([frame.image for frame in frames])
    pixels.tofile(path)
    info = VideoInfo("a", "a.mp4", SIZE[1], SIZE[0], 10.0, len(frames))
    mapped = np.memmap(path, np.uint8, "r", shape=pixels.shape)
    return CachedVideo(VideoSource("a", path, "file"), info, mapped, np.arange(len(frames)) / 10)


def test_objects_come_from_the_learnt_part_alone(tmp_path: Path) -> None:
    """The box passes in the last 60 frames, which are held out."""
    video = cached(street(120, first=60), tmp_path)
    how = PseudoAnomalies(source="training", sequences=2, max_area=1.0)
    assert make_paster(how, SIZE, 0, parts_of([video], [range(120)], 0)) is not None
    with pytest.raises(InputError, match="nothing moves"):
        make_paster(how, SIZE, 0, parts_of([video], [range(60)], 0))


def test_long_video_is_searched_in_parts(tmp_path: Path) -> None:
    video = cached(street(80), tmp_path)
    parts = list(parts_of([video, video], [range(10, 80), range(0)], 0))
    assert [len(part) for part in parts] == [70]
    assert np.array_equal(parts[0][0].image, video.frames[10]) and parts[0][0].time == 1.0
    assert LONGEST_PART > 80


def test_world_and_training_give_half_of_the_objects_each() -> None:
    how = PseudoAnomalies(source="world+training", sequences=9, min_area=0.0, max_area=1.0)
    paster = make_paster(how, SIZE, 0, [street(80)])
    assert paster is not None
    sources = [{paster._sequences[k].source for k in numbers} for numbers in paster._by_source]
    own = [source for names in sources for source in names if source.startswith("own")]
    assert len(own) == len(sources) / 2


def test_a_source_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"'training\+world'; write world, training, world\+training"):
        make_paster(PseudoAnomalies(source="training+world"), SIZE, 0)


RECIPE = """summary: x
model: sdmae
options: {size: [32, 64], patch: 4, encoder_width: 8, decoder_width: 8, heads: 2}
pseudo: {source: training, sequences: 4, max_area: 0.2}
training: {budget: 1steps, batch_size: 2, holdout: 0.3}
"""


@pytest.mark.parametrize(
    ("passes", "wanted"),
    [
        (range(8, 70), "oddframe: training begins"),
        (range(72, 100), "oddframe: pseudo.source: nothing moves for a second"),
    ],
    ids=["in the learnt part", "in the held-out part"],
)
def test_fit_cuts_objects_out_of_what_it_learns_from(
    passes: range, wanted: str, tmp_path: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(_: object, data: ClipSet, *__: object) -> None:
        assert data.paster is not None
        raise InputError("training begins")

    monkeypatch.setattr("oddframe.workflow.fit.train", train)
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "own.yaml").write_text(RECIPE)
    with VideoWriter(tmp_path / "a.mp4", SIZE, 10) as writer:
        for n, frame in enumerate(street(100, first=passes.start)):
            writer.write(frame.image if n in passes else street(1, first=1)[0].image)
    answer = ask("fit", tmp_path / "a.mp4", "--recipe", tmp_path / "own.yaml", "--out", tmp_path / "run",
                 "--workers", 1, "--quantile", 0.9)  # fmt: skip
    assert answer.status == 2 and wanted in answer.err, answer.err
