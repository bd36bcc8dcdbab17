"""Videos behind URLs are learned from as files are: the bundles are the same, and so are clips and rates."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from taught import write_street

import oddframe
from oddframe.types import Event, FrameScores
from oddframe.video.decode import probe
from oddframe.video.headers import packet_times
from oddframe.video.recode import Encoding
from oddframe.video.search import find_videos
from oddframe.workflow.began import recording_began
from oddframe.workflow.event_clips import write_clips

fsspec = pytest.importorskip("fsspec")
Ask = Callable[..., Any]
CAMERA = """
summary: x
model: camera
options: {parts: [monitors], height: 48, moments: 0, monitors: {height: 48, exemplars: 50, rows: 500}}
"""
NETWORK = "summary: x\nmodel: frame_difference\noptions: {size: [24, 32]}\nscoring: {smoothing: {kind: none}}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path_factory.mktemp("cache")))


def behind(path: Path) -> str:
    """A file, or all files of a folder, behind a URL."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for file in [path] if path.is_file() else path.iterdir():
        memory.pipe_file(f"/videos/{file.name}", file.read_bytes())
    return "memory://videos"


@pytest.mark.parametrize(
    "recipe", [pytest.param(CAMERA, marks=pytest.mark.slow, id="camera"), pytest.param(NETWORK, id="network")]
)
def test_a_bundle_learned_behind_a_url_is_the_bundle_of_the_files(recipe: str, tmp_path: Path, ask: Ask) -> None:
    write_street(tmp_path / "normal" / "01.mp4", 30, (), (), seed=1)
    (tmp_path / "recipe.yaml").write_text(recipe)
    where = {"url": behind(tmp_path / "normal"), "file": tmp_path / "normal"}
    for name, videos in where.items():
        answer = ask("fit", videos, "--recipe", tmp_path / "recipe.yaml", "--out", tmp_path / name, "--workers", 1,
                     "--quantile", 0.9)  # fmt: skip
        assert answer.status == 0 and "skipped" not in answer.err, answer.err
    one, other = (oddframe.load_run(tmp_path / name) for name in where)
    assert one.bundle.id == other.bundle.id and one.bundle.data.videos == other.bundle.data.videos
    assert one.calibration() == other.calibration()
    assert one.history.get("self_check") == other.history.get("self_check")


def test_a_url_without_a_video_is_refused_in_a_line(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "x.mp4").write_bytes(b"nothing")
    for url in (behind(tmp_path / "x.mp4"), "memory://nowhere"):
        answer = ask("fit", url, "--out", tmp_path / "run", "--workers", 1)
        assert answer.status == 2 and answer.err.count("\n") == 1 and url in answer.err.replace(":///", "://")


def test_what_the_packets_of_a_file_say_they_say_behind_a_url(tmp_path: Path) -> None:
    """A pause in the midst: the header has no rate that is true, and the packets have."""
    path = tmp_path / "paused.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 4 * number, np.uint8), "rgb24")
            frame.pts = 100 * number + (3_600_000 if number >= 40 else 0)
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        container.metadata["creation_time"] = "2025-03-04T05:06:07Z"
    (file,), (url,) = find_videos(path), find_videos(behind(path))
    info = probe(file)
    assert info.fps == pytest.approx(10, rel=0.01) and probe(url).fps == info.fps
    assert len(packet_times(file.where)) == 60 and np.array_equal(packet_times(file.where), packet_times(url.where))
    assert recording_began(file) == recording_began(url)
    images = list(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8))
    assert Encoding.of(file, info, images) == Encoding.of(url, info, images) is not None


def test_a_clip_is_cut_out_of_a_video_behind_a_url(tmp_path: Path) -> None:
    path = write_street(tmp_path / "in" / "v.mp4", 20, (), (), seed=1)
    event, clips = Event("v", 50, 50, 55, 10.0, 10.0, 11.0, 2.0), list[bytes]()
    for source in (*find_videos(path), *find_videos(behind(path))):
        scores = FrameScores("v", np.arange(100), np.arange(100) / 5, {}, np.zeros(100), probe(source))
        clips.append(write_clips(tmp_path / f"{len(clips)}", source, scores, [event])[event.id].read_bytes())
    assert clips[0] == clips[1]
