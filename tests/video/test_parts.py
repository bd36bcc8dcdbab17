"""Play lists with absent segments, joined files, errors without a mark, and what only looks like a loss."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from bars import encode, ffmpeg, needs_ffmpeg, read, repack, with_bytes

from oddframe.account import Account
from oddframe.errors import VideoError
from oddframe.video.decode import probe
from oddframe.video.opening import PLAY_LISTS
from oddframe.video.parts import read_play_list
from oddframe.video.search import search_videos
from oddframe.video.sources import VideoSource


def account_of(path: Path) -> tuple[Account, tuple[str, ...]]:
    info = read(path)[2]
    assert info.account is not None
    return info.account, info.damage


@pytest.fixture
def play_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four segments of 15 frames; play lists are allowed."""
    monkeypatch.setenv(PLAY_LISTS, "1")
    video = encode(tmp_path / "whole.mkv", 60)
    ffmpeg("-i", video, "-c", "copy", "-hls_time", "0.6", "-hls_list_size", "0", tmp_path / "v.m3u8")
    return tmp_path / "v.m3u8"


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(("gone", "missing"), [((), 0), ((1,), 15), ((1, 2), 30), ((3,), 15)])
def test_absent_segments_are_missing_frames(play_list: Path, gone: tuple[int, ...], missing: int) -> None:
    for number in gone:
        (play_list.parent / f"v{number}.ts").unlink()
    account, damage = account_of(play_list)
    assert (account.missing, account.decoded) == (missing, 60 - missing) and account.incomplete == bool(gone)
    assert not gone or any(f"first v{gone[0]}.ts" in line for line in damage)


@needs_ffmpeg
def test_a_segment_that_is_cut_off_is_missed(play_list: Path) -> None:
    cut = play_list.parent / "v2.ts"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 188 // 2 * 188])
    account, _ = account_of(play_list)
    assert account.decoded + account.missing + account.corrupt == 60 and account.missing > 3 and account.incomplete


def test_a_play_list_of_whole_seconds_is_not_taken_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "v.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:2,\na.ts\n#EXTINF:1.5,\nb.ts?x=1\n#EXT-X-ENDLIST\n")
    (tmp_path / "b.ts").touch()
    listed = read_play_list(path)
    assert (listed.seconds, listed.absent, listed.absent_s) == (3.5, ("a.ts",), 2.0)
    assert listed.slack_s == pytest.approx(0.55)
    path.write_text("#EXTM3U\n#EXTINF:2,\na.ts\n")
    assert read_play_list(path).seconds == 0, "of a recording that goes on"


def test_errors_in_motion_jpeg_are_counted_and_their_frames_kept(tmp_path: Path) -> None:
    sound = encode(tmp_path / "v.avi", 20, "mjpeg", options={})
    account, damage = account_of(sound)
    assert account.flawed == 0 and damage == ()

    def spoilt(number: int, packet: av.Packet) -> av.Packet:
        data = bytearray(bytes(packet))
        if number in (5, 6, 12):
            scan = data.rindex(b"\xff\xda") + 14
            some = (len(data) - scan) // 2
            noise = np.random.default_rng(number).integers(0, 255, some, np.uint8)
            data[scan + some // 2 : scan + some // 2 + some] = noise.tobytes()
        return with_bytes(packet, bytes(data))

    account, _ = account_of(repack(sound, tmp_path / "w.avi", spoilt))
    assert (account.decoded, account.flawed, account.unsound, account.lost) == (20, 3, 0, 0)


@pytest.mark.parametrize("stamps", [(787, 793, 800), (880, 893, 907), (773, 787, 880)])
def test_stamps_that_lie_too_close_beside_a_gap_are_no_loss(tmp_path: Path, stamps: tuple[int, ...]) -> None:
    """Of frames 20 to 22, which are due at 800, 840 and 880 ms."""

    def moved(number: int, packet: av.Packet) -> av.Packet:
        if 20 <= number < 23:
            packet.pts = stamps[number - 20]
        packet.dts = packet.pts
        return packet

    whole = encode(tmp_path / "w.mkv", 60, "mpeg2video", options={"g": "15"})
    account, damage = account_of(repack(whole, tmp_path / "v.mkv", moved))
    assert account.decoded == 60 and account.missing == account.unsound == 0, damage


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("bframes", ["0", "2"])
def test_joined_transport_streams_of_two_sizes_lose_nothing(tmp_path: Path, bframes: str) -> None:
    parts = []
    for name, size in (("a", "96x64"), ("b", "192x128")):
        video = encode(tmp_path / f"{name}.mkv", 50, options={"g": "16", "crf": "20"})
        ffmpeg("-i", video, "-s", size, "-c:v", "libx264", "-bf", bframes, tmp_path / f"{name}.ts")
        parts.append((tmp_path / f"{name}.ts").read_bytes())
    (tmp_path / "v.ts").write_bytes(b"".join(parts))
    account, damage = account_of(tmp_path / "v.ts")
    assert account.decoded == 100 and account.lost_share == 0, damage


@pytest.mark.parametrize("suffix", [".flv", ".mp4"])
def test_bytes_after_the_end_of_the_first_of_two_joined_files_are_named(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"v{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(20):
            noise = rng.integers(0, 256, (64, 96, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, "bgr24")))
        container.mux(stream.encode(None))
    assert account_of(path)[1] == ()
    path.write_bytes(2 * path.read_bytes())
    account, damage = account_of(path)
    assert account.decoded == 20 and any("after the end of the video were not read" in line for line in damage)


def test_a_gif_is_only_said_to_be_transparent_where_it_is(tmp_path: Path) -> None:
    from PIL import Image

    for name, clear in (("plain", False), ("clear", True)):
        images = []
        for n in range(4):
            image = Image.new("RGBA", (32, 24), (40 * n, 80, 120, 255))
            if clear:
                image.paste((0, 0, 0, 0), (4, 4, 20, 12))
            images.append(image)
        images[0].save(tmp_path / f"{name}.gif", save_all=True, append_images=images[1:], duration=40, disposal=2)
        notes = read(tmp_path / f"{name}.gif")[2].notes
        assert any("alpha" in note for note in notes) == clear


def test_a_dash_play_list_and_a_program_stream_without_video_are_called_by_name(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", 3)
    (tmp_path / "v.mpd").write_text('<?xml version="1.0"?>\n<MPD type="static">\n</MPD>\n')
    assert "a DASH play list, which is not read" in search_videos(tmp_path).notes()[0]
    with pytest.raises(VideoError, match=r"v\.mpd: a DASH play list, which is not read"):
        probe(VideoSource("v", tmp_path / "v.mpd", "file"))
    with av.open(str(tmp_path / "s.mpg"), "w") as container:
        stream = container.add_stream("mp2", rate=44_100)
        for n in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), "s16", "stereo")
            frame.sample_rate, frame.pts = 44_100, n * 1152
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="FFmpeg finds no video in it; remux it"):
        probe(VideoSource("s", tmp_path / "s.mpg", "file"))
