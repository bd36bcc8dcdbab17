"""Strange videos, links in their places, frame folders and names."""

from __future__ import annotations

import os
import re
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.torture.cages import INPUT, OK, SKIPPED, Cage, Words, beast, write_video

# ---- videos ---------------------------------------------------------------------------------------------------------


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header promises another size."""
    import cv2

    data = bytearray(cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: int | None = None, more: bytes = b"", animated: int = 0) -> bytes:
    """A grey PNG, all black, with as many rows as stated or fewer."""
    packer, packed = zlib.compressobj(1), b""
    row = bytes(width + 1)
    for _ in range(height if rows is None else rows):
        packed += packer.compress(row)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    animation = chunk(b"acTL", struct.pack(">II", animated, 0)) if animated else b""
    return (
        b"\x89PNG\r\n\x1a\n" + head + animation + more + chunk(b"IDAT", packed + packer.flush()) + chunk(b"IEND", b"")
    )


def box(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    """A box of an MP4."""
    return struct.pack(">I", len(content) + 8 if size is None else size) + kind + content


def lying_avi(cage: Cage, frames: int) -> bytes:
    """An AVI whose headers promise so many frames."""
    data = bytearray(write_video(cage.folder / "true.avi", 60, "mjpeg").read_bytes())
    for place in (data.index(b"avih") + 8 + 16, data.index(b"strh") + 8 + 32):
        data[place : place + 4] = frames.to_bytes(4, "little")
    return bytes(data)


HTML = b"<!DOCTYPE html><html><body>404</body></html>"
MOOV = b""
for _ in range(2000):
    MOOV = box(b"moov", MOOV)
EBML = bytes.fromhex("1a45dfa3 9f 4286810142f7810142f2810442f381084282 88 6d6174726f736b61 42878104 42858102")
SDP = (
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n%s\n#EXT-X-ENDLIST\n"
FFCONCAT = b"ffconcat version 1.0\nfile good.mkv\n"
PLAYED = "a play list or a script that plays other files"

FILES: dict[str, tuple[bytes, str]] = {
    "empty.mp4": (b"", "the file is empty"),
    "garbage.mp4": (np.random.default_rng(0).bytes(5000), "not a video"),
    "garbage.mkv": (EBML + np.random.default_rng(1).bytes(5000), "not a video|no video|decoded"),
    "garbage.avi": (b"RIFF\xff\xff\xff\x7fAVI " + np.random.default_rng(2).bytes(5000), "not a video|no video"),
    "garbage.ts": (
        b"".join(b"G" + np.random.default_rng(n).bytes(187) for n in range(60)),
        "not a video|no video|decoded",
    ),
    "garbage.flv": (
        b"FLV\x01\x01\0\0\0\x09\0\0\0\0" + np.random.default_rng(3).bytes(4000),
        "not a video|no video|decoded",
    ),
    "garbage.h264": (b"\0\0\0\x01" + np.random.default_rng(4).bytes(4000), "not a video|no video|decoded"),
    "garbage.mpg": (b"\0\0\x01\xba" + np.random.default_rng(5).bytes(4000), "not a video|no video|decoded"),
    "garbage.ogv": (b"OggS" + np.random.default_rng(6).bytes(4000), "not a video|no video|decoded"),
    "garbage.wmv": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(500), "not a video|no video|decoded"),
    "garbage.mxf": (bytes.fromhex("060e2b34020501010d01020101020400") + bytes(500), "not a video|no video|decoded"),
    "garbage.rm": (b".RMF" + bytes(500), "not a video|no video|decoded"),
    "text.mp4": (b"this is not a video\n" * 50, "a text file"),
    "page.mp4": (HTML, "a text file|web page"),
    "pointer.mp4": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "a text file|Git LFS"),
    "zeros.mp4": (bytes(300_000), "not a video"),
    "ones.mp4": (b"\xff" * 300_000, "not a video"),
    "no-index.mp4": (box(b"ftyp", b"isom\0\0\0\0") + box(b"mdat", bytes(5000)), "without a usable index"),
    "deep.mp4": (box(b"ftyp", b"isom\0\0\0\0") + MOOV, "without a usable index"),
    "endless-box.mp4": (box(b"ftyp", b"isom\0\0\0\0") + struct.pack(">I4sQ", 1, b"moov", 2**63), "no video stream"),
    "endless-element.mkv": (
        EBML + bytes.fromhex("18538067 01fffffffffffffe 1654ae6b 01fffffffffffffe"),
        "not a video|no video",
    ),
    "archive.mp4": (b"PK\x03\x04" + bytes(400), "not a video"),
    "flash.mp4": (
        b"CWS\x0a" + struct.pack("<I", 2**31) + zlib.compress(bytes(1 << 22)),
        "not a video|no video|decoded",
    ),
    "huge.y4m": (b"YUV4MPEG2 W99999 H99999 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(5000), "not a video|pixels|decoded"),
    "huge.mjpeg": (jpeg(60000, 60000) * 5, "pixels|decoded|not a video"),
    "huge.ivf": (
        b"DKIF\0\0\x20\0VP80" + struct.pack("<HHIIII", 65535, 65535, 25, 1, 9, 0) + bytes(500),
        "pixels|decoded|not a video",
    ),
    "huge.gif.mp4": (
        b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(6) + b"," + bytes(4) + b"\xff\xff\xff\xff\0\x02\x02L\x01\0;",
        "pixels|decoded|not a video",
    ),
    "huge.png.mp4": (png(65000, 65000, 20), "pixels|decoded|not a video"),
    "subtitles.mp4": (b"# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\n", "a text file"),
    "script.mp4": (b'AVISource("good.avi")\n', "a text file"),
    "drawing.mp4": (
        b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        "text file",
    ),
    "asx.wmv": (b'<ASX version="3.0"><Entry><Ref href="http://127.0.0.1:9/x.wmv"/></Entry></ASX>', PLAYED),
    "smil.rm": (b'<smil><body><video src="good.mkv"/></body></smil>', PLAYED),
    "dash.mp4": (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "DASH"),
    "imf.mp4": (b'<?xml version="1.0"?><CompositionPlaylist xmlns="x"></CompositionPlaylist>', "a text file"),
    "concat.mp4": (FFCONCAT, PLAYED),
    "concat.mkv": (b"\xef\xbb\xbf" + FFCONCAT, PLAYED),
    "hls.ts": (HLS % b"good.mkv", PLAYED),
    "hls.mp4": (HLS % b"/etc/passwd", PLAYED),
    "network.mp4": (HLS % b"http://127.0.0.1:9/x.ts", PLAYED),
    "session.mov": (SDP, PLAYED),
}


def file_in_folder(name: str, data: bytes) -> Callable[[Cage], Words]:
    def make(cage: Cage) -> Words:
        (cage.videos / name).write_bytes(data)
        return cage.score(cage.videos)

    return make


for name, (data, says) in FILES.items():
    beast("videos", name, SKIPPED, f"skipped {re.escape(name.rsplit('.', 1)[0])}.*({says})", True)(
        file_in_folder(name, data)
    )


@beast("videos", "an AVI that promises 2^32 frames", OK, good=True)
def videos_an_avi_that_promises_2_32_frames(cage: Cage) -> Words:
    (cage.videos / "lying.avi").write_bytes(lying_avi(cage, 2**32 - 1))
    return cage.score(cage.videos)


@beast("videos", "fit on an AVI that promises 2^32 frames", OK)
def videos_fit_on_an_avi_that_promises_2_32_frames(cage: Cage) -> Words:
    (cage.videos / "lying.avi").write_bytes(lying_avi(cage, 2**32 - 1))
    return cage.fit(cage.videos)


@beast("videos", "fit on an AVI that promises a million frames", OK)
def videos_fit_on_an_avi_that_promises_a_million_frames(cage: Cage) -> Words:
    (cage.videos / "lying.avi").write_bytes(lying_avi(cage, 10**6))
    return cage.fit(cage.videos)


@beast("videos", "fit on a folder with garbage", SKIPPED, "skipped garbage")
def videos_fit_on_a_folder_with_garbage(cage: Cage) -> Words:
    (cage.videos / "garbage.mp4").write_bytes(FILES["garbage.mp4"][0])
    return cage.fit(cage.videos)


@beast("videos", "features of a folder with garbage", SKIPPED, "skipped garbage")
def videos_features_of_a_folder_with_garbage(cage: Cage) -> Words:
    (cage.videos / "garbage.mp4").write_bytes(FILES["garbage.mp4"][0])
    return cage.features()


@beast("videos", "bench on a folder with garbage", SKIPPED, "skipped garbage")
def videos_bench_on_a_folder_with_garbage(cage: Cage) -> Words:
    (cage.videos / "garbage.mp4").write_bytes(FILES["garbage.mp4"][0])
    return ["bench", cage.run, cage.videos, "--frames", "5", "--rounds", "1"]


@beast("videos", "calibrate on a folder with garbage", SKIPPED, "skipped garbage")
def videos_calibrate_on_a_folder_with_garbage(cage: Cage) -> Words:
    write_video(cage.videos / "other.mkv", 80)
    (cage.videos / "good.mkv").unlink()
    (cage.videos / "garbage.mp4").write_bytes(FILES["garbage.mp4"][0])
    return ["calibrate", cage.run, cage.videos, "--out", cage.out, "--quantile", "0.9"]


@beast("videos", "data check of a folder with garbage", SKIPPED, "garbage.mp4: not a video")
def videos_data_check_of_a_folder_with_garbage(cage: Cage) -> Words:
    (cage.videos / "garbage.mp4").write_bytes(FILES["garbage.mp4"][0])
    return ["data", "check", cage.videos]


@beast("videos", "garbage alone", INPUT, "garbage.mp4: not a video")
def videos_garbage_alone(cage: Cage) -> Words:
    (cage.folder / "garbage.mp4").write_bytes(FILES["garbage.mp4"][0])
    return cage.score(cage.folder / "garbage.mp4")


@beast("videos", "a play list in a folder", OK, "left out .*list.m3u8: a play list", True)
def videos_a_play_list_in_a_folder(cage: Cage) -> Words:
    (cage.videos / "list.m3u8").write_bytes(HLS % b"good.mkv")
    return cage.score(cage.videos)


@beast("videos", "a play list alone", INPUT, f"list.m3u8: {PLAYED}.*--play-lists")
def videos_a_play_list_alone(cage: Cage) -> Words:
    (cage.videos / "list.m3u8").write_bytes(HLS % b"good.mkv")
    return cage.score(cage.videos / "list.m3u8")


@beast("videos", "a play list of the network that is allowed", INPUT, "list.m3u8")
def videos_a_play_list_of_the_network_that_is_allowed(cage: Cage) -> Words:
    (cage.videos / "list.m3u8").write_bytes(HLS % b"http://127.0.0.1:9/x.ts")
    return cage.score(cage.videos / "list.m3u8", "--play-lists")


@beast("videos", "a play list that is allowed", OK)
def videos_a_play_list_that_is_allowed(cage: Cage) -> Words:
    (cage.videos / "list.mp4").write_bytes(FFCONCAT)
    return cage.score(cage.videos / "list.mp4", "--play-lists")


for number, word in enumerate(
    ("http://127.0.0.1:9/x.mp4", "rtsp://127.0.0.1:9/x", "concat:a.mp4|b.mp4", "-", "pipe:0", "")
):
    beast("videos", f"no path {number}", INPUT, re.escape(word.split(":")[-1].replace("//", "/")) or "empty")(
        lambda cage, word=word: cage.score(word)  # type: ignore[misc]
    )


def sock(path: Path) -> None:
    """A socket, whose path may be longer than the system takes."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


LINKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe.mp4": (lambda path: os.mkfifo(path), "a named pipe"),
    "socket.mp4": (sock, "a socket"),
    "zero.mp4": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "null.mp4": (lambda path: path.symlink_to("/dev/null"), "a device"),
    "random.mp4": (lambda path: path.symlink_to("/dev/urandom"), "a device"),
    "nowhere.mp4": (lambda path: path.symlink_to("/nowhere/x.mp4"), "is not there"),
    "itself.mp4": (lambda path: path.symlink_to(path), "leads back to this link"),
    "above": (lambda path: path.symlink_to(path.parent), "a folder above it"),
}
for name, (make, says) in LINKS.items():

    def in_folder(cage: Cage, name: str = name, make: Callable[[Path], object] = make) -> Words:
        make(cage.videos / name)
        return cage.score(cage.videos)

    beast("links", f"{name} in a folder", SKIPPED, f"skipped {re.escape(name.split('.')[0])}.*{says}", True)(in_folder)
    if "." in name:

        def alone(cage: Cage, name: str = name, make: Callable[[Path], object] = make) -> Words:
            make(cage.folder / name)
            return cage.score(cage.folder / name)

        beast("links", f"{name} alone", INPUT, f"{re.escape(name)}: .*{says}")(alone)


@beast("links", "/dev/zero", INPUT, "/dev/zero: a device")
def links_dev_zero(cage: Cage) -> Words:
    return cage.score("/dev/zero")


