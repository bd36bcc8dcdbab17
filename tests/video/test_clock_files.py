"""The clock on files: the same frames with stamps as cameras, recorders and careless programs write them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from bars import GOP, encode, ffmpeg, needs_ffmpeg, read, repack

from oddframe.datasets.folder import read_folder
from oddframe.datasets.labelled import video_length
from oddframe.video.decode import VideoReader
from oddframe.video.opening import PLAY_LISTS
from oddframe.video.sources import VideoSource


def segment(folder: Path, name: str, count: int, first: int, start: float, rate: int = 25) -> bytes:
    """The bytes of an MPEG-TS whose first frame is stamped `start` seconds."""
    video = encode(folder / f"{name}.mkv", count, rate=rate, first=first)
    ffmpeg(
        "-i",
        video,
        "-c",
        "copy",
        "-output_ts_offset",
        start,
        "-muxdelay",
        "0",
        "-muxpreload",
        "0",
        folder / f"{name}.ts",
    )
    return (folder / f"{name}.ts").read_bytes()


def joined(folder: Path, *parts: bytes) -> Path:
    path = folder / "joined.ts"
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("ahead", [3600.0, 120.0, 7.0, 90_000.0])
def test_stamps_ahead_for_a_while_are_replaced(tmp_path: Path, ahead: float) -> None:
    parts = segment(tmp_path, "a", 20, 0, 0), segment(tmp_path, "b", 10, 20, ahead), segment(tmp_path, "c", 30, 30, 1.2)
    numbers, times, info = read(joined(tmp_path, *parts))
    assert numbers == list(range(60)) and np.allclose(times, np.arange(60) / 25, atol=1e-3)
    assert info.damage == ("10 impossible time stamps replaced",)


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(("start", "rate"), [(0.0, 10), (0.0, 25), (0.5, 5)])
def test_a_second_part_keeps_its_own_pace(tmp_path: Path, start: float, rate: int) -> None:
    numbers, times, info = read(
        joined(tmp_path, segment(tmp_path, "a", 30, 0, 2.0), segment(tmp_path, "b", 20, 30, start, rate))
    )
    assert numbers == list(range(50))
    assert np.allclose(times, np.r_[np.arange(30) / 25, 1.2 + np.arange(20) / rate], atol=1e-3)
    assert info.damage == ("the clock jumps back 1 time; each jump is bridged",)


@needs_ffmpeg
def test_a_reset_long_after_the_start_is_no_overflow(tmp_path: Path) -> None:
    _, times, info = read(joined(tmp_path, segment(tmp_path, "a", 20, 0, 5_000), segment(tmp_path, "b", 20, 20, 0)))
    assert np.allclose(times, np.arange(40) / 25, atol=1e-3) and info.account.resets == 1


@needs_ffmpeg
@pytest.mark.parametrize("before", [0.4, 30.0])
def test_the_counter_of_a_transport_stream_overflows(tmp_path: Path, before: float) -> None:
    """The second part is stamped as if it followed at once; 2^33 ticks of 90 kHz are 95443.7177 s."""
    end = 2**33 / 90_000
    first = segment(tmp_path, "a", 20, 0, end - before)
    second = segment(tmp_path, "b", 20, 20, end - before + 0.8)
    numbers, times, info = read(joined(tmp_path, first, second))
    assert numbers == list(range(40)) and np.allclose(times, np.arange(40) / 25, atol=1e-3) and info.damage == ()


def test_a_pause_stays_and_is_no_damage(tmp_path: Path) -> None:
    def late(number: int, packet: Any) -> Any:
        packet.pts += 3_600_000 * (number >= 20)
        packet.dts = packet.pts
        return packet

    numbers, times, info = read(repack(encode(tmp_path / "w.mkv", 40), tmp_path / "v.mkv", late))
    assert numbers == list(range(40)) and np.allclose(
        times, np.arange(40) / 25 + 3600 * (np.arange(40) >= 20), atol=1e-3
    )
    assert info.damage == () and "1 pause of 3600.0 s" in info.account.remarks()[0]


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".flv"])
def test_decoding_stamps_in_the_place_of_presentation_stamps(tmp_path: Path, suffix: str) -> None:
    base = encode(tmp_path / "w.mp4", 50, options={**GOP, "bf": "3"})
    ffmpeg("-i", base, "-c", "copy", "-bsf:v", "setts=pts=DTS", tmp_path / f"v{suffix}")
    numbers, times, info = read(tmp_path / f"v{suffix}")
    assert numbers == list(range(50)) and np.allclose(times - times[0], np.arange(50) / 25, atol=2e-3)
    assert times[0] < 0.1 and info.damage == ()


@needs_ffmpeg
@pytest.mark.parametrize("bframes", ["0", "1", "3"])
def test_an_avi_with_reordered_frames_has_every_slot_once(tmp_path: Path, bframes: str) -> None:
    ffmpeg("-i", encode(tmp_path / "w.mp4", 50, options={**GOP, "bf": bframes}), "-c", "copy", tmp_path / "v.avi")
    numbers, times, info = read(tmp_path / "v.avi")
    assert numbers == list(range(50)) and np.allclose(times, np.arange(50) / 25, atol=1e-6)
    assert info.damage == () and info.fps == pytest.approx(25)
    assert video_length(VideoSource("v", tmp_path / "v.avi", "file")) == 50


def test_time_counts_from_the_start_of_the_container(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(encode(tmp_path / "w.mkv", 20))) as opened, av.open(str(path), "w") as container:
        video = container.add_stream_from_template(opened.streams.video[0])
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 24_000), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        for packet in opened.demux(video=0):
            if packet.size:
                packet.stream, packet.pts, packet.dts = video, packet.pts + 1500, packet.pts + 1500
                container.mux(packet)
        container.mux(sound.encode(None))
    numbers, times, info = read(path)
    assert numbers == list(range(20)) and np.allclose(times, 1.5 + np.arange(20) / 25, atol=1e-3) and info.damage == ()
    with VideoReader(VideoSource("v", path, "file"), start=1.7) as reader:
        assert next(iter(reader)).time == pytest.approx(1.7, abs=1e-3), "the middle is entered by the same clock"


@needs_ffmpeg
def test_labels_by_interval_are_those_of_frames_that_decode(tmp_path: Path) -> None:
    base = encode(tmp_path / "w.mp4", 50, options={**GOP, "bf": "2"})
    (tmp_path / "set" / "videos").mkdir(parents=True)
    ffmpeg("-ss", "0.6", "-i", base, "-c", "copy", tmp_path / "set" / "videos" / "v.mp4")
    (tmp_path / "set" / "intervals.csv").write_text("video,start_frame,end_frame\nv,20,30\n")
    numbers, _, _ = read(tmp_path / "set" / "videos" / "v.mp4")
    labels = read_folder(tmp_path / "set").videos[0].labels
    assert len(labels) == len(numbers) == 35 and np.flatnonzero(labels).tolist() == list(range(20, 31))


def test_the_length_of_a_damaged_file_is_what_decodes(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.avi", 40, "mjpeg", options={"q": "20"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    numbers, _, _ = read(path)
    assert video_length(VideoSource("v", path, "file")) == len(numbers) < 40


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_the_same_video_in_every_container(tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are equal to the bit, and times to half a tick of the container."""
    monkeypatch.setenv(PLAY_LISTS, "1")
    options = {**GOP, "bf": "2"} if codec == "libx264" else {"g": "15", "bf": "0"}
    base = encode(tmp_path / "base.mp4", 45, codec, options=options)
    kinds: dict[str, tuple[str, ...]] = {
        "a.mp4": (), "b.mkv": (), "c.ts": (), "d.mov": (), "e.avi": (),
        "g.mp4": ("-movflags", "frag_keyframe+empty_moov+default_base_moof"),
        "h.m3u8": ("-hls_time", "0.6", "-hls_list_size", "0"),
    }  # fmt: skip
    # FLV has no MPEG-2, and in ASF FFmpeg writes the first of its stamps one frame early.
    kinds |= {"i.flv": (), "f.asf": ()} if codec == "libx264" else {}
    with VideoReader(VideoSource("base", base, "file")) as reader:
        expected = [(frame.image, frame.time) for frame in reader]
    for name, more in kinds.items():
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        ffmpeg("-i", base, "-c", "copy", *more, folder / name)
        with av.open(str(folder / name)) as container:
            tick = float(container.streams.video[0].time_base or 0)
        with VideoReader(VideoSource(name, folder / name, "file")) as reader:
            frames = list(reader)
            assert reader.info.damage == (), name
        assert len(frames) == len(expected), name
        assert all(np.array_equal(frame.image, image) for frame, (image, _) in zip(frames, expected, strict=True)), name
        off = max(abs(frame.time - time) for frame, (_, time) in zip(frames, expected, strict=True))
        assert off <= min(tick, 0.001) + 1e-9, f"{name}: {off}"
    shutil.rmtree(tmp_path / "h_m3u8")


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("group", ["closed", "open"])
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("v.mp4", ()), ("v.mp4", ("-use_editlist", "0")), ("v.mp4", ("-movflags", "frag_keyframe+empty_moov")),
        ("v.mkv", ()), ("v.ts", ()), ("v.flv", ()),
    ],
    ids=["mp4", "no edit list", "fragments", "mkv", "ts", "flv"],
)  # fmt: skip
def test_a_video_is_entered_before_the_wanted_time_in_every_container(
    tmp_path: Path, name: str, more: tuple[str, ...], group: str
) -> None:
    """FFmpeg seeks by decoding stamps, which for B-frames lie before the stamps that are shown; and TS has no index."""
    settings = f"b-adapt=0:scenecut=0:open-gop={int(group == 'open')}"
    base = encode(tmp_path / "base.mp4", 45, options={"g": "15", "bf": "3", "x264-params": settings})
    ffmpeg("-i", base, "-c", "copy", *more, tmp_path / name)
    source = VideoSource("v", tmp_path / name, "file")
    with VideoReader(source) as reader:
        whole = [(frame.time, frame.image.tobytes()) for frame in reader]
    assert len(whole) == 45
    for number in (1, 12, 13, 14, 15, 16, 29, 30, 44):
        time, picture = whole[number]
        with VideoReader(source, start=time - 0.005) as reader:
            first = next(iter(reader))
        assert first.time == pytest.approx(time, abs=2e-3) and first.image.tobytes() == picture, number
