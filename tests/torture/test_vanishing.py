"""Videos that a recorder removes or spoils while a command is at work: they are named, and all else is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import oddframe
import oddframe.workflow.bench as bench_module
import oddframe.workflow.fit_fitted as fit_module
import oddframe.workflow.outputs as outputs_module
import oddframe.workflow.passes as passes_module
from oddframe.errors import VideoError
from oddframe.settings import ThresholdOptions, TrainingOptions
from oddframe.video.decode import VideoReader
from oddframe.video.sources import VideoSource
from tests.conftest import Ask
from tests.torture.cages import prepare, write_video


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("vanishing") / "shared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(place / "cache"))
        prepare(place)
    return place


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two videos; b goes."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "a.mkv", 40)
    write_video(folder / "b.mkv", 50)
    return folder


@contextmanager
def after(patch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], object]) -> Iterator[None]:
    """`act` is done after the first call of a function of a module."""
    real, done = getattr(module, name), list[bool]()

    def call(*arguments: Any, **named: Any) -> Any:
        answer = real(*arguments, **named)
        if not done:
            done.append(True)
            act()
        return answer

    patch.setattr(module, name, call)
    yield
    assert done, f"{name} was never called"


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["removed", "spoilt", "a folder"])
def test_a_video_that_goes_before_its_overlay_is_in_the_report_all_the_same(
    shared: Path, videos: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def act() -> None:
        (videos / "b.mkv").unlink()
        if fault == "spoilt":
            (videos / "b.mkv").write_bytes(bytes(5000))
        elif fault == "a folder":
            (videos / "b.mkv").mkdir()

    out = tmp_path / "out"
    with after(monkeypatch, outputs_module, "write_events", act):
        answer = ask("score", shared / "run", videos, "--out", out)
    assert answer.status == 3, answer.err
    (line,) = [line for line in answer.err.splitlines() if line.startswith("skipped")]
    assert line.startswith("skipped b: scored, but not drawn (") and "b.mkv: " in line
    assert {path.name for path in (out / "scores").glob("*.npz")} == {"a.npz", "b.npz"}
    assert (out / "overlays" / "a.mp4").is_file() and not (out / "overlays" / "b.mp4").exists()
    assert "b" in (out / "report.html").read_text()


@pytest.mark.slow
def test_a_video_that_goes_while_it_is_fitted_is_named_and_the_others_are_learned(
    shared: Path, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(videos / "a.mkv", 100)
    write_video(videos / "b.mkv", 100)
    with after(monkeypatch, fit_module, "read_keys", (videos / "b.mkv").unlink):
        run = oddframe.fit(
            videos, model="monitors", out=tmp_path / "run", threshold=ThresholdOptions(quantile=0.9),
            training=TrainingOptions(workers=1, progress=False),
        )  # fmt: skip
    assert [source.name for source, _ in run.skipped] == ["b"]
    assert "b.mkv: no such file" in run.skipped[0][1]
    assert run.bundle.data.skipped[0].name == "b"


def test_a_library_that_fails_on_one_video_is_a_fault_of_that_video(
    shared: Path, videos: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = VideoReader._image

    def fail(self: VideoReader, picture: Any) -> Any:
        if self.info.name == "b":
            raise MemoryError
        return real(self, picture)

    monkeypatch.setattr(VideoReader, "_image", fail)
    answer = ask("score", shared / "run", videos, "--out", tmp_path / "out", "--no-overlay")
    assert answer.status == 3
    assert "skipped b: " in answer.err and "b.mkv: cannot be decoded (" in answer.err


@pytest.mark.slow
def test_bench_goes_on_without_a_video_that_is_broken(
    shared: Path, videos: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (videos / "b.mkv").write_bytes(bytes(100))
    with pytest.raises(VideoError):
        bench_module.probe(VideoSource("b", videos / "b.mkv", "file"))
    answer = ask("bench", shared / "run", videos, "--frames", "5", "--rounds", "1")
    assert answer.status == 3 and "measured a:" in answer.out and "skipped b: " in answer.err


def test_a_stretch_that_cannot_be_read_does_not_end_a_pass() -> None:
    lost: dict[str, str] = {}
    stretch = type("S", (), {"video": type("V", (), {"source": VideoSource("v", Path("v.mkv"), "file")})})

    def read() -> None:
        raise VideoError("v.mkv: gone")

    with passes_module._unless_lost(stretch, lost):
        read()
    assert lost == {"v": "v.mkv: gone"}
