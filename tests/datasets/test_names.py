"""Names of videos as label files write them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from oddframe.datasets.names import VideoNames, video_name
from oddframe.errors import InputError
from oddframe.video.sources import VideoSource

ROOT = Path("/set")


def index(*files: str) -> VideoNames:
    return VideoNames([VideoSource(name, ROOT / "videos" / f"{name}.mp4", "file") for name in files], ROOT)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a.mp4", "a"),
        ("a.MKV ", "a"),
        ("a.x264", "a.x264"),
        ("cam\\a.avi", "cam/a"),
        ("./cam/a", "cam/a"),
        (unicodedata.normalize("NFD", "Zürich.mp4"), "Zürich"),
        ("", ""),
    ],
)
def test_one_form_of_a_name(text: str, name: str) -> None:
    assert video_name(text) == name


@pytest.mark.parametrize("text", ["north/Zür", "north\\Zür.mp4", "videos/north/Zür.mp4", "./north/Zür.avi"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("own", ["NFC", "NFD"])
def test_a_video_is_found_in_every_way_of_writing_it(text: str, form: str, own: str) -> None:
    names = index(unicodedata.normalize(own, "north/Zür"), "south/Zür")  # type: ignore[arg-type]
    found = names.find(unicodedata.normalize(form, text), "here")  # type: ignore[arg-type]
    assert found is not None and found.name == unicodedata.normalize(own, "north/Zür")  # type: ignore[arg-type]


def test_case_and_zeros_count_but_are_asked_about() -> None:
    names = index("cam01", "CAM2", "x")
    assert names.find("cam1", "here") is None and names.find("", "here") is None
    assert names.close("Cam1.mp4") == "; is it 'cam01'?"
    assert names.close("cam02") == "; is it 'CAM2'?"
    assert names.close("other") == ""


def test_a_name_that_fits_two_videos_is_refused() -> None:
    both = [VideoSource(f"a.{suffix}", ROOT / f"a.{suffix}", "file") for suffix in ("mp4", "avi")]
    names = VideoNames(both, ROOT)
    found = names.find("a.avi", "here")
    assert found is not None and found.name == "a.avi"
    with pytest.raises(InputError, match=r"here: 'a' may be a\.mp4 or a\.avi; write the name with suffix"):
        names.find("a", "here")
