"""What became of every packet: losses of all kinds, and what is none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pytest
from bars import GOP, bars, encode, ffmpeg, lose, needs_ffmpeg, read, repack, with_bytes, wrong

from oddframe.account import Account
from oddframe.types import VideoInfo
from oddframe.video.decode import probe
from oddframe.video.opening import sound_length
from oddframe.video.sources import VideoSource


def whole(account: Account | None) -> Account:
    """The account, after a check that every packet and every promised frame has its place in it."""
    assert account is not None
    assert account.silent >= 0
    if account.promised is not None:
        assert account.promised == account.hidden + account.decoded + account.lost - account.missing + account.silent
    return account


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi", ".flv"])
@pytest.mark.parametrize("bframes", ["0", "2"])
def test_a_sound_video_loses_nothing(tmp_path: Path, suffix: str, bframes: str) -> None:
    numbers, times, info = read(encode(tmp_path / f"v{suffix}", 40, options={**GOP, "bf": bframes}))
    account = whole(info.account)
    assert numbers == list(range(40)) and np.allclose(times, np.arange(40) / 25, atol=1e-3)
    assert info.damage == () and (account.seen, account.decoded, account.lost, account.lost_share) == (40, 40, 0, 0)
    assert not account.incomplete and account.remarks() == ()


@pytest.mark.parametrize(("first", "frames"), [(5, 25), (15, 25), (29, 10), (1, 25)])
def test_packets_before_the_first_key_frame_are_counted_and_times_keep_their_offset(
    tmp_path: Path, first: int, frames: int
) -> None:
    video = repack(encode(tmp_path / "whole.mkv", 40), tmp_path / "v.mkv", lose(*range(first)))
    numbers, times, info = read(video)
    account = whole(info.account)
    key = -(-first // 15) * 15
    assert numbers == list(range(key, 40)) and account.decoded == 40 - key
    assert account.before_key == key - first and account.corrupt == account.missing == account.beyond == 0
    assert times[0] == pytest.approx((key - first) / 25, abs=1e-3)
    assert any("before the first key frame" in line for line in info.damage) == (key > first)


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
@pytest.mark.parametrize(("lost", "unsound"), [((7, 8), 6), ((3,), 11), (tuple(range(10, 15)), 0), ((31, 33), 7)])
def test_frames_lost_inside_are_missing_and_those_until_the_next_key_frame_not_sound(
    tmp_path: Path, suffix: str, lost: tuple[int, ...], unsound: int
) -> None:
    video = repack(encode(tmp_path / "whole.mkv", 40), tmp_path / f"v{suffix}", lose(*lost))
    numbers, times, info = read(video)
    account = whole(info.account)
    assert account.missing == len(lost), info.damage
    assert account.unsound == unsound and account.decoded == 40 - len(lost) and account.incomplete
    assert np.allclose(times, np.delete(np.arange(40), lost) / 25, atol=2e-3)
    assert wrong(numbers, np.delete(np.arange(40), lost).tolist()) <= unsound


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video", "libvpx-vp9", "libx265"])
def test_a_gap_is_seen_in_every_codec(tmp_path: Path, codec: str) -> None:
    options = {"g": "15"} if codec != "libx265" else {"x265-params": "keyint=15:min-keyint=15:bframes=0:log-level=none"}
    options |= {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx-vp9" else {}
    video = repack(encode(tmp_path / "whole.mkv", 45, codec, options=options), tmp_path / "v.mkv", lose(6, 7, 8))
    _, _, info = read(video)
    account = whole(info.account)
    assert account.decoded + account.lost == 45, info.damage
    assert account.missing >= 3 and account.unsound + account.corrupt == 6


def test_a_camera_that_leaves_frames_out_is_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=GOP)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for stamp in np.cumsum(rng.choice([1, 1, 2, 3], 60)):
            frame = av.VideoFrame.from_ndarray(bars(int(stamp)), "bgr24").reformat(format="yuv420p")
            frame.pts = int(stamp)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert read(path)[2].damage == ()


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".flv"])
def test_a_file_cut_off_says_how_much_the_header_promises(tmp_path: Path, suffix: str, share: float) -> None:
    path = encode(tmp_path / f"v{suffix}", 60, options={**GOP, "bf": "2"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    numbers, _, info = read(path)
    account = whole(info.account)
    assert abs(len(numbers) + account.lost - 60) <= 2, info.damage
    assert account.beyond > 0 and account.incomplete and any("header promises" in line for line in info.damage)


def test_an_mp4_cut_off_behind_its_index(tmp_path: Path) -> None:
    with (
        av.open(str(encode(tmp_path / "w.mp4", 60))) as opened,
        av.open(str(tmp_path / "v.mp4"), "w", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream_from_template(opened.streams.video[0])
        for packet in opened.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    path = tmp_path / "v.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    numbers, _, info = read(path)
    account = whole(info.account)
    assert account.promised == 60 and len(numbers) + account.lost == 60 and account.beyond > 0


def test_damaged_bytes_are_told(tmp_path: Path) -> None:
    def flip(number: int, packet: av.Packet) -> av.Packet:
        data = bytearray(bytes(packet))
        if number == 20:
            data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
        return with_bytes(packet, bytes(data))

    _, _, info = read(repack(encode(tmp_path / "whole.mkv", 40), tmp_path / "v.mkv", flip))
    account = whole(info.account)
    assert account.flawed + account.corrupt + account.missing >= 1 and account.unsound >= 8 and account.incomplete


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("start", [0.2, 0.35, 0.6])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_what_an_edit_list_hides_is_hidden_and_not_lost(tmp_path: Path, start: float, codec: str) -> None:
    options = {"x265-params": "keyint=10:min-keyint=10:open-gop=1:bframes=3:log-level=none"}
    base = encode(tmp_path / "whole.mkv", 40, codec, options=options if codec == "libx265" else {"bf": "3"})
    ffmpeg("-ss", start, "-i", base, "-c", "copy", tmp_path / "v.mp4")
    numbers, times, info = read(tmp_path / "v.mp4")
    account = whole(info.account)
    first = round(start * 25 + 0.49)
    assert info.damage == () and account.hidden > 0 and account.lost == 0
    assert abs(numbers[0] - first) <= 1 and numbers == list(range(numbers[0], 40))
    assert times[0] < 0.045 and np.allclose(np.diff(times), 0.04, atol=1e-3)
    estimate = probe(VideoSource("v", tmp_path / "v.mp4", "file")).frames
    assert estimate is not None and abs(estimate - len(numbers)) <= 1


def test_the_stream_that_players_choose_is_read_and_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        small = container.add_stream("mjpeg", rate=1)
        small.width, small.height, small.pix_fmt = 48, 32, "yuvj420p"
        large = container.add_stream("libx264", rate=25, options=GOP)
        large.width, large.height, large.pix_fmt = 96, 64, "yuv420p"
        container.mux(small.encode(av.VideoFrame(48, 32, "yuvj420p")))
        for number in range(30):
            container.mux(large.encode(av.VideoFrame.from_ndarray(bars(number), "bgr24").reformat(format="yuv420p")))
        container.mux(large.encode(None))
    numbers, _, info = read(path)
    assert numbers == list(range(30)) and info.damage == ()
    assert whole(info.account).remarks() == ("not read: video stream 0, 48x32 mjpeg",)
    assert probe(VideoSource("v", path, "file")).account.others == info.account.others


def test_the_default_stream_comes_before_the_larger_one(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for size, default in ((192, False), (96, True)):
            stream = container.add_stream("libx264", rate=25, options=GOP)
            stream.width, stream.height, stream.pix_fmt = size, 64, "yuv420p"
            stream.disposition = av.stream.Disposition.default if default else av.stream.Disposition.original
            streams.append(stream)
        for number in range(20):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(bars(number), "bgr24")
                container.mux(stream.encode(frame.reformat(stream.width, 64, "yuv420p")))
        for stream in streams:
            container.mux(stream.encode(None))
    _, _, info = read(path)
    assert (info.width, info.height) == (96, 64) and "192x64" in info.account.others[0]


def test_an_account_goes_through_json_and_back() -> None:
    account = Account(seen=9, decoded=8, corrupt=1, promised=9, others=("a", "b"))
    info = VideoInfo("v", "v.mp4", 4, 4, 25.0, 8, "h264", account.losses(), account=account)
    stored = json.loads(json.dumps(asdict(info)))
    assert VideoInfo.parse(stored) == info and VideoInfo.parse(stored).account == account
    del stored["account"]
    assert VideoInfo.parse(stored).account is None, "files of older versions have none"


def test_a_hundredth_lost_is_incomplete() -> None:
    assert not Account(seen=100, decoded=100, flawed=1).incomplete
    assert Account(seen=100, decoded=99, corrupt=1, missing=1).incomplete
    assert Account().lost_share == 0


@needs_ffmpeg
def test_a_length_is_taken_from_packets_only_where_they_leave_no_doubt(tmp_path: Path) -> None:
    plain = encode(tmp_path / "plain.mp4", 30)
    ffmpeg("-ss", "0.4", "-i", plain, "-c", "copy", tmp_path / "trimmed.mp4")
    assert sound_length(plain) == 30
    assert sound_length(tmp_path / "trimmed.mp4") is None
    assert sound_length(encode(tmp_path / "slots.avi", 30)) is None
    assert sound_length(repack(plain, tmp_path / "headless.mp4", lose(0))) is None
