"""`oddframe features` as a user types it, on a small street and a network of one layer."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.features.store import Opening, open_store
from oddframe.video.decode import VideoReader
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource
from oddframe.workflow.features import ExtractOptions, extract_features

Ask = Callable[..., Any]


@pytest.fixture
def videos(street: Path, tmp_path: Path) -> Path:
    """Two videos of 125 frames and one that is none."""
    folder = tmp_path / "videos"
    shutil.copytree(street / "testing" / "videos", folder)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def test_extracts_names_what_is_broken_and_goes_on_where_it_stopped(
    videos: Path, colour_network: Path, tmp_path: Path, ask: Ask
) -> None:
    command = ("features", f"onnx:{colour_network}", videos, "--out", tmp_path / "store", "--workers", 1)
    answer = ask(*command)
    assert answer.status == 3 and "skipped broken:" in answer.err, answer.err
    assert "colours: 3 numbers per snippet of 16 frames, 4 of them seen by the network, centre crop" in answer.out
    assert "2 videos extracted, 0 already in the store, 1 skipped" in answer.out
    assert "network " in answer.out and "waiting for decoding " in answer.out
    store = open_store(tmp_path / "store")
    assert store.videos == ("01", "02") and store.fingerprint in answer.out

    features = store.load("01")
    source = find_videos(videos)[0]
    with VideoReader(source, (16, 28), "rgb") as reader:  # 72 x 128, the shorter side 16
        frames = list(reader)
    assert features.frames == len(frames) and len(features.features) == -(-len(frames) // 16)
    seen = np.mean([frames[16 + i].image[:, 6:22].mean((0, 1)) for i in (2, 6, 10, 14)], 0)
    assert np.allclose(features.features[1], seen / 255, atol=1e-5)
    assert features.time is not None and np.allclose(features.time, [frame.time for frame in frames])

    (tmp_path / "store" / "02.npz").unlink()
    again = json.loads(ask(*command, "--json").out)
    assert (again["extracted"], again["kept"], again["frames"]) == (["02"], ["01"], store.load("02").frames)
    assert [one["video"] for one in again["skipped"]] == ["broken"] and "broken.mp4" in again["skipped"][0]["reason"]
    assert sum(again["shares"].values()) == pytest.approx(1)


def test_ten_crops_and_more_frames_are_other_features(
    videos: Path, colour_network: Path, tmp_path: Path, ask: Ask
) -> None:
    (videos / "broken.mp4").unlink()
    command = ("features", f"onnx:{colour_network}", videos / "01.mp4", "--workers", 1, "--out")
    assert ask(*command, tmp_path / "one").status == 0
    answer = ask(*command, tmp_path / "ten", "--crops", 10, "--frames-per-snippet", 2, "--name", "rgb", "--json")
    assert answer.status == 0
    found = json.loads(answer.out)
    assert (found["backbone"], found["sampling"]) == ("rgb", {"snippet": 16, "frames_per_snippet": 2, "crops": 10})
    one, ten = (open_store(tmp_path / name) for name in ("one", "ten"))
    assert one.fingerprint != ten.fingerprint == found["fingerprint"]
    assert not np.array_equal(one.load("01").features, ten.load("01").features)
    answer = ask(*command, tmp_path / "one", "--crops", 10)
    assert answer.status == 2 and answer.err.count("\n") == 1 and "crops 1, not 10" in answer.err


def test_the_change_of_frames_is_a_channel_of_the_same_run(
    videos: Path, colour_network: Path, tmp_path: Path, ask: Ask
) -> None:
    (videos / "broken.mp4").unlink()
    command = ("features", f"onnx:{colour_network}", videos / "01.mp4", "--workers", 1, "--out")
    assert ask(*command, tmp_path / "mean").status == 0
    answer = ask(*command, tmp_path / "both", "--channels", "mean+change")
    assert answer.status == 0 and "colours: 6 numbers per snippet" in answer.out and "mean+change" in answer.out
    mean, both = (open_store(tmp_path / name) for name in ("mean", "both"))
    assert (mean.channels, both.channels, both.dim) == ("mean", "mean+change", 6)
    assert np.array_equal(both.load("01").features[:, :3], mean.load("01").features)
    assert both.load("01").features[:, 3:].max() > 0 and both.open_extractor().dim == 6
    assert both.load("01").bytes == (videos / "01.mp4").stat().st_size
    assert (both.load("01").pixel_change or 0) > 0
    answer = ask(*command, tmp_path / "mean", "--channels", "mean+change")
    assert answer.status == 2 and "channels mean, not mean+change" in answer.err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            ("resnet", "{videos}"),
            "'resnet' is not known; there are: clip, s3d, i3d, efficientnet-lite0, onnx:FILE",
        ),
        (("{network}", "{videos}/none.mp4"), "no such file or folder"),
        (("{network}", "{videos}/broken.mp4"), "broken.mp4"),
        (("{network}", "{videos}", "--crops", "5"), "crops is 5"),
        (("{network}", "{videos}", "--precision", "fp16"), "precision is 'fp16'"),
        (("{network}", "{videos}", "--channels", "flow"), "channels is 'flow'; choose mean or mean+change"),
        (("{network}", "{videos}", "--channels", "mean+change", "--frames-per-snippet", "1"), "choose 2 to 16"),
        (("{network}", "{videos}", "--device", "abacus"), "abacus"),
        (("onnx:{videos}/none.onnx", "{videos}"), "none.onnx"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: tuple[str, ...], said: str, videos: Path, colour_network: Path, tmp_path: Path, ask: Ask
) -> None:
    filled = [text.format(videos=videos, network=f"onnx:{colour_network}") for text in arguments]
    answer = ask("features", *filled, "--out", tmp_path / "store", "--workers", 1)
    assert answer.status == 2 and said in answer.err and answer.err.count("\n") == 1, answer.err


@pytest.mark.slow
def test_processes_make_what_one_makes(videos: Path, colour_network: Path, tmp_path: Path, ask: Ask) -> None:
    for workers in (1, 2):
        out = tmp_path / str(workers)
        answer = ask("features", f"onnx:{colour_network}", videos, "--out", out, "--workers", workers, "--json")
        assert answer.status == 3 and json.loads(answer.out)["workers"] == workers, answer.err
    one, two = (open_store(tmp_path / name) for name in "12")
    assert one.videos == two.videos == ("01", "02") and one.fingerprint == two.fingerprint
    for video in one.videos:
        assert np.array_equal(one.load(video).features, two.load(video).features)


class Deadly(VideoSource):
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return signal.raise_signal, (signal.SIGSEGV,)


@pytest.mark.slow
def test_a_video_that_kills_its_process_is_skipped(videos: Path, colour_network: Path, tmp_path: Path) -> None:
    deadly = Deadly("deadly", videos / "01.mp4", "file")
    opening = Opening(f"onnx:{colour_network}")
    done = extract_features(opening, [deadly, videos / "02.mp4"], tmp_path / "store", ExtractOptions(workers=2))
    [(source, reason)] = done.skipped
    assert source.name == "deadly" and reason.endswith("worked on it was killed 2 times (SIGSEGV)")
    assert done.extracted == ("02",)


def test_the_store_knows_videos_by_their_content(videos: Path, colour_network: Path, tmp_path: Path, ask: Ask) -> None:
    (videos / "broken.mp4").unlink()
    command = ("features", f"onnx:{colour_network}", videos, "--out", tmp_path / "store", "--workers", 1, "--json")
    assert ask(*command).status == 0
    first = open_store(tmp_path / "store").load("01").features
    times, other = (videos / "02.mp4").stat(), (videos / "02.mp4").read_bytes()
    (videos / "01.mp4").rename(videos / "03.mp4")
    (videos / "02.mp4").write_bytes(other[:-1] + bytes([other[-1] ^ 1]))
    os.utime(videos / "02.mp4", ns=(times.st_atime_ns, times.st_mtime_ns))
    found = json.loads(ask(*command).out)
    assert (found["kept"], found["extracted"]) == (["03"], ["02"]) and found["notes"] == []
    assert np.array_equal(open_store(tmp_path / "store").load("03").features, first)

    path = tmp_path / "store" / "02.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    meta = json.loads(str(arrays["meta"]))
    meta["info"].pop("key")
    np.savez(path, **{**arrays, "meta": np.array(json.dumps(meta))})
    found = json.loads(ask(*command).out)
    assert found["extracted"] == ["02"]
    assert found["notes"] == [
        "the stored features of 02 carry no content key, because an older oddframe made them; it was extracted again"
    ]
