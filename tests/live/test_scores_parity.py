"""Live equals file: scores, events and boxes of a watched stretch are those of scoring its packets as a file."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from media import picture
from rtsp_server import RtspServer, write_video

import oddframe.live.loop as loop_module
from oddframe.datasets.windows import Chunk
from oddframe.live.address import Address
from oddframe.live.follower import Follower, Hooks
from oddframe.live.loop import LoopCamera, WatchLoop
from oddframe.live.messages import Arrived, Begun, Ended, Message, Notice
from oddframe.live.packets import PacketFile
from oddframe.live.pipeline import CameraPipeline, Step
from oddframe.live.ring import PacketRing, Reel
from oddframe.live.rules import CameraRules
from oddframe.live.shared import Network, OwnNetwork, SharedNetwork, another, remembers
from oddframe.models.fitted import FittedDetector
from oddframe.models.registry import entry, names
from oddframe.runtime.fitted import FittedRuntime
from oddframe.runtime.runtime import Runtime
from oddframe.runtime.torch import TorchRuntime
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.combine import ScoreRule, measure_levels
from oddframe.scoring.events import find_events
from oddframe.scoring.scorer import WindowScorer
from oddframe.settings import Smoothing
from oddframe.testing import fitted as fitted_contracts
from oddframe.testing import windows as window_contracts
from oddframe.testing.check import Case, cases
from oddframe.types import FrameScores
from oddframe.video.sources import VideoSource

CASES = [case for name in names() if entry(name).kind != "bags" for case in cases(entry(name))]
SMOOTHING = Smoothing("causal", 19, 5.6, rate=12.5)
FRAMES = 50


def runtime_of(case: Case) -> Runtime:
    if case.about.kind == "fitted":
        return FittedRuntime(fitted_contracts.fitted(case), "torch", "fp32")
    return TorchRuntime(window_contracts.make(case), "cpu")


def networks(runtime: Runtime, count: int) -> list[Network]:
    if isinstance(runtime, FittedRuntime):
        return [OwnNetwork(FittedRuntime(another(runtime.detector), "torch", "fp32")) for _ in range(count)]
    if remembers(runtime):
        return [OwnNetwork(runtime)] * count
    return [SharedNetwork(runtime)] * count


class Watching:
    """Scores and notices of cameras, as a listener of the loop."""

    def __init__(self) -> None:
        self.scores: dict[str, list[FrameScores]] = {}
        self.notices: dict[str, list[Notice]] = {}
        self.ended: dict[str, list[Ended]] = {}
        self.faults: dict[str, str] = {}

    def message(self, camera: LoopCamera, message: Message) -> None: ...

    def step(self, camera: LoopCamera, step: Step) -> None:
        self.scores.setdefault(camera.name, []).extend(step.scores)
        self.notices.setdefault(camera.name, []).extend(step.notices)

    def finished(self, camera: LoopCamera, ended: Ended) -> None:
        self.ended.setdefault(camera.name, []).append(ended)

    def failed(self, camera: LoopCamera, words: str) -> None:
        self.faults[camera.name] = words

    def idle(self) -> None: ...


def thresholds(scores: FrameScores, rule: ScoreRule) -> Calibration:
    """Thresholds with which there are events."""
    high, low = (float(np.quantile(scores.score, share)) for share in (0.8, 0.6))
    quantiles = {key: 0.0 for key in ("0.5", "0.9", "0.99", "0.999", "1.0")}
    return Calibration(high, low, 0.3, 0.1, None, 0.8, 0, 60.0, 1, 40.0, quantiles, dict(rule.levels))


def scored_file(path: Path, runtime: Runtime) -> tuple[FrameScores, ScoreRule]:
    """The scores of a file, and the rule; what is normal is measured on the file itself."""
    source, combination = VideoSource(path.stem, path, "file"), runtime.signature.combination
    plain = ScoreRule(replace(combination, scale="none"), SMOOTHING)
    first = WindowScorer(runtime, plain).score(source)
    levels = measure_levels([first.components], combination)
    rule = ScoreRule(replace(combination, scale="normal"), SMOOTHING, levels)
    return WindowScorer(runtime, rule).score(source), rule


def watch_together(sources: Sequence[Follower], runtime: Runtime, rules: Sequence[CameraRules]) -> Watching:
    watching, bell = Watching(), threading.Event()
    pairs = zip(sources, rules, networks(runtime, len(sources)), strict=True)
    cameras = [LoopCamera(rule.name, source, CameraPipeline(rule), net) for source, rule, net in pairs]
    WatchLoop(cameras, watching, bell).run()
    return watching


def assert_alike(live: Sequence[FrameScores], notices: Sequence[Notice], file: FrameScores, rules: CameraRules) -> None:
    """The same scores, bit for bit, and the same events but for what names them."""
    fields = {"frame": file.frame, "time": file.time, "score": file.score, **file.components}
    for name, wanted in fields.items():
        got = [one.components[name] if name in file.components else getattr(one, name) for one in live]
        assert np.concatenate(got).tobytes() == wanted.tobytes(), name
    if file.map is not None:
        assert np.concatenate([one.map for one in live if one.map is not None]).tobytes() == file.map.tobytes()
    c = rules.calibration
    events = find_events(file, c.threshold, c.low, c.merge_s, c.min_s)
    closed = [one for one in notices if one.change == "closed" and one.kind == "anomaly"]
    assert [(one.start_s, one.peak_s, one.end_s, one.score, one.box) for one in closed] == [
        (one.start_s, one.peak_s, one.end_s, one.score, one.box) for one in events
    ]
    opened = [one for one in notices if one.change == "opened" and one.kind == "anomaly"]
    assert events and [one.id for one in opened] == [one.id for one in closed]


def rules_for(name: str, file: FrameScores, rule: ScoreRule, runtime: Runtime) -> CameraRules:
    return CameraRules(name, "bundle", runtime.signature, rule, thresholds(file, rule))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 with B-frames."""
    return write_video(tmp_path_factory.mktemp("parity") / "film.mp4", FRAMES, reorder=2)


