"""`oddframe watch` as people use it: on files and on a stream, from the command line and from Python, to its end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from receiver import Receiver
from rtsp_server import RtspServer, free_port, write_video
from watching import Program, make_run, write_odd_video

import oddframe
from oddframe.datasets.folder import read_folder
from oddframe.errors import InputError, RecipeError
from oddframe.live import loop
from oddframe.live.messages import Notice
from oddframe.live.pipeline import CameraPipeline
from oddframe.live.rules import WEEK
from oddframe.live.scores import ScoreWriter
from oddframe.live.shared import SharedNetwork
from oddframe.live.states import StateChange
from oddframe.live.teller import CameraCount, Outlets, Teller
from oddframe.locks import holding
from oddframe.runtime.sessions import OpenVINOSession
from oddframe.scoring.files import load_scores
from oddframe.settings import ThresholdOptions
from oddframe.street import World, render_world
from oddframe.workflow import watch as workflow_watch
from oddframe.workflow import watch_plan

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        yield make_run(folder)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_odd_video(tmp_path_factory.mktemp("odd") / "odd.mp4")


@pytest.mark.slow
def test_a_file_is_watched_with_everything_that_is_kept(run: Path, odd: Path, tmp_path: Path, ask: Ask) -> None:
    out = tmp_path / "out"
    answer = ask("watch", run, odd, odd, "--name", "gate", "--name", "yard", "--out", out, "--json", "--record")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert {one["frames"] for one in found["cameras"].values()} == {60}
    assert {one["scored"] for one in found["cameras"].values()} == {60}
    assert found["cameras"]["gate"]["events"] >= 1 and "gate: event " in answer.err
    said = [line for line in answer.err.splitlines() if " gate: " in line]
    assert said[-1].endswith("gate: stopped, the file is over"), "after its events"
    (scores,) = [load_scores(path) for path in (out / "scores" / "gate").glob("*.npz")]
    whole = oddframe.load_run(run).score(odd, progress=False)
    assert scores.score.tobytes() == whole[0].score.tobytes() and scores.bundle == whole[0].bundle
    notices = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    closed = {
        (one["start_s"], one["end_s"]) for one in notices if one["camera"] == "gate" and one["change"] == "closed"
    }
    assert closed == {(round(event.start_s, 3), round(event.end_s, 3)) for event in whole.events()}
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert {"state", "begun", "ended"} <= {row["what"] for row in log}
    assert list((out / "clips" / "gate").glob("*.mp4"))
    (recorded,) = (out / "recordings" / "gate").glob("*.mp4")
    again = oddframe.load_run(run).score(recorded, progress=False)
    assert again[0].score.tobytes() == scores.score.tobytes()


def test_python_gets_every_notice(run: Path, odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Notice] = []
    watched = oddframe.watch(oddframe.load_run(run), odd, on_event=told.append)
    assert [one.change for one in told if one.change != "updated"][:2] == ["opened", "closed"]
    assert watched.whole and watched.cameras["camera"].frames == 60 and watched.sinks["on_event"].sent == len(told)
    assert not any(capsys.readouterr())


def test_it_ends_after_so_many_seconds(run: Path) -> None:
    began = time.monotonic()
    watched = oddframe.watch(run, "test:96x64@10", seconds=1.0, options=oddframe.WatchOptions())
    assert 1.0 <= time.monotonic() - began < 20 and watched.whole and not watched.signal


def test_a_camera_that_is_not_there_at_the_end_is_told(run: Path, tmp_path: Path, ask: Ask) -> None:
    answer = ask("watch", run, f"rtsp://127.0.0.1:{free_port()}/x", "--seconds", 1, "--out", tmp_path / "out")
    assert answer.status == 3 and "lost" in answer.out and "camera: " in answer.err


def test_what_cannot_be_watched_is_one_line(run: Path, odd: Path, tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    out = ("--out", tmp_path / "out")
    for words, told in (
        ((run, tmp_path / "broken.mp4"), "broken.mp4"),
        ((run, tmp_path / "nothing.mp4"), "nothing.mp4"),
        ((run, "gopher://host/x"), "gopher://"),
        ((run,), "there is no source to watch"),
        ((run, odd, odd, "--name", "a"), "1 names for 2 sources"),
        ((run, odd, odd, "--name", "a", "--name", "a"), "two cameras have the name a"),
        ((run, odd, "--name", "a/b"), "becomes a folder"),
        ((run, odd, "--runtime", "auto"), "name the one to watch with"),
        ((run, odd, "--metrics", "x"), "HOST:PORT"),
        ((run, odd, "--exec", "there-is-no-such-program"), "--exec: there is no program 'there-is-no-such-program'"),
        ((run, odd, "--exec", f"{tmp_path / 'broken.mp4'} x"), "broken.mp4 may not be executed; allow it (chmod +x)"),
        ((run, "rtsp://{NOT_SET_ANYWHERE}@host/x"), "NOT_SET_ANYWHERE"),
    ):
        answer = ask("watch", *words, *out)
        assert answer.status == 2 and told in answer.err and answer.err.count("\n") == 1, answer
    answer = ask("watch", run, odd, "--webhook", "http://127.0.0.1:1/x")
    assert answer.status == 2 and "--out" in answer.err
    answer = ask("watch", run, odd, "--out", run)
    assert answer.status == 2 and "holds a trained detector" in answer.err


def test_one_broken_source_does_not_end_the_others(run: Path, odd: Path, tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    answer = ask("watch", run, tmp_path / "broken.mp4", odd, "--json")
    cameras = json.loads(answer.out)["cameras"]
    assert answer.status == 3 and cameras["camera2"]["scored"] == 60 and "broken.mp4" in cameras["camera1"]["fault"]


def test_a_configuration_is_checked_and_watched(
    run: Path, odd: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.mp4").write_bytes(odd.read_bytes())
    path = tmp_path / "watch.yaml"
    elsewhen = WEEK[(datetime.now().weekday() + 3) % 7]
    path.write_text(
        f"bundle: {run}\nout: kept\ncameras:\n"
        f"  gate: {{source: odd.mp4, schedule: {elsewhen}}}\n  yard: {{source: odd.mp4, threshold: 1000}}\n"
        "on_event: {webhook: {url: 'http://127.0.0.1:1/x', secret_env: A_SECRET}}\n"
    )
    answer = ask("watch", "--check", path)
    assert answer.status == 2 and "A_SECRET is not set" in answer.err
    monkeypatch.setenv("A_SECRET", "s3cret")
    answer = ask("watch", "--check", path)
    assert answer.status == 0 and "gate" in answer.out and not (tmp_path / "kept").exists()
    path.write_text(path.read_text().split("on_event")[0])
    plain = path.read_text()
    path.write_text(f"{plain}on_event: {{command: no-such-program --loud}}\n")
    for words in (("--check", path), ("--config", path)):
        answer = ask("watch", *words)
        assert answer.status == 2 and answer.err.count("\n") == 1 and not (tmp_path / "kept").exists()
        assert "on_event.command: there is no program 'no-such-program'" in answer.err
    path.write_text(plain)
    answer = ask("watch", "--config", path, "--json")
    cameras = json.loads(answer.out)["cameras"]
    assert answer.status == 0, answer.err
    assert cameras["gate"]["held"] == cameras["gate"]["events"] >= 1 and not cameras["yard"]["events"]
    rows = [json.loads(line) for line in (tmp_path / "kept" / "events.jsonl").read_text().splitlines()]
    assert {row["held"] for row in rows} == {"outside the schedule"}
    path.write_text("cameras: {gate: {source: odd.mp4}}\n")
    answer = ask("watch", "--check", path)
    assert answer.status == 2 and "there is no bundle to watch with" in answer.err
    assert ask("watch", "--example").out.startswith("# oddframe watch --config watch.yaml")


def test_a_weakly_supervised_detector_is_refused(run: Path, odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(trained: Any) -> None:
        raise RecipeError(f"{trained.path}: this is for one-class detectors; mil learns from labelled videos")

    monkeypatch.setattr(watch_plan, "window_signature", refuse)
    with pytest.raises(RecipeError, match="this is for one-class detectors"):
        oddframe.watch(run, odd)


def test_a_fault_of_the_callback_is_no_fault_of_the_watch(run: Path, odd: Path) -> None:
    def broken(notice: Notice) -> None:
        raise ValueError("mine")

    watched = oddframe.watch(run, odd, on_event=broken)
    assert watched.whole and watched.sinks["on_event"].failed > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["Ctrl-C", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("state", ["connecting", "running", "stalled", "waiting"])
def test_a_signal_ends_it_in_every_state(run: Path, tmp_path: Path, state: str, number: int) -> None:
    write_video(tmp_path / "film.mp4", 100)
    with RtspServer(tmp_path) as server, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        source = {
            "connecting": f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", "waiting": f"rtsp://127.0.0.1:{free_port()}/x",
        }.get(state, server.url("film.mp4"))  # fmt: skip
        with Program(run, source, out=tmp_path / "out") as program:
            if state == "stalled":
                program.until_state("running")
                server.stop()
            program.until_state(state)
            began = time.monotonic()
            status, out, err = program.end(number)
            lasted = time.monotonic() - began
    # Two seconds on a machine that has nothing else to do.
    assert status == 128 + number and lasted < 15, (out, err)
    assert "camera  " in out and "Traceback" not in err
    assert (tmp_path / "out" / "events.jsonl").is_file()


@pytest.mark.slow
def test_an_open_event_is_closed_when_it_is_stopped(run: Path, tmp_path: Path) -> None:
    write_odd_video(tmp_path / "odd.mp4", 400)
    with Program(run, tmp_path / "odd.mp4", "--as-live", "--threshold", "-1", out=tmp_path / "out") as program:
        lines = tmp_path / "out" / "events.jsonl"
        while not program.gone() and not (lines.is_file() and "opened" in lines.read_text()):
            time.sleep(0.05)
        status, out, err = program.end()
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    (closed,) = [row for row in rows if row["change"] == "closed"]
    assert status == 130 and closed["text"].endswith("; stopped"), (out, err)
    (scores,) = [load_scores(path) for path in (tmp_path / "out" / "scores" / "camera").glob("*.npz")]
    assert len(scores.frame) and "stopped" in scores.info.notes[-1]


@pytest.mark.slow
def test_an_exported_detector_watches_without_torch(odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "normal").mkdir()
    write_video(tmp_path / "normal" / "a.mp4", 200)
    trained = oddframe.fit(
        tmp_path / "normal", model="mnad", out=tmp_path / "run", changes=["options.size=[32, 64]", "options.width=2"],
        training=oddframe.TrainingOptions(budget="4steps", progress=False), threshold=ThresholdOptions(quantile=0.9),
    )  # fmt: skip
    oddframe.export(trained, "onnx", tmp_path / "onnx", videos=odd)
    program = "import sys; from oddframe.cli import main; sys.modules['torch'] = None; main()"
    words = ["watch", tmp_path / "onnx", odd, odd, "--out", tmp_path / "out", "--json"]
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = oddframe.load_run(tmp_path / "onnx").score(odd, progress=False)[0]
    for name in ("camera1", "camera2"):
        (path,) = (tmp_path / "out" / "scores" / name).glob("*.npz")
        assert load_scores(path).score.tobytes() == wanted.score.tobytes()


@pytest.mark.slow
def test_a_vehicle_where_people_walk_comes_to_the_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ODDFRAME_WEBHOOK_SECRET", "s3cret")
    street = render_world(
        tmp_path / "street", World(seed=1, size=(90, 160)), videos=3, test_videos=1, seconds=8, kinds=("cart", "car")
    )
    oddframe.fit(
        street / "training" / "videos", model="camera", out=tmp_path / "run",
        changes=["options.parts=[monitors, scene]", "options.height=64"], threshold=ThresholdOptions(quantile=0.95),
    )  # fmt: skip
    (video,) = read_folder(street / "testing").videos
    with Receiver() as receiver:
        words = (tmp_path / "run", street / "testing" / "videos" / "01.mp4", "--name", "street")
        with Program(*words, "--webhook", receiver.url, out=tmp_path / "out") as program:
            out, err = program.process.communicate(timeout=120)
        assert program.process.returncode == 0, (out, err)
    rows = [one.row for one in receiver.accepted]
    steps = [row["change"] for row in rows if row["kind"] == "anomaly"]
    assert steps[:2] == ["opened", "closed"] and rows[0]["camera"] == "street" and rows[0]["box"] is not None
    assert all("x-oddframe-signature" in one.headers for one in receiver.accepted)
    assert video.labels is not None
    planted, last = np.flatnonzero(video.labels) / 12.5, rows[1]
    assert last["start_s"] <= planted[-1] and last["end_s"] >= planted[0]


def test_a_console_that_is_gone_does_not_end_it(run: Path, odd: Path, tmp_path: Path) -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    options = watch_plan.WatchOptions()
    plan = watch_plan.make_plan(run, [odd], tmp_path / "out", None, options)
    watched = workflow_watch.watch_plan(plan, workflow_watch.Console(gone, gone))
    assert watched.whole and watched.cameras["camera"].scored == 60


def test_a_loss_with_new_words_is_one_loss(run: Path) -> None:
    count = CameraCount()
    nothing: Any = SimpleNamespace(state=lambda *_: None)
    teller = Teller(Outlets(nothing, nothing, lambda line: None))
    teller._desks["gate"] = SimpleNamespace(count=count)  # type: ignore[assignment]
    for state, words in (("running", ""), ("waiting", "a"), ("waiting", "b"), ("running", ""), ("waiting", "c")):
        teller.state(StateChange("gate", state, words, 0.0))  # type: ignore[arg-type]
    assert count.losses == 2


def test_a_fault_in_one_network_ends_only_its_cameras(run: Path, odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score, first = SharedNetwork.score, list[int]()

    def broken(network: SharedNetwork, chunks: Any) -> Any:
        first.append(id(network))
        if id(network) == first[0]:
            raise RuntimeError("busy")
        return score(network, chunks)

    def apart(cameras: Any) -> Any:
        return [network for camera in cameras for network in one_by_one([camera])]

    one_by_one = workflow_watch._networks
    monkeypatch.setattr(workflow_watch, "_networks", apart)
    monkeypatch.setattr(SharedNetwork, "score", broken)
    watched = oddframe.watch(run, [odd, odd], options=oddframe.WatchOptions(names=("a", "b")))
    faults = sorted(one.fault for one in watched.cameras.values())
    assert faults[0] == "" and faults[1].startswith("a fault of oddframe: RuntimeError: busy (test_watch.py, line ")
    assert sorted(one.scored for one in watched.cameras.values()) == [0, 60]


def broken_for(camera: str, method: Any, after: int = 0) -> Any:
    """A method of a pipeline or of a writer of scores that fails for one camera from some call on."""
    calls = list[object]()

    def call(owner: Any, *values: Any) -> Any:
        name = owner.rules.name if isinstance(owner, CameraPipeline) else owner._camera
        calls.extend([owner] * (name == camera))
        if name == camera and len(calls) > after:
            raise KeyError("what nobody\nexpects")
        return method(owner, *values)

    return call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "method", "after"),
    [
        (CameraPipeline, "take", 12),
        (CameraPipeline, "scored", 3),
        (CameraPipeline, "close", 0),
        (ScoreWriter, "push", 2),
        (ScoreWriter, "end", 0),
    ],
)
def test_a_fault_that_nobody_expects_ends_one_camera_alone(
    run: Path, odd: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, after: int
) -> None:
    monkeypatch.setattr(owner, method, broken_for("a", getattr(owner, method), after))
    answer = ask("watch", run, odd, odd, "--name", "a", "--name", "b", "--json", "--out", tmp_path / "out")
    cameras = json.loads(answer.out)["cameras"]
    assert answer.status == 3 and cameras["b"]["scored"] == 60 and not cameras["b"]["fault"], answer.err
    told = "a fault of oddframe: KeyError: 'what nobody\\nexpects' (test_watch.py, line "
    assert cameras["a"]["fault"].startswith(told)
    lines = [line for line in answer.err.splitlines() if "a: not watched any more: " in line]
    assert len(lines) == 1 and told in lines[0]
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["text"] for row in log if row["what"] == "fault"] == [cameras["a"]["fault"]]
    rows = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    assert {row["id"] for row in rows if row["change"] == "opened"} == {
        row["id"] for row in rows if row["change"] == "closed"
    }, "what was open is closed"


def test_a_fault_that_nobody_expects_of_the_only_camera_is_an_internal_error(
    run: Path, odd: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CameraPipeline, "take", broken_for("camera", CameraPipeline.take))
    answer = ask("watch", run, odd)
    assert answer.status == 1 and "internal error: KeyError" in answer.err and "report for a bug" in answer.err


def test_no_line_of_the_console_says_a_word_twice_in_a_row(
    run: Path, odd: Path, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop, a webhook that is not there, a camera that is not there, a writer that fails: all of what is said."""
    monkeypatch.setattr(ScoreWriter, "push", broken_for("camera1", ScoreWriter.push))
    answer = ask(
        "watch", run, odd, "test:96x64@10", f"rtsp://127.0.0.1:{free_port()}/x", "--out", tmp_path / "out",
        "--seconds", 2, "--webhook", f"http://127.0.0.1:{free_port()}/x",
    )  # fmt: skip
    said = answer.out + answer.err
    assert (
        "camera2: stopped" in said and "camera1: not watched any more" in said and "notices wait in the outbox" in said
    )
    assert not re.findall(r"\b([a-z]\w+)\W+\1\b", said)
    assert "wrapped_avframe" not in said and "latency: of live sources alone" in said
    assert answer.out.endswith(f"next    oddframe review {tmp_path / 'out'}\n")


