"""Overlapping stages and several processes change the speed, not one bit of the scores."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.bundle import TrainingData, save_bundle
from oddframe.datasets.windows import stream_chunks
from oddframe.errors import InputError
from oddframe.models.registry import create
from oddframe.recipes import parse_recipe
from oddframe.runners.local import LocalRunner
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.agreement import run, take_chunks
from oddframe.scoring.choose_runtime import Candidate, choose_runtime
from oddframe.scoring.open_scorer import open_runtime, open_scorer, score_identity
from oddframe.scoring.parallel import ScoringJob, score_beside
from oddframe.scoring.stream import PostProcessor, collect, join, score_frames
from oddframe.street import World, render_world
from oddframe.types import FrameScores
from oddframe.video.decode import VideoReader
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.outputs import OutputOptions
from oddframe.workflow.run import Run

pytestmark = pytest.mark.slow  # together; making a graph takes seconds
OPTIONS = {"size": [32, 64], "patch": 8, "encoder_width": 16, "decoder_width": 16, "heads": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = parse_recipe({"name": "tiny", "summary": "", "model": "sdmae", "options": OPTIONS}, "here")
    folder = tmp_path_factory.mktemp("run")
    return Run(save_bundle(folder, create("sdmae", **recipe.options), recipe, {}, TrainingData(checkpoint="none")))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[VideoSource]:
    folder = tmp_path_factory.mktemp("street")
    render_world(folder, World(size=(72, 128)), videos=3, test_videos=0, seconds=3)
    return find_videos(folder / "training" / "videos")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


BF16 = "BF16" in pytest.importorskip("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
HALF = pytest.mark.skipif(not BF16, reason="this CPU does not compute in bf16")
ENGINES = [
    RuntimeOptions(),
    RuntimeOptions("onnx"),
    RuntimeOptions("openvino"),
    pytest.param(RuntimeOptions("openvino", "bf16"), marks=HALF),
]


@pytest.mark.parametrize("options", ENGINES, ids=lambda e: e.label or "torch")
def test_the_pipeline_gives_what_one_thread_gives(
    trained: Run, videos: list[VideoSource], options: RuntimeOptions
) -> None:
    runtime = open_runtime(trained.bundle, options)
    window = runtime.signature.window

    def frames() -> VideoReader:
        return VideoReader(videos[0], window.size, window.colour, window.resize)

    with frames() as reader:
        maps: list[np.ndarray] = []
        piped = collect(score_frames(runtime, reader, 8), maps)
    plain, plain_maps, post = [], [], PostProcessor(runtime.signature)
    with frames() as reader:
        for chunk in stream_chunks(reader, window, 8):
            plain += post.push(chunk, runtime.score(chunk))
        plain += post.flush()
    plain_maps = [piece.map for piece in plain]
    for name, values in join(plain).components.items():
        assert np.array_equal(values, piped.components[name]), name
    assert np.array_equal(np.concatenate(plain_maps), np.concatenate(maps))


def test_processes_give_what_one_gives(trained: Run, videos: list[VideoSource], tmp_path: Path) -> None:
    job = ScoringJob(trained.path, RuntimeOptions(), trained.rule, tmp_path / "two", False)
    told: list[tuple[str, int, int | None]] = []
    scorer = open_scorer(trained.bundle, RuntimeOptions(), trained.rule, tmp_path / "one")
    here = {source: scorer.score(source) for source in videos}
    beside = dict(score_beside(job, videos, LocalRunner(2), lambda *n: told.append(n)))
    memory = dict(score_beside(replace(job, folder=None), videos, LocalRunner(2)))
    for source in videos:
        wanted = here[source]
        for got in (beside[source], memory[source]):
            assert isinstance(got, FrameScores) and isinstance(wanted, FrameScores)
            assert got.bundle == wanted.bundle and np.array_equal(got.map, wanted.map)
            for name, values in wanted.components.items():
                assert np.array_equal(got.components[name], values), name
    assert told == [("videos", n, 3) for n in (1, 2, 3)]


def test_a_broken_video_is_told_by_processes_too(trained: Run, videos: list[VideoSource], tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    broken = VideoSource("broken", tmp_path / "broken.mp4", "file")
    scores = trained.score([broken, *videos[:1]], workers=2, progress=False)
    assert [source.name for source, _ in scores.skipped] == ["broken"] and len(scores) == 1


class Deadly(VideoSource):
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.raise_signal, (signal.SIGSEGV,)


def test_a_video_that_kills_its_process_is_skipped(trained: Run, videos: list[VideoSource], tmp_path: Path) -> None:
    deadly = Deadly("deadly", videos[1].path, "file")
    scores = trained.score([deadly, *videos[:2]], tmp_path, workers=2, outputs=OutputOptions(False), progress=False)
    [(source, reason)] = scores.skipped
    assert source.name == "deadly" and reason.endswith("worked on it was killed 2 times (SIGSEGV)") and len(scores) == 2


def test_auto_takes_the_fastest_that_agrees(
    trained: Run, videos: list[VideoSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds = cycle([10.0, 50.0, 40.0, 30.0, 20.0])
    monkeypatch.setattr("oddframe.scoring.choose_runtime.speed_of", lambda *_: next(speeds))
    tried: list[Candidate] = []
    options = choose_runtime(trained.bundle, RuntimeOptions("auto", batch=4), videos, trained.rule, tried.append)
    assert (tried[0].runtime, tried[0].precision, tried[0].speed, tried[0].fault) == ("torch", "fp32", 10.0, None)
    fits = [one for one in tried if one.fault is None]
    best = max(fits, key=lambda one: one.speed)
    assert (options.runtime, options.precision, options.batch) == (best.runtime, best.precision, 4)


def test_auto_refuses_what_does_not_agree(
    trained: Run, videos: list[VideoSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run

    def spoilt(runtime: object, takes: object) -> object:
        said = real(runtime, takes)  # type: ignore[arg-type]
        if runtime.name == "torch" and runtime.precision == "fp32":  # type: ignore[attr-defined]
            return said
        return replace(said, components={n: v[::-1] for n, v in said.components.items()})

    monkeypatch.setattr("oddframe.scoring.choose_runtime.run", spoilt)
    options = choose_runtime(trained.bundle, RuntimeOptions("auto"), videos, trained.rule)
    assert (options.runtime, options.precision) == ("torch", "fp32")


def test_auto_needs_a_video(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="not one of the videos"):
        choose_runtime(
            trained.bundle, RuntimeOptions("auto"), [VideoSource("b", tmp_path / "broken.mp4", "file")], trained.rule
        )


def test_scores_tell_what_made_them(trained: Run) -> None:
    assert score_identity(trained.bundle, RuntimeOptions(), trained.rule) == trained.bundle.id
    half = score_identity(trained.bundle, RuntimeOptions("openvino", "bf16"), trained.rule)
    assert half == f"{trained.bundle.id}-openvino-bf16"


def test_int8_is_not_made_on_the_way(trained: Run) -> None:
    with pytest.raises(InputError, match=r"oddframe export .* --to openvino --precision int8"):
        open_runtime(trained.bundle, RuntimeOptions("openvino", "int8"))
    with pytest.raises(InputError, match="oddframe export"):
        choose_runtime(trained.bundle, RuntimeOptions("auto", "int8"), [], trained.rule)


def test_a_take_has_as_many_frames_as_asked_for(trained: Run, videos: list[VideoSource]) -> None:
    runtime = open_runtime(trained.bundle, RuntimeOptions())
    take = take_chunks(runtime, videos[0], 10, 4)
    # Windows reach three frames ahead; where decoding stops, the video seems to end.
    assert sum(len(chunk.index) for chunk in take.chunks) == 10 + 2 * 3