@beast("links", "/dev/stdin", INPUT, "/dev/stdin")
def links_dev_stdin(cage: Cage) -> Words:
    return cage.score("/dev/stdin")


@beast("links", "/proc/self", INPUT, "/proc/self")
def links_proc_self(cage: Cage) -> Words:
    return cage.score("/proc/self/fdinfo")


@beast("links", "two folders that link to each other", OK, "left out", True)
def links_two_folders_that_link_to_each_other(cage: Cage) -> Words:
    for own, other in (("a", "b"), ("b", "a")):
        (cage.videos / own).mkdir()
        (cage.videos / own / "link").symlink_to(cage.videos / other)
    return cage.score(cage.videos)


@beast("links", "a link to the folder above the videos", SKIPPED, "skipped root: .*a folder above it", True)
def links_a_link_to_the_folder_above_the_videos(cage: Cage) -> Words:
    (cage.videos / "root").symlink_to("..")
    return cage.score(cage.videos)


@beast("links", "fit on a folder with a pipe", SKIPPED, "skipped pipe.*a named pipe")
def links_fit_on_a_folder_with_a_pipe(cage: Cage) -> Words:
    os.mkfifo(cage.videos / "pipe.mp4")
    return cage.fit(cage.videos)


@beast("links", "data check of a folder with a pipe", SKIPPED, "pipe.mp4: a named pipe")
def links_data_check_of_a_folder_with_a_pipe(cage: Cage) -> Words:
    os.mkfifo(cage.videos / "pipe.mp4")
    return ["data", "check", cage.videos]


