"""An archive in a store of objects: moto serves S3 on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import oddframe
from oddframe.archive.merging import merge_plan
from oddframe.archive.planning import PlanOptions, make_plan
from oddframe.archive.running import run_plan
from oddframe.archive.status import read_status
from oddframe.errors import InputError
from oddframe.runners.local import LocalRunner
from oddframe.scoring.files import load_scores
from oddframe.video.identity import content_key
from oddframe.video.search import find_videos


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        import s3fs

        files = s3fs.S3FileSystem()
        files.mkdir("archive")
        yield "s3://archive"
    server.stop()


@pytest.mark.slow
def test_videos_and_plan_in_s3_give_what_files_give(s3: str, bundle: Path, archive: Path, tmp_path: Path) -> None:
    import s3fs

    files = s3fs.S3FileSystem()
    for name in ("01.mp4", "night/long.mp4"):
        files.put_file(str(archive / name), f"archive/videos/{name}")
    run, (first, _) = oddframe.load_run(bundle), find_videos(f"{s3}/videos")
    assert content_key(first) == content_key(find_videos(archive / "01.mp4")[0]), "a copy has the same key"
    options = PlanOptions(part_s=10.0, warm_s=1.0, measure=False)
    plan = make_plan(run, f"{s3}/videos", f"{s3}/plan", options, progress=False)
    assert list(plan.videos) == ["01", "night/long"] and len(plan.jobs) == 5
    assert run_plan(f"{s3}/plan", LocalRunner(2), progress=False).done == 5
    assert read_status(f"{s3}/plan").finished
    merged = merge_plan(f"{s3}/plan", tmp_path / "out", progress=False)
    assert merged.videos == 2 and (tmp_path / "out" / "index.html").is_file()
    for video, source in (("01", "01.mp4"), ("night/long", "night/long.mp4")):
        files.get_file(f"archive/plan/scores/{video}.npz", str(tmp_path / "one.npz"))
        (wanted,) = run.score(archive / source, progress=False)
        got = load_scores(tmp_path / "one.npz")
        assert np.array_equal(got.score, wanted.score) and got.info.key == wanted.info.key


@pytest.mark.slow
def test_what_is_not_in_s3_is_told_in_a_line(s3: str) -> None:
    with pytest.raises(InputError, match="s3://archive/nothing"):
        find_videos(f"{s3}/nothing")


def test_a_file_system_that_is_not_there_is_told_in_a_line() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="nosuch://"):
        find_videos("nosuch://somewhere/videos")