def test_threads_share_a_session_of_openvino() -> None:
    class Request:
        value: float | None = None

        def start_async(self, feed: Any, share_inputs: bool) -> None:
            if self.value is not None:
                raise RuntimeError("Infer Request is busy")
            self.value = feed["x"]

        def wait(self) -> None:
            time.sleep(0.002)

        def get_output_tensor(self, number: int) -> Any:
            value, self.value = self.value, None
            return SimpleNamespace(data=np.array(value))

    session = OpenVINOSession.__new__(OpenVINOSession)
    session.path, session.requests, session.outputs = Path("x"), [Request(), Request()], 1
    session._lock = threading.Lock()

    def call(number: int) -> list[float]:
        return [float(found[0]) for found in session([{"x": np.array(float(number + n))} for n in range(3)])]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(20))) == [[number, number + 1, number + 2] for number in range(20)]


def test_two_watches_do_not_write_into_one_folder(run: Path, odd: Path, tmp_path: Path) -> None:
    with holding(tmp_path / "out"), pytest.raises(InputError, match="out"):
        oddframe.watch(run, odd, tmp_path / "out")


@pytest.mark.slow
def test_what_a_slow_machine_drops_is_counted_everywhere(
    run: Path, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps = iter([0.0] * 3 + [1.5])
    score = SharedNetwork.score

    def slow(network: SharedNetwork, chunks: Any) -> Any:
        time.sleep(next(naps, 0.0))
        return score(network, chunks)

    monkeypatch.setattr(SharedNetwork, "score", slow)
    monkeypatch.setattr(loop, "TURN", 1)
    monkeypatch.setattr(workflow_watch, "capacity_for", lambda window: 8)
    told: list[Notice] = []
    options = oddframe.WatchOptions(as_live=True)
    watched = oddframe.watch(run, odd, tmp_path / "out", on_event=told.append, options=options)
    count = watched.cameras["camera"]
    assert count.dropped > 0 and count.stretches >= 2 and not watched.whole
    assert count.scored + count.dropped == 60
    gaps = [one for one in told if one.kind == "gap"]
    assert {one.change for one in gaps} == {"opened", "closed"} and "frames were dropped" in gaps[0].text
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert sum(row["frames"] for row in log if row["what"] == "drop") == count.dropped
    stored = [load_scores(path) for path in sorted((tmp_path / "out" / "scores").rglob("*.npz"))]
    assert len(stored) == count.stretches and "frames after it were dropped" in stored[0].info.notes[-1]
    assert all(scores.frame[0] == 0 and scores.time[0] == 0 for scores in stored)