# ---- frame folders --------------------------------------------------------------------------------------------------


def frames(folder: Path, count: int = 6, names: str = "{:03d}.png", data: bytes | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / names.format(number)).write_bytes(png(32, 24) if data is None else data)
    return folder


def tiff(width: int, height: int, following: int = 0) -> bytes:
    """A TIFF of one strip of a few bytes; `following`: where the next page stands."""
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, 8),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return (
        b"II*\0"
        + struct.pack("<I", 16)
        + bytes(8)
        + struct.pack("<H", len(tags))
        + entries
        + struct.pack("<I", following)
    )


WEBP = b"RIFF\x2a\0\0\0WEBPVP8L\x1e\0\0\0\x2f\xff\xff\xff\x0f" + bytes(30)
JP2 = bytes.fromhex(
    "ff4fff51 0029 0000 ffffffff ffffffff 00000000 00000000 ffffffff ffffffff 00000000 00000000 0001 070101"
) + bytes(40)

IMAGES: dict[str, tuple[str, bytes, str]] = {
    "20000 x 20000, PNG": ("{}.png", png(20000, 20000, 2000), "pixels"),
    "9000 x 9000, PNG": ("{}.png", png(9000, 9000), "9000 x 9000 pixels"),
    "60000 x 60000, PNG": ("{}.png", png(60000, 60000, 10), "pixels"),
    "20000 x 20000, JPEG": ("{}.jpg", jpeg(20000, 20000), "pixels"),
    "16384 x 16384, WebP": ("{}.webp", WEBP, "pixels|not one frame"),
    "2^32 x 2^32, JPEG 2000": ("{}.jp2", JP2, "pixels|not one frame"),
    "2^31 x 2^31, PPM": ("{}.ppm", b"P6 2147483647 2147483647 255\n" + bytes(100), "pixels|not one frame"),
    "2^31 x 2^31, BMP": (
        "{}.bmp",
        b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 154, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(100),
        "pixels|not one frame",
    ),
    "60000 x 60000, TIFF": ("{}.tif", tiff(60000, 60000), "pixels|not one frame"),
    "garbage": ("{}.png", np.random.default_rng(7).bytes(3000), "not one frame"),
    "empty images": ("{}.jpg", b"", "not one frame"),
    "a web page each": ("{}.jpg", HTML, "not one frame"),
    "cut off": ("{}.jpg", jpeg(16, 16)[:100], "not one frame"),
    "bomb of text": ("{}.png", png(32, 24, more=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 26), 1))), ""),
    "bomb of a profile": ("{}.png", png(32, 24, more=chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1 << 26), 1))), ""),
    "one pixel": ("{}.png", png(1, 1), ""),
    "names beyond numbers": ("9" * 200 + "{}.png", png(32, 24), ""),
}
for name, (names, data, says) in IMAGES.items():

    def images(cage: Cage, names: str = names, data: bytes = data) -> Words:
        frames(cage.videos / "strange", names=names, data=data)
        return cage.score(cage.videos)

    beast("frames", name, SKIPPED if says else OK, f"skipped strange.*({says})" if says else "", True)(images)


