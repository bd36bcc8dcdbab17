"""What people type that is not quite what is meant: swapped arguments, addresses, patterns, lists, misspelled names."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oddframe.cli.inputs import is_address, videos_to_read
from oddframe.errors import InputError

Ask = Callable[..., Any]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what looks like a bundle and two videos."""
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    Path("run/bundle.json").write_text("{}")
    for name in ("a.mp4", "b.mp4"):
        Path(name).touch()
    return tmp_path


@pytest.mark.parametrize(
    "words", [("score", "a.mp4", "run", "--out", "o"), ("bench", "a.mp4", "run"), ("watch", "a.mp4", "run")]
)
def test_swapped_arguments_are_recognised(words: tuple[str, ...], place: Path, ask: Ask) -> None:
    answer = ask(*words)
    assert answer.status == 2
    assert answer.err == "oddframe: a.mp4 and run are swapped: the bundle comes first; write run a.mp4\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("score", "run", "https://host/a.mp4"), "https://host/a.mp4: this is an address; download the file first"),
        (("fit", "rtsp://host/1"), "rtsp://host/1: this is an address"),
        (("score", "s3://bucket/run", "a.mp4"), "s3://bucket/run: this is an address, and a bundle is a folder"),
        (("score", "run", "a.mp4", "--out", "s3://bucket/o"), "s3://bucket/o: this is an address, and the output"),
        (("data", "info", "http://h/v"), "http://h/v: this is an address"),
        (("data", "check", "http://h/v"), "http://h/v: this is an address"),
        (("export", "run", "--to", "onnx", "--video", "http://h/v"), "http://h/v: this is an address"),
    ],
)
def test_an_address_is_never_taken_for_a_path(words: tuple[str, ...], told: str, place: Path, ask: Ask) -> None:
    before = sorted(place.rglob("*"))
    answer = ask(*words)
    assert answer.status == 2 and told in answer.err and answer.err.count("\n") == 1
    assert sorted(place.rglob("*")) == before


def test_what_an_address_is() -> None:
    assert is_address("rtsp://host/1") and is_address("postgresql+psycopg://h/d")
    assert not any(map(is_address, ("folder:videos", "C:/videos", "a/b//c", "test:", "C:\\videos")))


@pytest.mark.parametrize("text", ["a.mp4\nb.mp4\n", "a.mp4\0b.mp4\0", "\na.mp4\n\nb.mp4"])
def test_a_minus_reads_a_list_from_standard_input(text: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert videos_to_read(["-"]) == ["a.mp4", "b.mp4"]


def test_an_empty_list_and_a_missing_video_of_a_list_are_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    with pytest.raises(InputError, match="standard input lists no video"):
        videos_to_read(["-"])
    monkeypatch.setattr("sys.stdin", io.StringIO("a.mp4\nc.mp4\n"))
    answer = ask("score", "run", "-", "--out", "o")
    assert answer.status == 2 and answer.err == "oddframe: c.mp4: no such file or folder\n"


def test_patterns_that_the_shell_left_alone_and_several_paths_are_taken(place: Path) -> None:
    assert videos_to_read(["*.mp4"]) == ["*.mp4"]
    assert videos_to_read(["a.mp4", "b.mp4"]) == ["a.mp4", "b.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("fit", "a.mp4", "--model", "sdmea"), "did you mean sdmae"),
        (("fit", "a.mp4", "--recipe", "sdmae-smal"), "did you mean sdmae-small"),
        (("fit", "a.mp4", "--set", "training.batchsize=8"), "did you mean training.batch_size"),
        (("fit", "a.mp4", "--device", "cud"), "did you mean cuda"),
        (("fit", "a.mp4", "--device", "cuda:1"), "set CUDA_VISIBLE_DEVICES=1"),
        (("score", "run", "a.mp4", "--device", "gpu"), "did you mean cuda"),
        (("score", "run", "a.mp4", "--runtime", "opnvino"), "did you mean openvino"),
        (("score", "run", "a.mp4", "--precision", "fp23"), "did you mean fp32"),
        (("export", "run", "--to", "onxx"), "did you mean onnx"),
        (("evaluate", "run", "--data", "folder:.", "--rule", "exclusiv"), "did you mean exclusive"),
        (("protocols", "honst"), "did you mean honest"),
        (("features", "clipp", "a.mp4"), "did you mean clip"),
        (("import-checkpoint", "sdmea", "a.mp4"), "did you mean sdmae"),
        (("demo", "--recipe", "camra"), "did you mean camera"),
        (("data", "info", "ucsd-pd2:run"), "did you mean ucsd-ped2"),
        (("data", "world", "w", "--kind", "runer"), "did you mean runner"),
        (("scor", "run", "a.mp4"), "did you mean score"),
        (("events", "lst"), "did you mean list"),
        (("score", "run", "a.mp4", "--devic", "cpu"), "did you mean --device"),
        (("cache", "clean", "--kind", "frame"), "did you mean frames"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_misspelled_name_gets_a_suggestion(words: tuple[str, ...], meant: str, place: Path, ask: Ask) -> None:
    answer = ask(*words)
    assert answer.status == 2 and meant in answer.err and answer.err.count("\n") == 1
