"""What is seen of an event is what the video has there, to the frame, or one line says why it is not."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from found import NOON, notice
from numpy.typing import NDArray
from PIL import Image
from shown import BUNDLE, FPS, SIZE, OpenPage, Page, scores_of, write_scored, write_video

import oddframe
from oddframe.live.clips import write_note
from oddframe.live.messages import Notice
from oddframe.live.scores import stamp
from oddframe.scoring.files import save_scores
from oddframe.server import clips, media, media_routes
from oddframe.server.cache import FileCache
from oddframe.types import Event
from oddframe.video.sources import VideoSource


def picture(number: int) -> NDArray[np.uint8]:
    """A picture that tells a number of 16 bits: bright and dark columns."""
    image = np.full((*SIZE, 3), 16, np.uint8)
    for bit in range(16):
        if number >> bit & 1:
            image[:, bit * 6 : bit * 6 + 6] = 235
    return image


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that a picture tells."""
    return sum(int(image[:, bit * 6 + 2 : bit * 6 + 4].mean() > 125) << bit for bit in range(16))


def coded(path: Path, stamps: list[int], base: Fraction, options: dict[str, str] | None = None) -> Path:
    """A video whose frames tell their numbers, at these stamps, with B-frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=30, options={"bf": "3", "g": "40", "crf": "12", **(options or {})}
        )
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = base
        for number, stamp_ in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24")
            frame.pts, frame.time_base = stamp_, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames_of(content: bytes) -> list[tuple[float, int]]:
    """Time and number of every frame of a clip, by decoding it."""
    with av.open(BytesIO(content)) as container:
        return [
            (float(f.pts * f.time_base), number_in(f.to_ndarray(format="rgb24"))) for f in container.decode(video=0)
        ]


def variable(count: int) -> list[int]:
    """Stamps in milliseconds, from 0, of a camera that slows down now and then."""
    chance = np.random.default_rng(3)
    return [0, *np.cumsum(chance.choice([20, 33, 40, 67, 100], count - 1)).tolist()]


RATES = {
    "29.97 fps": ("a.mp4", [1001 * number for number in range(300)], Fraction(1, 30000)),
    "29.97 fps, cut": ("a.mp4", [1001 * number for number in range(600)], Fraction(1, 30000)),
    "variable": ("a.mp4", variable(250), Fraction(1, 1000)),
    "variable, cut": ("a.mkv", variable(400), Fraction(1, 1000)),
    "that begins late, cut": ("a.mp4", [90 + 40 * number for number in range(300)], Fraction(1, 1000)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RATES)
def test_the_table_names_every_frame_of_the_clip(
    kind: str, tmp_path: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind.endswith("cut"):
        monkeypatch.setattr(clips, "SERVED_S", 5.0)
    name, stamps, base = RATES[kind]
    count = len(stamps)
    write_scored(tmp_path / "s", {"a": coded(tmp_path / "v" / name, stamps, base)}, peaks=(count // 2, count - 60))
    page = open_page(tmp_path / "s")
    for row in page.get("events")["events"]:
        table = page.get(f"events/{row['id']}/frames")
        content = page.client.get(f"/api/events/{row['id']}/clip").content
        seen = frames_of(content)
        assert [number for _, number in seen] == table["frames"], "each position is the frame that it is said to be"
        assert np.allclose([time for time, _ in seen], table["times"], atol=1e-6)
        first, last = table["span"]
        assert (table["frames"][first], table["frames"][last]) == (row["start_frame"], row["end_frame"])
        peak = table["frames"].index(row["peak_frame"])
        assert table["scores"][peak] == row["score"] == max(s for s in table["scores"][first : last + 1])
        assert table["boxes"][str(peak)] == row["box"] and set(map(int, table["boxes"])) == set(range(first, last + 1))
        assert abs(table["start_s"] + table["times"][peak] - row["peak_s"]) < 1e-3
        assert (table["frames"][0] > 0 or len(seen) < count) == kind.endswith("cut")


def test_a_short_video_that_a_browser_plays_is_its_own_clip(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    event = page.get("events")["events"][0]["id"]
    assert page.client.get(f"/api/events/{event}/clip").content == (scored.parent / "videos" / "door.mp4").read_bytes()
    assert not (scored / ".review").exists()


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["SERVED_S", "SERVED_BYTES"])
def test_another_video_is_cut_once(
    scored: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(clips, limit, 1)
    page = open_page(scored)
    event = page.get("events")["events"][0]
    first = page.client.get(f"/api/events/{event['id']}/clip").content
    (file,) = (scored / ".review").glob("*.mp4")
    before = file.stat().st_ino
    assert page.client.get(f"/api/events/{event['id']}/clip").content == first and file.stat().st_ino == before
    assert page.get(f"events/{event['id']}/frames")["frames"][0] == 20, "five seconds before the event"
    file.with_name(file.name + ".json").unlink()
    assert page.get(f"events/{event['id']}/frames")["frames"][0] == 20, "a clip without its table is made again"


def test_ranges_of_a_clip(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    url = f"/api/events/{page.get('events')['events'][0]['id']}/clip"
    whole = page.client.get(url)
    assert whole.headers["accept-ranges"] == "bytes" and whole.headers["content-type"] == "video/mp4"
    size = len(whole.content)
    for asked, start, end in (
        ("0-0", 0, 1),
        ("10-19", 10, 20),
        (f"{size - 5}-", size - 5, size),
        ("-7", size - 7, size),
    ):
        part = page.client.get(url, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206 and part.content == whole.content[start:end]
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    assert page.client.get(url, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert page.client.head(url).headers["content-length"] == str(size)


def test_a_video_that_is_gone_or_another_one_is_told(scored: Path, open_page: OpenPage) -> None:
    page, video = open_page(scored), scored.parent / "videos" / "door.mp4"
    event = page.get("events")["events"][0]["id"]
    other = write_video(video.with_name("other.mp4"), 100)
    kept = video.rename(video.with_name("kept.mp4"))
    told = page.get(f"events/{event}")
    assert told["clip"] is None and told["no_clip"] == f"the video is gone: {video} does not exist"
    assert page.get("events")["events"][0]["media"] is False
    shutil.copy(other, video)
    told = page.get(f"events/{event}")
    assert told["clip"] is None and "is another video now than the one that was scored" in told["no_clip"]
    for what in ("clip", "frames", "thumb", "heat"):
        assert "another video" in page.get(f"events/{event}/{what}", 404)["error"]
    assert page.post("marks", {"ids": [event], "what": "normal"})["marked"] == 1, "it can be marked all the same"
    os.replace(kept, video)
    assert page.get(f"events/{event}")["clip"]["width"] == SIZE[1]


def test_pictures_show_the_peak(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    event = page.get("events")["events"][0]
    thumb, heat = (
        np.asarray(Image.open(BytesIO(page.client.get(f"/api/events/{event['id']}/{kind}").content)), np.int64)
        for kind in ("thumb", "heat")
    )
    left = event["peak_frame"] % (SIZE[1] - 16)
    assert thumb.shape == (*SIZE, 3) and thumb[28, left + 8, 0] > 200 and thumb[28, (left + 40) % 96, 0] < 60
    box = event["box"]
    middle = (box[1] + box[3]) // 2, (box[0] + box[2]) // 2
    assert heat[middle][0] > thumb[middle][0] + 60 or heat[middle][0] > 120
    assert abs(heat[2, 2] - thumb[2, 2]).max() < 12, "where nothing is unusual, the picture is as it was"
    assert page.get(f"events/{event['id']}")["heat"] is True


def test_every_frame_of_a_clip_has_its_map(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    event = page.get("events")["events"][0]
    table = page.get(f"events/{event['id']}/frames")
    answer = page.client.get(f"/api/events/{event['id']}/maps")
    assert answer.status_code == 200 and table["map_size"] == [8, 12]
    maps = np.frombuffer(answer.content, np.uint8).reshape(len(table["times"]), 8, 12)
    peak = table["frames"].index(event["peak_frame"])
    assert maps[peak, 3, 7] == 255 and maps[peak].sum() == 255, "the cell of the peak, and no other"
    inside = [place for place in range(*table["span"]) if place != peak]
    assert all(0 < maps[place, 3, 7] <= 255 and maps[place].sum() == maps[place, 3, 7] for place in inside)
    calm = [place for place, score in enumerate(table["scores"]) if score == 0.5]
    assert calm and not maps[calm].any()


def test_maps_that_are_too_many_stay_where_they_are(
    scored: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MOST_CELLS", 8 * 12 * 199)
    page = open_page(scored)
    event = page.get("events")["events"][0]["id"]
    assert page.get(f"events/{event}/frames")["map_size"] is None
    assert page.get(f"events/{event}/maps", 404)["error"] == "there are no anomaly maps of this event"
    assert page.get(f"events/{event}")["heat"] is True, "the peak has one all the same"


def test_without_score_files_an_event_is_shown_without_scores(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    event = page.get("events")["events"][0]
    shutil.rmtree(scored / "scores")
    table = page.get(f"events/{event['id']}/frames")
    assert table["frames"][:3] == [0, 1, 2] and set(table["scores"]) == {None} and table["boxes"] == event["box"]
    assert table["span"] == [event["start_frame"], event["end_frame"]]
    assert page.get(f"events/{event['id']}")["heat"] is False
    assert page.get(f"events/{event['id']}/heat", 404)["error"] == "there is no anomaly map of this event"
    assert table["map_size"] is None
    assert page.get(f"events/{event['id']}/maps", 404)["error"] == "there are no anomaly maps of this event"


def test_scores_that_another_bundle_made_since_are_not_shown(scored: Path, open_page: OpenPage) -> None:
    page = open_page(scored)
    event = page.get("events")["events"][0]["id"]
    one = scores_of(scored.parent / "videos" / "door.mp4", "door")
    save_scores(replace(one, bundle="c1c1c1c1c1c1"), scored / "scores")
    assert set(page.get(f"events/{event}/frames")["scores"]) == {None}


def watched(folder: Path, ahead: float = 0.0, key: str = "live-x") -> tuple[Notice, int]:
    """What a watch leaves of an event of the camera "front": a clip from frame 30 on, a note, scores, and a store.

    Args:
        ahead: seconds by which the score file says that it was seen later.
        key: of the score file; the event is one of the stretch "live-x".
    """
    name = Event("front", 145, 150, 155, 0, 0, 0, 7.0, bundle=BUNDLE, key="live-x").id
    clip = folder / "clips" / "front" / f"{name}.mp4"
    stamps = [round(number * 1000 / FPS) for number in range(200)]
    whole = scores_of(coded(folder / "whole.mp4", stamps, Fraction(1, 1000)), "front")
    coded(clip, stamps[:150], Fraction(1, 1000))
    # The clip tells 0 for frame 30 of the stretch: its frame 120 is the peak, which is frame 150 of the scores.
    peak, begin = 150, NOON + 100.0
    one = replace(whole, info=replace(whole.info, key=key), video=f"front/{stamp(begin + ahead + whole.time[0])}")
    save_scores(one, folder / "scores")
    row = notice(7, "closed", id=name, bundle=BUNDLE, start_s=one.time[145], peak_s=one.time[peak], end_s=one.time[155],
                 score=7.0, box=[56, 24, 64, 32], width=whole.info.width, height=whole.info.height,
                 files={"clip": clip.relative_to(folder).as_posix()})  # fmt: skip
    times = {name: begin + row[f"{name}_s"] for name in ("start", "peak", "end")}
    told = Notice(**{**row, **{f"{name}_utc": moment for name, moment in times.items()}, "change": "closed"})
    write_note(clip.with_suffix(".json"), told, one.time[peak] - one.time[30])
    with oddframe.open_store(folder / "events.db") as store:
        store.tell([told.as_json()])
    return told, 30


@pytest.mark.slow
@pytest.mark.parametrize(("ahead", "key"), [(0.0, "live-other"), (900.0, "live-x"), (-900.0, "live-x-2")])
def test_the_clip_of_a_camera_has_the_scores_of_its_frames(
    tmp_path: Path, open_page: OpenPage, ahead: float, key: str
) -> None:
    told, offset = watched(tmp_path, ahead, key)
    page = open_page(tmp_path)
    (event,) = page.get("events")["events"]
    assert event["media"] and event["alike"].startswith("camera:front / anomaly / a / centre / ")
    table = page.get(f"events/{told.id}/frames")
    assert table["frames"] == [number + offset for number in range(150)]
    peak = table["frames"].index(150)
    assert table["scores"][peak] == 7.0 and table["boxes"][str(peak)] == [56, 24, 64, 32]
    assert [table["frames"][place] for place in table["span"]] == [145, 155]
    assert abs(table["start_s"] - offset / FPS) < 1e-3
    thumb = Image.open(BytesIO(page.client.get(f"/api/events/{told.id}/thumb").content))
    assert number_in(np.asarray(thumb)) == 120


def test_scores_of_another_time_and_stretch_are_not_those_of_an_event(tmp_path: Path, open_page: OpenPage) -> None:
    told, _ = watched(tmp_path, 900.0, "live-other")
    assert set(open_page(tmp_path).get(f"events/{told.id}/frames")["scores"]) == {None}


def test_a_clip_of_a_camera_without_a_note_is_shown_without_scores(tmp_path: Path, open_page: OpenPage) -> None:
    told, _ = watched(tmp_path)
    (tmp_path / "clips" / "front" / f"{told.id}.json").unlink()
    table = open_page(tmp_path).get(f"events/{told.id}/frames")
    assert table["span"] is None and set(table["scores"]) == {None} == set(table["frames"]) and table["start_s"] is None


@pytest.mark.slow
@pytest.mark.parametrize("place", ["../outside.mp4", "/etc/passwd", "clips/../../outside.mp4", "link.mp4", "x.mp4"])
def test_a_store_cannot_name_files_elsewhere(tmp_path: Path, open_page: OpenPage, place: str) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    write_video(tmp_path / "outside.mp4", 30)
    (folder / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    with oddframe.open_store(folder / "events.db") as store:
        store.tell([notice(1, "closed", files={"clip": place, "thumbnail": "../secret.jpg"})])
    page = open_page(folder)
    (event,) = page.get("events")["events"]
    assert event["media"] is False and event["thumb"] is False
    for what in ("clip", "thumb", "frames"):
        assert page.get(f"events/{event['id']}/{what}", 404)["error"]


def test_a_picture_that_is_none_is_not_handed_out(tmp_path: Path, open_page: OpenPage) -> None:
    (tmp_path / "secret.jpg").write_text("the password is 1234")
    with oddframe.open_store(tmp_path / "events.db") as store:
        store.tell([notice(1, "closed", files={"thumbnail": "secret.jpg", "heat": "secret.jpg"})])
    page = open_page(tmp_path)
    for what in ("thumb", "heat"):
        assert "password" not in page.client.get(f"/api/events/{1:016x}/{what}").text


def test_the_cache_lets_the_oldest_go(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, most_mb=0.0025)
    for number in range(4):
        path = cache.file(f"key {number}", ".bin", lambda path: path.write_bytes(b"x" * 1000) and None)
        path.with_name(path.name + ".json").write_text("{}")
        os.utime(path, (1000 + number, 1000 + number))
    assert [path.stat().st_mtime for path in sorted(tmp_path.glob("*.bin"), key=lambda path: path.stat().st_mtime)] == [
        1002, 1003,
    ]  # fmt: skip
    assert len(list(tmp_path.glob("*.json"))) == 2
    made: list[Path] = []
    assert cache.file("key 3", ".bin", made.append).is_file() and not made


def test_too_many_clips_at_once_are_put_off(scored: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page(scored)
    event = page.get("events")["events"][0]["id"]
    monkeypatch.setattr(media_routes, "MOST_WAITING", 0)
    answer = page.client.get(f"/api/events/{event}/clip")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "2"


def test_frames_of_a_folder_are_a_clip_too(tmp_path: Path, open_page: OpenPage) -> None:
    folder = tmp_path / "v" / "a"
    folder.mkdir(parents=True)
    for number in range(60):
        Image.fromarray(picture(number)).save(folder / f"{number:03d}.png")
    source = VideoSource("a", folder, "frames", 10.0)
    write_scored(tmp_path / "s", {"a": source}, peaks=(40,))
    page = open_page(tmp_path / "s")
    (event,) = page.get("events")["events"]
    table = page.get(f"events/{event['id']}/frames")
    seen = frames_of(page.client.get(f"/api/events/{event['id']}/clip").content)
    assert [number for _, number in seen] == table["frames"] == list(range(60))
    assert np.allclose(np.diff(table["times"]), 0.1, atol=1e-6)


def test_json_of_a_table_is_whole(scored: Path, open_page: OpenPage) -> None:
    page: Page = open_page(scored)
    event = page.get("events")["events"][0]["id"]
    text = page.client.get(f"/api/events/{event}/frames").text
    assert (
        json.loads(text).keys() == {"times", "start_s", "frames", "scores", "boxes", "span", "map_size"}
        and "NaN" not in text
    )