@beast("frames", "one huge image among others", SKIPPED, "incomplete strange", True)
def frames_one_huge_image_among_others(cage: Cage) -> Words:
    frames(cage.videos / "strange")
    (cage.videos / "strange" / "003.png").write_bytes(IMAGES["9000 x 9000, PNG"][1])
    return cage.score(cage.videos)


@beast("frames", "a pipe among images", SKIPPED, "incomplete strange", True)
def frames_a_pipe_among_images(cage: Cage) -> Words:
    frames(cage.videos / "strange")
    (cage.videos / "strange" / "003.png").unlink()
    os.mkfifo(cage.videos / "strange" / "003.png")
    return cage.score(cage.videos)


@beast("frames", "a link to /dev/zero among images", SKIPPED, "incomplete strange", True)
def frames_a_link_to_dev_zero_among_images(cage: Cage) -> Words:
    frames(cage.videos / "strange")
    (cage.videos / "strange" / "003.png").unlink()
    (cage.videos / "strange" / "003.png").symlink_to("/dev/zero")
    return cage.score(cage.videos)


@beast("frames", "a TIFF whose pages lead in a circle", OK, good=True)
def frames_a_tiff_whose_pages_lead_in_a_circle(cage: Cage) -> Words:
    import cv2

    cv2.imwritemulti(str(cage.videos / "circle.tif"), [np.zeros((24, 32), np.uint8)] * 3)
    data = (cage.videos / "circle.tif").read_bytes()
    first = data[4:8]
    at = struct.unpack("<I", first)[0]
    count = struct.unpack_from("<H", data, at)[0]
    after = at + 2 + 12 * count
    second = struct.unpack_from("<I", data, after)[0]
    count = struct.unpack_from("<H", data, second)[0]
    after = second + 2 + 12 * count
    (cage.videos / "circle.tif").write_bytes(data[:after] + first + data[after + 4 :])
    return cage.score(cage.videos)