# The quick tests take each system in one preset.
FIRST = [next(case for case in CASES if case.about.name == name) for name in dict.fromkeys(c.about.name for c in CASES)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=str(case), marks=[] if case in FIRST else [pytest.mark.slow]) for case in CASES]
)
def test_a_watched_file_is_a_scored_file(case: Case, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = runtime_of(case)
    file, rule = scored_file(film, runtime)
    rules = rules_for("one", file, rule, runtime)
    for turn in (1, 3, 8):
        monkeypatch.setattr(loop_module, "TURN", turn)
        followers = [Follower(name, Address.parse(str(film)), runtime.signature.window) for name in ("one", "two")]
        both = [rules, replace(rules, name="two")]
        count = 2 if turn == 3 else 1  # two cameras share one pass
        watching = watch_together(followers[:count], runtime, both[:count])
        for name in ("one", "two")[:count]:
            assert_alike(watching.scores[name], watching.notices[name], file, rules)


@pytest.mark.slow
def test_a_recording_of_a_stream_scores_as_the_stream_did(film: Path, tmp_path: Path) -> None:
    (case, *_) = [case for case in CASES if case.about.name == "mnad"]
    runtime = runtime_of(case)
    file, rule = scored_file(film, runtime)
    rules = rules_for("gate", file, rule, runtime)
    ring, reels, bell = PacketRing(60.0), list[Reel | None](), threading.Event()

    class UntilLost(Watching):
        def finished(self, camera: LoopCamera, ended: Ended) -> None:
            super().finished(camera, ended)
            reels.append(ring.follow_after(0))
            loop.stop()

    watching = UntilLost()
    with RtspServer(film.parent) as server:
        hooks = Hooks(begin=ring.begin, packet=lambda packet, _stream, utc: ring.add(packet, utc), message=bell.set)
        address = Address.parse(server.url("film.mp4", 1))
        follower = Follower("gate", address, runtime.signature.window, hooks, capacity=1000)
        (network,) = networks(runtime, 1)
        loop = WatchLoop([LoopCamera("gate", follower, CameraPipeline(rules), network)], watching, bell)
        loop.run(30)
    (reel,) = reels
    assert reel is not None
    recorded = PacketFile(tmp_path / "recorded.mp4", reel.parameters)
    for packet in reel.take():
        recorded.write(packet)
    recorded.close()
    again = WindowScorer(runtime, rule).score(VideoSource("recorded", tmp_path / "recorded.mp4", "file"))
    assert len(again.frame) == len(file.frame)
    assert_alike(watching.scores["gate"], watching.notices["gate"], again, rules)
    assert [one.kind for one in watching.notices["gate"] if one.kind == "gap"] == ["gap", "gap"]


def test_the_score_of_a_window_does_not_depend_on_its_neighbours() -> None:
    from oddframe.datasets.windows import stream_chunks
    from oddframe.video.decode import Frame

    (case, *_) = [case for case in CASES if case.about.name == "memae"]
    runtime = runtime_of(case)
    window = runtime.signature.window
    films = []
    for seed in (0, 100):
        images = [picture(seed + n, window.size)[..., : window.channels] for n in range(30)]
        films.append(list(stream_chunks((Frame(n, n / 10, image) for n, image in enumerate(images)), window, 1)))
    network = SharedNetwork(runtime)
    alone = [[network.score([chunk])[0] for chunk in chunks] for chunks in films]
    mixed: list[Chunk] = [chunk for pair in zip(*films, strict=True) for chunk in pair]
    together = network.score(mixed)
    for number, errors in enumerate(together):
        wanted = alone[number % 2][number // 2]
        for name, values in errors.components.items():
            assert values.tobytes() == wanted.components[name].tobytes()
        assert errors.map is not None and wanted.map is not None
        assert errors.map.tobytes() == wanted.map.tobytes()


@pytest.mark.slow
def test_a_frame_is_scored_as_soon_as_its_look_ahead_has_come(film: Path) -> None:
    from oddframe.video.decode import VideoReader

    for case in FIRST:
        runtime = runtime_of(case)
        signature = runtime.signature
        plain = ScoreRule(replace(signature.combination, scale="none"), Smoothing("none"))
        file = WindowScorer(runtime, plain).score(VideoSource("film", film, "file"))
        pipeline = CameraPipeline(rules_for("one", file, plain, runtime))
        (network,) = networks(runtime, 1)
        window = signature.window
        with VideoReader(VideoSource("film", film, "file"), window.size, window.colour, window.resize) as reader:
            pipeline.take(Begun(replace(reader.info, key="live-1"), 0.0))
            done = 0
            first = int(file.frame[0])
            for frame in reader:
                chunks, _ = pipeline.take(Arrived(frame, 0.0, 0.0))
                for chunk, errors in zip(chunks, network.score(chunks), strict=True):
                    done += sum(len(scores.frame) for scores in pipeline.scored(chunk, errors).scores)
                assert done == max(0, frame.index + 1 - first - signature.look_ahead), str(case)


def test_a_fitted_detector_of_another_camera_shares_what_was_learned() -> None:
    (case, *_) = [case for case in CASES if case.about.kind == "fitted"]
    detector = fitted_contracts.fitted(case)
    twin = another(detector)
    assert isinstance(twin, FittedDetector) and twin is not detector
    images = fitted_contracts.video(detector.window, seed=2)
    alone = fitted_contracts.score(another(detector), images)
    fitted_contracts.score(detector, fitted_contracts.video(detector.window, seed=3))
    assert all(np.array_equal(alone[name], values) for name, values in fitted_contracts.score(twin, images).items())