@beast("frames", "an APNG of a huge size", SKIPPED, "skipped strange.*(pixels|decoded)", True)
def frames_an_apng_of_a_huge_size(cage: Cage) -> Words:
    (cage.videos / "strange.png").write_bytes(png(60000, 60000, 10, animated=3))
    return cage.score(cage.videos)


@beast("frames", "five hundred folders in each other", OK, good=True)
def frames_five_hundred_folders_in_each_other(cage: Cage) -> Words:
    deep = cage.videos
    here = os.getcwd()
    os.chdir(deep)
    for _ in range(500):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)
    return cage.score(cage.videos)


@beast("frames", "fit on a folder of huge images", SKIPPED, "skipped strange.*pixels")
def frames_fit_on_a_folder_of_huge_images(cage: Cage) -> Words:
    frames(cage.videos / "strange", data=IMAGES["20000 x 20000, JPEG"][1], names="{}.jpg")
    return cage.fit(cage.videos)


@beast("frames", "data check of a folder of huge images", SKIPPED, "strange.*pixels")
def frames_data_check_of_a_folder_of_huge_images(cage: Cage) -> Words:
    frames(cage.videos / "strange", data=IMAGES["20000 x 20000, JPEG"][1], names="{}.jpg")
    return ["data", "check", cage.videos]


# ---- names ----------------------------------------------------------------------------------------------------------

PLAIN_NAMES = (
    "-dash.mkv", "--out.mkv", "two  blanks.mkv", "'quote'.mkv", '"quotes".mkv', "a:b.mkv", "http:x.mkv", "%03d.mkv",
    "*.mkv", "[ab].mkv", "{a,b}.mkv", "[red]bold[.mkv", "<script>alert(1).mkv", "&amp;.mkv", "..mkv.mkv",
    "con.mkv", "scores.mkv", "origin.mkv", "x.npz.mkv", "\u202egpm.4pm.mkv", "\u200bnothing.mkv", "\U0001f3a5.mkv",
    "Zu\u0308rich.mkv", "a\\b.mkv", "$(reboot).mkv", "a;b,c.mkv", "=1+1.mkv", "n" * 240 + ".mkv",
)  # fmt: skip
for name in PLAIN_NAMES:

    def named(cage: Cage, name: str = name) -> Words:
        os.link(cage.good, cage.videos / name)
        return cage.score(cage.videos)

    beast("names", ascii(name)[:40], OK, good=True)(named)

ODD_NAMES: dict[bytes, str] = {
    b"caf\xe9.mkv": r"skipped caf\\xe9: .*its name cannot be written as text",
    b"\xff\xfe.mkv": r"skipped \\xff\\xfe: .*its name cannot be written as text",
    b"esc\x1b[31mred\x1b]0;title\x07.mkv": r"skipped esc\\x1b\[31mred.*its name cannot be written as text",
    b"line\nbreak.mkv": r"skipped line\\x0abreak: .*its name cannot be written as text",
    b"back\rspace\x08.mkv": r"skipped back\\x0dspace\\x08: .*its name cannot be written as text",
    b"c1\xc2\x9b31m.mkv": r"skipped c1\\x9b31m: .*its name cannot be written as text",
    b"n" * 252 + b".ts": r"skipped n{252}: .*its name is too long",
}
for raw, says in ODD_NAMES.items():

    def odd(cage: Cage, raw: bytes = raw) -> Words:
        os.link(cage.good, cage.videos / os.fsdecode(raw))
        return cage.score(cage.videos)

    beast("names", ascii(raw)[:40], SKIPPED, says, True)(odd)


@beast("names", "not UTF-8, alone", INPUT, r"caf\\xe9.mkv: its name cannot be written|caf\\udce9.mkv: its name cannot")
def names_not_utf_8_alone(cage: Cage) -> Words:
    os.link(cage.good, cage.videos / os.fsdecode(b"caf\xe9.mkv"))
    return cage.score(cage.videos / os.fsdecode(b"caf\xe9.mkv"))


@beast("names", "escape sequences, absent", INPUT, r"\\x1b\[31m.mkv: no file or folder")
def names_escape_sequences_absent(cage: Cage) -> Words:
    return cage.score(cage.videos / "\x1b[31m.mkv")


@beast("names", "fit on a name that is not UTF-8", SKIPPED, r"skipped caf\\xe9: .*its name cannot be written as text")
def names_fit_on_a_name_that_is_not_utf_8(cage: Cage) -> Words:
    os.link(cage.good, cage.videos / os.fsdecode(b"caf\xe9.mkv"))
    return cage.fit(cage.videos)


@beast("names", "features of a name of 255 bytes", SKIPPED, "skipped n{252}: .*its name is too long")
def names_features_of_a_name_of_255_bytes(cage: Cage) -> Words:
    os.link(cage.good, cage.videos / ("n" * 252 + ".ts"))
    return cage.features()


@beast("names", "data check of a name with escape sequences", SKIPPED, r"esc\\x1b\[31m.mkv: its name cannot be written")
def names_data_check_of_a_name_with_escape_sequences(cage: Cage) -> Words:
    os.link(cage.good, cage.videos / "esc\x1b[31m.mkv")
    return ["data", "check", cage.videos]


@beast(
    "names", "a folder whose name is not UTF-8", SKIPPED, r"skipped \\xe9: .*its name cannot be written as text", True
)
def names_a_folder_whose_name_is_not_utf_8(cage: Cage) -> Words:
    (cage.videos / os.fsdecode(b"\xe9")).mkdir()
    os.link(cage.good, cage.videos / os.fsdecode(b"\xe9") / "v.mkv")
    return cage.score(cage.videos)


for letter in "\u202e\u2066\u2028\u2029":

    def turning(cage: Cage, letter: str = letter) -> Words:
        (cage.videos / f"gpm{letter}4pm.mp4").write_bytes(FILES["garbage.mp4"][0])
        return cage.score(cage.videos)

    beast("names", f"garbage with {letter!a}", SKIPPED, r"skipped gpm\\u20\w\w4pm: .*not a video", True)(turning)

for suffix in (".csv", ".npz"):

    def beside(cage: Cage, suffix: str = suffix) -> Words:
        write_video(cage.videos / "x.mp4", 8)
        (cage.videos / f"x{suffix}").mkdir()
        write_video(cage.videos / f"x{suffix}" / "y.mp4", 9)
        return cage.score(cage.videos)

    beast("names", f"x.mp4 beside a folder x{suffix}", SKIPPED, f"skipped x({suffix}/y)?: .*rename one", True)(beside)


@beast("names", "x.mp4 beside a folder x.mp4.mkv", OK, good=True)
def names_x_mp4_beside_a_folder_x_mp4_mkv(cage: Cage) -> Words:
    write_video(cage.videos / "x.mp4", 8)
    write_video(cage.videos / "x.mkv", 9)
    (cage.videos / "x.mp4.mkv").mkdir()
    write_video(cage.videos / "x.mp4.mkv" / "y.mp4", 9)
    return cage.score(cage.videos)


@beast(
    "names",
    "overlays of a folder x.mp4 beside x.mkv",
    SKIPPED,
    "skipped x.mp4/y: scored, but not drawn.*rename one",
    True,
)
def names_overlays_of_a_folder_x_mp4_beside_x_mkv(cage: Cage) -> Words:
    write_video(cage.videos / "x.mkv", 8)
    (cage.videos / "x.mp4").mkdir()
    write_video(cage.videos / "x.mp4" / "y.mkv", 9)
    return ["score", cage.run, cage.videos, "--out", cage.out]
